"""
What type checkers find in guards. Read by mypy and pyright, never run.

Each line that is wrong says which error it must give: an ignore that is not needed is itself an
error. ``type: ignore`` counts for both checkers, ``pyright: ignore`` where only pyright finds it.
"""
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import IntEnum
from typing import assert_type

from pydantic import BaseModel

from eventsource import Event, Guard, Precondition, select_events
from eventsource.guards import all_of, one_of
from eventsource.guards.guard import AggregateValue, EventSelection, NumericValue


class Priority(IntEnum):
    """
    A closed set.
    """

    LOW = 1
    HIGH = 2


class Address(BaseModel):
    """
    A model inside an event.
    """

    city: str


class OrderPlaced(Event, type="io.example.typing.order-placed"):
    """
    An event with fields of many types.
    """

    cents: int
    owner: str
    day: date
    urgent: bool
    address: Address
    lines: list[Address]
    priority: Priority
    note: str | None = None
    second_address: Address | None = None
    price: Decimal = Decimal(0)


class OrderCancelled(Event, type="io.example.typing.order-cancelled"):
    """
    Another event, which shares one field.
    """

    cents: int
    reason: str


def take(guard: Guard) -> None:
    """
    Where a guard belongs.
    """


def what_is_right() -> None:
    """
    Each step has a type of its own.
    """
    placed = select_events(OrderPlaced)
    assert_type(placed, EventSelection[OrderPlaced])
    assert_type(placed.at("/orders/1").since(datetime.now(UTC)), EventSelection[OrderPlaced])
    assert_type(select_events(OrderPlaced, OrderCancelled), EventSelection[OrderPlaced | OrderCancelled])

    assert_type(placed.count(), NumericValue)
    assert_type(placed.sum(lambda e: e.cents), NumericValue)
    assert_type(select_events(OrderPlaced, OrderCancelled).sum(lambda e: e.cents), NumericValue)
    assert_type(100 - placed.sum("cents") / 2, NumericValue)
    assert_type(placed.max(lambda e: e.cents), AggregateValue[int])
    assert_type(placed.max(lambda e: e.day), AggregateValue[date])
    assert_type(placed.min(lambda e: e.note), AggregateValue[str])

    assert_type(placed.exists(), Guard)
    assert_type(placed.count() == 0, Guard)
    assert_type(placed.count() != 0, Guard)
    assert_type(placed.sum(lambda e: e.cents) <= 5, Guard)
    assert_type(placed.max(lambda e: e.day) < date(2026, 5, 31), Guard)

    placed.where(lambda e: (e.cents > 5) | (e.address.city == "Wien"), owner="Ada")
    placed.where(lambda e: e.urgent, lambda e: e.lines[0].city != "Wien")
    placed.where(lambda e: one_of(e.priority, [Priority.LOW, Priority.HIGH]))

    preconditions: list[Precondition] = [placed.exists().named("placed")]
    preconditions.extend(all_of(placed.exists(), [placed.count() < 5]))


def fields_that_are_not_there() -> None:
    """
    Names are those of the event class, also inside, also in each of several classes.
    """
    select_events(OrderPlaced).sum(lambda e: e.cent)  # type: ignore[attr-defined]
    select_events(OrderPlaced).where(lambda e: e.address.town == "Wien")  # type: ignore[attr-defined]
    select_events(OrderPlaced).where(lambda e: e.lines[0].town == "Wien")  # type: ignore[attr-defined]
    select_events(OrderPlaced).where(lambda e: e.second_address.city == "Wien")  # type: ignore[union-attr]
    select_events(OrderPlaced, OrderCancelled).where(lambda e: e.reason == "late")  # type: ignore[union-attr]


def unlike_comparisons() -> None:
    """
    Fields compare with values of their own types.
    """
    select_events(OrderPlaced).where(lambda e: e.owner == 5)  # type: ignore[comparison-overlap]
    select_events(OrderPlaced).where(lambda e: e.owner < 5)  # type: ignore[operator]
    select_events(OrderPlaced).where(lambda e: e.cents > "5")  # type: ignore[operator]
    select_events(OrderPlaced).where(lambda e: e.note > "a")  # type: ignore[operator]
    select_events(OrderPlaced).where(lambda e: e.owner)  # type: ignore[arg-type, return-value]


def unlike_results() -> None:
    """
    So does what is computed over the events.
    """
    placed = select_events(OrderPlaced)
    placed.sum(lambda e: e.owner)  # type: ignore[arg-type, return-value]
    placed.sum(lambda e: e.price)  # type: ignore[arg-type, return-value]
    take(placed.count() >= "5")  # type: ignore[operator]
    take(placed.count() >= Decimal(5))  # type: ignore[operator]
    take(placed.max(lambda e: e.day) >= 5)  # type: ignore[operator]
    take(placed.max(lambda e: e.day) + 1)  # type: ignore[operator, arg-type]
    take(placed.count() == "5")  # type: ignore[arg-type]


def what_is_no_selection() -> None:
    """
    Selections are made of event classes, subjects and times.
    """
    select_events(str)  # type: ignore[type-var]
    select_events(OrderPlaced).at(5)  # type: ignore[arg-type]
    select_events(OrderPlaced).since("2026-05-31")  # type: ignore[arg-type]


def what_python_would_decide(guard: Guard) -> bool:
    """
    A guard is neither true nor false in Python. Only pyright finds it; to mypy `__bool__` is called.
    """
    return not guard  # pyright: ignore[reportGeneralTypeIssues]
