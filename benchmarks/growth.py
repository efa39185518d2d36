"""
What each operation of a store costs beside events of other subjects: it should be the same whatever their number.

Three stores of one kind hold the same few accounts under ``/mine``, and 2,000, 200,000 and 2,000,000
events of other subjects. Every operation asks about ``/mine`` alone, or for a fact about the log that
a caller expects at once. Our figure is that of the fullest store; the floors are the same operation
in the other two, so the ratio is the factor, upside down. Only an audit, a backup and an observer
from the first event ask for everything, and are not here.
"""

from __future__ import annotations

import itertools
import shutil
import statistics
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

import attrs

from benchmarks.bank import AccountOpened, MoneyDeposited
from benchmarks.measurement import Aim, Unit, compare
from benchmarks.programs import TOKEN, serving
from eventsource import NewEvent, SubjectIsAtVersion, SubjectIsNew, select_events
from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from eventsource.store.genesisdb import GenesisDBEventStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from benchmarks.measurement import Line, Turn
    from benchmarks.setting import Setting
    from eventsource import Event, EventStore

# A factor of 1.5 between the emptiest and the fullest store.
_AIM: Final = Aim(ratio=1 / 1.5)
_ACCOUNTS: Final = 20
_EVENTS: Final = 10
_CALLS: Final = 40
_SUBJECTS: Final = tuple(f"/mine/{number}" for number in range(_ACCOUNTS))


@attrs.define
class _Filled:
    """
    A store, and what operations have to know of it.

    Attributes:
        versions: How many events each of our accounts has.

        last_id: The id of the last event of the first account.
    """

    store: EventStore
    versions: dict[str, int]
    last_id: str
    _numbers: itertools.count[int] = attrs.field(factory=itertools.count)

    def next_account(self) -> str:
        """
        Our accounts in turn.
        """
        return _SUBJECTS[next(self._numbers) % _ACCOUNTS]

    def new_account(self) -> str:
        """
        A subject without events.
        """
        return f"/new/{next(self._numbers)}"


async def _load(filled: _Filled) -> None:
    async for _ in filled.store.stream(filled.next_account(), recursive=False):
        pass


async def _stream(filled: _Filled) -> None:
    async for _ in filled.store.stream("/mine"):
        pass


async def _latest(filled: _Filled) -> None:
    async for _ in filled.store.stream("/mine", latest_by_type=MoneyDeposited.event_type):
        pass


async def _after(filled: _Filled) -> None:
    async for _ in filled.store.stream(_SUBJECTS[0], lower_bound=filled.last_id, include_lower_bound=True):
        pass


async def _observe(filled: _Filled) -> None:
    stream = filled.store.observe(_SUBJECTS[0], lower_bound=filled.last_id, include_lower_bound=True)
    await anext(aiter(stream))
    await stream.aclose()


async def _commit_new(filled: _Filled) -> None:
    subject = filled.new_account()
    await filled.store.commit([NewEvent.of(AccountOpened(owner="Ada"), subject=subject)], [SubjectIsNew(subject)])


async def _commit_at_version(filled: _Filled) -> None:
    subject = filled.next_account()
    version = filled.versions[subject]
    await filled.store.commit([_deposit(subject)], [SubjectIsAtVersion(subject, version)])
    filled.versions[subject] = version + 1


async def _commit_by_rule(filled: _Filled) -> None:
    subject = filled.next_account()
    enough = select_events(MoneyDeposited).at(subject).sum(lambda e: e.cents) >= 1
    await filled.store.commit([_deposit(subject)], [enough])
    filled.versions[subject] += 1


async def _query(filled: _Filled) -> None:
    query = f"STREAM e FROM events WHERE e.subject == '{filled.next_account()}' MAP COUNT()"
    async for _ in filled.store.query(query):
        pass


_OPERATIONS: Final[Mapping[str, Callable[[_Filled], Awaitable[object]]]] = {
    "stream of a subject": _load,
    "stream of a subtree": _stream,
    "the latest of each subject": _latest,
    "stream from an event on": _after,
    "first event observed": _observe,
    "commit, subject is new": _commit_new,
    "commit, subject at version": _commit_at_version,
    "commit, a sum suffices": _commit_by_rule,
    "query of a subject": _query,
    "count of a subject": lambda filled: filled.store.count(filled.next_account(), recursive=False),
    "count of a subtree": lambda filled: filled.store.count("/mine"),
    "count of all": lambda filled: filled.store.count(),
    "last event of a subtree": lambda filled: filled.store.last_event("/mine"),
    "last event of all": lambda filled: filled.store.last_event(),
    "subjects of a subtree": lambda filled: filled.store.subjects("/mine"),
    "event types": lambda filled: filled.store.event_types(),
    "status": lambda filled: filled.store.status(),
    "ping": lambda filled: filled.store.ping(),
}


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    A line for each operation of each kind of store.
    """
    sizes = [2 * events for events in (setting.sizes.small, setting.sizes.medium, setting.sizes.large)]
    for kind in ("in memory", "embedded", "over HTTP"):
        async with AsyncExitStack() as stack:
            filled = [await _fill(await _open(setting, kind, events, stack)) for events in sizes]
            for what, operation in _OPERATIONS.items():
                setting.say(f"growth: {what}, {kind}")
                turns = [_turn(each, operation, setting) for each in filled]
                yield await compare(
                    "growth",
                    f"{what}, {kind}, {sizes[-1]:,} events of others",
                    Unit.MICROSECONDS,
                    rounds=setting.sizes.rounds,
                    ours=turns[-1],
                    floors={f"{events:,} of them": turn for events, turn in zip(sizes, turns[:-1], strict=False)},
                    aim=_AIM,
                )


async def _open(setting: Setting, kind: str, events: int, stack: AsyncExitStack) -> EventStore:
    if kind == "in memory":
        memory = await stack.enter_async_context(InMemoryEventStore())
        await setting.fill(memory, events)
        return memory
    path = setting.folder / f"growth, {kind}, {events}.db"
    shutil.copyfile(await setting.log(events), path)
    if kind == "embedded":
        return await stack.enter_async_context(EmbeddedEventStore(path))
    server = stack.enter_context(serving(path))
    return await stack.enter_async_context(GenesisDBEventStore(server.url, token=TOKEN))


async def _fill(store: EventStore) -> _Filled:
    last_id = ""
    for subject in reversed(_SUBJECTS):
        history: list[Event] = [AccountOpened(owner="Ada")]
        history += [MoneyDeposited(cents=5, reference="a payment")] * (_EVENTS - 1)
        recorded = await store.commit([NewEvent.of(event, subject=subject) for event in history])
        last_id = recorded[-1].id
    return _Filled(store, dict.fromkeys(_SUBJECTS, _EVENTS), last_id)


def _deposit(subject: str) -> NewEvent:
    return NewEvent.of(MoneyDeposited(cents=5, reference="a payment"), subject=subject)


def _turn(filled: _Filled, operation: Callable[[_Filled], Awaitable[object]], setting: Setting) -> Turn:
    async def turn() -> float:
        taken: list[float] = []
        for _ in range(max(2, int(_CALLS * setting.sizes.turn))):
            start = time.perf_counter()
            await operation(filled)
            taken.append(time.perf_counter() - start)
        return statistics.median(taken) * 1e6

    return turn
