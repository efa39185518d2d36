"""
Chooses how the events of one query are found in a store: by which index, in which stretch of the log.

Indexes are chosen by looking, not by statistics: where several could serve, the one that finds the
fewest events is taken, told by counting up to a bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from eventsource.store.embedded.query.data_index import entry_search
from eventsource.store.embedded.query.sql import Sql, joined, sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import apsw

    from eventsource.store.embedded.query.data_index import ReadyIndex
    from eventsource.store.embedded.query.plan import Condition, Plan, Search, TimeBounds

# Events that are looked up one by one cost about four times as much as those read along the log.
_SHARE_WORTH_A_SEARCH: Final = 4
_ALWAYS_WORTH_A_SEARCH: Final = 1000
_FIRST_COUNT: Final = 1000


@attrs.frozen(eq=False)
class Access:
    """
    The way to the events of a query.

    Attributes:
        after, until: The stretch of the log, the first position excluded.

        index: The index used, or None to read along the log.

        tables: The tables to select from; ``e`` are the events.

        search: What the index is asked, or more than that is wanted.

        position: The column with the position; it is in the index.

        is_ordered: True if the index gives events in the order of the log.

        is_narrow: True if it finds few events in any sensible log.

        answered: The conditions that need not be looked at any more.

        entries_of: The declared index that is used; it must still be there when it is read.
    """

    after: int
    until: int
    index: str | None = None
    tables: str = "events AS e"
    search: Sql = Sql("")  # noqa: RUF009  frozen
    position: str = "e.position"
    is_ordered: bool = True
    is_narrow: bool = False
    answered: tuple[Condition, ...] = ()
    served: tuple[Condition, ...] = ()
    entries_of: int | None = None

    def where(self, *others: Sql) -> Sql:
        """
        The WHERE of a statement: the search, and what else must hold.
        """
        pieces = [piece for piece in (self.search, *others) if piece.text]
        return sql("WHERE {}", joined(" AND ", pieces)) if pieces else Sql("")

    def stretch(self, after: int, until: int) -> Sql:
        """
        The condition for a stretch of the log.
        """
        # Where the index gives no order, the plus keeps SQLite from walking the stretch instead of using it.
        column = self.position if self.is_ordered else f"+{self.position}"
        return Sql(f"{column} > ? AND {column} <= ?", (after, until))

    @property
    def positions(self) -> Sql:
        """
        The positions the index finds, from the index alone.
        """
        table = "data_index_entries AS i" if self.entries_of is not None else self.tables
        where = self.where(self.stretch(self.after, self.until))
        return sql(f"SELECT {self.position} FROM {table} {{}}", where)  # noqa: S608  from constants


def choose_access(  # noqa: PLR0911  the choices, best first
    connection: apsw.Connection,
    plan: Plan,
    *,
    after: int,
    until: int,
    indexes: Sequence[ReadyIndex],
    in_order: bool,
) -> Access:
    """
    The best way to the events of *plan* between two positions.

    Args:
        indexes: The declared indexes that are ready.

        in_order: True if events are wanted in the order of the log.
    """
    narrow = next((search for search in plan.searches if search.is_narrow), None)
    if narrow is not None:
        return _by_search(narrow, after, until, ())
    answered: tuple[Condition, ...] = ()
    if not plan.times.is_open:
        after, until = stretch_of_time(connection, plan.times, after, until)
        answered = tuple(each for each in plan.conditions if each.is_time)
    along = Access(after, until, answered=answered, served=answered)
    if after >= until:
        return along
    candidates = [_by_search(search, after, until, answered) for search in plan.searches]
    for index in indexes:
        found = entry_search(plan.data_bounds, index)
        if found is not None:
            candidates.append(
                Access(
                    after,
                    until,
                    index.name,
                    "data_index_entries AS i CROSS JOIN events AS e ON e.position = i.position",
                    found.sql,
                    "i.position",
                    is_ordered=found.is_single,
                    is_narrow=found.is_single,
                    answered=answered,
                    served=answered + found.served,
                    entries_of=index.id,
                )
            )
    if not candidates:
        return along
    narrowest = next((each for each in candidates if each.is_narrow), None)
    if narrowest is not None:
        return narrowest
    ordered = next((each for each in candidates if each.is_ordered), None)
    if len(candidates) == 1 and ordered and (in_order or _covers(plan)):
        return ordered
    smallest = _smallest(connection, candidates, (until - after) // _SHARE_WORTH_A_SEARCH)
    if smallest is None:
        # Along its own order an index can be left as soon as there is enough; one that has all that is asked for is
        # shorter than the log.
        return ordered if ordered and (in_order or _covers(plan)) else along
    return smallest


def _by_search(search: Search, after: int, until: int, answered: tuple[Condition, ...]) -> Access:
    return Access(
        after,
        until,
        search.index,
        search=search.sql,
        is_ordered=search.is_single,
        is_narrow=search.is_narrow,
        answered=(*answered, search.condition) if search.is_exact else answered,
        served=(*answered, search.condition),
    )


def _covers(plan: Plan) -> bool:
    # Only counted: then the index alone has all there is to know.
    return plan.groups is not None and not any("data" in column.text for column in plan.groups.columns)


def _smallest(connection: apsw.Connection, candidates: Iterable[Access], bound: int) -> Access | None:
    """
    The candidate that finds the fewest events, or None if all find more than *bound*.
    """
    bound = max(bound, _ALWAYS_WORTH_A_SEARCH)
    waiting = list(candidates)
    most = min(_FIRST_COUNT, bound)
    while True:
        for candidate in waiting:
            counted = sql("SELECT count(*) FROM ({} LIMIT {})", candidate.positions, Sql("?", (most,)))
            if connection.execute(counted.text, counted.values).get < most:
                return candidate
        if most >= bound:
            return None
        most = min(most * 8, bound)


def stretch_of_time(connection: apsw.Connection, times: TimeBounds, after: int, until: int) -> tuple[int, int]:
    """
    The stretch of the log with the events of *times*. Times grow with positions, so it is found by halving.
    """
    first = _count_earlier(connection, times.first_ns, after, until)
    last = _count_earlier(connection, times.last_ns + 1, first, until)
    return first, last


def _count_earlier(connection: apsw.Connection, time_ns: int, after: int, until: int) -> int:
    """
    The last position behind *after* whose event is earlier than *time_ns*; *after* if there is none.
    """
    low, high = after, until
    while low < high:
        middle = (low + high + 1) // 2
        if connection.execute("SELECT time_ns FROM events WHERE position = ?", (middle,)).get < time_ns:
            low = middle
        else:
            high = middle - 1
    return low
