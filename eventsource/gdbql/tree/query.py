"""
A whole query, and which of its parts go together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from eventsource.errors import QueryLimitError, QueryStructureError
from eventsource.gdbql.arithmetic import checked
from eventsource.gdbql.lexer import KEYWORDS, is_name, shortened
from eventsource.gdbql.limits import MAX_DIGITS
from eventsource.gdbql.tree.node import check_count, walk
from eventsource.gdbql.tree.operands import Aggregate, Path

if TYPE_CHECKING:
    from eventsource.gdbql.tree.expression import Expression


@attrs.frozen
class OrderKey:
    """
    One key to sort by; lowest first unless *descending*.
    """

    expression: Expression
    descending: bool = False


@attrs.frozen(kw_only=True)
class Query:
    """
    A query: from the events, oldest first, to its rows.

    Attributes:
        where: Which events take part; None means all.

        group_by: What the events of one group share. Without, a grouped query has one group.

        having: Which groups take part.

        order_by: By what events or groups are sorted, the first key first; equal ones keep the order
            they had. Unsorted, events are oldest first, groups in the order of their oldest events.

        projection: What a row is made of; None is the event as it is.

        distinct: Whether only the first of equal rows is kept.

        skip: How many rows are left out at the beginning.

        limit: How many rows there are at most; None means all.

        alias: What the text calls an event. It has no effect.

    Raises:
        QueryStructureError: An aggregate where events are chosen or grouped; in a grouped query no
            projection, or a path that is neither in a key of the groups nor in an aggregate;
            *distinct* without a projection; negative counts; an alias that is no name.

        QueryLimitError: A list of more than `MAX_ITEMS` keys, a count of more than `MAX_DIGITS`.
    """

    where: Expression | None = None
    group_by: tuple[Expression, ...] = ()
    having: Expression | None = None
    order_by: tuple[OrderKey, ...] = ()
    projection: Expression | None = None
    distinct: bool = False
    skip: int = 0
    limit: int | None = None
    alias: str = "e"

    def __attrs_post_init__(self) -> None:
        _check_alias(self.alias)
        _check_counts(self.skip, self.limit)
        check_count(self.group_by)
        check_count(self.order_by)
        if self.distinct and self.projection is None:
            msg = "expected MAP with DISTINCT"
            raise QueryStructureError(msg)
        for expression in (self.where, *self.group_by):
            _check_no_aggregate(expression)
        if self.is_grouped:
            self._check_groups()

    @property
    def is_grouped(self) -> bool:
        """
        Whether rows are made of groups of events: with GROUP BY, HAVING, or any aggregate.
        """
        return bool(
            self.group_by
            or self.having is not None
            or (self.projection is not None and self.projection.has_aggregate)
            or any(key.expression.has_aggregate for key in self.order_by)
        )

    @property
    def _parts_over_groups(self) -> tuple[Expression | None, ...]:
        return (self.projection, self.having, *(key.expression for key in self.order_by))

    def _check_groups(self) -> None:
        if self.projection is None:
            msg = "expected MAP, found groups of events without one"
            raise QueryStructureError(msg)
        keys = frozenset(self.group_by)
        for part in self._parts_over_groups:
            _check_within_groups(part, keys)


def _check_alias(alias: str) -> None:
    if not is_name(alias) or (alias.isascii() and alias.upper() in KEYWORDS):
        msg = f"expected a name for the event, found {shortened(alias)!r}"
        raise QueryStructureError(msg)


def _check_counts(*counts: int | None) -> None:
    for count in counts:
        if count is None:
            continue
        if type(count) is not int or count < 0:
            msg = "expected a count of rows, 0 or more"
            raise QueryStructureError(msg)
        if checked(count) is None:
            raise QueryLimitError(limit="digits in a number", maximum=MAX_DIGITS)


def _check_no_aggregate(expression: Expression | None) -> None:
    if expression is None or not expression.has_aggregate:
        return
    aggregate = next(node for node in walk(expression) if isinstance(node, Aggregate))
    reason = f"{aggregate.function} cannot stand in WHERE or GROUP BY, where there are no groups yet"
    raise QueryStructureError(reason, part=aggregate)


def _check_within_groups(expression: Expression | None, keys: frozenset[Expression]) -> None:
    pending = [] if expression is None else [expression]
    while pending:
        node = pending.pop()
        if isinstance(node, Aggregate) or node in keys:
            continue
        if isinstance(node, Path):
            reason = "a group has many events: expected a key of GROUP BY, or an aggregate"
            raise QueryStructureError(reason, part=node)
        pending.extend(reversed(node.children))
