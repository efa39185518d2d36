"""
Queries over a part of the log, as queries over all of it.

All events of the part lie strictly below its prefix. So their subjects are the prefix and the subject
within the part, put together, and any expression over the one can be written over the other: the value
itself as ``SUBSTRING(e.subject, n)``; a comparison with a text as one with a longer text, which an index
still answers. Nothing is left that could not be asked, and nothing that depends on the prefix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

import attrs

from eventsource.gdbql import (
    Aggregate,
    And,
    Arithmetic,
    Between,
    Call,
    Comparison,
    Constant,
    In,
    IsNull,
    Like,
    ListOf,
    Negate,
    Not,
    ObjectOf,
    Or,
    OrderKey,
    Path,
    Query,
    Under,
    Xor,
    conjunction,
    conjuncts,
)

if TYPE_CHECKING:
    from eventsource.gdbql import Expression

_EVENT: Final = Path()
_SUBJECT: Final = Path(("subject",))

# In the order of `RecordedEvent.to_cloud_event`, which a whole event has as a row.
_FIELDS: Final = (
    "source",
    "subject",
    "type",
    "specversion",
    "id",
    "time",
    "datacontenttype",
    "predecessorhash",
    "data",
    "hash",
)


class Confinement:
    """
    Rewrites queries so that they see the events strictly below *prefix*, and those with subjects from there on.

    A query without a projection gives events as they are: the subjects in its rows are still those of the
    whole store.

    Args:
        prefix: A subject other than ``/``.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._start = Constant(len(prefix) + 1)
        self._relative = self._cut(_SUBJECT)
        self._event = ObjectOf(
            tuple((field, self._relative if field == "subject" else Path((field,))) for field in _FIELDS)
        )
        self._inside = Under(_SUBJECT, Constant(prefix), strictly=True)

    def rewritten(self, query: Query) -> Query:
        """
        The query over the whole store.

        Raises:
            QueryLimitError: It nests so deeply that it cannot be wrapped once more.
        """
        return attrs.evolve(
            query,
            where=self._where(query),
            group_by=tuple(self._key(key) for key in query.group_by),
            having=None if query.having is None else self._value(query.having, query),
            order_by=tuple(
                OrderKey(self._place(key.expression, query), descending=key.descending) for key in query.order_by
            ),
            projection=None if query.projection is None else self._value(query.projection, query),
        )

    def _where(self, query: Query) -> Expression | None:
        # What keeps to the part comes first: other conditions are not even tried on events of others, where they
        # could take long, or compute a value that is too large.
        keeping: list[Expression] = []
        others: list[Expression] = []
        for part in conjuncts(query.where):
            (keeping if self._keeps_inside(part) else others).append(self._value(part, query))
        return conjunction((*(keeping or [self._inside]), *others))

    def _keeps_inside(self, condition: Expression) -> bool:
        """
        Whether the condition, rewritten, holds for events of the part only.
        """
        match condition:
            case Comparison("==", Path(("subject",)), Constant(text)) | Comparison(
                "==", Constant(text), Path(("subject",))
            ):
                return _is_below_root(text)
            case In(Path(("subject",)), ListOf(items)):
                return all(isinstance(item, Constant) and _is_below_root(item.value) for item in items)
            case Under(Path(("subject",)), Constant()):
                return True
            case _:
                return False

    def _key(self, key: Expression) -> Expression:
        # Subjects that differ within the part differ in the store, too, and a store groups by them as they are.
        return key if key == _SUBJECT else self._value(key, None)

    def _place(self, key: Expression, query: Query) -> Expression:
        # The same holds for their order.
        return key if key == _SUBJECT else self._value(key, query)

    def _value(self, node: Expression, query: Query | None) -> Expression:  # noqa: C901, PLR0911, PLR0912 - a case per node
        """
        An expression with the value that *node* has within the part.
        """
        match node:
            case Constant():
                return node
            case Path(steps):
                return self._event if not steps else self._relative if node == _SUBJECT else node
            case Comparison(operator, left, right):
                return self._comparison(node) or Comparison(
                    operator, self._value(left, query), self._value(right, query)
                )
            case In(operand, choices):
                return self._in(node, query) or In(self._value(operand, query), self._choices(choices, query))
            case Between(operand, low, high):
                if operand == _SUBJECT and isinstance(low, Constant) and isinstance(high, Constant):
                    return Between(operand, self._shifted(low), self._shifted(high))
                return Between(self._value(operand, query), self._value(low, query), self._value(high, query))
            case IsNull(operand):
                return IsNull(self._value(operand, query))
            case Like(operand, pattern):
                return Like(self._value(operand, query), self._value(pattern, query))
            case Under():
                return self._under(node, query)
            case Not(operand):
                return Not(self._value(operand, query))
            case And(operands):
                return And(tuple(self._value(operand, query) for operand in operands))
            case Or(operands):
                return Or(tuple(self._value(operand, query) for operand in operands))
            case Xor(left, right):
                return Xor(self._value(left, query), self._value(right, query))
            case Aggregate():
                return self._aggregate(node, query)
            case ListOf(items):
                return ListOf(tuple(self._value(item, query) for item in items))
            case ObjectOf(members):
                return ObjectOf(tuple((name, self._value(value, query)) for name, value in members))
            case Call(function, arguments):
                return Call(function, tuple(self._value(argument, query) for argument in arguments))
            case Negate(operand):
                return Negate(self._value(operand, query))
            case Arithmetic(operator, left, right):
                return Arithmetic(operator, self._value(left, query), self._value(right, query))
            case _:
                assert_never(node)

    def _comparison(self, node: Comparison) -> Comparison | None:
        """
        The comparison of the subject with a constant or itself; None for any other.
        """
        match node:
            case Comparison(operator, Path(("subject",)) as left, Constant() as right):
                return Comparison(operator, left, self._shifted(right))
            case Comparison(operator, Constant() as left, Path(("subject",)) as right):
                return Comparison(operator, self._shifted(left), right)
            case Comparison(_, Path(("subject",)), Path(("subject",))):
                return node
            case _:
                return None

    def _in(self, node: In, query: Query | None) -> In | None:
        """
        Whether the subject is one of some constants; None for any other question.
        """
        match node:
            # A list that is a key of groups is read as a whole.
            case In(Path(("subject",)) as operand, ListOf(items) as choices) if not (
                query and choices in query.group_by
            ):
                constants = [item for item in items if isinstance(item, Constant)]
                if len(constants) == len(items):
                    return In(operand, ListOf(tuple(map(self._shifted, constants))))
                return None
            case _:
                return None

    def _choices(self, choices: ListOf | Path | Call, query: Query | None) -> ListOf | Path | Call:
        # An event is no list, in whichever words; and only some nodes may stand here.
        if choices == _EVENT:
            return choices
        rewritten = self._value(choices, query)
        assert isinstance(rewritten, (ListOf, Path, Call))  # noqa: S101  what each of them becomes
        return rewritten

    def _under(self, node: Under, query: Query | None) -> Under:
        match node:
            case Under(Path(("subject",)), Constant("/")):
                # All of the part: no event of it is at its root.
                return self._inside
            case Under(Path(("subject",)) as operand, Constant() as ancestor, strictly):
                return Under(operand, self._shifted(ancestor), strictly)
            case Under(operand, ancestor, strictly):
                return Under(self._value(operand, query), self._value(ancestor, query), strictly)

    def _aggregate(self, node: Aggregate, query: Query | None) -> Expression:
        match node:
            case Aggregate(_, None) | Aggregate("COUNT", Path(() | ("subject",))):
                # As many, and as many different ones.
                return node
            case Aggregate("MIN" | "MAX", Path(("subject",))):
                return self._cut(node)
            case Aggregate(function, argument, distinct):
                return Aggregate(function, None if argument is None else self._value(argument, query), distinct)

    def _cut(self, subject: Expression) -> Call:
        return Call("SUBSTRING", (subject, self._start))

    def _shifted(self, constant: Constant) -> Constant:
        # Any text: what it is compared with begins with the prefix, so that only the rest counts.
        value = constant.value
        return Constant(self._prefix + value) if isinstance(value, str) else constant


def _is_below_root(value: object) -> bool:
    # Without the slash it would be a neighbour: the prefix /tenants/a and the text cme.
    return isinstance(value, str) and value.startswith("/") and value != "/"
