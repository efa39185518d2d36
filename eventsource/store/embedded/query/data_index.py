"""
Declared indexes on the data of events: what is stored of them, and what they can find.

An entry holds an index, the value of the member, and the position of the event. Values are stored so
that their order in SQLite is that of the language, or coarser: texts are cut, integers beyond 64 bits
are floats. So a search finds all events that are asked for, or more, and the condition itself is
always looked at again. Booleans, null, lists and objects have no entries.
"""

from __future__ import annotations

import functools
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import apsw
import attrs

from eventsource.events.event import RecordedEvent
from eventsource.gdbql import row_reader
from eventsource.gdbql.errors import QueryError
from eventsource.store.embedded.failures import read_data
from eventsource.store.embedded.query.conditions import is_plain_integer
from eventsource.store.embedded.query.sql import Sql, fetch
from eventsource.store.query import DataIndex, IndexState, print_data_path, read_data_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from eventsource.store.embedded.query.plan import Condition, DataBound

# built_to: the events up to here are in it; built_until: those behind it were entered as they were committed.
# Ids are never used again, so an entry left behind by a crash belongs to nothing.
SCHEMA: Final = """
CREATE TABLE data_indexes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event_type TEXT NOT NULL,
    path TEXT NOT NULL,
    built_to INTEGER NOT NULL,
    built_until INTEGER NOT NULL,
    UNIQUE (event_type, path)
) STRICT;
CREATE TABLE data_index_entries (
    index_id INTEGER NOT NULL,
    value ANY NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (index_id, value, position)
) STRICT, WITHOUT ROWID;
"""

# Events entered in one transaction: about 10 ms, which commits have to wait.
BATCH_EVENTS: Final = 2000
# And looked at: many may be of other types.
BATCH_POSITIONS: Final = 20_000

_TYPE: Final = RecordedEvent._fields.index("type")
_DATA: Final = RecordedEvent._fields.index("data_json")

_MAX_CHARACTERS: Final = 200
_MAX_READERS: Final = 1024
_FORMAT_WITH_INDEXES: Final = 2

_INSERT: Final = "INSERT OR IGNORE INTO data_index_entries (index_id, value, position) VALUES (?, ?, ?)"


@attrs.frozen
class ReadyIndex:
    """
    An index that has all events of its type.
    """

    id: int
    event_type: str
    path: str

    @property
    def name(self) -> str:
        """
        The name that explanations use.
        """
        return f"{self.event_type} ({self.path})"


@attrs.frozen(eq=False)
class EntrySearch:
    """
    A search of the entries ``data_index_entries AS i``.

    Attributes:
        sql: Finds all that is asked for, or more.

        is_single: True if it asks for one value.

        served: The conditions it was made of.
    """

    sql: Sql
    is_single: bool
    served: tuple[Condition, ...]


def list_indexes(connection: apsw.Connection) -> tuple[DataIndex, ...]:
    """
    The declared indexes, in the order they were declared.
    """
    return tuple(
        DataIndex(one.event_type, one.path, IndexState.READY)
        if one.is_built
        else DataIndex(one.event_type, one.path, IndexState.BUILDING, one.built_to / one.built_until)
        for one in _declared(connection)
    )


def ready_indexes(connection: apsw.Connection) -> tuple[ReadyIndex, ...]:
    """
    The indexes queries may use.
    """
    return tuple(ReadyIndex(one.id, one.event_type, one.path) for one in _declared(connection) if one.is_built)


def is_there(connection: apsw.Connection, index_id: int) -> bool:
    """
    True if an index has not been dropped.
    """
    return connection.execute("SELECT 1 FROM data_indexes WHERE id = ?", (index_id,)).get is not None


