"""
The annotated attributes that are the state of an aggregate or of a decision state.
"""

from __future__ import annotations

import copy
import functools
import inspect
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, get_origin

from eventsource.domain.aggregates.copying import copy_value
from eventsource.errors import DeclarationError

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
        if base not in root.__mro__ and not base.__module__.startswith("eventsource.domain.")
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
