"""
Rules that look a few events up, by a text that is another one each time: an e-mail address, a number plate.

To make such a query ready takes several times as long as to ask it. So the statement is made once, with
marks in place of the texts, and asked again with others. Which rules these are, and that the statement
does not depend on the texts, is decided narrowly: ``==`` between a member of the data, or the subject,
and a text of common length, where an index finds the few events that have it; beside it the subject may
be under another one each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import apsw
import attrs

from eventsource.gdbql import And, Comparison, Constant, Expression, ListOf, Path, Query, Under, conjuncts
from eventsource.store.embedded.query.access import Access, choose_access
from eventsource.store.embedded.query.conditions import subject_range
from eventsource.store.embedded.query.groups import InexactError
from eventsource.store.embedded.query.plan import COMMAND_ID_INDEX, Plan
from eventsource.store.embedded.query.run import QueryRun
from eventsource.store.embedded.query.sql import Sql, joined, sql

if TYPE_CHECKING:
    from eventsource.gdbql import Aggregate
    from eventsource.store.embedded.query.data_index import IndexKeeper
    from eventsource.store.embedded.query.rule import Rule
    from eventsource.store.query import Spending

# Statements kept, and for each the texts it was asked for.
_MAX_KEPT: Final = 1024
_MAX_TEXTS: Final = 4096
# Declared indexes hold the first 200 characters; a longer text has to be compared, too.
_MAX_CHARACTERS: Final = 200
_ALL: Final = 2**63 - 1

Texts = tuple[str, ...]


@attrs.define(eq=False)
class Lookup:
    """
    A statement to be asked for other texts.

    Attributes:
        places: For each value of the statement which text stands there, and what follows it there; None for
            one that stays.

        asked: The texts it was asked for. A text that comes again is a rule that comes again, and that is
            better kept as a running aggregate.
    """

    plan: Plan
    access: Access
    statement: Sql
    places: tuple[tuple[int, str] | None, ...]
    asked: set[Texts] = attrs.field(factory=set[Texts])

    def results(self, texts: Texts, connection: apsw.Connection, spending: Spending) -> list[Any] | None:
        """
        The aggregates of the rule with these texts; None if SQL cannot compute them exactly.

        Raises:
            QueryBudgetError: It took too long.
        """
        values = tuple(
            old if place is None else texts[place[0]] + place[1]
            for old, place in zip(self.statement.values, self.places, strict=True)
        )
        run = QueryRun(self.plan, spending, until=_ALL)
        run.connection = connection
        try:
            row = run.select(self.access, Sql(self.statement.text, values))[0]
            return self._results(row)
        except InexactError:
            return None
        except apsw.SQLError as error:
            if "integer overflow" not in str(error):
                raise
            return None

    def _results(self, row: tuple[Any, ...]) -> list[Any]:
        groups = self.plan.groups
        assert groups is not None  # noqa: S101  else it was not made
        return next(iter(groups.groups([(0, *row)]))).results


class Lookups:
    """
    Finds out which rules look something up, and keeps their statements.

    Args:
        connection: The writer's.

        indexes: The declared indexes.
    """

    def __init__(self, connection: apsw.Connection, indexes: IndexKeeper) -> None:
        self._connection = connection
        self._indexes = indexes
        # The statements use the indexes that were ready when they were made.
        self._made_for = indexes.ready
        self._known: dict[tuple[tuple[_Part, ...], tuple[Aggregate, ...]], Lookup | None] = {}

    def find(self, rule: Rule) -> tuple[Lookup, Texts] | None:
        """
        The statement that computes the aggregates of *rule*, and the texts to ask it for.

        Returns:
            None if it is another kind of rule, or was asked for these texts before.
        """
        taken_apart = _take_apart(rule.where)
        if taken_apart is None:
            return None
        parts, texts = taken_apart
        if self._made_for is not self._indexes.ready:
            self._made_for = self._indexes.ready
            self._known.clear()
        shape = (parts, rule.aggregates)
        lookup = self._known.get(shape, _UNKNOWN)
        if lookup is _UNKNOWN:
            if len(self._known) >= _MAX_KEPT:
                self._known.clear()
            lookup = self._known[shape] = self._make(*shape)
        if lookup is None or texts in lookup.asked:
            return None
        if len(lookup.asked) >= _MAX_TEXTS:
            lookup.asked.clear()
        lookup.asked.add(texts)
        return lookup, texts

    def finds_few(self, rule: Rule) -> bool:
        """
        Whether a statement that is made already looks *rule* up, among a handful of events in any log.
        """
        taken_apart = _take_apart(rule.where)
        if taken_apart is None or self._made_for is not self._indexes.ready:
            return False
        parts, texts = taken_apart
        lookup = self._known.get((parts, rule.aggregates))
        return lookup is not None and lookup.access.index == COMMAND_ID_INDEX and texts not in lookup.asked

    def _make(self, parts: tuple[_Part, ...], aggregates: tuple[Aggregate, ...]) -> Lookup | None:
        marks: dict[str, tuple[int, str]] = {}
        conditions: list[Expression] = []
        texts = 0
        for part in parts:
            # Such that no text that is made of one is another.
            mark = f"/mark/{texts}/x"
            if isinstance(part, Path):
                conditions.append(Comparison("==", part, Constant(mark)))
                marks[mark] = texts, ""
            elif isinstance(part, _AnySubject):
                conditions.append(Under(_SUBJECT, Constant(mark), part.strictly))
                own, low, high = subject_range(mark)
                marks |= {text: (texts, text.removeprefix(mark)) for text in (own, low, high)}
            else:
                conditions.append(part)
                continue
            texts += 1
        where = And(tuple(conditions)) if len(conditions) > 1 else conditions[0]
        plan = Plan(Query(where=where, projection=ListOf(aggregates)))
        groups = plan.groups
        # A period of time is searched for in the log as it is, which a statement for later cannot know.
        if groups is None or not groups.columns or plan.residual is not None or not plan.times.is_open:
            return None
        access = choose_access(self._connection, plan, after=0, until=_ALL, indexes=self._made_for, in_order=False)
        if not access.is_narrow:
            return None
        # Asked inside the transaction that writes, where the file ends with what the rule is about.
        search = access.where(plan.filter(without=access.answered))
        statement = sql(f"SELECT {{}} FROM {access.tables} {{}}", joined(", ", groups.columns), search)  # noqa: S608  from constants
        places = tuple(marks.get(value) if isinstance(value, str) else None for value in statement.values)
        if not {number for number, _ in marks.values()} <= {place[0] for place in places if place}:
            return None
        return Lookup(plan, access, statement, places)


_UNKNOWN: Final[Any] = object()


@attrs.frozen
class _AnySubject:
    """
    The place of a condition that the subject is under another one.
    """

    strictly: bool


_Part = Expression | _AnySubject


def _take_apart(where: Expression | None) -> tuple[tuple[_Part, ...], Texts] | None:
    """
    The conditions with a path in the place of each that compares it with a text, and these texts.
    """
    parts: list[_Part] = []
    texts: list[str] = []
    for each in conjuncts(where):
        if (
            type(each) is Comparison
            and each.operator == "=="
            and type(each.left) is Path
            and type(each.right) is Constant
            and each.left.steps[:1] in _FIELDS
        ):
            text = each.right.value
            if isinstance(text, str):
                if not 0 < len(text) <= _MAX_CHARACTERS:
                    return None
                parts.append(each.left)
                texts.append(text)
                continue
        if type(each) is Under and each.operand == _SUBJECT and type(each.subject) is Constant:
            ancestor = each.subject.value
            # Beyond these the range of what is below is not made by adding to the text.
            if isinstance(ancestor, str) and 1 < len(ancestor) <= _MAX_CHARACTERS and ancestor[-1] != "/":
                parts.append(_AnySubject(each.strictly))
                texts.append(ancestor)
                continue
        parts.append(each)
    return (tuple(parts), tuple(texts)) if texts else None


_SUBJECT: Final = Path(("subject",))
_FIELDS: Final = (("data",), ("subject",))