def entry_search(bounds: Iterable[DataBound], index: ReadyIndex) -> EntrySearch | None:
    """
    What *index* can find of the values asked for; None if it is about something else.
    """
    own = [bound for bound in bounds if (bound.event_type, bound.path) == (index.event_type, index.path)]
    equal = next((bound for bound in own if bound.operator == "=="), None)
    if equal is not None:
        search = Sql("i.index_id = ? AND i.value = ?", (index.id, _key(equal.value)))
        return EntrySearch(search, is_single=True, served=(equal.condition,))
    if not own:
        return None
    # Between unlike kinds there is no order: one of them decides, the condition itself looks at the rest.
    is_text = isinstance(own[0].value, str)
    own = [bound for bound in own if isinstance(bound.value, str) == is_text]
    # Numbers come before all texts, and '' is the first text.
    terms = [Sql("i.value >= ''") if is_text else Sql("i.value < ''")]
    terms += [
        Sql(f"i.value {'>=' if bound.operator in {'>', '>='} else '<='} ?", (_key(bound.value),)) for bound in own
    ]
    text = " AND ".join(term.text for term in terms)
    values = tuple(value for term in terms for value in term.values)
    search = Sql(f"i.index_id = ? AND {text}", (index.id, *values))
    return EntrySearch(search, is_single=False, served=tuple(bound.condition for bound in own))


