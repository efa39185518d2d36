"""
Query preconditions, decided inside the writing transaction.

A rule over all events of a kind (a count, a sum, a lowest or highest value) is kept as a running
aggregate: it is computed once and then carried forward by the events that came since, so a guard on
a hot subject costs the same at ten events and at a million. Rules that differ only in what they
compare the aggregate with share it.
"""

from __future__ import annotations

import copy
import functools
import time
from collections import OrderedDict, deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import apsw

from eventsource.gdbql import (
    AGGREGATE_FUNCTIONS,
    Aggregate,
    ListOf,
    Query,
    row_reader,
)
from eventsource.gdbql.arithmetic import divide, is_number
from eventsource.gdbql.errors import QueryLimitError
from eventsource.store.commit import PRECONDITION_TIME_S, ByTree
from eventsource.store.embedded.query.access import choose_access
from eventsource.store.embedded.query.groups import InexactError
from eventsource.store.embedded.query.lookup import Lookups
from eventsource.store.embedded.query.plan import Plan, plans
from eventsource.store.embedded.query.rows import ALL_FIELDS, COLUMNS, fields_of, row_maker
from eventsource.store.embedded.query.rule import OneGroup, Rule, one_group
from eventsource.store.embedded.query.run import QueryRun
from eventsource.store.embedded.query.sql import Sql, joined, sql
from eventsource.store.query import QueryLimits, Spending, work_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from eventsource.gdbql.aggregates import Accumulator
    from eventsource.gdbql.readers import Reader
    from eventsource.store.embedded.query.data_index import IndexKeeper

_LIMITS: Final = QueryLimits(time_s=PRECONDITION_TIME_S)

# Running aggregates kept; one is about 1 KiB.
_MAX_KEPT: Final = 4096
# The newest events, kept so that aggregates are carried forward without a statement.
_NEWEST_EVENTS: Final = 1024
# Up to so many are looked at one by one; more cost as much as a statement.
_FEW: Final = 100

# How much of the log one statement covers at first, and how long it should take: what was computed before the time is
# up is kept, so that the next attempt goes on there.
_FIRST_STRETCH: Final = 50_000
_FIRST_NARROW_STRETCH: Final = 200_000
_QUICK_S: Final = 0.02

Row = tuple[Any, ...]
# Where the fields stand in a row of the writer.
_ROW_COLUMNS: Final = ("position", "id", "time_ns", "source", "subject", "type", "data", "predecessor_hash", "hash")


