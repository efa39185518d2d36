"""
One command, many who send it at once: it is carried out once, and all of them get the same result.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from eventsource import CommitOutcomeUnknownError, RetryPolicy
from eventsource.errors import StoreUnavailableError
from eventsource.genesisdb import Limits
from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from eventsource.store.genesisdb import GenesisDBEventStore
from eventsource.testing.contract.chance import rounds, seeded_random
from tests.commands.requests import Deposit, Dispatches, Open, Transfer, Withdraw, make_dispatcher, open_with
from tests.store.http_server import TOKEN, losing, serving

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from eventsource import Command, Dispatcher, EventStore
    from eventsource.commands import CommandResult

RACERS = 16
RETRY = RetryPolicy(attempts=100, first_pause_s=0.0001, longest_pause_s=0.01)


def draw_command(number: int, chance: random.Random) -> Command:
    """
    A command of one of the kinds that are decided differently: by absence, by a rule, by one state, by two.
    """
    kinds: list[Callable[[], Command]] = [
        lambda: Open(command_id=f"{number}", account=f"new-{number}"),
        lambda: Deposit(command_id=f"{number}", account="1", cents=chance.randint(1, 9)),
        lambda: Withdraw(command_id=f"{number}", account="1", cents=1),
        # Whoever comes second finds the account empty.
        lambda: Withdraw(command_id=f"{number}", account=f"full-{number}", cents=100),
        lambda: Transfer(command_id=f"{number}", transfer=f"{number}", source="1", target="2", cents=1),
    ]
    return chance.choice(kinds)()


async def race(dispatchers: Sequence[Dispatches], store: EventStore, how_often: int) -> list[CommandResult]:
    """
    Round for round: all send the same command at once; what the first of them got.
    """
    chance = seeded_random()
    first = dispatchers[0]
    await open_with(first, "1", 1_000_000)
    await open_with(first, "2", 0)
    won: list[CommandResult] = []
    for number in range(how_often):
        command = draw_command(number, chance)
        if isinstance(command, Withdraw) and command.account != "1":
            await open_with(first, command.account, command.cents)
        before = await store.count()
        results = await asyncio.gather(
            *(dispatchers[racer % len(dispatchers)].dispatch(command) for racer in range(RACERS))
        )
        stored = [event.id async for event in store.stream() if event.metadata.command_id == command.command_id]

        assert stored
        assert all([event.id for event in result.events] == stored for result in results)
        assert await store.count() == before + len(stored)
        won += [result for result in results if not result.is_repeat]
    return won


async def race_alone(store: EventStore) -> None:
    """
    Race on one store: exactly one of the racers does it in each round.
    """
    how_often = rounds(20, 1_000)
    won = await race([make_dispatcher(store, retry=RETRY)], store, how_often)

    assert len(won) == how_often


async def test_in_memory() -> None:
    """
    In one event loop.
    """
    async with InMemoryEventStore() as store:
        await race_alone(store)


async def test_embedded(tmp_path: Path) -> None:
    """
    On one file.
    """
    async with EmbeddedEventStore(tmp_path / "store.db") as store:
        await race_alone(store)


async def test_over_http(tmp_path: Path) -> None:
    """
    From two clients of one server.
    """
    how_often = rounds(6, 1_000)
    async with (
        EmbeddedEventStore(tmp_path / "store.db") as inner,
        serving(inner) as url,
        GenesisDBEventStore(url, token=TOKEN) as one,
        GenesisDBEventStore(url, token=TOKEN) as other,
    ):
        won = await race([make_dispatcher(store, retry=RETRY) for store in (one, other)], inner, how_often)

        assert len(won) == how_often


@pytest.mark.parametrize("commit_tries", [1, 4])
async def test_over_http_that_loses_answers(tmp_path: Path, commit_tries: int) -> None:
    """
    Whether it is the client who sends again or the dispatcher: nothing is done twice, and the result is the same.

    Who did it cannot always be told, so that nobody may be left that knows.
    """
    chance = seeded_random()
    limits = Limits(commit_tries=commit_tries)
    async with AsyncExitStack() as stack:
        inner = await stack.enter_async_context(EmbeddedEventStore(tmp_path / "store.db"))
        url = await stack.enter_async_context(serving(inner))
        lossy = await stack.enter_async_context(losing(url, lambda: chance.random() < 0.05))
        stores = [
            await stack.enter_async_context(GenesisDBEventStore(lossy, token=TOKEN, limits=limits)) for _ in range(2)
        ]
        dispatchers = [_Stubborn(make_dispatcher(store, retry=RETRY)) for store in stores]
        how_often = rounds(6, 1_000)
        won = await race(dispatchers, inner, how_often)

        assert len(won) <= how_often


class _Stubborn:
    """
    Dispatches again as long as there is no answer, as a queue does that delivers its message again.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatch: Callable[[Command], Awaitable[CommandResult]] = dispatcher.dispatch

    async def dispatch(self, command: Command) -> CommandResult:
        """
        Dispatch until it is known.
        """
        while True:
            try:
                return await self._dispatch(command)
            except (CommitOutcomeUnknownError, StoreUnavailableError):
                continue
