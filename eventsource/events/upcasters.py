"""
Upcasters: old event data made into data of today, on reading. What is stored never changes.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

from eventsource.events.event_types import event_types
from eventsource.events.plain_call import check_is_plain, name_of
from eventsource.events.upcast_plan import Data, Upcaster
from eventsource.root_error import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from eventsource.events.event import Event

# A class, at version 1, or a class and the version of it that the upcaster gives.
Target: TypeAlias = "type[Event] | tuple[type[Event], int]"

_Step = TypeVar("_Step", bound="Callable[[Data], Data | None]")
_Split = TypeVar("_Split", bound="Callable[[Data], Iterable[tuple[type[Event], Data]]]")


@overload
def upcaster(
    stored_type: str, *, version: int, into: None = None, keeps: Collection[str] = ()
) -> Callable[[_Step], _Step]: ...
@overload
def upcaster(
    stored_type: str, *, version: int, into: type[Event] | tuple[type[Event], int], keeps: Collection[str] = ()
) -> Callable[[_Step], _Step]: ...
@overload
def upcaster(
    stored_type: str, *, version: int, into: list[Target], keeps: Collection[str] = ()
) -> Callable[[_Split], _Split]: ...
def upcaster(
    stored_type: str, *, version: int, into: Target | list[Target] | None = None, keeps: Collection[str] = ()
) -> Callable[[Any], Any]:
    """
    Declare a pure function that makes stored data of one version into data of a later one.

    Without *into* it gives the data of the next version of the same type, or None to drop the event::

        @upcaster("io.example.bank.money-deposited", version=1)
        def _cents(data):
            return {"cents": round(data["amount"] * 100)}

    With a class it moves the events of a type to another; with several it splits them, and yields as
    many pairs of class and data as there are to be events, in order::

        @upcaster("io.example.bank.money-moved", version=1, into=[MoneyDeposited, MoneyWithdrawn])
        def _split(data):
            if data["cents"] > 0:
                yield MoneyDeposited, {"cents": data["cents"]}
            else:
                yield MoneyWithdrawn, {"cents": -data["cents"]}

    The function sees the data as it is stored: camelCase, without metadata. It is its own copy.

    Args:
        stored_type: The type name that is stored.

        version: The version of that type which it takes; events that say nothing are of version 1.

        into: The class it gives, or a list of such. A class of a later version than 1 is given with the
            version that the data is of: ``(MoneyDeposited, 2)``. So an upcaster that was right once stays right
            when the class goes on to version 3. An empty list drops all events of that version.

        keeps: The members, as they are stored, that have the same name and meaning before and after. Guards
            ask the store, which knows no upcasters: they may ask for these fields, and for no others.

    Raises:
        DeclarationError: There is one already for this step, or it is not well formed.
    """
    if version < 1:
        msg = f"upcaster of {stored_type!r}: versions count from 1, not {version}"
        raise DeclarationError(msg)
    gives_pairs = isinstance(into, list)
    targets = into if isinstance(into, list) else [] if into is None else [into]
    places = tuple(_to_place(stored_type, target) for target in targets)
    if into is None:
        places = ((stored_type, version + 1),)

    def declare(function: Callable[[Data], Any]) -> Callable[[Data], Any]:
        check_is_plain(function, may_yield=True)
        if inspect.isgeneratorfunction(function) and not gives_pairs:
            msg = f"upcaster {name_of(function)} yields, so it needs a list of classes: into=[…]"
            raise DeclarationError(msg)
        event_types.register_upcaster(Upcaster(stored_type, version, function, places, gives_pairs, frozenset(keeps)))
        return function

    return declare


def _to_place(stored_type: str, target: Target) -> tuple[str, int]:
    event_class, version = target if isinstance(target, tuple) else (target, 1)
    if not getattr(event_class, "event_type", ""):
        msg = f"upcaster of {stored_type!r}: {event_class!r} is no event class with a type name"
        raise DeclarationError(msg)
    latest = event_class.event_version
    if not 1 <= version <= latest or (latest > 1 and not isinstance(target, tuple)):
        msg = (
            f"upcaster of {stored_type!r}: {event_class.__name__} is of version {latest} now; say of which version "
            f"the data is that it gives, such as into=({event_class.__name__}, {min(version, latest)})"
        )
        raise DeclarationError(msg)
    return event_class.event_type, version
