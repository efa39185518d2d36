"""
Code and constants as text that is the same in every process, and another one when they are changed.
"""

from __future__ import annotations

import builtins
import dataclasses
import enum
import functools
import hashlib
import importlib
import importlib.util
import re
import sys
import typing
from collections import deque
from contextlib import suppress
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    EllipsisType,
    FunctionType,
    MappingProxyType,
    MethodType,
    ModuleType,
    NoneType,
)
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin
from uuid import UUID

import attrs
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from eventsource.domain.aggregates.aggregate import Aggregate
from eventsource.domain.snapshots.class_facts import facts_of_class, facts_of_field, is_made_by_others
from eventsource.domain.snapshots.code_references import references_of
from eventsource.domain.snapshots.sameness import class_of, is_any_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# Their `repr` says all there is, and nothing of the process.
_PLAIN: Final = frozenset(
    {
        *(NoneType, EllipsisType, bool, int, float, complex, str, bytes, bytearray, range, slice),
        *(Decimal, Fraction, date, datetime, time, timedelta, timezone, UUID, PurePosixPath, PureWindowsPath),
    }
)
# What stands for a name that is not there.
NOTHING: Final = object()
# What pydantic makes of `Field(max_length=3)`.
_CONSTRAINTS: Final = "pydantic._internal._fields"
_SEQUENCES: Final[tuple[type[Any], ...]] = (tuple, list, deque)
_SETS: Final[tuple[type[Any], ...]] = (set, frozenset)
_MAPPINGS: Final[tuple[type[Any], ...]] = (dict, MappingProxyType)
_PATTERN: Final[tuple[type[Any], ...]] = (re.Pattern,)
# What holds functions, and where.
_WRAPPERS: Final[dict[type[Any], tuple[str, ...]]] = {
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    MethodType: ("__func__", "__self__"),
    property: ("fget", "fset", "fdel"),
    functools.cached_property: ("func",),
    functools.partial: ("func", "args", "keywords"),
    functools.partialmethod: ("func", "args", "keywords"),
    type(functools.lru_cache(lambda: None)): ("__wrapped__",),
}


def digest(*parts: str) -> str:
    """
    One short text for several, in their order.
    """
    summary = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "backslashreplace")
        summary.update(b"%d:" % len(data))
        summary.update(data)
    return summary.hexdigest()


