"""
Asking a store: rows that come as they are read, what a query may use up, how it was answered.
"""

from __future__ import annotations

import enum
import time
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

import attrs
import pydantic_core

from eventsource.events.timestamp import format_timestamp
from eventsource.gdbql import Instant, Path, parse, print_expression
from eventsource.gdbql.errors import QueryBudgetError, QuerySyntaxError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence


# Rows handed over at a time: enough that changing threads costs little beside them. Large rows make a
# smaller page, since a slow reader keeps it.
ROWS_AT_A_TIME = 256
_PAGE_BYTES = 512 * 1024


@attrs.frozen
class QueryLimits:
    """
    The limits of a query; beyond one of them it ends with `QueryBudgetError`.

    Attributes:
        time_s: Seconds of work; the time its reader takes between two rows does not count.

        rows: Rows of its result.

        bytes: Bytes of its result as JSON, or of what it has to hold in order to sort or group.
    """

    time_s: float = attrs.field(default=2.0, validator=attrs.validators.gt(0))
    rows: int = attrs.field(default=100_000, validator=attrs.validators.gt(0))
    bytes: int = attrs.field(default=64 * 2**20, validator=attrs.validators.gt(0))


class QueryRows:
    """
    The rows of a result in order, one by one with ``async for``; each is a JSON value.

    It is read once. Leaving the loop early is fine; `aclose` then frees what is held at once.
    """

    def __init__(self, pages: AsyncGenerator[Sequence[Any]], *, held: Callable[[], int] = lambda: 0) -> None:
        self._pages = pages
        self._page: Iterator[Any] = iter(())
        self._held = held

    @property
    def held_bytes(self) -> int:
        """
        Bytes of JSON that this process holds of the result in order to sort or group.
        """
        return self._held()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        while True:
            for row in self._page:
                return row
            self._page = iter(await anext(self._pages))

    def pages(self) -> AsyncGenerator[Sequence[Any]]:
        """
        The same rows as they are computed, for those who handle many at a time: up to 256 of them.
        """
        return self._pages

    async def aclose(self) -> None:
        """
        Stop asking.
        """
        self._page = iter(())
        await self._pages.aclose()


@attrs.frozen
class ExplainedPart:
    """
    The way one part of a query is answered.

    Attributes:
        clause: The clause it belongs to, such as "WHERE".

        text: The part itself.

        how: "index", "search of the log", "column", "SQL", "row by row", "order of the log" or "sort".

        index: The index it uses, if it uses one.
    """

    clause: str
    text: str
    how: str
    index: str | None = None

    def __str__(self) -> str:
        means = f"{self.how} {self.index}" if self.index else self.how
        return f"{self.clause} {self.text}: {means}"


@attrs.frozen
class Explanation:
    """
    The way a store answers a query, part by part; as text it is one line.

    Attributes:
        parts: Each condition of WHERE that must hold, grouping, ordering, limits and rows.

        sqlite: SQLite's own account of the statement that finds the events: the lines of its
            EXPLAIN QUERY PLAN. Empty for a store without SQLite.
    """

    parts: tuple[ExplainedPart, ...]
    sqlite: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "; ".join(map(str, self.parts))


class IndexState(enum.Enum):
    """
    The state of an index on data: ready for queries, or still being built.
    """

    READY = "ready"
    BUILDING = "building"


@attrs.frozen
class DataIndex:
    """
    A declared index on the data of one event type.

    Attributes:
        event_type: The type of the events in it.

        path: The path it is sorted by, such as ``data.email``.

        state: Tells if queries use it yet. An interrupted one stays "building" until the store
            is opened for writing again; building then goes on where it stopped.

        progress: The share of the log it covers, 0 to 1.
    """

    event_type: str
    path: str
    state: IndexState
    progress: float = 1.0


def read_data_path(text: str) -> Path:
    """
    Read a path below the data of an event, such as ``data.address.city``.

    Raises:
        QuerySyntaxError: The text is not such a path.
    """
    before = "STREAM e FROM events MAP e."
    query = parse(before + text)
    path = query.projection
    if not isinstance(path, Path) or path.steps[0] != "data" or len(path.steps) == 1 or query.limit is not None:
        reason = "expected a path below data, such as data.email"
        raise QuerySyntaxError(reason, query=before + text, offset=len(before))
    return path