class IndexKeeper:
    """
    Enters events into the declared indexes, in the transaction that commits them. Belongs to the writer.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._readers: dict[str, list[tuple[int, Callable[[Any], Any]]]] = {}
        self.ready: tuple[ReadyIndex, ...] = ()
        # Type and path of those whose building was interrupted, or is under way.
        self.unfinished: tuple[tuple[str, str], ...] = ()
        self.reload()

    def reload(self) -> None:
        """
        Look which indexes there are.
        """
        self._readers = {}
        for one in _declared(self._connection):
            self._readers.setdefault(one.event_type, []).append((one.id, one.read))
        ready = ready_indexes(self._connection)
        if ready != self.ready:
            # The same ones stay the same object: statements that were made for them are kept.
            self.ready = ready
        self.unfinished = tuple(
            (index.event_type, index.path)
            for index in list_indexes(self._connection)
            if index.state is IndexState.BUILDING
        )

    def enter(self, rows: Iterable[Sequence[Any]]) -> None:
        """
        Enter new events, inside the transaction that writes them.

        Args:
            rows: Events, their fields in the order of `RecordedEvent`.
        """
        if not self._readers:
            return
        entries = [
            (index_id, key, row[0])
            for row in rows
            if row[_TYPE] in self._readers
            for index_id, key in _entries(row[_DATA], self._readers[row[_TYPE]])
        ]
        if entries:
            self._connection.executemany(_INSERT, entries)

    def replace(self, position: int, event_type: str, *, old: str, new: str) -> None:
        """
        Enter what is left of an event's data in place of what it was, inside a transaction.
        """
        readers = self._readers.get(event_type)
        if not readers:
            return
        self._connection.executemany(
            "DELETE FROM data_index_entries WHERE index_id = ? AND value = ? AND position = ?",
            [(index_id, key, position) for index_id, key in _entries(old, readers)],
        )
        self._connection.executemany(_INSERT, [(index_id, key, position) for index_id, key in _entries(new, readers)])

    def declare(self, event_type: str, path: str, head: int) -> None:
        """
        Declare an index unless it is there; inside a transaction.
        """
        self._connection.execute(
            "INSERT INTO data_indexes (event_type, path, built_to, built_until) VALUES (?, ?, 0, ?) "
            "ON CONFLICT DO NOTHING",
            (event_type, path, head),
        )

    def build_on(self, event_type: str, path: str) -> DataIndex | None:
        """
        Enter the next events of a log that was there before the index; inside a transaction.

        Returns:
            The index as it is then; None if it was dropped.
        """
        found = fetch(
            self._connection,
            "SELECT id, built_to, built_until FROM data_indexes WHERE event_type = ? AND path = ?",
            (event_type, path),
        )
        if not found:
            return None
        index_id, built_to, built_until = found[0]
        if built_to >= built_until:
            return DataIndex(event_type, path, IndexState.READY)
        until = min(built_to + BATCH_POSITIONS, built_until)
        rows = fetch(
            self._connection,
            "SELECT position, data FROM events WHERE type = ? AND position > ? AND position <= ? "
            "ORDER BY position LIMIT ?",
            (event_type, built_to, until, BATCH_EVENTS),
        )
        if len(rows) == BATCH_EVENTS:
            until = rows[-1][0]
        readers = [(index_id, row_reader(read_data_path(path)))]
        entries = [(index_id, key, position) for position, data in rows for index_id, key in _entries(data, readers)]
        self._connection.executemany(_INSERT, entries)
        self._connection.execute("UPDATE data_indexes SET built_to = ? WHERE id = ?", (until, index_id))
        if until < built_until:
            return DataIndex(event_type, path, IndexState.BUILDING, until / built_until)
        return DataIndex(event_type, path, IndexState.READY)

    def drop(self, event_type: str, path: str) -> bool:
        """
        Forget an index, inside a transaction; `sweep` then removes its entries.
        """
        self._connection.execute("DELETE FROM data_indexes WHERE event_type = ? AND path = ?", (event_type, path))
        return self._connection.changes() > 0

    def sweep(self) -> bool:
        """
        Remove some entries of indexes that are no more, inside a transaction.

        Returns:
            True if there may be further ones.
        """
        known = fetch(self._connection, "SELECT id FROM data_indexes")
        ids = {row[0] for row in known}
        last = self._connection.execute("SELECT max(index_id) FROM data_index_entries").get or 0
        for index_id in range(1, last + 1):
            if index_id in ids:
                continue
            self._connection.execute(
                "DELETE FROM data_index_entries WHERE (index_id, value, position) IN ("
                "SELECT index_id, value, position FROM data_index_entries WHERE index_id = ? LIMIT ?)",
                (index_id, BATCH_EVENTS),
            )
            if self._connection.changes():
                return True
        return False


def normal_path(path: str) -> str:
    """
    A data path in the one form of all its spellings.

    Raises:
        QuerySyntaxError: It is none.
    """
    return print_data_path(read_data_path(path))


def _entries(data_json: str, readers: Sequence[tuple[int, Callable[[Any], Any]]]) -> Iterator[tuple[int, Any]]:
    row = {"data": read_data(data_json)}
    for index_id, read in readers:
        item = read(row)
        if isinstance(item, (int, float, str)) and not isinstance(item, bool):
            yield index_id, _key(item)


def _key(item: float | str) -> int | float | str:
    if isinstance(item, str):
        return item[:_MAX_CHARACTERS]
    if isinstance(item, int) and not is_plain_integer(item):
        try:
            return float(item)
        except OverflowError:
            return float("inf") if item > 0 else float("-inf")
    return item


@attrs.frozen
class _Declared:
    """
    A row of ``data_indexes``, and how the value is read from a row of the log.
    """

    id: int
    event_type: str
    path: str
    built_to: int
    built_until: int
    read: Callable[[Any], Any]

    @property
    def is_built(self) -> bool:
        return self.built_to >= self.built_until


def _declared(connection: apsw.Connection) -> list[_Declared]:
    if not _has_indexes(connection):
        return []
    rows = fetch(connection, "SELECT id, event_type, path, built_to, built_until FROM data_indexes ORDER BY id")
    return [_checked(row) for row in rows]


def _checked(row: Sequence[Any]) -> _Declared:
    # A page that was written to the wrong place makes rows of another table out of these, which SQLite does not notice.
    if list(map(type, row)) == _KINDS:
        index_id, event_type, path, built_to, built_until = row
        with suppress(QueryError):
            return _Declared(index_id, event_type, path, built_to, built_until, _reader_of(path))
    raise apsw.CorruptError(_NO_INDEX)


_KINDS: Final = [int, str, str, int, int]
_NO_INDEX: Final = "the table of declared indexes holds a row that is none"


@functools.lru_cache(maxsize=_MAX_READERS)
def _reader_of(path: str) -> Callable[[Any], Any]:
    # Queries look which indexes there are at each step; reading a path takes longer than finding a few events.
    return row_reader(read_data_path(path))


def _has_indexes(connection: apsw.Connection) -> bool:
    version: int = connection.pragma("user_version")
    return version >= _FORMAT_WITH_INDEXES
