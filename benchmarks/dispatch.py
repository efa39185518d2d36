"""
What a dispatched command costs beside the store calls it is made of, and beside `transact`.

The floor is what one would write by hand: the event with its metadata, and one commit under the same
guard, "the command was not carried out before"; for the command that reads, also the aggregate folded from
its stream, and its version as a second guard. `transact` stands between: the unit of work without the command.
On a store that answers at once there is nothing but the dispatch, so its figure is what it adds.

A repeat is refused by the guard and then looked up. It must not grow with the log, so the long log stands
beside the short one.
"""

from __future__ import annotations

import itertools
import statistics
import time
from typing import TYPE_CHECKING, Final

from benchmarks.bank import Account, MoneyDeposited
from benchmarks.measurement import Aim, Unit, compare
from benchmarks.programs import TOKEN, serving
from eventsource import (
    Command,
    Dispatcher,
    Metadata,
    NewEvent,
    RecordedEvent,
    Subject,
    SubjectIsAtVersion,
    UnitOfWork,
    transact,
)
from eventsource.guards.command_guard import not_carried_out
from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from eventsource.store.genesisdb import GenesisDBEventStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from benchmarks.measurement import Line, Turn
    from benchmarks.setting import Setting
    from eventsource import EventStore, Precondition

_COMMITS: Final = 40
_REPEATS: Final = 10
# Microseconds that dispatching adds on a store that answers at once.
_AIM: Final = Aim(figure=150)

_serial = itertools.count(1)
_deposited = MoneyDeposited(cents=1, reference="a payment")


class Deposit(Command, subject="/accounts/{account}"):
    """
    Decided without a read.
    """

    account: str


class DepositAfterReading(Command, subject="/accounts/{account}"):
    """
    Decided on the account.
    """

    account: str


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    Lines for the dispatch alone, without and with a read, over HTTP, and for repeats.
    """
    short, long = setting.sizes.small, setting.sizes.large
    instant = _Commands(setting, _InstantStore(), short)
    yield await _compare(setting, "no read, a store that answers at once", instant, Deposit, _AIM)
    async with (
        EmbeddedEventStore(await setting.log(short)) as short_store,
        EmbeddedEventStore(await setting.log(long)) as long_store,
    ):
        short_log, long_log = (_Commands(setting, short_store, short), _Commands(setting, long_store, long))
        yield await _compare(setting, f"no read, {short:,} events stored", short_log, Deposit)
        yield await _compare(setting, f"one aggregate, {short:,} events stored", short_log, DepositAfterReading)
        yield await compare(
            "dispatch",
            f"a repeat, {long:,} events stored",
            Unit.MICROSECONDS,
            rounds=setting.sizes.rounds,
            ours=await long_log.repeats(),
            floors={f"a repeat, {short:,} events stored": await short_log.repeats()},
        )
    with serving(setting.folder / "dispatch.db") as server:
        async with GenesisDBEventStore(server.url, token=TOKEN) as store:
            yield await _compare(setting, "no read, over HTTP", _Commands(setting, store, short), Deposit)


async def _compare(
    setting: Setting, what: str, commands: _Commands, command_class: type[Command], aim: Aim | None = None
) -> Line:
    reads = command_class is DepositAfterReading
    return await compare(
        "dispatch",
        what,
        Unit.MICROSECONDS,
        rounds=setting.sizes.rounds,
        ours=commands.timed(lambda account: commands.dispatch(command_class, account)),
        floors={
            "store calls by hand": commands.timed(commands.read_by_hand if reads else commands.commit_by_hand),
            "decide()": commands.timed(commands.decide_on if reads else commands.decide_blindly),
        },
        aim=aim,
    )


class _Commands:
    def __init__(self, setting: Setting, store: EventStore, events: int) -> None:
        accounts = setting.accounts(events)
        self._accounts = itertools.cycle(map(str, setting.random.sample(range(accounts), min(accounts, 20_000))))
        self._store = store
        self._dispatcher = Dispatcher(store)
        self._dispatcher.register(Deposit, lambda _: _deposited)
        self._dispatcher.register(DepositAfterReading, _deposit)

    def timed(self, do: Callable[[str], Awaitable[object]]) -> Turn:
        """
        A turn that does something to some accounts, one after the other, and gives microseconds for one.
        """

        async def turn() -> float:
            taken: list[float] = []
            for account in itertools.islice(self._accounts, _COMMITS):
                start = time.perf_counter()
                await do(account)
                taken.append(time.perf_counter() - start)
            return statistics.median(taken) * 1e6

        return turn

    async def repeats(self) -> Turn:
        """
        A turn that dispatches a command again and again that was carried out before.
        """
        waiting: list[Deposit] = []

        async def turn() -> float:
            for account in itertools.islice(self._accounts, _REPEATS):
                waiting.append(Deposit(account=account))
                await self._dispatcher.dispatch(waiting[-1])
            taken: list[float] = []
            while waiting:
                command = waiting.pop()
                start = time.perf_counter()
                result = await self._dispatcher.dispatch(command)
                taken.append(time.perf_counter() - start)
                if not result.is_repeat:
                    msg = "a repeat was carried out again"
                    raise AssertionError(msg)
            return statistics.median(taken) * 1e6

        return turn

    async def dispatch(self, command_class: type[Command], account: str) -> None:
        await self._dispatcher.dispatch(command_class.model_validate({"account": account}))

    async def commit_by_hand(self, account: str, guards: Sequence[Precondition] = ()) -> None:
        subject, command_id = Subject(f"/accounts/{account}"), f"by hand {next(_serial)}"
        metadata = Metadata(command_id=command_id, correlation_id=command_id, causation_id=command_id)
        event = NewEvent.of(_deposited, subject=subject, metadata=metadata)
        await self._store.commit([event], [*guards, not_carried_out(subject, command_id)])

    async def read_by_hand(self, account: str) -> None:
        aggregate = Account(account)
        async for page in self._store.stream(aggregate.subject, recursive=False).pages():
            aggregate.fold(page.events)
        await self.commit_by_hand(account, [SubjectIsAtVersion(aggregate.subject, aggregate.version)])

    async def decide_blindly(self, account: str) -> None:
        await transact(self._store, lambda work: work.emit(_deposited, at=f"/accounts/{account}"))

    async def decide_on(self, account: str) -> None:
        async def run(work: UnitOfWork) -> None:
            (await work.load(Account, account)).emit(_deposited)

        await transact(self._store, run)


async def _deposit(command: DepositAfterReading, work: UnitOfWork) -> None:
    (await work.load(Account, command.account)).emit(_deposited)


class _InstantStore(InMemoryEventStore):
    """
    Says that everything is committed.
    """

    _answer: Final = (RecordedEvent(1, "e-1", 1, "s", "/accounts/1", _deposited.event_type, "{}", "0" * 64, "0" * 64),)

    async def commit(
        self,
        events: Sequence[NewEvent],  # noqa: ARG002  it answers at once
        preconditions: Sequence[Precondition] = (),  # noqa: ARG002  likewise
        *,
        idempotency_key: str | None = None,  # noqa: ARG002  likewise
    ) -> tuple[RecordedEvent, ...]:
        return self._answer
