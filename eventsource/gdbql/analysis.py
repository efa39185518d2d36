"""
Questions about trees: what stores and compilers need to know before they evaluate a query.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from eventsource.gdbql.aggregates import AGGREGATE_FUNCTIONS
from eventsource.gdbql.fields import FIELDS
from eventsource.gdbql.functions import SCALAR_FUNCTIONS
from eventsource.gdbql.tree import (
    Aggregate,
    And,
    Arithmetic,
    Call,
    Comparison,
    Constant,
    ListOf,
    Negate,
    ObjectOf,
    Path,
    walk,
)
from eventsource.gdbql.values import Kind, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from eventsource.gdbql.tree import Expression, Query, Scalar


class VersionGuard(NamedTuple):
    """
    The question whether a subject has exactly as many events as its *version* says.
    """

    subject: str
    version: int


def version_guard(query: Query) -> VersionGuard | None:
    """
    The subject and version if *query* asks whether a subject has exactly that many events, else None.

    That is ``STREAM e FROM events WHERE e.subject == '/accounts/42' MAP COUNT() == 7`` and nothing
    else, in whichever dialect and with the operands on whichever side. A store that keeps a counter
    for each subject answers it without reading events.
    """
    if query.group_by or query.having is not None or query.order_by:
        return None
    if query.skip or query.limit == 0:
        return None
    # Asked of each guard that is new: most compare something else.
    version = _equal_constant(query.projection, _COUNT)
    if type(version) is not int:
        return None
    subject = _equal_constant(query.where, _SUBJECT)
    return VersionGuard(subject, version) if isinstance(subject, str) else None


_SUBJECT: Final = Path(("subject",))
_COUNT: Final = Aggregate("COUNT")


def conjuncts(expression: Expression | None) -> tuple[Expression, ...]:
    """
    The conditions that must hold all for *expression* to hold, nested ANDs taken apart.

    Logic has two values and conditions raise no errors, so each may be decided by itself, in any
    order, by whatever means: one by an index, the rest by the reference evaluator.
    """
    if expression is None:
        return ()
    if not isinstance(expression, And):
        return (expression,)
    return tuple(part for operand in expression.operands for part in conjuncts(operand))


def conjunction(expressions: tuple[Expression, ...]) -> Expression | None:
    """
    One condition that holds when all do; None for no expressions. The inverse of `conjuncts`.
    """
    return And(expressions) if len(expressions) > 1 else next(iter(expressions), None)


def aggregates(query: Query) -> tuple[Aggregate, ...]:
    """
    The different aggregates of *query*, in the order they first appear in MAP, HAVING, ORDER BY.
    """
    parts = (query.projection, query.having, *(key.expression for key in query.order_by))
    found = (node for part in parts if part and part.has_aggregate for node in walk(part))
    return tuple(dict.fromkeys(node for node in found if isinstance(node, Aggregate)))


def paths(query: Query) -> tuple[Path, ...]:
    """
    The different paths *query* reads from events, in the order they first appear.

    A query without a projection also returns whole events, which is no path here.
    """
    found = (node for part in _parts(query) for node in walk(part) if isinstance(node, Path))
    return tuple(dict.fromkeys(found))


def kinds(expression: Expression) -> frozenset[Kind]:  # noqa: PLR0911 - a case per kind of node
    """
    What the value of *expression* can be; more than it turns out to be, never less.

    One kind means that it is certain. `Kind.INSTANT` is in it only if the time of an event, or
    TO_TIME, can come through.
    """
    match expression:
        case Constant(value):
            return frozenset({kind_of(value)})
        case Path(steps):
            return _kinds_of_path(steps)
        case ListOf():
            return frozenset({Kind.LIST})
        case ObjectOf():
            return frozenset({Kind.OBJECT})
        case Call(function, arguments):
            return SCALAR_FUNCTIONS[function].kinds or _any_of(arguments)
        case Aggregate(function):
            return AGGREGATE_FUNCTIONS[function].kinds or _any_of(expression.children)
        case Negate():
            return frozenset({Kind.NUMBER, Kind.NULL})
        case Arithmetic(operator):
            number = frozenset({Kind.NUMBER, Kind.NULL})
            return number | {Kind.TEXT} if operator == "+" else number
        case _:
            return frozenset({Kind.BOOLEAN})


def _equal_constant(expression: Expression | None, operand: Expression) -> Scalar:
    match expression:
        case Comparison("==", left, Constant(value)) | Comparison("==", Constant(value), left):
            return value if left == operand else None
        case _:
            return None


def _parts(query: Query) -> Iterator[Expression]:
    candidates = (
        query.where,
        *query.group_by,
        query.having,
        *(key.expression for key in query.order_by),
        query.projection,
    )
    return (part for part in candidates if part is not None)


def _kinds_of_path(steps: tuple[str | int, ...]) -> frozenset[Kind]:
    if not steps:
        return frozenset({Kind.OBJECT})
    return FIELDS[str(steps[0])]


def _any_of(expressions: Iterable[Expression]) -> frozenset[Kind]:
    # IF, NULLIF, MIN and MAX can be null beside what they are given.
    return frozenset({Kind.NULL}).union(*map(kinds, expressions))
