"""
Copies of state: what can be changed is copied, what cannot is shared.
"""

from __future__ import annotations

import copy
import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from operator import is_
from types import NoneType
from typing import Any, Final
from uuid import UUID

from eventsource.domain.event import RecordedEvent
from eventsource.domain.guards.guard import EventSelection
from eventsource.domain.snapshots.sameness import can_change, declared_fields
from eventsource.domain.subject import Subject

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
