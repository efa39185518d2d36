"""
Lost updates: of many who decide by the same balance, only as many succeed as it covers.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from eventsource import Aggregate, Event, Repository, RetryPolicy, handles
from eventsource.testing.contract.chance import rounds
from eventsource.testing.contract.samples import read

if TYPE_CHECKING:
    from eventsource import EventStore
    from eventsource.testing.contract.kinds import StoreKind


class PurseFilled(Event, type="io.example.contract.purse-filled"):
    """
    Coins were put in.
    """

    coins: int


class CoinTaken(Event, type="io.example.contract.coin-taken"):
    """
    One coin was taken out.
    """


class PurseIsEmptyError(Exception):
    """
    There is no coin to take.
    """


class Purse(Aggregate, subject="/purses/{id}"):
    """
    Coins that many reach for.
    """

    coins: int = 0

    def fill(self, coins: int) -> None:
        """
        Put coins in.
        """
        self.emit(PurseFilled(coins=coins))

    def take(self) -> None:
        """
        Take one out.
        """
        if self.coins == 0:
            raise PurseIsEmptyError
        self.emit(CoinTaken())

    @handles
    def _filled(self, event: PurseFilled) -> None:
        self.coins += event.coins

    @handles
    def _taken(self, event: CoinTaken) -> None:  # noqa: ARG002  it has no facts
        self.coins -= 1


PURSES = 60
# The number of purses that are fought over at the same time.
AT_ONCE = 10


async def test_no_more_is_withdrawn_than_the_balance_covers(store: EventStore, store_kind: StoreKind) -> None:
    """
    Of 16 who take from a purse of 5 coins at the same time, 5 succeed and 11 are refused; 60 times.
    """
    purses = Repository(Purse, store, retry=RetryPolicy(first_pause_s=0.0005))

    for first in range(0, store_kind.rounds(rounds(PURSES, 60 * PURSES)), AT_ONCE):
        fights = [_fight_over(purses, f"{number}") for number in range(first, first + AT_ONCE)]
        for succeeded, refused in await asyncio.gather(*fights):
            assert (succeeded, refused) == (5, 11)

        for number in range(first, first + AT_ONCE):
            events = await read(store.stream(f"/purses/{number}"))
            assert [event.type for event in events] == [PurseFilled.event_type] + [CoinTaken.event_type] * 5


async def _fight_over(purses: Repository[Purse], purse_id: str) -> tuple[int, int]:
    """
    How many of 16 got a coin, and how many found the purse empty.
    """
    async with purses.create(purse_id) as purse:
        purse.fill(5)
    attempts = [purses.execute(purse_id, Purse.take) for _ in range(16)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, PurseIsEmptyError)]
    return outcomes.count(None), len(refused)