def print_data_path(path: Path) -> str:
    """
    A path below the data as `read_data_path` reads it.
    """
    return print_expression(path).removeprefix("e.")


def stored_instant(time_ns: int) -> Instant:
    """
    The time of a stored event as a value of the query language.
    """
    instant = Instant(format_timestamp(time_ns))
    instant.ns = time_ns
    return instant


# Many times the duration of a page of rows or a stretch of a statement.
_MOST_BETWEEN_LOOKS_S = 0.05


def work_clock() -> Callable[[], float]:
    """
    A clock of this thread's own work, in seconds, for frequent looks.

    Other programs do not move it. The time between two looks counts 50 ms at most: a garbage
    collection of a large program stops all its threads for longer, and must not count against the rule.
    """
    worked = 0.0
    last = time.thread_time()

    def look() -> float:
        nonlocal worked, last
        now = time.thread_time()
        worked += min(now - last, _MOST_BETWEEN_LOOKS_S)
        last = now
        return worked

    return look


class Spending:
    """
    The share of its limits that a query has used up.

    Args:
        during: "query" or "precondition".

        clock: Seconds of time; a thread's own time does not pass while other programs run.
    """

    def __init__(
        self, limits: QueryLimits, *, during: str = "query", clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._clock = clock
        self.limits = limits
        self._during = during
        self._rows = 0
        self._bytes = 0
        self._held_bytes = 0
        self._spent_s = 0.0
        self._deadline = 0.0
        self._is_given_up = False

    def __enter__(self) -> Self:
        """
        Start to work.
        """
        self._deadline = self._clock() + self.limits.time_s - self._spent_s
        return self

    def __exit__(self, *_: object) -> None:
        """
        Stop to work: what comes until the next start is the reader's time.
        """
        self._spent_s = self._clock() - self._deadline + self.limits.time_s

    @property
    def is_out_of_time(self) -> bool:
        """
        True if all time is used up.
        """
        return self._is_given_up or self._clock() > self._deadline

    def give_up(self) -> None:
        """
        Abandon the answer: the thread that works on it finds no time left.
        """
        self._is_given_up = True

    def out_of_time(self) -> QueryBudgetError:
        """
        The error for that.
        """
        return QueryBudgetError("time", limit=self.limits.time_s, during=self._during)

    def out_of_bytes(self) -> QueryBudgetError:
        """
        The error for too large a result.
        """
        return QueryBudgetError("bytes", limit=self.limits.bytes, during=self._during)

    def check_time(self) -> None:
        """
        Look at the clock.

        Raises:
            QueryBudgetError: All time is used up.
        """
        if self.is_out_of_time:
            raise self.out_of_time()

    def check_rows(self, rows: int) -> None:
        """
        Look at the length of a result.

        Raises:
            QueryBudgetError: A result of so many rows is too long.
        """
        if rows > self.limits.rows:
            budget = "rows"
            raise QueryBudgetError(budget, limit=self.limits.rows, during=self._during)

    def hold(self, size: int) -> None:
        """
        Note that so many bytes must be held to sort or group.

        Raises:
            QueryBudgetError: With them it is too much.
        """
        self._held_bytes += size
        if self._held_bytes > self.limits.bytes:
            raise self.out_of_bytes()

    @property
    def held_bytes(self) -> int:
        """
        Number of bytes held to sort or group.
        """
        return self._held_bytes

    def fill(self, page: list[Any], rows: Iterator[Any]) -> bool:
        """
        Take the next page of *rows*, which `counted` counts.

        Returns:
            True if there may be more.
        """
        most = self._bytes + _PAGE_BYTES
        for row in islice(rows, ROWS_AT_A_TIME):
            page.append(row)
            if self._bytes >= most:
                return True
        return len(page) == ROWS_AT_A_TIME

    def counted(self, rows: Iterable[Any]) -> Iterator[Any]:
        """
        The rows of the result, each counted before it leaves.

        Raises:
            QueryBudgetError: While rows are taken: there are too many, or they are too large.
        """
        for row in rows:
            self._rows += 1
            self.check_rows(self._rows)
            self._bytes += len(pydantic_core.to_json(row)) if row.__class__ in _CONTAINERS else _SCALAR_BYTES
            if self._bytes > self.limits.bytes:
                raise self.out_of_bytes()
            yield row


_CONTAINERS = (dict, list, str)
_SCALAR_BYTES = 8
