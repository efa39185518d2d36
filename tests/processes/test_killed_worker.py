"""
Workers that are killed, at every step they take: each command and each timer happens exactly once.
"""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from eventsource.processes import list_processes
from eventsource.server import ServerSettings, Tokens, serve
from eventsource.store import EmbeddedEventStore
from eventsource.testing.clock import FixedClock
from eventsource.testing.contract.chance import IS_LONG
from tests.processes.bank import Bank, assert_exactly_once
from tests.processes.lending import (
    LoanApplication,
    LoanRejected,
    MoneyPaidIn,
    MoneyPaidOut,
    MoneyReserved,
    OfferExpired,
    PaymentDue,
    ReservationReleased,
    StandingOrder,
)
from tests.processes.worker_nursery import SETTLED

ROOT = Path(__file__).parents[2]
_TOKEN = "nursery-token"  # noqa: S105  of a server on this machine, for a test


@pytest.fixture(scope="module")
def nursery() -> Generator["subprocess.Popen[str]"]:
    """
    The program that runs workers.
    """
    command = [sys.executable, "-m", "tests.processes.worker_nursery"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin
        process.stdin.close()


def ask(nursery: "subprocess.Popen[str]", order: dict[str, Any]) -> str:
    """
    Run a worker until it is dead or done; gives how it ended.
    """
    assert nursery.stdin
    assert nursery.stdout
    nursery.stdin.write(json.dumps(order) + "\n")
    nursery.stdin.flush()
    return nursery.stdout.readline().strip()


async def kill_until_settled(nursery: "subprocess.Popen[str]", order: dict[str, Any]) -> int:
    """
    Run one worker after the other, each killed at a commit; gives how many were killed.
    """
    for deaths in range(200):
        ended = await asyncio.to_thread(ask, nursery, order)
        if ended == f"ended {SETTLED}":
            return deaths
        assert ended == f"died {signal.SIGKILL:d}"
    pytest.fail("it never comes to an end")


@asynccontextmanager
async def embedded(path: Path, _: FixedClock) -> AsyncGenerator[dict[str, Any]]:
    """
    The worker writes to the file itself.
    """
    yield {"path": str(path)}


@asynccontextmanager
async def over_http(path: Path, clock: FixedClock) -> AsyncGenerator[dict[str, Any]]:
    """
    The worker writes to a server.
    """
    async with (
        EmbeddedEventStore(path, clock=clock) as store,
        serve(store, ServerSettings(Tokens(_TOKEN), heartbeat_s=0.2), grace_s=0.1) as url,
    ):
        yield {"url": url, "token": _TOKEN}


# Killed after its first commit each, there is no commit that is not followed by a death; killed before its second
# one, there is none that is not preceded by one. Over HTTP each third, since it takes longer; and then several
# processes are led on side by side.
@pytest.mark.parametrize(
    ("way", "moment", "times", "width"),
    [(embedded, "after", 1, 1), (embedded, "before", 2, 1), (over_http, "after", 3, 4)]
    + [(over_http, "before", times, 4) for times in (2, 3) if IS_LONG],
)
async def test_killed_at_every_commit(  # noqa: PLR0917  pytest gives them by name
    tmp_path: Path,
    nursery: "subprocess.Popen[str]",
    moment: str,
    times: int,
    width: int,
    way: Callable[[Path, FixedClock], AbstractAsyncContextManager[dict[str, Any]]],
) -> None:
    """
    Loans that are paid out, refused, compensated for and expired, orders that are due: the next worker goes on.

    Nothing is lost, and nothing is done twice.
    """
    path, clock = tmp_path / "bank.db", FixedClock()

    async def work() -> int:
        database = f"sqlite:///{tmp_path / 'read.db'}"
        async with way(path, clock) as order:
            order |= {"database": database, "now": clock.now().timestamp()}
            return await kill_until_settled(nursery, order | {"moment": moment, "times": times, "width": width})

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Bank]:
        async with EmbeddedEventStore(path, clock=clock) as store:
            yield Bank(store, clock)

    async with opened() as bank:
        await bank.open("good", "closed", cents=10_00)
        for loan, account, cents in [("1", "good", 50_00), ("2", "closed", 60_00), ("3", "good", 9_999_00)]:
            await bank.request(loan, account, cents=cents)
        await bank.request("4", "good", cents=70_00)
        await bank.order("9", "good", "good", months=2)
    deaths = await work()
    async with opened() as bank:
        await bank.close("closed")
        await bank.sign("1")
        await bank.sign("2")
    deaths += await work()
    clock.advance(days=15)
    deaths += await work()
    clock.advance(days=100)
    deaths += await work()

    assert deaths >= (30 if way is embedded else 4)
    async with opened() as bank:
        await assert_exactly_once(bank.store)
        paid = [event.cents for event in await bank.events("/accounts/good") if isinstance(event, MoneyPaidIn)]
        assert sorted(paid) == [10_00, 10_00, 10_00, 50_00]
        assert await bank.count(MoneyPaidOut) == 2
        assert await bank.count(MoneyReserved) == 3
        released = [event.loan for event in await bank.events("/pots") if isinstance(event, ReservationReleased)]
        assert sorted(released) == ["2", "4"]
        assert await bank.count(LoanRejected) == 3
        assert await bank.count(OfferExpired) == 1
        assert await bank.count(PaymentDue) == 2
        for process in (LoanApplication, StandingOrder):
            states = await list_processes(process, bank.store)
            assert not [state for state in states if state.unsent or state.timers or state.parked]
