"""
Commands: carried out once however often and by however many they are sent, with the same result for all.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest

from eventsource import (
    Command,
    Decider,
    Dispatcher,
    Guard,
    Metadata,
    RetryPolicy,
    RuleBrokenError,
    UnitOfWork,
    rule,
    select_events,
)
from eventsource.errors import CommandIdReusedError, CommandLeavesNoTraceError
from eventsource.testing.contract.racers import PATIENT, RACERS, CoinsPassed, Hand, NothingLeftError, repeat
from eventsource.testing.contract.samples import read

if TYPE_CHECKING:
    from eventsource import EventStore
    from eventsource.commands import CommandResult
    from eventsource.testing.contract.kinds import OpenStore, StoreKind


class TakeUp(Command, subject="/hands/{hand}"):
    """
    Begin with so many coins: decided by what is not there.
    """

    hand: str
    coins: int


class Receive(Command, subject="/hands/{hand}"):
    """
    Take a coin: decided by a rule alone.
    """

    hand: str

    @rule("the hand is there")
    def _is_there(self) -> Guard:
        return select_events(CoinsPassed).at(self.subject).exists()


class Give(Command, subject="/hands/{hand}"):
    """
    Let a coin go: decided by one aggregate.
    """

    hand: str


class Pass(Command, subject="/passes/{number}"):
    """
    Let a coin go from one hand into another: decided by two.
    """

    number: str
    source: str
    target: str


class Drop(Command, subject="/hands/{hand}"):
    """
    Let a coin go, in the functional style.
    """

    hand: str


def drop(coins: int, _: Drop) -> CoinsPassed:
    """
    Refuse, or say what happens.
    """
    if coins == 0:
        raise NothingLeftError
    return CoinsPassed(coins=-1)


def count(coins: int, event: CoinsPassed) -> int:
    """
    The number of coins there are then.
    """
    return coins + event.coins


def receive(_: Receive) -> CoinsPassed:
    """
    What happens if its rule holds.
    """
    return CoinsPassed(coins=1)


def dispatcher_on(store: EventStore, retry: RetryPolicy = PATIENT) -> Dispatcher:
    """
    A dispatcher with a handler of each style.
    """
    dispatcher = Dispatcher(store, retry=retry)

    def take_up(command: TakeUp, work: UnitOfWork) -> None:
        work.create(Hand, command.hand).take_up(command.coins)

    async def give(command: Give, work: UnitOfWork) -> None:
        hand = await work.load(Hand, command.hand)
        # All have read before the first commits.
        await asyncio.sleep(0)
        hand.give()

    async def pass_on(command: Pass, work: UnitOfWork) -> None:
        one = await work.load(Hand, command.source)
        other = await work.load(Hand, command.target)
        one.give()
        other.receive()
        work.emit(CoinsPassed(coins=1), at=command.subject)

    dispatcher.register(TakeUp, take_up)
    dispatcher.register(Receive, receive)
    dispatcher.register(Give, give)
    dispatcher.register(Pass, pass_on)
    dispatcher.register(Drop, Decider(events=[CoinsPassed], initial=0, decide=drop, evolve=count))
    return dispatcher


def commands_on(number: str) -> list[Command]:
    """
    One of each, to be carried out in this order; the hand they begin with has one coin, and in the end none.
    """
    hand, other = f"hand-{number}", f"other-{number}"
    return [
        TakeUp(command_id=f"{number}-begin", hand=hand, coins=1),
        TakeUp(command_id=f"{number}-begin", hand=other, coins=0),
        Give(command_id=f"{number}-give", hand=hand),
        Receive(command_id=f"{number}-receive", hand=hand),
        Pass(command_id=f"{number}-pass", number=number, source=hand, target=other),
        Drop(command_id=f"{number}-drop", hand=other),
    ]


def ids(result: CommandResult) -> list[str]:
    """
    The ids of the events of a result.
    """
    return [event.id for event in result.events]


async def test_a_command_that_comes_again_is_the_same_result(store: EventStore) -> None:
    """
    Commits nothing and gets the events of the first time, right after it and when much has happened since.
    """
    dispatcher = dispatcher_on(store)
    firsts: list[CommandResult] = []
    for command in commands_on("1"):
        firsts.append(await dispatcher.dispatch(command))
        assert ids(await dispatcher.dispatch(command)) == ids(firsts[-1]) != []
    log = await read(store.stream())

    for command, first in zip(commands_on("1"), firsts, strict=True):
        again = await dispatcher.dispatch(command)

        assert (ids(again), again.is_repeat, first.is_repeat) == (ids(first), True, False)
        assert {event.metadata.command_id for event in again.events} == {command.command_id}
    assert await read(store.stream()) == log


async def test_a_refused_command_is_no_repeat(store: EventStore) -> None:
    """
    Whoever refuses it; and it is carried out once it can be.
    """
    dispatcher = dispatcher_on(store)
    receive, give = Receive(hand="1"), Give(hand="1")
    with pytest.raises(RuleBrokenError) as excinfo:
        await dispatcher.dispatch(receive)
    assert excinfo.value.name == "the hand is there"
    await dispatcher.dispatch(TakeUp(hand="1", coins=0))
    with pytest.raises(NothingLeftError):
        await dispatcher.dispatch(give)

    assert not (await dispatcher.dispatch(receive)).is_repeat
    assert not (await dispatcher.dispatch(give)).is_repeat


async def test_an_event_tells_where_it_comes_from(store: EventStore) -> None:
    """
    The command, and the story that it begins.
    """
    [event] = (await dispatcher_on(store).dispatch(TakeUp(command_id="7", hand="1", coins=0))).events

    found = event.metadata
    assert found == Metadata(command_id="7", command_digest=found.command_digest, correlation_id="7", causation_id="7")
    assert (found.command_digest or "").startswith("TakeUp/")


async def test_an_id_names_one_command(store: EventStore) -> None:
    """
    The same id with other content is an error that names the command, and nothing is committed.
    """
    await dispatcher_on(store).dispatch(TakeUp(command_id="7", hand="1", coins=1))

    with pytest.raises(CommandIdReusedError, match="TakeUp with other content"):
        await dispatcher_on(store).dispatch(TakeUp(command_id="7", hand="1", coins=2))
    assert await store.count() == 1


async def test_events_elsewhere_do_not_tell_a_repeat(store: EventStore) -> None:
    """
    They are not committed.
    """
    dispatcher = Dispatcher(store)
    dispatcher.register(Give, _emit_elsewhere)

    with pytest.raises(CommandLeavesNoTraceError):
        await dispatcher.dispatch(Give(hand="1"))
    assert await store.count() == 0


def _emit_elsewhere(_: Give, work: UnitOfWork) -> None:
    # A neighbour whose name begins in the same way is elsewhere, too.
    work.emit(CoinsPassed(coins=1), at="/hands/11")


_FEW: Final = RetryPolicy(attempts=3, first_pause_s=0.0005)


async def race_with_one_command(store: EventStore, number: str) -> None:
    """
    One round of it: all commands after one another, each sent by all at once.
    """
    dispatcher = dispatcher_on(store, _FEW)
    begin, begin_other, *others = commands_on(number)
    await dispatcher.dispatch(begin_other)
    # A round for each of them would take long.
    for command in (begin, others[int(number) % 2 * 2]):
        results = await asyncio.gather(*(dispatcher.dispatch(command) for _ in range(RACERS)))

        assert sum(not result.is_repeat for result in results) == 1
        assert {tuple(ids(result)) for result in results} == {tuple(ids(results[0]))} != {()}
    found = await read(store.stream(f"/hands/hand-{number}"))
    assert [event.data["coins"] for event in found] == [1, -1]


async def test_racers_with_one_command(open_store: OpenStore, store_kind: StoreKind) -> None:
    """
    Of 16 who send the same one, one carries it out, and all get its events.
    """
    await repeat(open_store, store_kind, race_with_one_command)
