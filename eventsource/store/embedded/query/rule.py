"""
An ungrouped query over aggregates, taken apart: what it computes, and when that is true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from eventsource.gdbql import Aggregate, Comparison, Constant, Query, aggregates, is_truthy
from eventsource.gdbql.grouping import Group
from eventsource.gdbql.readers import build_reader, compares

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventsource.gdbql import Expression
    from eventsource.gdbql.readers import Reader


@attrs.frozen(cache_hash=True)
class Rule:
    """
    What an aggregate is about; rules that share it share the running aggregate.
    """

    where: Expression | None
    aggregates: tuple[Aggregate, ...]


class OneGroup:
    """
    An ungrouped query over aggregates, made ready: from the aggregates to its truth.
    """

    def __init__(self, query: Query, found: tuple[Aggregate, ...]) -> None:
        self.query = query
        # HAVING alone makes one group, too.
        self.rule = Rule(query.where, found or (Aggregate("COUNT"),))
        # Without a row of its result a query is not true.
        self._has_row = query.skip == 0 and query.limit != 0 and query.projection is not None
        self._plain = _plain_comparison(query)
        self._reads = None if self._plain else self._build_readers()

    def _build_readers(self) -> tuple[Reader | None, Reader]:
        found = self.rule.aggregates

        def leaf(node: Expression) -> Callable[[Group], Any] | None:
            if not isinstance(node, Aggregate):
                return None
            index = found.index(node)
            return lambda group: group.results[index]

        having, projection = self.query.having, self.query.projection
        assert projection is not None  # noqa: S101  a grouped query has one
        return None if having is None else build_reader(having, leaf), build_reader(projection, leaf)

    def is_true(self, results: list[Any]) -> bool:
        """
        True if it holds for the values of the aggregates.
        """
        if not self._has_row:
            return False
        if self._plain is not None:
            operator, right = self._plain
            return compares(operator, results[0], right)
        assert self._reads is not None  # noqa: S101  else it is a plain comparison
        having, project = self._reads
        group = Group([], results)
        return (having is None or is_truthy(having(group))) and is_truthy(project(group))


def _plain_comparison(query: Query) -> tuple[str, float] | None:
    """
    The operator and the number of ``MAP COUNT() < 20``, which is what most rules are like.
    """
    match query.projection:
        case Comparison(operator, Aggregate(), Constant(int() | float() as number)) if query.having is None:
            return None if isinstance(number, bool) else (operator, number)
        case _:
            return None


def one_group(query: Query) -> OneGroup | None:
    """
    The query if it makes one group of all events that fit; None if it does not.
    """
    if query.group_by or not query.is_grouped:
        return None
    match query:
        case Query(projection=Comparison(_, Aggregate() as only, Constant()), having=None, order_by=()):
            # As most rules are; looking for aggregates in a tree takes longer than all the rest of this.
            found: tuple[Aggregate, ...] = (only,)
        case _:
            found = aggregates(query)
    return None if any(each.distinct for each in found) else OneGroup(query, found)
