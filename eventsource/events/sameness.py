"""
Whether two values are the same for all that a handler could do with them, which ``==`` does not tell.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict, deque
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import attrs
from pydantic import BaseModel
from pydantic_core import TzInfo

if TYPE_CHECKING:
    from collections.abc import Iterable

_LEAVES: Final = frozenset({type(None), bool, int, str, bytes})
_SETS: Final[tuple[type[Any], ...]] = (set, frozenset)
_SIZED: Final[tuple[type[Any], ...]] = (dict, list, tuple, deque)
_PLAIN_SIZED: Final = frozenset({dict, list, tuple})
# Dicts that are equal whatever the order of their keys.
_UNORDERED: Final = frozenset({dict, defaultdict})
# What such an object has beside its contents: of a defaultdict, of a deque.
_SETTINGS: Final = ("default_factory", "maxlen")
_MUTABLE: Final[tuple[type[Any], ...]] = (list, dict, set, deque, bytearray)

# Values that JSON carries as such or as one text. A subclass of one of these (a database driver's UUID, the time of a
# library for frozen clocks) comes back as the class itself, with the same value.
_PLAIN: Final = frozenset({str, int, float, bytes, Decimal, UUID, date, datetime, time, timedelta})

# Such a field takes an int, too, and pydantic leaves one that is the field's default as it is.
_FRACTIONS: Final = frozenset({float, Decimal})

# Zones that are nothing but an offset: it makes no difference whose they are.
_FIXED_ZONES: Final = frozenset({timezone, TzInfo, type(None)})


def are_same(one: object, other: object, *, shared: dict[int, object] | None = None) -> bool:
    """
    Whether two values have the same types, contents and order all the way down.

    ``1`` and ``True`` are equal, so are a list and its subclass, or two dicts with their keys in another order: they
    are not the same.

    Args:
        one: The first.

        other: The second.

        shared: Kept between calls: an object that can change and stands in *one* twice makes it unlike any
            other, since a change to it would be seen in both places.
    """
    return _Comparison(shared).are_same(one, other)


def comes_back_as(one: object, other: object) -> bool:
    """
    Whether *other*, read from JSON, says all that *one* said when it was written.

    As `are_same`, but for what no stored event holds: the zone that an instant was told in, the `fold` of a
    time, the order of the keys of a dict, the subclass that a text, a number or a time is of, and whether a whole
    number in a field of floats or decimals was given as an int, as defaults often are.
    """
    return _ReadBack(None).are_same(one, other)


def are_alike(one: object, other: object) -> bool:
    """
    As `are_same`, but two objects of a class that compares by identity are alike if their attributes are.
    """
    return _Alike(None).are_same(one, other)


def class_of(value: Any) -> Any:
    """
    Its class, of which a type checker is to assume nothing.
    """
    return value.__class__


def is_any_of(value: object, classes: tuple[type[Any], ...]) -> bool:
    """
    `isinstance`, from which a type checker is to conclude nothing: an item of a list it knows nothing of.
    """
    return isinstance(value, classes)


class _Comparison:
    def __init__(self, shared: dict[int, object] | None) -> None:
        self._shared = shared
        self._open: set[tuple[int, int]] = set()

    def are_same(self, one: Any, other: Any) -> bool:
        kind = class_of(one)
        if kind is not class_of(other):
            return self._differ_in_class_only(one, other)
        if kind in _LEAVES:
            return bool(one == other)
        if self._shared is not None and can_change(kind):
            if id(one) in self._shared:
                return False
            # With the object: its id is its own for as long as it is there.
            self._shared[id(one)] = one
        pair = id(one), id(other)
        if pair in self._open:
            return True
        self._open.add(pair)
        try:
            return self._composite(kind, one, other)
        finally:
            self._open.discard(pair)

    def _composite(self, kind: type[Any], one: Any, other: Any) -> bool:  # noqa: PLR0911  a kind a line
        if isinstance(one, float):
            # Not a number is unequal to itself; minus zero is equal to zero.
            return repr(one) == repr(other)
        if isinstance(one, Decimal):
            return bool(one.as_tuple() == other.as_tuple())
        if isinstance(one, (datetime, time)):
            return self._are_same_times(one, other)
        if is_any_of(one, _SETS):
            found = {member: member for member in other}
            return bool(one == other) and all(self.are_same(member, found[member]) for member in one)
        if is_any_of(one, _SIZED):
            is_mapping = is_any_of(one, (dict,))
            if kind in _PLAIN_SIZED and _is_flat(one) and (not is_mapping or _is_flat(one.values())):
                # What most large states consist of, compared without a call for each item.
                return bool(
                    one == other
                    and _have_same_types(one, other)
                    and (
                        not is_mapping or (list(one) == list(other) and _have_same_types(one.values(), other.values()))
                    )
                )
            return (
                len(one) == len(other)
                and self._all(one, other)
                and (not is_mapping or self._all(one.values(), other.values()))
                and all(getattr(one, name, None) == getattr(other, name, None) for name in _SETTINGS)
            )
        names = field_names(one)
        return bool(one == other) if names is None else self._have_same_fields(names, one, other)

    def _differ_in_class_only(self, one: Any, other: Any) -> bool:  # noqa: ARG002  others know better
        return False

    def _are_same_times(self, one: datetime | time, other: datetime | time) -> bool:
        return _are_same_times(one, other)

    def _all(self, some: Iterable[Any], others: Iterable[Any]) -> bool:
        return all(map(self.are_same, some, others))

    def _have_same_fields(self, names: tuple[str, ...], one: object, other: object) -> bool:
        nothing = object()
        pairs = ((getattr(one, name, nothing), getattr(other, name, nothing)) for name in names)
        return all((mine is theirs is nothing) or self.are_same(mine, theirs) for mine, theirs in pairs)


class _ReadBack(_Comparison):
    def _differ_in_class_only(self, one: Any, other: Any) -> bool:
        kind = class_of(other)
        if class_of(one) is int and kind in _FRACTIONS:
            return bool(one == other)
        if kind not in _PLAIN or not isinstance(one, kind) or isinstance(one, (bool, Enum)):
            return False
        # A datetime is a date to Python, and says more than one.
        if isinstance(one, datetime) and kind is date:
            return False
        return self._composite(kind, one, other) if kind not in _LEAVES else bool(one == other)

    def _composite(self, kind: type[Any], one: Any, other: Any) -> bool:
        if kind not in _UNORDERED:
            return _is_flat_twin(one, other) or super()._composite(kind, one, other)
        # Members are stored sorted by name.
        keys = {key: key for key in other}
        return (
            len(one) == len(other)
            and all(key in keys and self.are_same(key, keys[key]) for key in one)
            and all(self.are_same(value, other[key]) for key, value in one.items())
            and getattr(one, "default_factory", None) == getattr(other, "default_factory", None)
        )

    def _are_same_times(self, one: datetime | time, other: datetime | time) -> bool:
        if isinstance(one, datetime) and isinstance(other, datetime) and one.tzinfo and other.tzinfo:
            # A serializer may write the instant in another zone; compared as they are, Python minds the fold.
            return one.astimezone(UTC) == other.astimezone(UTC)
        return (
            one.replace(tzinfo=None, fold=0) == other.replace(tzinfo=None, fold=0)
            and one.utcoffset() == other.utcoffset()
            and (one.tzinfo is None) is (other.tzinfo is None)
        )


class _Alike(_Comparison):
    def _composite(self, kind: type[Any], one: Any, other: Any) -> bool:
        if one is other:
            return True
        if getattr(kind, "__eq__", None) is not getattr(object, "__eq__", None) or field_names(one) is not None:
            return super()._composite(kind, one, other)
        return self.are_same(getattr(one, "__dict__", None), getattr(other, "__dict__", None))


def _is_flat_twin(one: object, other: object) -> bool:
    """
    Whether two objects are models of plain values that are the same; False says nothing.
    """
    if not isinstance(one, BaseModel) or one.__pydantic_extra__ or one.__pydantic_private__:
        return False
    mine, theirs = vars(one), vars(other)
    return _is_flat(mine.values()) and mine == theirs and _have_same_types(mine.values(), theirs.values())


def _is_flat(items: Iterable[Any]) -> bool:
    return _LEAVES.issuperset(map(type, items))


def _have_same_types(some: Iterable[Any], others: Iterable[Any]) -> bool:
    return list(map(type, some)) == list(map(type, others))


def field_names(value: object) -> tuple[str, ...] | None:
    """
    What a record (a dataclass, an attrs class, a pydantic model) consists of; None if it is none.
    """
    if isinstance(value, BaseModel):
        private = tuple(value.__pydantic_private__ or ())
        # What is computed from the rest, and kept beside it, is computed again.
        computed = _computed_names(value.__class__)
        names = tuple(vars(value)) if not computed else tuple(name for name in vars(value) if name not in computed)
        return (*names, *(value.__pydantic_extra__ or ()), *private)
    declared = declared_fields(class_of(value))
    if declared is None:
        return None
    return tuple(dict.fromkeys((*declared, *getattr(value, "__dict__", ()))))


@lru_cache(maxsize=1024)
def _computed_names(cls: type[BaseModel]) -> frozenset[str]:
    return frozenset(
        name for base in cls.__mro__ for name, value in vars(base).items() if isinstance(value, cached_property)
    )


@lru_cache(maxsize=1024)
def declared_fields(cls: type[Any]) -> tuple[str, ...] | None:
    """
    The fields that an attrs class or a dataclass declares; None of any other class.
    """
    if attrs.has(cls):
        return tuple(field.name for field in attrs.fields(cls))
    if dataclasses.is_dataclass(cls):
        return tuple(field.name for field in dataclasses.fields(cls))
    return None


@lru_cache(maxsize=1024)
def can_change(cls: type[Any]) -> bool:
    """
    Whether a handler could change an object of that very class: a list, a record that is not frozen.
    """
    if issubclass(cls, _MUTABLE):
        return True
    if issubclass(cls, BaseModel):
        return not cls.model_config.get("frozen")
    if attrs.has(cls):
        # attrs gives a frozen class a `__setattr__` of its own that refuses.
        return "frozen" not in getattr(cls.__setattr__, "__name__", "")
    parameters = getattr(cls, "__dataclass_params__", None)
    return parameters is not None and not parameters.frozen


def _are_same_times(one: datetime | time, other: datetime | time) -> bool:
    zones = {type(one.tzinfo), type(other.tzinfo)}
    return (
        one.replace(tzinfo=None) == other.replace(tzinfo=None)
        and one.utcoffset() == other.utcoffset()
        and one.fold == other.fold
        and (one.tzinfo is other.tzinfo or zones <= _FIXED_ZONES)
    )
