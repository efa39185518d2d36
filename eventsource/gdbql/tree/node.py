"""
What all nodes of a tree share: their children, and a height that is bounded.

No tree is higher than `MAX_DEPTH`, so functions that call themselves for the children of a node are
safe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from eventsource.errors import QueryLimitError, QueryValueError
from eventsource.gdbql.lexer import unstorable
from eventsource.gdbql.limits import MAX_DEPTH, MAX_ITEMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventsource.gdbql.tree.expression import Expression


@attrs.frozen
class Branch:
    """
    A node above other nodes.

    Attributes:
        height: Nodes from here down to the lowest leaf, this one included.

        has_aggregate: Whether an aggregate is among them.
    """

    height: int = attrs.field(init=False, eq=False, repr=False)
    has_aggregate: bool = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        height, has_aggregate = 0, False
        for child in self._children():
            height = max(height, child.height)
            has_aggregate = has_aggregate or child.has_aggregate
        if height >= MAX_DEPTH:
            raise QueryLimitError(limit="levels of nesting", maximum=MAX_DEPTH)
        object.__setattr__(self, "height", height + 1)
        object.__setattr__(self, "has_aggregate", has_aggregate)

    @property
    def children(self) -> tuple[Expression, ...]:
        """
        The nodes directly below, in the order they are written.
        """
        return self._children()

    def _children(self) -> tuple[Expression, ...]:
        raise NotImplementedError


@attrs.frozen
class Leaf:
    """
    A node above nothing.
    """

    height: ClassVar[int] = 1
    has_aggregate: ClassVar[bool] = False
    children: ClassVar[tuple[Expression, ...]] = ()


def walk(expression: Expression) -> Iterator[Expression]:
    """
    The node and all below it, each before those below it, in the order they are written.
    """
    pending: list[Expression] = [expression]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(node.children))


def check_text(text: str) -> None:
    """
    Refuse a text that JSON in UTF-8 cannot carry.

    Raises:
        QueryValueError: It has a NUL or half of a surrogate pair.
    """
    problem = unstorable(text)
    if problem:
        msg = f"a query cannot write a text with {problem}"
        raise QueryValueError(msg)


def check_count(items: tuple[Any, ...]) -> None:
    """
    Refuse more items than `MAX_ITEMS`.

    Raises:
        QueryLimitError: There are more.
    """
    if len(items) > MAX_ITEMS:
        raise QueryLimitError(limit="items in a list", maximum=MAX_ITEMS)
