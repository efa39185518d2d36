"""
Groups of events: their keys and aggregates.

Memory grows with the groups, not with the events, but for DISTINCT in an aggregate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from eventsource.gdbql.aggregates import AGGREGATE_FUNCTIONS, Distinct
from eventsource.gdbql.analysis import aggregates
from eventsource.gdbql.readers import build_reader, row_reader
from eventsource.gdbql.tree import Aggregate, Constant
from eventsource.gdbql.values import Json, Row, canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from eventsource.gdbql.aggregates import Accumulator
    from eventsource.gdbql.readers import Reader
    from eventsource.gdbql.tree import Expression, Query


class Group(NamedTuple):
    """
    What a group is known by once its events are gone.
    """

    keys: list[Json]
    """The values of GROUP BY, those of the group's oldest event."""

    results: list[Json]
    """One for each aggregate of the query, in the order of `analysis.aggregates`."""


class Grouping:
    """
    The groups one query asks for.
    """

    def __init__(self, query: Query) -> None:
        self._aggregates = aggregates(query)
        self._key_readers = [row_reader(key) for key in query.group_by]
        self._argument_readers = [
            None if aggregate.argument is None else row_reader(aggregate.argument) for aggregate in self._aggregates
        ]
        self._key_places = {key: place for place, key in enumerate(query.group_by)}
        self._result_places = {aggregate: place for place, aggregate in enumerate(self._aggregates)}

    def groups(self, rows: Iterable[Row]) -> Iterator[Group]:
        """
        The groups of all rows, in the order of their first rows.

        Without GROUP BY there is one group, also of no rows.
        """
        found: dict[tuple[Any, ...], tuple[list[Json], list[Accumulator]]] = {}
        if not self._key_readers:
            found[()] = ([], self._start())
        for row in rows:
            keys = [read(row) for read in self._key_readers]
            place = tuple(map(canonical, keys))
            group = found.get(place)
            if group is None:
                group = found[place] = (keys, self._start())
            self._add(row, group[1])
        for keys, accumulators in found.values():
            yield _finished(keys, accumulators)

    def empty_group(self) -> Group:
        """
        The group of no rows: all keys null, COUNT and SUM 0, other aggregates null.
        """
        return _finished([None] * len(self._key_readers), self._start())

    def reader(self, expression: Expression) -> Reader:
        """
        A function from a `Group` to the value of *expression*.
        """
        return build_reader(expression, self._leaf)

    def _leaf(self, node: Expression) -> Reader | None:
        # A constant that is also a key stays what it is in the empty group, whose keys are null.
        key = None if isinstance(node, Constant) else self._key_places.get(node)
        if key is not None:
            return lambda group: group.keys[key]
        result = self._result_places.get(node) if isinstance(node, Aggregate) else None
        if result is not None:
            return lambda group: group.results[result]
        return None

    def _start(self) -> list[Accumulator]:
        return [_start(aggregate) for aggregate in self._aggregates]

    def _add(self, row: Row, accumulators: list[Accumulator]) -> None:
        for read, accumulator in zip(self._argument_readers, accumulators, strict=True):
            # COUNT() without an argument counts rows; null is never taken.
            value = True if read is None else read(row)
            if value is not None:
                accumulator.add(value)


def _start(aggregate: Aggregate) -> Accumulator:
    accumulator = AGGREGATE_FUNCTIONS[aggregate.function].start()
    return Distinct(accumulator) if aggregate.distinct else accumulator


def _finished(keys: list[Json], accumulators: list[Accumulator]) -> Group:
    return Group(keys, [accumulator.result() for accumulator in accumulators])
