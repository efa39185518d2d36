"""
The annotated attributes that are the state of an aggregate or of a decision state.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from eventsource.errors import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Iterable


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
    """
    names = {name for base in _own_bases(cls, root) for name in vars(base) if not name.startswith("__")}
    defaults = {name: inspect.getattr_static(cls, name) for name in names - vars(root).keys()}
    # What cannot be hashed can be changed: a list, a dict, a set, a plain dataclass.
    return {name: default for name, default in defaults.items() if type(default).__hash__ is None}


def _own_bases(cls: type, root: type) -> list[type]:
    return [base for base in cls.__mro__ if base not in root.__mro__]
