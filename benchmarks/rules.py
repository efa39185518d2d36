"""
What rules cost: making one ready from its text, and deciding it inside the writer.

A guard is decided by the writer while all other commits wait, so it should take less than 100
microseconds, however long the log is: by a declared index for a value that is new each time, as a
running aggregate for a sum. Without an index a value is looked for in all events of the type, and where
that takes more than the 250 milliseconds a guard is given, it is refused.

The floor is the same question as one statement written by hand, prepared once, on a connection of its
own to the same file, inside a transaction as ours is. Beside it stands the same guard in the short log,
which tells whether it grows. Making ready is held against SQLite, which parses and plans that
statement and then asks it once, which is a small part of it.

One thread does all of it, so what is taken is the time of this thread, not what others make of the
machine.
"""

from __future__ import annotations

import itertools
import math
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, Final

import apsw
import attrs

from benchmarks.bank import Account, AccountOpened, MoneyDeposited
from benchmarks.measurement import Aim, Unit, compare
from eventsource import NewEvent, QueryHolds, RecordedEvent, select_events
from eventsource.errors import QueryBudgetError
from eventsource.gdbql.prepared import read_query
from eventsource.store import EmbeddedEventStore
from eventsource.store.commit import check_preconditions
from eventsource.store.embedded.file import open_for_writing
from eventsource.store.embedded.files import StoreFiles
from eventsource.store.embedded.query.data_index import IndexKeeper
from eventsource.store.embedded.query.guards import Guards
from eventsource.store.embedded.query.lookup import Lookups
from eventsource.store.embedded.query.rule import one_group

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from benchmarks.measurement import Line, Turn
    from benchmarks.setting import Setting

_AIM: Final = Aim(figure=100)
_CALLS: Final = 50
# Events that a turn of the guard without an index reads, where one call does not read more.
_READ: Final = 10_000
_SUMMED: Final = 1_000

_BUSY: Final = Account.subject_of("busy")
_OWNER: Final = "data.owner"

_UNIQUE_BY_HAND: Final = """
SELECT count(*) = 0 FROM data_index_entries AS i CROSS JOIN events AS e ON e.position = i.position
WHERE i.index_id = ? AND i.value = ? AND e.type = ? AND e.data ->> '$.owner' = ?
"""
_UNINDEXED_BY_HAND: Final = "SELECT count(*) = 0 FROM events WHERE type = ? AND data ->> '$.reference' = ?"
# The plus keeps SQLite from the index on types, which it takes for as good as that on subjects.
_SUM_BY_HAND: Final = "SELECT sum(data ->> '$.cents') >= ? FROM events WHERE subject = ? AND +type = ?"
_VERSION_BY_HAND: Final = "SELECT count(*) = ? FROM events WHERE subject = ?"
# What the writer asks for a version that it does not have in memory.
_STORED_VERSION: Final = "SELECT version FROM events WHERE subject = ? ORDER BY position DESC LIMIT 1"

