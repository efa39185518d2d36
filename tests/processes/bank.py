"""
A bank that lends, with its store, its clock and its workers.
"""

from collections import Counter
from datetime import timedelta
from typing import Any

import attrs

from eventsource import Event, EventStore, NewEvent, ProcessWorker, RecordedEvent, RetryPolicy
from eventsource.events import event_types
from eventsource.processes.process_events import ProcessNoted
from eventsource.testing.clock import FixedClock
from tests.processes.lending import (
    AccountClosed,
    AccountOpened,
    LoanApplication,
    LoanRequested,
    LoanSigned,
    MoneyPaidIn,
    PotFilled,
    StandingOrder,
    StandingOrderGiven,
    make_dispatcher,
)

AT_ONCE = RetryPolicy(attempts=3, first_pause_s=0)


@attrs.frozen
class Bank:
    """
    One store, and what happens there.
    """

    store: EventStore
    clock: FixedClock

    def worker(self, **options: Any) -> ProcessWorker:
        """
        A worker of both process managers; it does not wait between two tries.
        """
        dispatcher = options.pop("dispatcher", None) or make_dispatcher(self.store)
        processes = options.pop("processes", [LoanApplication, StandingOrder])
        usual: dict[str, Any] = {"clock": self.clock, "retry": AT_ONCE}
        return ProcessWorker(self.store, dispatcher, processes, **usual | options)

    async def work(self, **options: Any) -> None:
        """
        Let a worker do all there is to do.
        """
        async with self.worker(**options) as worker:
            await worker.settle()

    async def commit(self, subject: str, *events: Event) -> RecordedEvent:
        """
        Let events happen; gives the last.
        """
        return (await self.store.commit([NewEvent.of(event, subject=subject) for event in events]))[-1]

    async def open(self, *accounts: str, cents: int = 0) -> None:
        """
        Open accounts, and fill the pot.
        """
        for account in accounts:
            await self.commit(f"/accounts/{account}", AccountOpened(), *([MoneyPaidIn(cents=cents)] if cents else []))
        await self.commit("/pots/house", PotFilled(cents=1_000_00))

    async def request(self, loan: str, account: str, cents: int = 100_00) -> RecordedEvent:
        """
        Ask for a loan.
        """
        return await self.commit(f"/loans/{loan}", LoanRequested(pot="house", account=account, cents=cents))

    async def sign(self, loan: str) -> RecordedEvent:
        """
        Sign the offer.
        """
        return await self.commit(f"/loans/{loan}", LoanSigned())

    async def close(self, account: str) -> None:
        """
        Close an account.
        """
        await self.commit(f"/accounts/{account}", AccountClosed())

    async def order(self, order: str, giver: str, taker: str, *, cents: int = 10_00, months: int = 3) -> None:
        """
        Give a standing order, from tomorrow on.
        """
        first = self.clock.now() + timedelta(days=1)
        given = StandingOrderGiven(giver=giver, taker=taker, cents=cents, first=first, months=months)
        await self.commit(f"/standing-orders/{order}", given)

    async def events(self, subject: str = "/") -> list[Event]:
        """
        What happened there and below; what processes noted is read as they emitted it.
        """
        return [_emitted(recorded) async for recorded in self.store.stream(subject)]

    async def names(self, subject: str = "/") -> list[str]:
        """
        The names of the classes of what happened there and below.
        """
        return [type(event).__name__ for event in await self.events(subject)]

    async def count(self, event_class: type[Event], subject: str = "/") -> int:
        """
        How often something happened.
        """
        return Counter(await self.names(subject))[event_class.__name__]


def _emitted(recorded: RecordedEvent) -> Event:
    event = recorded.decode()
    if isinstance(event, ProcessNoted):
        return recorded._replace(type=event.type).decode()
    return event


async def assert_exactly_once(store: EventStore) -> None:
    """
    Check that no event was answered twice, no command carried out twice, no timer recorded twice.

    And that of each command it is known what became of it.
    """
    answered: Counter[tuple[str, str]] = Counter()
    sent: set[tuple[str, str, int]] = set()
    ended: Counter[tuple[str, str, int]] = Counter()
    refused: set[tuple[str, str]] = set()
    fired: Counter[tuple[str, str]] = Counter()
    by_command: Counter[str] = Counter()
    async for recorded in store.stream():
        data, subject = recorded.data, recorded.subject
        match recorded.type.removeprefix("io.eventsource.process-"):
            case "reacted":
                answered[subject, data["cause"]] += 1
                sent |= {(subject, data["cause"], index) for index in range(len(data["commands"]))}
            case "command-dispatched":
                ended[subject, data["cause"], data["index"]] += 1
            case "command-refused":
                ended[subject, data["cause"], data["index"]] += 1
                refused.add((subject, data["cause"]))
            case "timer-fired":
                fired[subject, data["timer"]] += 1
            case _ if event_types.find(recorded.type) and (command := recorded.metadata.command_id):
                by_command[f"{command} {recorded.type} {subject}"] += 1
    withheld = {key for key in sent - set(ended) if key[:2] in refused}
    assert not [key for key, times in answered.items() if times > 1]
    assert not [key for key, times in ended.items() if times > 1]
    assert not [key for key, times in fired.items() if times > 1]
    assert not [key for key, times in by_command.items() if times > 1]
    assert set(ended) | withheld == sent
