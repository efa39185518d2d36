"""
Guards: rules over the events in the log, written with event classes, decided by the store.

A rule says which events it is about, what is computed over them, and what that is compared with::

    funds = select_events(MoneyDeposited, MoneyWithdrawn).at("/accounts/42").sum(lambda e: e.delta_cents) >= 5_00
    unique = select_events(CustomerRegistered).where(email="ada@example.com").count() == 0

    await store.commit([...], [funds.named("funds"), unique.named("e-mail is unique")])

A guard is a `QueryHolds`, so it is a precondition as it stands. It is made of the nodes of a GDBQL
query, never of text, and each part is checked when it is written: fields that a class does not
have, values of another type, comparisons that could never hold are a `GuardError` at that line. Type
checkers find most of them before, since the function given for a field or a condition takes an event
of the class itself.

One query has one source. So one guard computes over one choice of events, though of several classes
if need be; a balance is the sum of one signed field that deposits and withdrawals share. Two sums
over two choices are refused.

Guards read what is stored. An event that was written before its class had a field has no value for
it, whatever default the class gives it now. Events that are stored in an older form count, also where
their type had another name; but only such fields may be asked for as their upcasters say they keep.
Over no events, counts and sums are 0; there is no lowest or highest value and no average, and a
comparison with one does not hold, unless it is ``!=``.

An aggregate's command names the rules it is decided under where it emits, ``self.emit(event,
rules=[...])``, and the repository commits with these in place of the version. A rule that is
used more than once is a function that gives one guard or several; `all_of` flattens what such
functions give.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, NoReturn, Self, TypeVar, final, overload

import attrs

from eventsource.events.event import Event
from eventsource.events.subject import Subject
from eventsource.gdbql import (
    Comparison,
    Constant,
    In,
    ListOf,
    Path,
    Query,
    Under,
    conjunction,
    conjuncts,
    print_expression,
)
from eventsource.guards.errors import GuardError
from eventsource.guards.event_proxy import record_condition, record_operand
from eventsource.guards.preconditions import QueryHolds
from eventsource.guards.stored_field import check_each_is_one, check_members, stored_types
from eventsource.guards.typed_expression import TypedExpression, count_of_events, event_data, number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from eventsource.gdbql import Expression
    from eventsource.gdbql.tree import ComparisonOperator
    from eventsource.guards.typed_expression import ArithmeticOperator

AnyEvent = TypeVar("AnyEvent", bound=Event)
A = TypeVar("A", bound=Event)
B = TypeVar("B", bound=Event)
C = TypeVar("C", bound=Event)
D = TypeVar("D", bound=Event)
Value = TypeVar("Value")


@final
@attrs.frozen(init=False, repr=False)
class Guard(QueryHolds):
    """
    A rule that must hold at a commit's place in the log. `events` begins one.

    Guards that say the same are equal and have the same text, in whichever order their conditions
    were written.

    Attributes:
        tree: The rule as the tree of a query; `query` is its text.

        name: What the rule is called, for the error of a commit that breaks it.
    """

    def __repr__(self) -> str:
        return f"<Guard {self.name or 'without a name'}: {self.query}>"

    def named(self, name: str) -> Guard:
        """
        The same rule, with a name that tells whom it refuses why.

        Raises:
            GuardError: The name is empty or not visible.
        """
        if not name.strip() or not name.isprintable():
            msg = f"a rule needs a name that can be read, not {name!r}"
            raise GuardError(msg)
        return Guard(self.tree, name)

    def __bool__(self) -> NoReturn:
        msg = (
            "the store decides a guard, Python cannot; several rules are several preconditions, "
            "store.commit(events, [one, other]), and `low <= x <= high` is two of them"
        )
        raise GuardError(msg)


def all_of(*guards: Guard | Iterable[Guard]) -> tuple[Guard, ...]:
    """
    Guards that must all hold, flattened; they remain several preconditions, each with its name.

    A rule that is a function can give one guard or several: the caller need not know. A guard that
    comes twice is kept once.
    """
    return tuple(
        dict.fromkeys(guard for group in guards for guard in ((group,) if isinstance(group, Guard) else group))
    )


@overload
def select_events(first: type[A], /) -> EventSelection[A]: ...
@overload
def select_events(first: type[A], second: type[B], /) -> EventSelection[A | B]: ...
@overload
def select_events(first: type[A], second: type[B], third: type[C], /) -> EventSelection[A | B | C]: ...
@overload
def select_events(
    first: type[A], second: type[B], third: type[C], fourth: type[D], /
) -> EventSelection[A | B | C | D]: ...
@overload
def select_events(*event_classes: type[AnyEvent]) -> EventSelection[AnyEvent]: ...
def select_events(*event_classes: type[Event]) -> EventSelection[Any]:
    """
    All events of these classes, to begin a guard with.

    >>> class SeatTaken(Event, type="com.example.seat-taken"):
    ...     row_number: int
    >>> guard = select_events(SeatTaken).under("/shows/7").where(row_number=3).count() < 20
    >>> guard.query[:77]
    "STREAM e FROM events WHERE e.subject UNDER '/shows/7' AND e.type == 'com.exam"

    Raises:
        GuardError: There are no classes, or one has no event type: an abstract event is never stored.
    """
    if not event_classes:
        msg = "select_events() wants at least one event class"
        raise GuardError(msg)
    for event_class in event_classes:
        _check_event_class(event_class)
    classes = {event_class.event_type: event_class for event_class in event_classes}
    return EventSelection(tuple(classes[name] for name in sorted(classes)))


def _check_event_class(event_class: object) -> None:
    if not (isinstance(event_class, type) and issubclass(event_class, Event)):
        msg = f"select_events() wants event classes, found {event_class!r}"
        raise GuardError(msg)
    if not event_class.event_type:
        msg = (
            f"{event_class.__name__} is abstract, so no event of it is ever stored; "
            "name the classes derived from it whose events count"
        )
        raise GuardError(msg)


@final
@attrs.frozen
class EventSelection(Generic[AnyEvent]):
    """
    Some of the events in the log. Each method gives a smaller selection, or what is computed over it.

    A field is given as a function, ``lambda e: e.lines[0].cents``, which type checkers follow, or as
    text, ``"lines[0].cents"``, which is checked as soon as the line runs. Names are those in Python.
    """

    _classes: tuple[type[Event], ...]
    _subjects: tuple[Subject, ...] = ()
    _ancestor: Subject | None = None
    _since: datetime | None = None
    _until: datetime | None = None
    _conditions: tuple[Expression, ...] = ()
    _is_as_stored: bool = False

    # --- Which events ---

    def at(self, subject: str, *others: str) -> Self:
        """
        Those of this subject itself, or of one of these; not of the subjects below.

        Raises:
            InvalidSubjectError: A text is no subject.
            GuardError: The selection has its subjects already; no event is at ``/``.
        """
        self._check_without_subject()
        subjects = tuple(sorted({Subject(path) for path in (subject, *others)}))
        if any(path.is_root for path in subjects):
            msg = "no event is at '/' itself; leave the subject out, and events of all subjects count"
            raise GuardError(msg)
        return attrs.evolve(self, subjects=subjects)

    def under(self, subject: str) -> Self:
        """
        Those of this subject and of all that lie below it. Under ``/`` are all events.

        Raises:
            InvalidSubjectError: The text is no subject.
            GuardError: The selection has its subjects already.
        """
        self._check_without_subject()
        return attrs.evolve(self, ancestor=Subject(subject))

    def _check_without_subject(self) -> None:
        if self._subjects or self._ancestor is not None:
            msg = "the subject is chosen already, by .at(...) or .under(...)"
            raise GuardError(msg)

    def since(self, time: datetime) -> Self:
        """
        Those committed at *time* or later.

        Raises:
            GuardError: *time* has no time zone, or no event could be left.
        """
        instant = _to_utc(time)
        since = instant if self._since is None else max(self._since, instant)
        _check_period(since, self._until)
        return attrs.evolve(self, since=since)

    def until(self, time: datetime) -> Self:
        """
        Those committed before *time*, so that one day ends where the next begins.

        Raises:
            GuardError: *time* has no time zone, or no event could be left.
        """
        instant = _to_utc(time)
        until = instant if self._until is None else min(self._until, instant)
        _check_period(self._since, until)
        return attrs.evolve(self, until=until)

    def where(self, /, *conditions: Callable[[AnyEvent], bool], **values: object) -> Self:
        """
        Those whose fields fulfil all of these conditions.

        A condition compares fields of the event with values or with one another, by ``==``, ``!=``,
        ``<``, ``<=``, ``>``, ``>=`` and `one_of`; ``&`` and ``|`` join conditions, each in brackets.
        A keyword asks for a field that equals the value; None for one that is null or not there::

            .where(lambda e: (e.cents >= 100_00) | (e.country != "AT"), currency="EUR")

        A value goes through the field's validators and serializer as it would in an event: what is
        compared is what would be stored.

        Raises:
            GuardError: There is no such field, or it could never compare like this.
            QueryValueError: No query can carry the value, a text with NUL in it for instance.
        """
        data = event_data(self._classes)
        nodes = [record_condition(self._classes, condition) for condition in conditions]
        nodes += [data.at_path(path).compared("==", value) for path, value in values.items()]
        added = [part for node in nodes for part in conjuncts(node)]
        # Nothing depends on their order, so that it must not tell equal guards apart.
        self._check_members(*nodes)
        unique = {print_expression(part): part for part in (*self._conditions, *added)}
        return attrs.evolve(self, conditions=tuple(unique[text] for text in sorted(unique)))

    def as_stored(self) -> Self:
        """
        Those stored under the type names of the classes themselves, with their data as it stands.

        It leaves out events that upcasters move here from other types, and asks for fields by the names
        they have today, which older versions may not have. That is right where you know that there are
        none: the rule is about time or subjects that they do not belong to. To be said before `where`.
        """
        return attrs.evolve(self, is_as_stored=True)

    def _check_members(self, *nodes: Expression) -> None:
        if not self._is_as_stored:
            check_members(self._classes, nodes)

    # --- What is computed over them ---

    def exists(self) -> Guard:
        """
        The rule that there is at least one such event. That there is none is ``.count() == 0``.
        """
        return self.count() > 0

    def count(self) -> NumericValue:
        """
        How many there are. Events that are stored in an older form count.

        Raises:
            GuardError: An older event may be read as none or as several of them.
        """
        if not self._is_as_stored:
            check_each_is_one(self._classes)
        return self.count_recorded()

    def count_recorded(self) -> NumericValue:
        """
        How many recorded events there are of which at least one may be read.

        It is what `count` gives, but where one recorded event was split into several, or is some other
        event today, it is one here. "No more than I have read" is a rule about recorded events.
        """
        return NumericValue(self, count_of_events())

    def sum(self, field: str | Callable[[AnyEvent], float | None]) -> NumericValue:
        """
        The sum of a field, or of something calculated from fields; 0 over no events.

        Raises:
            GuardError: There is no such field, or it is no number.
        """
        return self._figure("SUM", field)

    def avg(self, field: str | Callable[[AnyEvent], float | None]) -> NumericValue:
        """
        The sum of a field divided by the number of events that have it; none over no events.

        Raises:
            GuardError: There is no such field, or it is no number.
        """
        return self._figure("AVG", field)

    @overload
    def min(self, field: Callable[[AnyEvent], Value | None]) -> AggregateValue[Value]: ...
    @overload
    def min(self, field: str) -> AggregateValue[Any]: ...
    def min(self, field: str | Callable[[AnyEvent], object]) -> AggregateValue[Any]:
        """
        The lowest value of a field: a number, a text or a date; none over no events.

        Raises:
            GuardError: There is no such field, or its values have no order.
        """
        return self._extreme("MIN", field)

    @overload
    def max(self, field: Callable[[AnyEvent], Value | None]) -> AggregateValue[Value]: ...
    @overload
    def max(self, field: str) -> AggregateValue[Any]: ...
    def max(self, field: str | Callable[[AnyEvent], object]) -> AggregateValue[Any]:
        """
        The highest value of a field: a number, a text or a date; none over no events.

        A limit on each event reads better, and holds over no events, as a count:
        ``.where(lambda e: e.cents > 500_00).count() == 0``.

        Raises:
            GuardError: There is no such field, or its values have no order.
        """
        return self._extreme("MAX", field)

    def _figure(self, function: Literal["SUM", "AVG"], field: str | Callable[[Any], object]) -> NumericValue:
        return NumericValue(self, self._operand(field).aggregated(function))

    def _extreme(self, function: Literal["MIN", "MAX"], field: str | Callable[[Any], object]) -> AggregateValue[Any]:
        return AggregateValue(self, self._operand(field).aggregated(function))

    def _operand(self, field: object) -> TypedExpression:
        if callable(field):
            operand = record_operand(self._classes, field)
        elif isinstance(field, str):
            operand = event_data(self._classes).at_path(field)
        else:
            msg = f"expected a field as a function or as text, found a value of type {type(field).__name__}"
            raise GuardError(msg)
        if not self._is_as_stored:
            check_each_is_one(self._classes)
        self._check_members(operand.node)
        return operand

    # --- As GDBQL ---

    @property
    def event_classes(self) -> tuple[type[Event], ...]:
        """
        The classes of the events, in the order of their type names.
        """
        return self._classes

    @property
    def stored_types(self) -> tuple[str, ...]:
        """
        The names that such events are stored with, in order: those of the classes and those of older events.
        """
        if self._is_as_stored:
            return tuple(event_class.event_type for event_class in self._classes)
        return stored_types(self._classes)

    @property
    def place(self) -> tuple[Subject, bool] | None:
        """
        The one subject that such events are at, and whether those below it count, too; None if more is asked of them.
        """
        if self._since is not None or self._until is not None or self._conditions:
            return None
        if self._ancestor is not None and not self._ancestor.is_root:
            return self._ancestor, True
        return (self._subjects[0], False) if len(self._subjects) == 1 else None

    def _clauses(self) -> Iterator[Expression]:
        if self._subjects:
            yield _is_among("subject", self._subjects)
        elif self._ancestor is not None and not self._ancestor.is_root:
            yield Under(Path(("subject",)), Constant(self._ancestor))
        yield _is_among("type", self.stored_types)
        if self._since is not None:
            yield Comparison(">=", Path(("time",)), Constant(_to_text(self._since)))
        if self._until is not None:
            yield Comparison("<", Path(("time",)), Constant(_to_text(self._until)))
        yield from self._conditions

    def query(self, projection: Expression | None = None) -> Query:
        """
        What *projection* gives over these events, as the tree of a query; without one the events themselves.
        """
        return Query(where=conjunction(tuple(self._clauses())), projection=projection)


class AggregateValue(Generic[Value]):
    """
    A value computed over a selection of events. Compared with another value it gives a `Guard`.
    """

    __slots__ = ("_operand", "_selection")

    def __init__(self, selection: EventSelection[Any], operand: TypedExpression) -> None:
        """
        Made by the methods of `EventSelection`.
        """
        self._selection = selection
        self._operand = operand

    def __repr__(self) -> str:
        return f"<{self._operand.label}>"

    def __eq__(self, other: Value | AggregateValue[Value]) -> Guard:  # type: ignore[override] # a rule, not its truth
        return self._compared("==", other)

    def __ne__(self, other: Value | AggregateValue[Value]) -> Guard:  # type: ignore[override] # likewise
        return self._compared("!=", other)

    __hash__ = None  # type: ignore[assignment] # what compares like this can be no key

    def __lt__(self, other: Value | AggregateValue[Value]) -> Guard:
        return self._compared("<", other)

    def __le__(self, other: Value | AggregateValue[Value]) -> Guard:
        return self._compared("<=", other)

    def __gt__(self, other: Value | AggregateValue[Value]) -> Guard:
        return self._compared(">", other)

    def __ge__(self, other: Value | AggregateValue[Value]) -> Guard:
        return self._compared(">=", other)

    def __bool__(self) -> NoReturn:
        msg = f"{self._operand.label} is known to the store alone: compare it, and commit with the guard"
        raise GuardError(msg)

    def _compared(self, operator: ComparisonOperator, other: object) -> Guard:
        right = self._same_source(other) if isinstance(other, AggregateValue) else other  # pyright: ignore[reportUnknownArgumentType] # of whatever value
        return Guard(self._selection.query(self._operand.compared(operator, right)))

    def _same_source(self, other: AggregateValue[Any]) -> TypedExpression:
        if self._selection != other._selection:
            raise GuardError(_TWO_SOURCES)
        return other._operand


_TWO_SOURCES: Final = (
    "one query has one source of events, so one guard cannot compute over two selections. Where events of two "
    "classes make one figure, as deposits and withdrawals make a balance, give both classes a field of one name, "
    "with a sign, and sum that: select_events(MoneyDeposited, MoneyWithdrawn).at(account).sum(lambda e: "
    "e.delta_cents). Where they do not, write one guard for each"
)


@final
class NumericValue(AggregateValue[float]):
    """
    A number computed over a selection of events, to calculate with and to compare.
    """

    __slots__ = ()

    def __add__(self, other: float | NumericValue) -> NumericValue:
        return self._calculated("+", self, other)

    def __radd__(self, other: float) -> NumericValue:
        return self._calculated("+", other, self)

    def __sub__(self, other: float | NumericValue) -> NumericValue:
        return self._calculated("-", self, other)

    def __rsub__(self, other: float) -> NumericValue:
        return self._calculated("-", other, self)

    def __mul__(self, other: float | NumericValue) -> NumericValue:
        return self._calculated("*", self, other)

    def __rmul__(self, other: float) -> NumericValue:
        return self._calculated("*", other, self)

    def __truediv__(self, other: float | NumericValue) -> NumericValue:
        return self._calculated("/", self, other)

    def __rtruediv__(self, other: float) -> NumericValue:
        return self._calculated("/", other, self)

    def _calculated(self, operator: ArithmeticOperator, left: object, right: object) -> NumericValue:
        one, other = (
            self._same_source(side) if isinstance(side, NumericValue) else number(side) for side in (left, right)
        )
        return NumericValue(self._selection, one.calculated(operator, other))


@functools.lru_cache(maxsize=1024)
def _is_among(field: str, texts: tuple[str, ...]) -> Expression:
    path = Path((field,))
    if len(texts) == 1:
        return Comparison("==", path, Constant(texts[0]))
    return In(path, ListOf(tuple(map(Constant, texts))))


def _check_period(since: datetime | None, until: datetime | None) -> None:
    if since is not None and until is not None and since >= until:
        msg = "no event is committed since a time and also before it"
        raise GuardError(msg)


def _to_utc(time: object) -> datetime:
    if not isinstance(time, datetime) or time.tzinfo is None:
        msg = "expected a datetime with a time zone: datetime.now(UTC), or datetime(2026, 5, 31, tzinfo=...)"
        raise GuardError(msg)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        msg = "a time is not within the years 1 to 9999 in UTC"
        raise GuardError(msg) from None


def _to_text(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
