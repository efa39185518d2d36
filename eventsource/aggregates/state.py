"""
The state of an aggregate: its attributes, their defaults, and copies that share nothing.
"""

from __future__ import annotations

import copy
import enum
import functools
import inspect
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from operator import is_
from types import NoneType
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar, get_origin
from uuid import UUID

from eventsource.events.event import RecordedEvent
from eventsource.events.sameness import can_change, declared_fields
from eventsource.events.subject import Subject
from eventsource.guards.guard import EventSelection
from eventsource.root_error import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Iterable


State = TypeVar("State")


def check_names(cls: type, root: type, *, of_instances: Iterable[str], of_subclasses: Iterable[str]) -> None:
    """
    Check that *cls* and its bases below *root* declare no name that *root* itself uses.

    Args:
        of_instances: The names of the attributes that *root* gives its instances.

        of_subclasses: Those that it gives each subclass.

    Raises:
        DeclarationError: One is declared.
    """
    names = {name for name in vars(root) if not name.startswith("__")} | {*of_instances}
    names -= {*of_subclasses}
    for base in _own_bases(cls, root):
        if clash := sorted(names & {*vars(base), *inspect.get_annotations(base)}):
            msg = f"{cls.__qualname__} declares {clash[0]!r}, which {root.__name__} itself uses: choose another name"
            raise DeclarationError(msg)


def collect_mutable_defaults(cls: type, root: type) -> dict[str, object]:
    """
    The defaults of *cls* and its bases below *root* that each instance needs a copy of.

    What is annotated as a `ClassVar` belongs to the class and is shared.
    """
    bases = _own_bases(cls, root)
    names = {name for base in bases for name in vars(base) if not name.startswith("__")}
    names -= {name for base in bases for name, hint in inspect.get_annotations(base).items() if is_class_variable(hint)}
    defaults = {name: inspect.getattr_static(cls, name) for name in names - vars(root).keys()}
    # What cannot be hashed can be changed: a list, a dict, a set, a plain dataclass.
    return {name: default for name, default in defaults.items() if type(default).__hash__ is None}


def is_class_variable(annotation: object) -> bool:
    """
    Whether an annotation, maybe as text, says that the attribute is one of the class.
    """
    if isinstance(annotation, str):
        return annotation.partition("[")[0].rpartition(".")[2] == "ClassVar"
    return annotation is ClassVar or get_origin(annotation) is ClassVar


def _own_bases(cls: type, root: type) -> list[type]:
    # The bases that this package has for both are made to fit.
    return [
        base
        for base in cls.__mro__
        if base not in root.__mro__
        and not base.__module__.startswith(("eventsource.aggregates.", "eventsource.processes."))
    ]


def copied(state: State) -> State:
    """
    An aggregate or a decision state that shares with *state* nothing that can be changed.

    Several times as fast as `copy.deepcopy`, since most attributes are numbers, texts, and collections of such.
    """
    cls: Any = type(state)
    if not _is_copied_by_attribute(cls):
        return copy.deepcopy(state)
    twin: State = cls.__new__(cls)
    # One memory for all: what two attributes share they share in the copy, too.
    memo: dict[int, Any] = {}
    vars(twin).update({name: copy_value(value, memo) for name, value in vars(state).items()})
    return twin


@functools.lru_cache(maxsize=256)
def _is_copied_by_attribute(cls: type) -> bool:
    return not hasattr(cls, "__deepcopy__") and not any(getattr(base, "__slots__", ()) for base in cls.__mro__)


_UNCHANGING: Final = frozenset(
    {
        *(NoneType, bool, int, float, complex, str, bytes, Decimal, UUID, date, datetime, time, timedelta),
        *(Subject, RecordedEvent, EventSelection),
    }
)


def copy_value(value: Any, memo: dict[int, Any]) -> Any:
    """
    What `copy.deepcopy` gives, several times as fast for what most states consist of.

    Args:
        value: What to copy.

        memo: Of all copies that belong together: what two places share they share in the copy, too.
    """
    kind: Any = value.__class__
    if kind in _UNCHANGING:
        return value
    known = memo.get(id(value))
    if known is None:
        known = memo[id(value)] = _COPIERS.get(kind, _copy_other)(value, memo)
    return known


def _copy_list(value: list[Any], memo: dict[int, Any]) -> list[Any]:
    if _UNCHANGING.issuperset(map(type, value)):
        return value.copy()
    # Known before its items are: one of them may have it inside.
    twin: list[Any] = []
    memo[id(value)] = twin
    twin.extend([copy_value(item, memo) for item in value])
    return twin


def _copy_set(value: set[Any], memo: dict[int, Any]) -> set[Any]:
    return value.copy() if _UNCHANGING.issuperset(map(type, value)) else {copy_value(item, memo) for item in value}


def _copy_dict(value: dict[Any, Any], memo: dict[int, Any]) -> dict[Any, Any]:
    if _UNCHANGING.issuperset(map(type, value)):
        if _UNCHANGING.issuperset(map(type, value.values())):
            return value.copy()
        twin: dict[Any, Any] = {}
        memo[id(value)] = twin
        twin.update({key: copy_value(item, memo) for key, item in value.items()})
        return twin
    made: dict[Any, Any] = copy.deepcopy(value, memo)
    return made


def _copy_tuple(value: tuple[Any, ...], memo: dict[int, Any]) -> tuple[Any, ...]:
    if _UNCHANGING.issuperset(map(type, value)):
        return value
    items = [copy_value(item, memo) for item in value]
    return value if all(map(is_, items, value)) else tuple(items)


def _copy_other(value: Any, memo: dict[int, Any]) -> Any:
    if isinstance(value, enum.Enum):
        return value
    kind: Any = value.__class__
    names = declared_fields(kind)
    if names is not None and not can_change(kind) and not hasattr(kind, "__deepcopy__"):
        # A frozen record of what cannot be changed cannot be changed either.
        missing = object()
        items = [getattr(value, name, missing) for name in names]
        extra = getattr(value, "__dict__", None)
        if (extra is None or extra.keys() <= set(names)) and all(copy_value(item, memo) is item for item in items):
            return value
    return copy.deepcopy(value, memo)


_COPIERS: Final[dict[Any, Any]] = {list: _copy_list, set: _copy_set, dict: _copy_dict, tuple: _copy_tuple}