class Description:
    """
    Describes values, functions and classes, and all the code of the project that these refer to.

    What belongs to Python's library, to another distribution or to this package is described by its name and
    version: its authors say by them that it changed.

    Args:
        packages: Top names of packages that are the project, wherever they are installed.

        owner: Whose attributes are meant where a function reads one, of whatever object; its bases first.
    """

    def __init__(self, packages: frozenset[str], owner: tuple[type, ...]) -> None:
        self._packages = packages
        self._owner = owner
        self._entries: set[str] = set()
        self._waiting: deque[FunctionType | type] = deque()
        # By id, with what keeps the id its own.
        self._met: dict[int, object] = {}
        self._open: set[int] = set()
        self._attributes_met: set[str] = set()
        self.names: list[tuple[Mapping[str, object], str, object]] = []
        self.codes: list[tuple[FunctionType, CodeType]] = []

    def add(self, *parts: str) -> None:
        """
        Enter a fact; their order does not matter.
        """
        self._entries.add(digest(*parts))

    def add_attribute(self, name: str) -> None:
        """
        Enter the owner's attribute of that name, in every base that has one: each may call the next.
        """
        if name in self._attributes_met:
            return
        self._attributes_met.add(name)
        for base in self._owner:
            value = vars(base).get(name, NOTHING)
            if value is not NOTHING:
                self._watch(vars(base), name, value)
                self.add("attribute", base.__qualname__, name, self.token(value))

    def finish(self) -> str:
        """
        The text for all of it: 64 hex digits.
        """
        while self._waiting:
            each = self._waiting.popleft()
            if isinstance(each, FunctionType):
                self._add_function(each)
            else:
                self._add_class(each)
        return digest(*sorted(self._entries))

    # --- Values ---

    def token(self, value: Any) -> str:
        """
        A value as text. What it refers to is entered, too.
        """
        if type(value) in _PLAIN:
            return f"{type(value).__name__}:{value!r}"
        if id(value) in self._open:
            return "again"
        self._open.add(id(value))
        try:
            return self._composite(value)
        finally:
            self._open.discard(id(value))

    def _tokens(self, values: Iterable[Any]) -> Iterator[str]:
        return map(self.token, values)

    def _composite(self, value: Any) -> str:  # noqa: C901, PLR0911  a table of kinds, one line each
        match value:
            case FunctionType():
                return self._function(value)
            case type() if get_origin(value) is None:
                return self._class(value)
            case enum.Enum():
                return digest("enum", self._class(type(value)), value.name, self.token(value.value))
            case _ if is_any_of(value, _SEQUENCES):
                return digest(self._class(class_of(value)), *self._tokens(value))
            case _ if is_any_of(value, _SETS):
                # Their order depends on the seed of the process.
                return digest(self._class(class_of(value)), *sorted(self._tokens(value)))
            case _ if is_any_of(value, _MAPPINGS):
                default = getattr(value, "default_factory", None)
                tokens = (token for pair in value.items() for token in self._tokens(pair))
                return digest(self._class(class_of(value)), self.token(default), *tokens)
            case CodeType():
                return self._code(value)
            case ModuleType():
                return f"module:{value.__name__}{self._version(value.__name__)}"
            case BuiltinFunctionType():
                return f"builtin:{value.__module__}.{value.__qualname__}"
            case _ if is_any_of(value, _PATTERN):
                return digest("pattern", self.token(value.pattern), str(value.flags))
            case typing.NewType():
                return digest("new type", value.__name__, self.token(value.__supertype__))
            case _:
                return self._wrapper(value) or self._generic(value) or self._instance(value)

    def _wrapper(self, value: Any) -> str | None:
        """
        What holds functions in it.
        """
        for kind, names in _WRAPPERS.items():
            if isinstance(value, kind):
                return digest(kind.__name__, *self._tokens(getattr(value, name) for name in names))
        if isinstance(value, functools.singledispatchmethod):
            single: Any = value  # pyright: ignore[reportUnknownVariableType]  of whatever
            return digest("single dispatch", self.token(single.func), self.token(dict(single.dispatcher.registry)))
        return None

    def _generic(self, value: Any) -> str | None:
        """
        Annotations such as ``dict[str, Money]``.
        """
        if (origin := get_origin(value)) is not None:
            return digest("generic", self.token(origin), *self._tokens(get_args(value)))
        if type(value).__module__ in {"typing", "typing_extensions"}:
            return digest("typing", type(value).__name__, repr(value), self.token(getattr(value, "__value__", None)))
        return None

    def _instance(self, value: Any) -> str:
        cls = class_of(value)
        name = self._class(cls)
        if dataclasses.is_dataclass(cls):
            state = {field.name: getattr(value, field.name, None) for field in dataclasses.fields(cls)}
        elif attrs.has(cls):
            state = {field.name: getattr(value, field.name, None) for field in attrs.fields(cls)}
        elif isinstance(value, FieldInfo):
            state = facts_of_field(value)
        elif isinstance(value, BaseModel) or self._is_project(cls.__module__) or cls.__module__ == _CONSTRAINTS:
            state = dict(getattr(value, "__dict__", {}))
        else:
            # What it holds may be of this process alone: a lock, a connection, a logger.
            return digest("instance", name)
        return digest("instance", name, self.token(state))

    # --- Functions ---

    def _function(self, function: FunctionType) -> str:
        """
        A function for itself; what it refers to is entered later.
        """
        module = str(function.__globals__.get("__name__", function.__module__))
        name = f"{module}.{function.__qualname__}"
        held = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
        if not self._is_project(module):
            # A decorator of somebody else's around a function of the project.
            inside = [each for each in held if isinstance(each, FunctionType)]
            wrapped = [getattr(function, "__wrapped__", None)]
            return digest("function", name, self._version(module), *self._tokens((*inside, *wrapped)))
        self._meet(function)
        return digest(
            "function",
            name,
            self._code(function.__code__),
            *self._tokens((function.__defaults__, function.__kwdefaults__, *held)),
        )

    def _code(self, code: CodeType) -> str:
        # Nothing of files and lines: a comment more changes nothing. `co_code` is what the compiler wrote, whatever
        # the interpreter has made of it since.
        sizes = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        return digest(
            "code", *self._tokens((code.co_code, code.co_exceptiontable, sizes, names)), self.token(code.co_consts)
        )

    def _add_function(self, function: FunctionType) -> None:
        code = function.__code__
        self.codes.append((function, code))
        found = references_of(code)
        tokens = [digest("name", *path, self._resolve(path, function)) for path in found.paths]
        modules = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
        for each in found.imports:
            module = self._imported(each.module, each.level, function)
            modules.append(module)
            taken = [vars(module).get(name) for name in each.names] if module else []
            tokens.append(digest("import", each.module, *self._tokens(taken)))
            # `from package import module`.
            modules += taken
        for module in modules:
            if isinstance(module, ModuleType) and self._is_project(module.__name__):
                tokens += (self._module_attribute(module, name) for name in found.attributes if name in vars(module))
        for name in found.attributes:
            self.add_attribute(name)
        if found.is_dynamic:
            for base in self._owner:
                for name in vars(base):
                    if not name.startswith("__"):
                        self.add_attribute(name)
        self.add("body", self._function(function), *tokens)

    def _resolve(self, path: tuple[str, ...], function: FunctionType) -> str:
        names: Mapping[str, object] = function.__globals__
        if path[0] not in names and hasattr(builtins, path[0]):
            self._watch(names, path[0], NOTHING)
            return f"builtins.{path[0]}"
        value = self._look_up(names, path[0])
        for name in path[1:]:
            if not isinstance(value, ModuleType):
                break
            if not self._is_project(value.__name__):
                return f"{value.__name__}.{name}{self._version(value.__name__)}"
            value = self._look_up(vars(value), name)
        return self.token(value) if value is not NOTHING else "missing"

    def _module_attribute(self, module: ModuleType, name: str) -> str:
        return digest("of module", module.__name__, name, self.token(self._look_up(vars(module), name)))

    def _imported(self, name: str, level: int, function: FunctionType) -> ModuleType | None:
        package = str(function.__globals__.get("__package__") or "")
        # The function would import it, too, and so it is the same whether that has happened or not.
        with suppress(Exception):
            return importlib.import_module(importlib.util.resolve_name("." * level + name, package or None))
        return None

    # --- Classes ---

    def _class(self, cls: type[Any]) -> str:
        name = f"class:{cls.__module__}.{cls.__qualname__}"
        if not self._is_project(cls.__module__):
            return name + self._version(cls.__module__)
        # Of another aggregate's class a fold can use little more than its name.
        if not issubclass(cls, Aggregate):
            self._meet(cls)
        return name

    def _add_class(self, cls: type[Any]) -> None:
        facts = list(facts_of_class(cls))
        for name, value in sorted(vars(cls).items()):
            if value is not cls and not is_made_by_others(cls, name, value):
                self._watch(vars(cls), name, value)
                facts.append((name, value))
        self.add("class", cls.__module__, cls.__qualname__, *self._tokens((cls.__bases__, *facts)))

    # --- What was seen ---

    def _meet(self, value: FunctionType | type) -> None:
        if id(value) not in self._met:
            self._met[id(value)] = value
            self._waiting.append(value)

    def _look_up(self, names: Mapping[str, object], name: str) -> object:
        value = names.get(name, NOTHING)
        self._watch(names, name, value)
        return value

    def _watch(self, names: Mapping[str, object], name: str, value: object) -> None:
        self.names.append((names, name, value))

    # --- Whose it is ---

    def _is_project(self, module: str) -> bool:
        top = module.partition(".")[0]
        if top in self._packages:
            return True
        if top in sys.stdlib_module_names or top in {"builtins", "eventsource"}:
            return False
        file = str(getattr(sys.modules.get(module), "__file__", None) or "")
        return "site-packages" not in file and "dist-packages" not in file

    def _version(self, module: str) -> str:
        top = sys.modules.get(module.partition(".")[0])
        # Not `getattr`: some packages compute it, and warn.
        version = vars(top).get("__version__", "") if top else ""
        return f"=={version}" if isinstance(version, str) and version else ""


def _is_filled(cell: CellType) -> bool:
    # Empty is the cell of a name that is bound later.
    with suppress(ValueError):
        return cell.cell_contents is not NOTHING
    return False
