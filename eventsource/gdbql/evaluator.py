"""
The reference evaluator: what a query means, over rows in memory.

The steps, in this order: WHERE, GROUP BY, HAVING, ORDER BY, MAP, DISTINCT, SKIP, LIMIT. Rows are read
one by one, and only as far as needed: without ORDER BY and groups the first row of the result is there
as soon as the first event that fits; with ORDER BY and LIMIT only as many events are kept as are asked
for.
"""

from __future__ import annotations

import heapq
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

from eventsource.gdbql.grouping import Grouping
from eventsource.gdbql.readers import row_reader
from eventsource.gdbql.tree import Aggregate, walk
from eventsource.gdbql.values import Json, Row, canonical, is_truthy, to_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from eventsource.gdbql.readers import Reader
    from eventsource.gdbql.tree import Expression, OrderKey, Query


def evaluate(query: Query, rows: Iterable[Row]) -> Iterator[Json]:
    """
    The rows of the result, in order.

    Args:
        query: What is asked.

        rows: The events, oldest first, as mappings with the fields of `fields.FIELDS`; `data` as
            `json.loads` gives it: integers exact, no NaN or infinity.

    Returns:
        Values of JSON, computed as they are taken. Without a projection these are the rows as given.

    Raises:
        QueryLimitError: While values are taken: a text that is computed becomes too long.
    """
    return PreparedQuery(query).rows(rows)


def is_true(query: Query, rows: Iterable[Row]) -> bool:
    """
    True if *query* holds as a precondition of a commit; see `PreparedQuery.is_true`.
    """
    return PreparedQuery(query).is_true(rows)


class PreparedQuery:
    """
    A query made ready to be evaluated, once or many times.

    Attributes:
        query: What is asked.
    """

    def __init__(self, query: Query) -> None:
        self.query = query
        self._grouping = Grouping(query) if query.is_grouped else None
        read: Callable[[Expression], Reader]
        read = row_reader if self._grouping is None else self._grouping.reader
        self._where = None if query.where is None else row_reader(query.where)
        self._having = None if query.having is None else read(query.having)
        self._project = None if query.projection is None else read(query.projection)
        self._may_lack_groups = bool(query.group_by) and _has_aggregate(query.projection)
        self._sort = _Sort(query.order_by, read) if query.order_by else None

    def rows(self, rows: Iterable[Row]) -> Iterator[Json]:
        """
        The rows of the result over the events *rows*; see `evaluate`.
        """
        return self._finish(self._items(rows))

    def is_true(self, rows: Iterable[Row]) -> bool:
        """
        True if the result over the events *rows* holds.

        It holds if there are rows and all are truthy. If GROUP BY finds no group, or HAVING keeps
        none, and the projection has an aggregate, the projection decides for a group of no events:
        "fewer than 50 premium tickets" holds before the first one is sold.
        """
        items = self._items(rows)
        grouping, project = self._grouping, self._project
        if project is None:
            return any(True for _ in self._finish(items))
        if grouping is not None and self._may_lack_groups:
            items = list(items)
            if not items:
                return is_truthy(project(grouping.empty_group()))
        holds = False
        for value in self._finish(items):
            if not is_truthy(value):
                return False
            holds = True
        return holds

    def _items(self, rows: Iterable[Row]) -> Iterable[Any]:
        """
        The events, or groups of events, that the result is made of.
        """
        chosen = rows if self._where is None else filter(self._where, rows)
        if self._grouping is None:
            return chosen
        groups = self._grouping.groups(chosen)
        return groups if self._having is None else filter(self._having, groups)

    def _finish(self, items: Iterable[Any]) -> Iterator[Json]:
        query = self.query
        # islice counts no further than this, nor could anyone read so many rows.
        skip = min(query.skip, sys.maxsize)
        stop = None if query.limit is None else min(skip + query.limit, sys.maxsize)
        if self._sort is not None:
            items = self._sort.sorted(items, None if query.distinct else stop)
        project = self._project
        values = items if project is None else (to_plain(project(item)) for item in items)
        return islice(_distinct(values) if query.distinct else values, skip, stop)


def _has_aggregate(expression: Expression | None) -> bool:
    return expression is not None and any(isinstance(node, Aggregate) for node in walk(expression))


class _Sort:
    """
    ORDER BY: keys with directions; what has equal keys keeps its order.
    """

    def __init__(self, keys: Sequence[OrderKey], read: Callable[[Expression], Reader]) -> None:
        # Where all keys go one way, sorting backwards is faster than backward keys.
        self._reverse = all(key.descending for key in keys)
        self._keys = [(read(key.expression), key.descending and not self._reverse) for key in keys]

    def sorted(self, items: Iterable[Any], most: int | None) -> Iterator[Any]:
        """
        The items in order, the first *most* of them if that is not None.
        """
        if most is None:
            yield from sorted(items, key=self._place, reverse=self._reverse)
        else:
            select = heapq.nlargest if self._reverse else heapq.nsmallest
            yield from select(most, items, key=self._place)

    def _place(self, item: Any) -> tuple[Any, ...]:
        return tuple(
            _Backward(canonical(read(item))) if descending else canonical(read(item)) for read, descending in self._keys
        )


class _Backward:
    """
    A place in the order of all values, seen from its end.
    """

    __slots__ = ("_place",)

    def __init__(self, place: tuple[Any, ...]) -> None:
        self._place = place

    def __lt__(self, other: _Backward) -> bool:
        return other._place < self._place

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Backward) and self._place == other._place

    __hash__ = None  # type: ignore[assignment] # only compared


def _distinct(values: Iterable[Json]) -> Iterator[Json]:
    seen: set[tuple[Any, ...]] = set()
    for value in values:
        place = canonical(value)
        if place not in seen:
            seen.add(place)
            yield value
