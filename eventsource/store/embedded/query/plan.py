"""
Planning a query before a store is looked at.

The plan says which conditions SQL decides, what an index could find, in which order events are wanted, and what
is left to the reference evaluator.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import attrs

from eventsource.events.metadata import COMMAND_ID_MEMBER, METADATA_KEY
from eventsource.gdbql import (
    Between,
    Comparison,
    Constant,
    In,
    ListOf,
    Path,
    PreparedQuery,
    Query,
    Under,
    conjunction,
    conjuncts,
    row_reader,
    to_instant,
)
from eventsource.guards.command_guard import COMMAND_ID_PATH
from eventsource.store.commit import ByTree
from eventsource.store.embedded.query.conditions import (
    MAX_INTEGER,
    compile_condition,
    json_path,
    subject_range,
)
from eventsource.store.embedded.query.functions import SQL_NAME, SqlFunction
from eventsource.store.embedded.query.groups import GroupPlan, PreparedOverGroups, compile_groups
from eventsource.store.embedded.query.rows import ALL_FIELDS, columns_of, fields_of, row_maker
from eventsource.store.embedded.query.sql import Sql, joined, sql
from eventsource.store.query import print_data_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from eventsource.gdbql import Expression

# More are decided by the reference: SQLite allows 1,000 levels in an expression.
_MAX_CONDITIONS_IN_SQL: Final = 100
# As many as a page has at the most.
_MAX_AT_ONCE: Final = 1000


@attrs.frozen(eq=False)
class Condition:
    """
    One of the conditions that must hold all.

    Attributes:
        expression: The condition itself.

        sql: Decides it exactly; None leaves it to the reference evaluator.

        is_time: True if the bounds of time answer it completely.
    """

    expression: Expression
    sql: Sql | None
    is_time: bool = False


@attrs.frozen(eq=False)
class Search:
    """
    Something an index finds.

    Attributes:
        index: The index it uses.

        sql: Over ``events AS e``; all that is asked for, or more.

        answers: The condition that it answers completely, if it does.

        is_single: True if it asks for one value, so that events are found in the order of the log.

        is_narrow: True if it finds few events in any sensible log, so that comparing plans is unnecessary.
    """

    index: str
    sql: Sql
    condition: Condition
    is_exact: bool
    is_single: bool
    is_narrow: bool = False


@attrs.frozen(eq=False)
class DataBound:
    """
    A member compared with a value: a declared index could find the events, if there is one.
    """

    event_type: str
    path: str
    operator: str
    value: int | float | str
    condition: Condition


@attrs.frozen
class TimeBounds:
    """
    The times a query asks for, both included, in nanoseconds since 1970.
    """

    first_ns: int
    last_ns: int

    @property
    def is_open(self) -> bool:
        """
        True if all times are asked for.
        """
        return self.first_ns <= 0 and self.last_ns >= MAX_INTEGER


class Plan:
    """
    All there is to know of a query by itself. It may be kept and used by many threads.

    Attributes:
        query: The query.

        conditions: The conditions of WHERE, taken apart.

        searches: Searches that indexes of the file can make.

        data_bounds: Bounds that declared indexes could find.

        times: The times asked for.

        is_descending: True if the newest events are wanted first.

        sorts: True if the reference has to sort the events.

        groups: The groups as SQL computes them, if it can.
    """

    def __init__(self, query: Query) -> None:
        self.query = query
        # Python functions the SQL calls live as long as this.
        self._functions: list[SqlFunction] = []
        self.conditions = tuple(self._conditions())
        self.residual = conjunction(tuple(each.expression for each in self.conditions if each.sql is None))
        self.residual_sql = None if self.residual is None else self._ask_reference(self.residual)
        self.searches = tuple(_searches(self.conditions))
        self.data_bounds = tuple(_data_bounds(self.conditions))
        self.times = _time_bounds(self.conditions)
        in_order = () if query.is_grouped else query.order_by
        self.is_descending = bool(in_order) and _is_time(in_order[0].expression) and in_order[0].descending
        self.sorts = bool(in_order) and not _is_time(in_order[0].expression)
        self.groups: GroupPlan | None = compile_groups(query) if query.is_grouped else None

    # Not every use of a plan needs what follows.

    @functools.cached_property
    def over_groups(self) -> PreparedOverGroups | None:
        """
        The query over groups that are computed already; None if it has none.
        """
        return PreparedOverGroups(self.query) if self.query.is_grouped else None

    @functools.cached_property
    def over_rows(self) -> PreparedQuery:
        """
        The rest of the query over events that fit, in the order wanted.
        """
        return _rest(self.query, sorts=self.sorts)

    @functools.cached_property
    def fields(self) -> tuple[str, ...]:
        """
        The fields read of the events that fit.
        """
        return _fields(self.query, sorts=self.sorts)

    @functools.cached_property
    def columns(self) -> tuple[str, ...]:
        """
        The same as columns.
        """
        return columns_of(self.fields)

    @functools.cached_property
    def make_row(self) -> Callable[[Sequence[Any]], dict[str, Any]]:
        """
        From the values of the columns to an event.
        """
        return row_maker(self.fields, plain_times=self.fields == ALL_FIELDS)

    def filter(self, *, without: Iterable[Condition] = ()) -> Sql:
        """
        SQL that decides WHERE, but for the conditions answered otherwise.
        """
        answered = tuple(without)
        pieces = [each.sql for each in self.conditions if each.sql is not None and each not in answered]
        if self.residual_sql is not None:
            # Last, and only asked where all others hold.
            pieces.append(self.residual_sql)
        return joined(" AND ", pieces) if pieces else Sql("")

    @property
    def only_subject(self) -> str | None:
        """
        The one subject whose events can fit, if there is one.
        """
        found = next(
            (search for search in self.searches if search.is_narrow and search.index == "events_subject"), None
        )
        return None if found is None else str(found.sql.values[0])

    @property
    def rows_wanted(self) -> int | None:
        """
        Number of events that make the whole result, if known.
        """
        query = self.query
        if query.is_grouped or query.distinct or self.sorts or query.limit is None:
            return None
        return query.skip + query.limit

    @functools.cached_property
    def short_statement(self) -> Sql | None:
        """
        The statement that gives all events at once, where few are wanted and need not be searched for.

        There is one if these events are the beginning or end of the log, or of one value in an index.
        """
        most = self.rows_wanted
        if most is None or most > _MAX_AT_ONCE or len(self.conditions) > 1:
            return None
        where = Sql("")
        if self.conditions:
            search = next((each for each in self.searches if each.is_exact and each.is_single), None)
            if search is None:
                return None
            where = sql("WHERE {}", search.sql)
        columns = ", ".join(f"e.{column}" for column in self.columns) or "1"
        direction = " DESC" if self.is_descending else ""
        text = f"SELECT {columns} FROM events AS e {{}} ORDER BY e.position{direction} LIMIT {{}}"  # noqa: S608  from constants
        return sql(text, where, Sql("?", (most,)))

    def _conditions(self) -> Iterator[Condition]:
        for number, expression in enumerate(conjuncts(self.query.where)):
            found = compile_condition(expression, self._functions) if number < _MAX_CONDITIONS_IN_SQL else None
            is_time = found is not None and _time_bound(expression) is not None
            yield Condition(expression, found, is_time)

    def _ask_reference(self, condition: Expression) -> Sql:
        fields = fields_of((condition,))
        make, holds = row_maker(fields, plain_times=fields == ALL_FIELDS), row_reader(condition)
        function = SqlFunction(lambda *values: bool(holds(make(values))))
        self._functions.append(function)
        columns = "".join(f", e.{column}" for column in columns_of(fields))
        return Sql(f"{SQL_NAME}(?{columns})", (function.number,))


plans: ByTree[Plan] = ByTree(Plan)
"""
The plans of the queries asked last.
"""


def _rest(query: Query, *, sorts: bool) -> PreparedQuery:
    """
    The work left to do with the events that fit, in the order wanted.
    """
    if query.is_grouped:
        return PreparedQuery(attrs.evolve(query, where=None))
    return PreparedQuery(attrs.evolve(query, where=None, order_by=query.order_by if sorts else ()))


def _fields(query: Query, *, sorts: bool) -> tuple[str, ...]:
    if query.projection is None:
        return ALL_FIELDS
    parts = [*query.group_by, query.projection]
    if query.having is not None:
        parts.append(query.having)
    if sorts or query.is_grouped:
        parts += [key.expression for key in query.order_by]
    return fields_of(parts)


def _is_time(expression: Expression) -> bool:
    # Times grow from event to event, so their order is that of the log.
    return isinstance(expression, Path) and expression.steps == ("time",)


# --- What indexes find ---


def _searches(conditions: Iterable[Condition]) -> Iterator[Search]:
    for condition in conditions:
        if condition.sql is None:
            continue
        match condition.expression:
            case Comparison("==", Path((str(field),)), Constant(str(text))) | Comparison(
                "==", Constant(str(text)), Path((str(field),))
            ) if field in _INDEXES:
                search = Sql(f"e.{field} = ?", (text,))
                yield Search(_INDEXES[field], search, condition, True, True, is_narrow=field != "type")  # noqa: FBT003
            case In(Path((str(field),)), ListOf(items)) if field in _INDEXES:
                texts = tuple(
                    item.value for item in items if isinstance(item, Constant) and isinstance(item.value, str)
                )
                if texts and len(texts) == len(items):
                    search = Sql(f"e.{field} IN ({', '.join('?' * len(texts))})", texts)
                    yield Search(_INDEXES[field], search, condition, True, len(set(texts)) == 1)  # noqa: FBT003
            case Comparison("==", left, Constant(str(text))) | Comparison("==", Constant(str(text)), left) if (
                left == COMMAND_ID_PATH
            ):
                # A number of the same digits is found, too: the condition itself tells them apart.
                search = Sql(f"{HAS_COMMAND_ID} AND {COMMAND_ID} = ?", (text,))
                yield Search(COMMAND_ID_INDEX, search, condition, False, True, is_narrow=True)  # noqa: FBT003
            case Under(Path(("subject",)), Constant(str(ancestor)), strictly):
                own, low, high = subject_range(ancestor)
                if own != "/":
                    # One range; the few siblings between the subject and its children are decided by the condition.
                    search = Sql("e.subject >= ? AND e.subject < ?", (low if strictly else own, high))
                    yield Search("events_subject", search, condition, strictly, False)  # noqa: FBT003
            case _:
                pass


# As the index on them is declared, to the letter: only so SQLite uses it.
COMMAND_ID_INDEX: Final = "events_command_id"
COMMAND_ID: Final = f"""data ->> '$."{METADATA_KEY}"."{COMMAND_ID_MEMBER}"'"""
HAS_COMMAND_ID: Final = f"""instr(data, '"{COMMAND_ID_MEMBER}":') > 0"""

_INDEXES: Final = {"id": "events_id", "subject": "events_subject", "type": "events_type"}


def _data_bounds(conditions: tuple[Condition, ...]) -> Iterator[DataBound]:
    types = {text for condition in conditions for text in [_type_asked(condition.expression)] if text is not None}
    if len(types) != 1:
        return
    event_type = types.pop()
    for condition in conditions:
        for path, operator, item in _comparisons(condition.expression):
            if path.steps[:1] != ("data",) or json_path(path) is None or operator == "!=":
                continue
            if isinstance(item, (int, float, str)) and not isinstance(item, bool):
                yield DataBound(event_type, print_data_path(path), operator, item, condition)


def _type_asked(expression: Expression) -> str | None:
    for path, operator, item in _comparisons(expression):
        if path.steps == ("type",) and operator == "==" and isinstance(item, str):
            return item
    return None


def _comparisons(expression: Expression) -> Iterator[tuple[Path, str, Any]]:
    match expression:
        case Comparison(operator, Path() as path, Constant(item)):
            yield path, operator, item
        case Comparison(operator, Constant(item), Path() as path):
            yield path, _FLIPPED[operator], item
        case Between(Path() as path, Constant(low), Constant(high)):
            yield path, ">=", low
            yield path, "<=", high
        case In(Path() as path, ListOf((Constant(item),))):
            yield path, "==", item
        case _:
            pass


_FLIPPED: Final = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _time_bounds(conditions: Iterable[Condition]) -> TimeBounds:
    first, last = 0, MAX_INTEGER
    for condition in conditions:
        bounds = _time_bound(condition.expression)
        if bounds is not None:
            first, last = max(first, bounds.first_ns), min(last, bounds.last_ns)
    return TimeBounds(min(first, MAX_INTEGER), max(last, -1))


def _time_bound(expression: Expression) -> TimeBounds | None:
    """
    The times a condition asks for, if it asks for nothing else.
    """
    first, last, is_bound = 0, MAX_INTEGER, False
    for path, operator, item in _comparisons(expression):
        instant = to_instant(item) if isinstance(item, str) else None
        if path.steps != ("time",) or operator == "!=" or instant is None:
            return None
        is_bound = True
        if operator in {">", ">=", "=="}:
            first = max(first, instant.ns + (operator == ">"))
        if operator in {"<", "<=", "=="}:
            last = min(last, instant.ns - (operator == "<"))
    return TimeBounds(first, last) if is_bound else None


def is_countable(plan: Plan) -> bool:
    """
    True if only the number of events is asked for, of all or of a stretch of time.
    """
    return (
        plan.groups is not None
        and not plan.groups.keys
        and all(each.is_time for each in plan.conditions)
        and all(measure.columns == (Sql("count(*)"),) for measure in plan.groups.measures)
    )
