"""
Running a query on a store file: statement by statement, none of which stays open between two steps.
"""

from __future__ import annotations

import json
from array import array
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import apsw

from eventsource.gdbql.grouping import Group
from eventsource.store.embedded.query.access import choose_access
from eventsource.store.embedded.query.data_index import is_there, ready_indexes
from eventsource.store.embedded.query.groups import InexactError
from eventsource.store.embedded.query.plan import is_countable
from eventsource.store.embedded.query.sql import Sql, joined, sql

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from eventsource.store.embedded.query.access import Access
    from eventsource.store.embedded.query.data_index import ReadyIndex
    from eventsource.store.embedded.query.plan import Plan
    from eventsource.store.query import Spending

# How many events a statement gives, at first and later: the first row should come soon.
_FIRST_PAGE: Final = 64
_PAGE: Final = 1000
# What a page takes, if its events are as large as those of the page before.
_PAGE_BYTES: Final = 2 * 2**20
# How far a statement goes through the log at most: it holds a read transaction as long as it runs.
_WINDOW: Final = 50_000
_MAX_POSITION: Final = 2**63 - 1

# Steps of SQLite's machine between two looks at the clock: some 50 microseconds.
_STEPS_PER_LOOK: Final = 5_000
# Where rows are decided in Python one may take a millisecond: a few rows.
_STEPS_PER_LOOK_IN_PYTHON: Final = 50

# What an event takes beside its data while it is held, and what a group does, in bytes.
_HELD_PER_EVENT: Final = 400
_HELD_PER_GROUP: Final = 200


