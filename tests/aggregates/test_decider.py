"""
Deciders: the functional style over the same core.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from eventsource import (
    Command,
    Decider,
    DeclarationError,
    Dispatcher,
    Event,
    Guard,
    NewEvent,
    RetryPolicy,
    RuleBrokenError,
    rule,
    select_events,
)
from eventsource.store import InMemoryEventStore
from tests.aggregates.accounts import CustomerGreeted, InsufficientFundsError

if TYPE_CHECKING:
    from eventsource import EventStore
    from tests.aggregates.observed_store import ObservedStore


class Added(Event, type="io.example.test.decider.added"):
    """
    Goods came in.
    """

    pieces: int


class Removed(Event, type="io.example.test.decider.removed"):
    """
    Goods went out.
    """

    pieces: int


class Add(Command, subject="/goods/{good}"):
    """
    Put goods in.
    """

    good: str
    pieces: int

    @rule("there is room")
    def _room(self) -> Guard:
        return select_events(Added).at(self.subject).sum("pieces") <= 1_000 - self.pieces


class Remove(Command, subject="/goods/{good}/orders/{order}"):
    """
    Take goods out; its subject is the order, below the good.
    """

    good: str
    order: int
    pieces: int


@attrs.frozen
class Stock:
    """
    A state that is a value.
    """

    pieces: int = 0
    movements: tuple[int, ...] = ()


def decide(stock: Stock, command: Add | Remove, most: int = 100) -> list[Event] | Event | None:
    """
    Check the rules; return what happens.
    """
    match command:
        case Add(pieces=0):
            return None
        case Add():
            return Added(pieces=command.pieces)
        case Remove():
            if command.pieces > min(stock.pieces, most):
                raise InsufficientFundsError
            return [Removed(pieces=command.pieces)]


def evolve(stock: Stock, event: Added | Removed) -> Stock:
    """
    Take in what happened.
    """
    pieces = event.pieces if isinstance(event, Added) else -event.pieces
    return Stock(stock.pieces + pieces, (*stock.movements, pieces))


STOCK = Decider(subject="/goods/{good}", events=[Added, Removed], initial=Stock(), decide=decide, evolve=evolve)
# What is taken out is written where the order is, so that the order's id counts there.
ORDER = attrs.evolve(STOCK, subject=None)


def make(store: EventStore, **dependencies: object) -> Dispatcher:
    """
    A dispatcher that puts goods in and takes them out.
    """
    named: Any = dependencies
    dispatcher = Dispatcher(store, dependencies=named, retry=RetryPolicy(first_pause_s=0))
    dispatcher.register(Add, STOCK)
    return dispatcher


def test_history_is_a_fold() -> None:
    """
    Without any store: the state and the decision are values.
    """
    stock = STOCK.fold([Added(pieces=5), Removed(pieces=2)])

    assert stock == Stock(3, (5, -2))
    assert decide(stock, Remove(good="nut", order=1, pieces=3)) == [Removed(pieces=3)]


async def test_decider_stands_in_the_place_of_a_handler(store: ObservedStore) -> None:
    """
    It decides on what its events have made of the state; events of other classes there do not matter.
    """
    dispatcher = make(store)
    await dispatcher.dispatch(Add(good="nut", pieces=5))
    await store.commit([NewEvent.of(CustomerGreeted(), subject="/goods/nut")])
    result = await dispatcher.dispatch(Add(good="nut", pieces=2))

    assert [(event.subject, event.decode()) for event in result.events] == [("/goods/nut", Added(pieces=2))]
    assert await store.inner.count("/goods/nut") == 3


async def test_what_comes_between_is_decided_on_again(store: ObservedStore) -> None:
    """
    An event that is folded is a conflict, and decided on anew; any other is in nobody's way.
    """
    seen: list[int] = []

    def decide_once(stock: Stock, command: Add) -> Added:
        seen.append(stock.pieces)
        return Added(pieces=command.pieces)

    dispatcher = Dispatcher(store, retry=RetryPolicy(first_pause_s=0))
    dispatcher.register(Add, attrs.evolve(STOCK, decide=decide_once))
    rival = make(store.inner)
    store.rivals = [
        lambda: rival.dispatch(Add(good="nut", pieces=7)),
        lambda: store.inner.commit([NewEvent.of(CustomerGreeted(), subject="/goods/nut")]),
    ]
    await dispatcher.dispatch(Add(good="nut", pieces=1))

    assert seen == [0, 7]


async def test_the_same_command_again_is_the_same_result(store: ObservedStore) -> None:
    """
    As with every other handler, also where the decider refuses what it did itself.
    """
    dispatcher = make(store)
    dispatcher.register(Remove, ORDER)
    await store.commit([NewEvent.of(Added(pieces=5), subject="/goods/nut/orders/1")])
    command = Remove(good="nut", order=1, pieces=5)
    first = await dispatcher.dispatch(command)
    again = await dispatcher.dispatch(command)

    assert (again.events, again.is_repeat) == (first.events, True)
    with pytest.raises(InsufficientFundsError):
        await dispatcher.dispatch(Remove(good="nut", order=1, pieces=5))


async def test_nothing_decided_is_nothing_committed(store: ObservedStore) -> None:
    """
    None and no events are the same.
    """
    assert (await make(store).dispatch(Add(good="nut", pieces=0))).events == ()
    assert store.commits == 0


async def test_rules_of_the_command_are_decided_by_the_store(store: ObservedStore) -> None:
    """
    As with every other handler.
    """
    dispatcher = make(store)
    await dispatcher.dispatch(Add(good="nut", pieces=999))

    with pytest.raises(RuleBrokenError) as excinfo:
        await dispatcher.dispatch(Add(good="nut", pieces=2))

    assert excinfo.value.name == "there is room"


async def test_decider_is_given_its_dependencies(store: ObservedStore) -> None:
    """
    What it needs to know beside the state comes in as parameters.
    """
    dispatcher = make(store, most=3)
    dispatcher.register(Remove, ORDER)
    await store.commit([NewEvent.of(Added(pieces=5), subject="/goods/nut/orders/1")])

    with pytest.raises(InsufficientFundsError):
        await dispatcher.dispatch(Remove(good="nut", order=1, pieces=4))


async def test_many_at_once_lose_nothing(store: ObservedStore) -> None:
    """
    Each decides on a state that is true when it is committed.
    """
    pieces: list[int] = []

    def count(stock: Stock, command: Add) -> Added:
        pieces.append(stock.pieces)
        return Added(pieces=command.pieces)

    dispatcher = Dispatcher(store, retry=RetryPolicy(attempts=100, first_pause_s=0.0001, longest_pause_s=0.01))
    dispatcher.register(Add, attrs.evolve(STOCK, decide=count))
    await asyncio.gather(*(dispatcher.dispatch(Add(good="nut", pieces=1)) for _ in range(20)))

    assert set(range(20)) <= set(pieces)
    assert await store.count("/goods/nut") == 20


async def test_events_that_are_not_folded_cannot_be_decided() -> None:
    """
    The next decision would not know of them.
    """
    async with InMemoryEventStore() as store:
        dispatcher = Dispatcher(store)
        dispatcher.register(Add, attrs.evolve(STOCK, decide=lambda _state, _command: CustomerGreeted()))

        with pytest.raises(DeclarationError, match="CustomerGreeted, which the decider does not fold"):
            await dispatcher.dispatch(Add(good="nut", pieces=1))
        assert await store.count() == 0


@pytest.mark.parametrize("classes", [[], [Event], [int]])
def test_events_of_a_decider_are_event_classes(classes: list[type[Event]]) -> None:
    """
    At least one, each with a type name.
    """
    with pytest.raises(DeclarationError, match="event"):
        attrs.evolve(STOCK, events=classes)


def test_subject_of_a_decider_names_fields_of_the_command() -> None:
    """
    Checked when it is registered.
    """
    dispatcher = Dispatcher(InMemoryEventStore())

    with pytest.raises(DeclarationError, match="'shelf', which is no field"):
        dispatcher.register(Add, attrs.evolve(STOCK, subject="/goods/{shelf}"))
