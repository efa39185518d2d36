"""
Values at run time: their kinds, their truth, when two are equal, and the one order of all of them.

A value is what JSON has, with exact integers; and `Instant`, which `e.time` is read as.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from eventsource.gdbql.instants import Instant, to_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

Row: TypeAlias = Mapping[str, Any]
"""
An event as a query sees it: a mapping with the fields of a CloudEvent, `data` as parsed JSON.
"""


class Kind(IntEnum):
    """
    What a value is. The numbers are the order of unlike values, lowest first.
    """

    NULL = 0
    BOOLEAN = 1
    NUMBER = 2
    INSTANT = 3
    TEXT = 4
    LIST = 5
    OBJECT = 6


def kind_of(value: Json) -> Kind:
    """
    The kind of *value*; a boolean is never a number.

    Raises:
        TypeError: JSON has no such value.
    """
    try:
        return _KINDS[type(value)]
    except KeyError:
        return _kind_of_subclass(value)


def is_truthy(value: Json) -> bool:
    """
    True if a condition with this result holds: all do but null, false, 0, "", [] and {}.
    """
    return bool(value)


def is_equal(left: Json, right: Json) -> bool:
    """
    True if two values are equal: of one kind, and the same throughout.

    Numbers are equal by value (1 and 1.0), null equals null, objects are equal in any order of
    members. An instant equals a text that names the same instant.
    """
    kind, other = kind_of(left), kind_of(right)
    if kind is not other:
        return frozenset((kind, other)) == _INSTANT_AND_TEXT and _compare_instants(left, right) == 0
    if kind is Kind.INSTANT:
        return _ns(left) == _ns(right)
    if kind >= Kind.LIST:
        return canonical(left) == canonical(right)
    return left == right


def compare(left: Json, right: Json) -> int | None:
    """
    Less (-1), equal (0) or greater (1); None if `<` makes no sense between the two.

    It does between numbers, between texts (by code points), and between instants and texts that
    name instants; between nothing else.
    """
    kind, other = kind_of(left), kind_of(right)
    if kind is other and (kind is Kind.NUMBER or kind is Kind.TEXT):
        return (left > right) - (left < right)  # type: ignore[operator] # pyright: ignore[reportOperatorIssue] # both are of the kind just tested
    if {kind, other} <= _INSTANT_AND_TEXT:
        return _compare_instants(left, right)
    return None


def canonical(value: Json) -> tuple[Any, ...]:
    """
    A hashable stand-in: equal for equal values, and in the order of all values.

    It decides `DISTINCT`, `GROUP BY`, `ORDER BY`, `MIN` and `MAX`. Null is first, then false, true,
    numbers, instants, texts by code points, lists element by element, and objects as lists of their
    members sorted by name. No recursion: data may be nested deeper than Python can call.
    """
    kind = kind_of(value)
    if kind < Kind.LIST:
        return _scalar(kind, value)
    tokens: list[tuple[Any, ...]] = []
    pending: list[Any] = [value]
    while pending:
        item = pending.pop()
        if item is _END:
            tokens.append(_END)
            continue
        kind = kind_of(item)
        if kind < Kind.LIST:
            tokens.append(_scalar(kind, item))
            continue
        tokens.append((kind,))
        pending.append(_END)
        if kind is Kind.LIST:
            pending.extend(reversed(item))
        else:
            for name in sorted(item, reverse=True):
                pending += (item[name], name)
    return (tokens[0][0], tuple(tokens))


def to_plain(value: Json) -> Json:
    """
    The value as it leaves a query: an instant is its text again.
    """
    return str(value) if type(value) is Instant else value


_KINDS: dict[type, Kind] = {
    type(None): Kind.NULL,
    bool: Kind.BOOLEAN,
    int: Kind.NUMBER,
    float: Kind.NUMBER,
    Instant: Kind.INSTANT,
    str: Kind.TEXT,
    list: Kind.LIST,
    tuple: Kind.LIST,
    dict: Kind.OBJECT,
}
_INSTANT_AND_TEXT = frozenset({Kind.INSTANT, Kind.TEXT})

# Closes a list or an object; below every kind, so that the shorter of two lists is the lower.
_END: tuple[int] = (-1,)


def _kind_of_subclass(value: object) -> Kind:
    for base, kind in _KINDS.items():
        if isinstance(value, base):
            return kind
    msg = f"a {type(value).__name__} is no value of JSON"
    raise TypeError(msg)


def _scalar(kind: Kind, value: Any) -> tuple[Any, ...]:
    return (kind, value.ns if kind is Kind.INSTANT else value)


def _ns(value: Any) -> int:
    return value.ns  # type: ignore[no-any-return] # only instants come here


def _compare_instants(left: Any, right: Any) -> int | None:
    one, other = to_instant(left), to_instant(right)
    if one is None or other is None:
        return None
    return (one.ns > other.ns) - (one.ns < other.ns)