class QueryRun:
    """
    One query being answered.

    Args:
        plan: The query.

        spending: The limits it uses up.

        until: The last event it sees; None is the last one there is at the first step.
    """

    def __init__(self, plan: Plan, spending: Spending, *, until: int | None = None) -> None:
        self._plan = plan
        self._spending = spending
        self._until = until
        self._indexes: tuple[ReadyIndex, ...] | None = None
        # The one to be used in the step under way; steps may run on different ones.
        self.connection: apsw.Connection | None = None

    def rows(self) -> Iterator[Any]:
        """
        The rows of the result. Set `connection` before each step.
        """
        plan = self._plan
        if plan.over_groups is not None:
            groups = self._groups()
            if groups is not None:
                yield from plan.over_groups.rows_of(groups)
                return
        yield from plan.over_rows.rows(self.events())

    def is_true(self) -> bool:
        """
        True if the query holds as a precondition. Set `connection` before.
        """
        plan = self._plan
        if plan.over_groups is not None:
            groups = self._groups()
            if groups is not None:
                return plan.over_groups.holds_for(groups)
        return plan.over_rows.is_true(self.events())

    def use_indexes(self, indexes: tuple[ReadyIndex, ...]) -> None:
        """
        Tell which declared indexes are ready, where that is known.
        """
        self._indexes = indexes

    # --- Groups, all at once ---

    def _groups(self) -> list[Group] | None:
        """
        The groups as SQL computes them; None if it cannot do so exactly.
        """
        plan = self._plan
        if plan.groups is None:
            return None
        self._look_for_indexes()
        while True:
            access = self._choose(after=0, in_order=False)
            if is_countable(plan):
                return [Group([], [access.until - access.after] * len(plan.groups.measures))]
            try:
                rows = self.select(access, self._grouped_statement(access))
            except _IndexGoneError:
                self._indexes = ()
                continue
            except (apsw.SQLError, InexactError) as error:
                if isinstance(error, apsw.SQLError) and "integer overflow" not in str(error):
                    raise
                return None
            for _ in rows if plan.groups.keys else ():
                self._spending.hold(_HELD_PER_GROUP)
            try:
                return list(plan.groups.groups(rows))
            except InexactError:
                return None

    def _grouped_statement(self, access: Access) -> Sql:
        plan = self._plan
        groups = plan.groups
        assert groups is not None  # noqa: S101  the caller looked
        columns = joined(", ", (Sql("min(e.position)" if groups.keys else "0"), *groups.columns))
        is_whole = access.after == 0 and access.until == self._until
        stretch = Sql("") if is_whole else access.stretch(access.after, access.until)
        where = access.where(stretch, plan.filter(without=access.answered))
        keys = ", ".join(str(number + 2) for number in range(len(groups.keys)))
        by = f" GROUP BY {keys}" if keys else ""
        return sql(f"SELECT {{}} FROM {access.tables} {{}}{by}", columns, where)  # noqa: S608  from constants

    # --- Events, page by page ---

    def events(self, *, after: int = 0) -> Iterator[dict[str, Any]]:
        """
        The events that fit behind a position, in the order wanted. Set `connection` before each step.
        """
        plan, spending = self._plan, self._spending
        if plan.short_statement is not None and not after and self._until is None:
            only_page = self._fetch(self._open(), plan.short_statement)
            spending.check_time()
            yield from map(plan.make_row, only_page)
            return
        most = plan.rows_wanted
        size = _FIRST_PAGE if most is None else max(1, min(most, _PAGE))
        query = plan.query
        held = found = 0
        most_held = None if query.limit is None or query.distinct or query.is_grouped else query.skip + query.limit
        for page in self._pages(size, after):
            spending.check_time()
            if plan.sorts:
                found += len(page)
                if not query.distinct:
                    leaving = found - query.skip
                    spending.check_rows(leaving if query.limit is None else min(leaving, query.limit))
                if most_held is None or held < most_held:
                    held += len(page)
                    spending.hold(sum(map(_size, page)))
            yield from map(plan.make_row, page)

    def _pages(self, size: int, after: int) -> Iterator[list[tuple[Any, ...]]]:
        plan = self._plan
        self._look_for_indexes()
        before: int | None = None
        while True:
            access = self._choose(after=after, until=before, in_order=True)
            try:
                for page, position in self._pages_by(access, size):
                    # Where to go on should the index be dropped in the meantime.
                    if plan.is_descending:
                        before = position - 1
                    else:
                        after = position
                    if page:
                        yield page
                        if plan.rows_wanted is None:
                            size = _next_size(size, page)
            except _IndexGoneError:
                self._indexes = ()
            else:
                return

    def _pages_by(self, access: Access, size: int) -> Iterator[tuple[list[tuple[Any, ...]], int]]:
        """
        Pages with the position up to which they have everything.
        """
        if not access.is_ordered:
            yield from self._gathered_pages(access)
            return
        descending = self._plan.is_descending
        statement = self._page_statement(access)
        after, until = access.after, access.until
        window = _MAX_POSITION if access.is_narrow else _WINDOW
        while after < until:
            if descending:
                low, high = max(after, until - window), until
            else:
                low, high = after, min(until, after + window)
            values = (*statement.values[:-3], low, high, size)
            rows = self.select(access, Sql(statement.text, values))
            if len(rows) == size:
                last: int = rows[-1][0]
                low, high = (last - 1, last - 1) if descending else (last, last)
                if descending:
                    until = high
                else:
                    after = low
            elif descending:
                until = low
            else:
                after = high
            page = [row[1:] for row in rows]
            yield page, until + 1 if descending else after
            if self._plan.rows_wanted is None:
                size = _next_size(size, page)

    def _gathered_pages(self, access: Access) -> Iterator[tuple[list[tuple[Any, ...]], int]]:
        descending = self._plan.is_descending
        found = self.select(access, access.positions)
        self._spending.hold(8 * len(found))
        positions = array("q", sorted({row[0] for row in found}, reverse=descending))
        del found
        columns = ", ".join(("e.position", *(f"e.{column}" for column in self._plan.columns)))
        where = self._plan.filter(without=access.answered)
        condition = f" WHERE {where.text}" if where.text else ""
        text = (
            f"SELECT {columns} FROM json_each(?) AS wanted "  # noqa: S608  from constants
            f"CROSS JOIN events AS e ON e.position = wanted.value{condition}"
        )
        size, start = _FIRST_PAGE, 0
        while start < len(positions):
            wanted = positions[start : start + size]
            start += size
            rows = self.select(access, Sql(text, (json.dumps(wanted.tolist()), *where.values)))
            rows.sort(reverse=descending, key=_first)
            page = [row[1:] for row in rows]
            yield page, wanted[-1]
            # Of those wanted few may fit.
            size = _next_size(_PAGE, page)

    def _page_statement(self, access: Access) -> Sql:
        plan = self._plan
        columns = ", ".join(("e.position", *(f"e.{column}" for column in plan.columns)))
        # The stretch stands last, so that its values do.
        where = access.where(plan.filter(without=access.answered), access.stretch(0, 0))
        direction = " DESC" if plan.is_descending else ""
        return sql(
            f"SELECT {columns} FROM {access.tables} {{}} ORDER BY {access.position}{direction} LIMIT {{}}",  # noqa: S608
            where,
            Sql("?", (0,)),
        )

    # --- Statements ---

    def _look_for_indexes(self) -> None:
        if self._indexes is None:
            # Most queries ask nothing that a declared index could find.
            self._indexes = ready_indexes(self._open()) if self._plan.data_bounds else ()

    def _choose(self, *, after: int, until: int | None = None, in_order: bool) -> Access:
        connection = self._open()
        if self._until is None:
            self._until = connection.execute("SELECT max(position) FROM events").get or 0
        with self._timed(connection):
            return choose_access(
                connection,
                self._plan,
                after=after,
                until=self._until if until is None else until,
                indexes=self._indexes or (),
                in_order=in_order,
            )

    def access(self) -> Access:
        """
        The way the events would be found. Set `connection` before.
        """
        self._look_for_indexes()
        return self._choose(after=0, in_order=self._plan.groups is None)

    def statement(self, access: Access) -> Sql:
        """
        The statement that finds the events, for explanations.
        """
        if self._plan.groups is not None:
            return self._grouped_statement(access)
        return self._page_statement(access) if access.is_ordered else access.positions

    def select(self, access: Access, statement: Sql) -> list[tuple[Any, ...]]:
        """
        All rows of a statement.
        """
        connection = self._open()
        if access.entries_of is None or connection.in_transaction:
            return self._fetch(connection, statement)
        # One transaction, so that the index is there while its entries are read.
        connection.execute("BEGIN")
        try:
            if not is_there(connection, access.entries_of):
                raise _IndexGoneError
            return self._fetch(connection, statement)
        finally:
            connection.execute("COMMIT")

    def _fetch(self, connection: apsw.Connection, statement: Sql) -> list[tuple[Any, ...]]:
        with self._timed(connection):
            return connection.execute(statement.text, statement.values).fetchall()

    @contextmanager
    def _timed(self, connection: apsw.Connection) -> Generator[None]:
        """
        End a statement that runs out of time.
        """
        steps = _STEPS_PER_LOOK if self._plan.residual is None else _STEPS_PER_LOOK_IN_PYTHON
        connection.set_progress_handler(self._is_out_of_time, steps)
        try:
            yield
        except apsw.InterruptError:
            raise self._spending.out_of_time() from None
        finally:
            connection.set_progress_handler(None)

    def _is_out_of_time(self) -> bool:
        return self._spending.is_out_of_time

    def _open(self) -> apsw.Connection:
        assert self.connection is not None  # noqa: S101  set before each step
        return self.connection


class _IndexGoneError(Exception):
    """
    The index was dropped between two statements.
    """


def _size(values: Sequence[Any]) -> int:
    return _HELD_PER_EVENT + sum(len(item) for item in values if isinstance(item, str))


def _next_size(size: int, page: Sequence[Sequence[Any]]) -> int:
    """
    Number of events to read next: more than before, but not more than a slow reader may keep.
    """
    held = sum(map(_size, page))
    fitting = _PAGE_BYTES * len(page) // held if held else _PAGE
    return max(1, min(size * 4, _PAGE, fitting))


def _first(row: Sequence[Any]) -> int:
    first: int = row[0]
    return first
