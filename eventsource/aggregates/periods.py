"""
Aggregates that close their books: a subject for each period, of which only the last is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from eventsource.aggregates.aggregate import OF_SUBCLASSES, Aggregate, check_constructor
from eventsource.aggregates.errors import PeriodClosedError
from eventsource.aggregates.state import check_names
from eventsource.events.event import Event
from eventsource.events.handlers import collect_handlers, handles
from eventsource.events.plain_call import check_has_run
from eventsource.events.subject import shown
from eventsource.gdbql import Aggregate as Computed
from eventsource.gdbql import Comparison, Constant, Path, Query, Under
from eventsource.guards.guard import select_events
from eventsource.guards.preconditions import QueryHolds, SubjectExists, SubjectIsNew
from eventsource.root_error import DeclarationError, InvalidSubjectError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Never

    from eventsource.events.subject import Subject
    from eventsource.guards.preconditions import Precondition

_PERIOD = "/{period}"
_OF_INSTANCES = ("_period", "_is_closed", "_follows")
_OF_SUBCLASSES = ("closed_by", *OF_SUBCLASSES)


class PeriodAggregate(Aggregate, abstract=True):
    """
    An aggregate whose events are kept period by period, each at a subject of its own.

    A period ends with a closing event; the next begins with events that carry over what must be known
    of the past, an opening balance for example. Loading reads the last period alone, however many there
    were, and all that happened is still there under the subject of the whole::

        class Account(PeriodAggregate, subject="/accounts/{id}/{period}", closed_by=BooksClosed):
            balance: int = 0

            def close_books(self) -> BooksOpened:  # see `Repository.close_period`
                self.emit(BooksClosed(balance=self.balance))
                return BooksOpened(balance=self.balance)

            @handles
            def _opened(self, event: BooksOpened) -> None:
                self.balance = event.balance

    Periods are named so that a later one is the greater text, and begin with a digit, such as ``2026-07``; what else
    lies below the whole does not. A handler for the closing event is not needed.

    Args:
        id: What tells it from others of its class.

        period: The name of a period, one segment of a subject. Only what is new, or is saved without being
            read, is given one; else it is found.

    Raises:
        DeclarationError: When the class is made: the subject does not end with ``/{period}``, or there is
            no closing event.
        InvalidSubjectError: The id or the period cannot be one segment of a subject, or the period does not begin
            with a digit.
    """

    closed_by: ClassVar[type[Event]] = Event

    def __init_subclass__(
        cls, *, subject: str = "", closed_by: type[Event] | None = None, abstract: bool = False, **more: Any
    ) -> None:
        cls.closed_by = closed_by or cls.closed_by
        if not abstract:
            subject = _to_whole(cls, subject)
            if cls.closed_by.event_type not in collect_handlers(cls):
                cls._take_closing = _closing_handler(cls.closed_by)  # type: ignore[attr-defined]  # pyright: ignore  it is new
        super().__init_subclass__(subject=subject, abstract=abstract, **more)
        check_names(cls, PeriodAggregate, of_instances=_OF_INSTANCES, of_subclasses=_OF_SUBCLASSES)
        if not abstract:
            check_constructor(cls, period="2026-07")
            _, handle = cls._handlers[cls.closed_by.event_type]
            cls._handlers[cls.closed_by.event_type] = (cls.closed_by, _and_close(handle))

    def __init__(self, id: str, *, period: str = "") -> None:
        super().__init__(id)
        self._period = period
        self._is_closed = False
        # Whether it goes on where another period of the same aggregate ends.
        self._follows = False
        if period != "":
            self._subject = self.subject_of_period(id, period)

    @classmethod
    def subject_of_period(cls, id: str, period: str) -> Subject:
        """
        Where the events of one period are kept; `subject_of` gives what all periods lie below.

        Raises:
            InvalidSubjectError: The id or the period cannot be one segment of a subject, or the period does not begin
                with a digit.
        """
        if not _can_be_period(period):
            reason = (
                f"the period of {cls.__name__} must be a text, one segment of a subject that begins with a digit, "
                "such as '2026-07'"
            )
            raise InvalidSubjectError(shown(period), reason)
        return cls.subject_of(id).child(period)

    @classmethod
    def period_at(cls, subject: str, id: str) -> str | None:
        """
        Which period of the aggregate *subject* is; None if it is none.
        """
        whole, _, period = subject.rpartition("/")
        # Other things may lie below the whole, too.
        return period if whole == cls.subject_of(id) and _begins_with_digit(period) else None

    @property
    def period(self) -> str:
        """
        The name of its period; empty if it has no place yet.
        """
        return self._period

    @property
    def whole(self) -> Subject:
        """
        What all of its periods lie below: a guard that counts over all of them asks ``under(account.whole)``.
        """
        return self.subject_of(self.id)

    @property
    def is_closed(self) -> bool:
        """
        Whether the books of this period are closed.
        """
        return self._is_closed

    def following(self, period: str) -> Self:
        """
        The period that comes after this one, empty. It is committed together with the closing of this one.

        Raises:
            ValueError: *period* is not the greater text.
        """
        if period <= self._period:
            msg = f"period {period!r} does not come after {self._period!r}: periods are ordered as texts"
            raise ValueError(msg)
        after = type(self)(self.id, period=period)
        after._follows = True  # noqa: SLF001  it is of this class
        return after

    def move_to(self, period: str) -> None:
        """
        Become another period of the same aggregate, of which nothing is read.
        """
        # Made first: whatever its class does in `__init__`, nothing is lost if that fails.
        other = type(self)(self.id, period=period)
        vars(self).clear()
        vars(self).update(vars(other))

    def emit(
        self,
        event: Event,
        *,
        rules: Iterable[Precondition] | None = None,
        unversioned: bool = False,
        **others: Never,
    ) -> None:
        """
        See `Aggregate.emit`. Where the version does not guard the event, one rule always does: the period is open.

        Raises:
            PeriodClosedError: The books are closed.
            InvalidSubjectError: It has no period: ``Account("42", period="2026-07")`` gives one.
        """
        if self._is_closed:
            raise PeriodClosedError(subject=self.subject)
        if not self._period:
            name = type(self).__name__
            raise InvalidSubjectError(self.subject, f'it is in no period yet: {name}("{self.id}", period="2026-07") is')
        super().emit(event, rules=rules, unversioned=unversioned, **others)

    @property
    def read_guard(self) -> Precondition | None:
        """
        See `Aggregate.read_guard`. A first period is guarded against any other, not against itself alone.
        """
        guard = super().read_guard
        if guard is None:
            return self._is_open if self.version else None
        if self.version:
            return guard
        return SubjectIsNew(self.subject) if self._follows else _is_empty(self.whole)

    @property
    def pending_rules(self) -> tuple[Precondition, ...]:
        """
        See `Aggregate.pending_rules`. For a period that was not read: that it was begun, and not closed.
        """
        rules = super().pending_rules
        if self.version or super().read_guard is not None:
            return rules
        return (SubjectExists(self.subject), self._is_open.named("the books are open"), *rules)

    @property
    def _is_open(self) -> Any:
        return select_events(self.closed_by).at(self.subject).count() == 0


def _can_be_period(period: object) -> bool:
    return isinstance(period, str) and _begins_with_digit(period) and "/" not in period and period == period.strip()


def _begins_with_digit(period: str) -> bool:
    return period[:1] in {*"0123456789"}


def _to_whole(cls: type[PeriodAggregate], subject: str) -> str:
    if not subject and cls.subject_template:
        return ""
    whole, found, rest = subject.partition(_PERIOD)
    if not found or rest:
        msg = f'{cls.__qualname__}: the subject {subject!r} must end with the period: "/…/{{id}}/{{period}}"'
        raise DeclarationError(msg)
    if not cls.closed_by.event_type:
        msg = f"{cls.__qualname__} does not say what closes a period: closed_by=BooksClosed, an event class of yours"
        raise DeclarationError(msg)
    return whole


def _closing_handler(event_class: type[Event]) -> Callable[..., None]:
    def take_closing(self: PeriodAggregate, event: Event) -> None:
        """
        Nothing is to be done: that the books are closed is known without.
        """

    take_closing.__annotations__["event"] = event_class
    return handles(take_closing)


def _and_close(handle: Callable[..., Any]) -> Callable[..., Any]:
    def take_and_close(self: PeriodAggregate, event: Event) -> None:
        check_has_run(handle(self, event), handle)
        self._is_closed = True  # pyright: ignore[reportPrivateUsage]  a method of it

    return take_and_close


def _is_empty(subject: Subject) -> QueryHolds:
    return QueryHolds(
        Query(
            where=Under(Path(("subject",)), Constant(str(subject))),
            projection=Comparison("==", Computed("COUNT"), Constant(0)),
        )
    )