class _Running:
    """
    The aggregates of one rule over the events up to *position*.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.plan = Plan(_query_of(rule))
        self.position = 0
        is_narrow = any(search.is_narrow for search in self.plan.searches)
        self.stretch = _FIRST_NARROW_STRETCH if is_narrow else _FIRST_STRETCH
        self.accumulators: list[Accumulator] = [_start(each) for each in rule.aggregates]
        # The quickest test of most rules: another subject cannot fit.
        self._subject = self.plan.only_subject

    # Many rules are asked once, for one e-mail address say, and never read an event.

    @functools.cached_property
    def _arguments(self) -> list[Reader | None]:
        return [None if each.argument is None else row_reader(each.argument) for each in self.rule.aggregates]

    @functools.cached_property
    def _holds(self) -> Reader | None:
        return None if self.rule.where is None else row_reader(self.rule.where)

    @functools.cached_property
    def _row(self) -> Callable[[Row], dict[str, Any]]:
        arguments = [each.argument for each in self.rule.aggregates]
        fields = fields_of([each for each in (self.rule.where, *arguments) if each is not None])
        places = [_ROW_COLUMNS.index(COLUMNS[field]) for field in fields if field in COLUMNS]
        make = row_maker(fields, plain_times=fields == ALL_FIELDS)
        return lambda row: make([row[place] for place in places])

    def fold(self, rows: Iterable[Row]) -> None:
        """
        Take in the events that follow, as rows of the writer.
        """
        for row in rows:
            if self._subject is not None and row[4] != self._subject:
                continue
            event = self._row(row)
            if self._holds is None or self._holds(event):
                self.add(event)

    def add(self, event: dict[str, Any]) -> None:
        """
        Take in an event that fits.
        """
        for read, accumulator in zip(self._arguments, self.accumulators, strict=True):
            value = True if read is None else read(event)
            if value is not None:
                accumulator.add(value)

    def results(self) -> list[Any]:
        """
        The aggregates now.
        """
        return [accumulator.result() for accumulator in self.accumulators]


class Guards:
    """
    Decides the query preconditions of one writer.

    Args:
        connection: The writer's.

        indexes: The declared indexes.
    """

    def __init__(self, connection: apsw.Connection, indexes: IndexKeeper) -> None:
        self._connection = connection
        self._indexes = indexes
        self._guards: ByTree[OneGroup | None] = ByTree(one_group)
        self._lookups = Lookups(connection, indexes)
        self._running: OrderedDict[Rule, _Running] = OrderedDict()
        self._newest: deque[Row] = deque(maxlen=_NEWEST_EVENTS)

    def note(self, row: Row) -> None:
        """
        Note an event that was accepted, before it is committed.
        """
        self._newest.append(row)

    def forget(self) -> None:
        """
        Drop all that is known: what was accepted was not committed.
        """
        self._running.clear()
        self._newest.clear()

    def is_quick(self, query: Query) -> bool:
        """
        True if it can be decided without reading the log.
        """
        guard = self._guards.find(query)
        if guard is None:
            return False
        running = self._running.get(guard.rule)
        if running is None:
            return self._lookups.finds_few(guard.rule)
        end = self._newest[-1][0] if self._newest else 0
        return end - running.position <= min(_FEW, len(self._newest))

    def holds(self, query: Query, until: int, flush: Callable[[], None]) -> bool:
        """
        True if *query* is true over all events up to position *until*.

        Args:
            flush: Writes what is accepted into the transaction, so that statements see it.

        Raises:
            QueryBudgetError: It cannot be told within `PRECONDITION_TIME_S`.
            QueryLimitError: A value that is computed becomes too large.
        """
        guard = self._guards.find(query)
        if guard is None:
            flush()
            spending = Spending(_LIMITS, during="precondition", clock=work_clock())
            run = QueryRun(plans.find(query), spending, until=until)
            run.connection = self._connection
            run.use_indexes(self._indexes.ready)
            with spending:
                return run.is_true()
        running = self._running.get(guard.rule)
        if running is None:
            results = self._look_up(guard.rule, flush)
            if results is not None:
                return guard.is_true(results)
            if len(self._running) >= _MAX_KEPT:
                self._running.popitem(last=False)
            running = self._running[guard.rule] = _Running(guard.rule)
        else:
            self._running.move_to_end(guard.rule)
        try:
            self._carry_forward(running, until, flush)
        except QueryLimitError:
            # An event may be half taken in.
            del self._running[guard.rule]
            raise
        return guard.is_true(running.results())

    def _look_up(self, rule: Rule, flush: Callable[[], None]) -> list[Any] | None:
        found = self._lookups.find(rule)
        if found is None:
            return None
        lookup, texts = found
        flush()
        with Spending(_LIMITS, during="precondition", clock=work_clock()) as spending:
            return lookup.results(texts, self._connection, spending)

    def _carry_forward(self, running: _Running, until: int, flush: Callable[[], None]) -> None:
        missing = until - running.position
        if missing == 0:
            return
        newest = self._newest
        if missing <= _FEW and missing <= len(newest):
            running.fold(islice(newest, len(newest) - missing, None))
            running.position = until
            return
        flush()
        spending = Spending(_LIMITS, during="precondition", clock=work_clock())
        with spending:
            while running.position < until:
                start = time.perf_counter()
                end = min(until, running.position + running.stretch)
                if not self._compute(running, end, spending):
                    self._read(running, end, spending)
                running.position = end
                if time.perf_counter() - start < _QUICK_S:
                    running.stretch *= 4

    def _compute(self, running: _Running, until: int, spending: Spending) -> bool:
        """
        Let SQL compute the aggregates of a stretch of the log.

        Returns:
            False if it cannot do so exactly; nothing was added then.
        """
        plan = running.plan
        groups = plan.groups
        if groups is None:
            return False
        run = self._run(plan, spending, until)
        access = choose_access(
            self._connection,
            plan,
            after=running.position,
            until=until,
            indexes=self._indexes.ready,
            in_order=False,
        )
        where = access.where(access.stretch(access.after, access.until), plan.filter(without=access.answered))
        columns = joined(", ", groups.columns)
        statement = sql(f"SELECT {{}} FROM {access.tables} {{}}", columns, where) if groups.columns else Sql("SELECT 0")  # noqa: S608
        try:
            values = run.select(access, statement)[0]
            start = 0
            parts: list[Sequence[Any]] = []
            for measure in groups.measures:
                parts.append(values[start : start + len(measure.columns)])
                measure.result(parts[-1])
                start += len(measure.columns)
        except InexactError:
            return False
        except apsw.SQLError as error:
            if "integer overflow" not in str(error):
                raise
            return False
        for measure, part, accumulator in zip(groups.measures, parts, running.accumulators, strict=True):
            if isinstance(accumulator, (_Counting, _Averaging)):
                accumulator.add_many(part)
            else:
                value = measure.result(part)
                if value is not None:
                    accumulator.add(value)
        return True

    def _read(self, running: _Running, until: int, spending: Spending) -> None:
        run = self._run(running.plan, spending, until)
        before = [*map(_copy, running.accumulators)]
        try:
            for event in run.events(after=running.position):
                running.add(event)
        except BaseException:
            # A part of the stretch would be counted twice at the next attempt.
            running.accumulators = before
            raise

    def _run(self, plan: Plan, spending: Spending, until: int) -> QueryRun:
        run = QueryRun(plan, spending, until=until)
        run.connection = self._connection
        run.use_indexes(self._indexes.ready)
        return run


class _Counting:
    """
    COUNT, also of many at once.
    """

    def __init__(self) -> None:
        self._count = 0

    def add(self, value: Any) -> None:  # noqa: ARG002  one interface
        self._count += 1

    def add_many(self, values: Sequence[Any]) -> None:
        self._count += values[0]

    def result(self) -> int:
        return self._count


class _Averaging:
    """
    AVG, also of many at once.
    """

    def __init__(self) -> None:
        self._sum = AGGREGATE_FUNCTIONS["SUM"].start()
        self._numbers = 0

    def add(self, value: Any) -> None:
        if is_number(value):
            self._sum.add(value)
            self._numbers += 1

    def add_many(self, values: Sequence[Any]) -> None:
        if values[1]:
            self._sum.add(values[0])
            self._numbers += values[1]

    def result(self) -> Any:
        return divide(self._sum.result(), self._numbers)


def _start(aggregate: Aggregate) -> Accumulator:
    match aggregate.function:
        case "COUNT":
            return _Counting()
        case "AVG":
            return _Averaging()
        case function:
            return AGGREGATE_FUNCTIONS[function].start()


def _copy(accumulator: Accumulator) -> Accumulator:
    return copy.deepcopy(accumulator)


def _query_of(rule: Rule) -> Query:
    return Query(where=rule.where, projection=ListOf(rule.aggregates))