_serial = itertools.count(1)


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    Two lines for making ready, then one for each question and log.
    """
    sizes = setting.sizes
    with ExitStack() as connections:
        short = await _Log.of(setting, sizes.small, connections)
        for what, is_first in (("first of its shape", True), ("another value", False)):
            yield await compare(
                "rules",
                f"text made ready, {what}",
                Unit.MICROSECONDS,
                rounds=sizes.rounds,
                ours=_make_ready(short, is_first=is_first),
                floors={"SQLite prepares, asks once": _prepare(short)},
            )
        logs = [short, *[await _Log.of(setting, size, connections) for size in (sizes.medium, sizes.large)]]
        for what, ours, by_hand, aim in (
            ("version, as a query", _version, _version_by_hand, _AIM),
            ("unique, indexed", _unique, _unique_by_hand, _AIM),
            (f"sum of {_SUMMED:,}, one more each time", _sum, _sum_by_hand, _AIM),
            (f"sum of {_SUMMED:,}, first time", _first_sum, _sum_by_hand, None),
            ("unique, no index", _unindexed, _unindexed_by_hand, None),
        ):
            for log in logs:
                floors = {"one statement by hand": by_hand(log)}
                if log is not short:
                    floors[f"ours, {short.length:,} events"] = ours(short)
                yield await compare(
                    "rules",
                    f"{what}, {log.length:,} events",
                    Unit.MICROSECONDS,
                    rounds=sizes.long_rounds if ours is _unindexed else sizes.rounds,
                    ours=ours(log),
                    floors=floors,
                    aim=aim,
                )


@attrs.frozen(eq=False)
class _Log:
    """
    A log with an index on owners and a busy account, and the connections to it.

    Attributes:
        writing: As the writer has it.

        bare: For statements by hand.

        forgetful: The same, prepares each statement again.
    """

    length: int
    writing: apsw.Connection
    bare: apsw.Connection
    forgetful: apsw.Connection
    indexes: IndexKeeper
    guards: Guards
    accounts: itertools.cycle[str]

    @classmethod
    async def of(cls, setting: Setting, length: int, connections: ExitStack) -> _Log:
        path = await setting.log(length)
        setting.say(f"indexing a log of {length:,} events")
        async with EmbeddedEventStore(path) as store:
            await store.create_index(AccountOpened.event_type, _OWNER)
            if not await store.count(_BUSY):
                moves = [MoneyDeposited(cents=number, reference=f"move {number}") for number in range(_SUMMED)]
                await store.commit([NewEvent.of(move, subject=_BUSY) for move in moves])
        files = StoreFiles(path, path, writing=True)
        connections.callback(files.detach)
        writing = connections.enter_context(closing(open_for_writing(files)))
        indexes = IndexKeeper(writing)
        count = setting.accounts(length)
        return cls(
            length,
            writing,
            connections.enter_context(closing(_bare(path))),
            connections.enter_context(closing(_bare(path, statements=0))),
            indexes,
            Guards(writing, indexes),
            itertools.cycle(map(Account.subject_of, map(str, setting.random.sample(range(count), min(count, 20_000))))),
        )

    @property
    def index(self) -> int:
        return int(self.bare.execute("SELECT id FROM data_indexes WHERE path = ?", (_OWNER,)).get)

    @property
    def last(self) -> tuple[Any, ...]:
        columns = ", ".join(("position", "id", "time_ns", "source", *RecordedEvent._fields[4:6], "data"))
        text = f"SELECT {columns}, predecessor_hash, hash, version FROM events ORDER BY position DESC LIMIT 1"  # noqa: S608
        return self.bare.execute(text).fetchall()[0]


def _bare(path: Path, *, statements: int = 100) -> apsw.Connection:
    return apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, statementcachesize=statements)


def _each(connection: apsw.Connection, prepare: Callable[[], Sequence[Any]], do: Callable[[Any], object]) -> Turn:
    """
    A turn that does something with each of what was prepared, and gives microseconds for one.
    """

    async def turn() -> float:
        items = prepare()
        connection.execute("BEGIN")
        start = time.thread_time()
        try:
            for item in items:
                do(item)
        except QueryBudgetError:
            return math.inf
        finally:
            elapsed = time.thread_time() - start
            connection.execute("ROLLBACK")
        return elapsed / len(items) * 1e6

    return turn


# --- Making ready ---


def _make_ready(log: _Log, *, is_first: bool) -> Turn:
    kept = Lookups(log.writing, log.indexes)

    def prepare() -> list[tuple[str, Lookups]]:
        if not is_first:
            return [(_text("e"), kept) for _ in range(_CALLS)]
        # Where the events are called something else, the text has another shape.
        return [(_text(f"e{next(_serial)}"), Lookups(log.writing, log.indexes)) for _ in range(_CALLS)]

    def make(item: tuple[str, Lookups]) -> None:
        text, lookups = item
        rule = one_group(read_query(text))
        if rule is None or lookups.find(rule.rule) is None:
            msg = f"no index decides this: {text}"
            raise AssertionError(msg)

    return _each(log.writing, prepare, make)


def _text(alias: str) -> str:
    where = f"{alias}.type == '{AccountOpened.event_type}' AND {alias}.data.owner == 'new {next(_serial)}'"
    return f"STREAM {alias} FROM events WHERE {where} MAP COUNT() == 0"


def _prepare(log: _Log) -> Turn:
    return _ask(log.forgetful, _UNIQUE_BY_HAND, lambda: _new_owners(log))


# --- Deciding ---


def _version(log: _Log) -> Turn:
    def version_of(subject: str) -> int:
        return int(log.writing.execute(_STORED_VERSION, (subject,)).get)

    def make() -> list[QueryHolds]:
        text = "STREAM e FROM events WHERE e.subject == '{1}' MAP COUNT() == {0}"
        return [QueryHolds(text.format(*each)) for each in _versions(log)]

    return _each(log.writing, make, lambda guard: check_preconditions([guard], version_of, lambda _: False))


def _version_by_hand(log: _Log) -> Turn:
    return _ask(log.bare, _VERSION_BY_HAND, lambda: _versions(log))


def _unique(log: _Log) -> Turn:
    def make() -> list[QueryHolds]:
        return [select_events(AccountOpened).where(owner=f"new {next(_serial)}").count() == 0 for _ in range(_CALLS)]

    return _decide(log, make)


def _unique_by_hand(log: _Log) -> Turn:
    return _ask(log.bare, _UNIQUE_BY_HAND, lambda: _new_owners(log))


def _sum(log: _Log) -> Turn:
    """
    Each call finds one event more, as on an account where each commit has this guard.
    """
    guards = Guards(log.writing, log.indexes)
    position, *rest = log.last
    event = (*rest[:3], _BUSY, MoneyDeposited.event_type, *rest[5:])
    head = itertools.count(position + 1)
    _hold(guards, position, _sums(1)[0])

    def decide(guard: QueryHolds) -> None:
        until = next(head)
        guards.note((until, *event))
        _hold(guards, until, guard)

    return _each(log.writing, lambda: _sums(_CALLS), decide)


def _first_sum(log: _Log) -> Turn:
    position = log.last[0]

    def make() -> list[tuple[QueryHolds, Guards]]:
        return [(guard, Guards(log.writing, log.indexes)) for guard in _sums(_CALLS)]

    return _each(log.writing, make, lambda item: _hold(item[1], position, item[0]))


def _sum_by_hand(log: _Log) -> Turn:
    return _ask(
        log.bare,
        _SUM_BY_HAND,
        lambda: [(next(_serial) % 1000, _BUSY, MoneyDeposited.event_type) for _ in range(_CALLS)],
    )


def _unindexed(log: _Log) -> Turn:
    def make() -> list[QueryHolds]:
        return [select_events(MoneyDeposited).where(reference=text).count() == 0 for _, text in _new_references(log)]

    return _decide(log, make)


def _unindexed_by_hand(log: _Log) -> Turn:
    return _ask(log.bare, _UNINDEXED_BY_HAND, lambda: _new_references(log))


def _decide(log: _Log, make: Callable[[], Sequence[QueryHolds]]) -> Turn:
    position = log.last[0]
    return _each(log.writing, make, lambda guard: _hold(log.guards, position, guard))


def _hold(guards: Guards, until: int, guard: QueryHolds) -> None:
    """
    What the writer does with a guard; if it did not hold, that would be an error.
    """
    check_preconditions([guard], lambda _: 0, lambda tree: guards.holds(tree, until, lambda: None))


def _ask(connection: apsw.Connection, text: str, make: Callable[[], Sequence[tuple[int | str, ...]]]) -> Turn:
    def ask(values: tuple[int | str, ...]) -> None:
        if connection.execute(text, values).get != 1:
            msg = f"this should hold for {values}: {text}"
            raise AssertionError(msg)

    return _each(connection, make, ask)


# --- What is asked for ---


def _versions(log: _Log) -> list[tuple[int, str]]:
    subjects = list(itertools.islice(log.accounts, _CALLS))
    # Not asked on a connection that is measured, which would have the pages then.
    return [(int(log.forgetful.execute(_STORED_VERSION, (subject,)).get), subject) for subject in subjects]


def _new_owners(log: _Log) -> list[tuple[int | str, ...]]:
    owners = [f"new {next(_serial)}" for _ in range(_CALLS)]
    return [(log.index, owner, AccountOpened.event_type, owner) for owner in owners]


def _sums(count: int) -> list[QueryHolds]:
    moves = select_events(MoneyDeposited).at(_BUSY)
    return [moves.sum(lambda e: e.cents) >= next(_serial) % 1000 for _ in range(count)]


def _new_references(log: _Log) -> list[tuple[int | str, ...]]:
    calls = max(1, _READ // log.length)
    return [(MoneyDeposited.event_type, f"new {next(_serial)}") for _ in range(calls)]
