"""
What a commit pays for the promise that its event comes back: durable commits a second, by 16 writers.

The floor is the same commit on the same store with data that is written by the same serializer, and neither read nor
compared. Events with plain fields are proven when their class is declared; those with a constraint or with models
inside are read and compared, one by one.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, PositiveInt

from benchmarks.bank import MoneyDeposited
from benchmarks.measurement import Aim, Unit, compare
from eventsource import Event, NewEvent
from eventsource.store import EmbeddedEventStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from benchmarks.measurement import Line, Turn
    from benchmarks.setting import Setting

_WRITERS = 16
_COMMITS = 320
_AIM = Aim(ratio=0.9)


class MoneyMoved(Event, type="io.example.benchmarks.content.money-moved"):
    """
    With a constraint, so that each event is read and compared.
    """

    cents: PositiveInt
    reference: str


class OrderLine(BaseModel):
    """
    A line of an order.
    """

    model_config = ConfigDict(frozen=True)

    article: str
    cents: int


class OrderPlaced(Event, type="io.example.benchmarks.content.order-placed"):
    """
    With models inside.
    """

    customer: str
    lines: tuple[OrderLine, ...]


def _plain(number: int) -> Event:
    return MoneyDeposited(cents=number, reference="a payment")


def _constrained(number: int) -> Event:
    return MoneyMoved(cents=number + 1, reference="a payment")


def _with_models(number: int) -> Event:
    return OrderPlaced(customer="Ada", lines=tuple(OrderLine(article="book", cents=number) for _ in range(3)))


_KINDS: dict[str, Callable[[int], Event]] = {
    "plain fields": _plain,
    "a constraint": _constrained,
    "3 models inside": _with_models,
}


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    One line for each kind of event.
    """
    commits = math.ceil(_COMMITS * setting.sizes.turn / _WRITERS) * _WRITERS
    async with EmbeddedEventStore(setting.folder / "content.db") as store:
        for name, make in _KINDS.items():
            yield await compare(
                "content",
                name,
                Unit.COMMITS_PER_S,
                rounds=setting.sizes.rounds * 2,
                ours=_turn(store, commits, make, _checked),
                floors={"the same, unchecked": _turn(store, commits, make, _unchecked)},
                aim=_AIM,
                warm_up=3,
            )


def _checked(event: Event, subject: str) -> NewEvent:
    return NewEvent.of(event, subject=subject)


def _unchecked(event: Event, subject: str) -> NewEvent:
    data = event.__pydantic_serializer__.to_python(event, mode="json", by_alias=True)
    return NewEvent(subject=subject, type=event.event_type, data=data)


def _turn(
    store: EmbeddedEventStore, commits: int, make: Callable[[int], Event], place: Callable[[Event, str], NewEvent]
) -> Turn:
    async def write(writer: int) -> None:
        for number in range(commits // _WRITERS):
            await store.commit([place(make(number), f"/accounts/{writer}")])

    async def turn() -> float:
        start = time.perf_counter()
        await asyncio.gather(*map(write, range(_WRITERS)))
        return commits / (time.perf_counter() - start)

    return turn
