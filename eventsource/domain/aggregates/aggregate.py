"""
Aggregates: consistency boundaries, rebuilt from the events of one subject.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, ClassVar

from eventsource.domain.aggregates.emitted_events import emitted_event_classes
from eventsource.domain.aggregates.folding import check_unknown_events, fold_events
from eventsource.domain.aggregates.handler import collect_erased_handlers, collect_handlers
from eventsource.domain.aggregates.state_attributes import check_names, collect_mutable_defaults
from eventsource.domain.event_content import EventContent
from eventsource.domain.event_type import event_types, stored_types_of
from eventsource.domain.guards.guard import events
from eventsource.domain.guards.rule import asked, collect_rules
from eventsource.domain.precondition import SubjectIsAtVersion, SubjectIsNew
from eventsource.domain.subject import Subject
from eventsource.errors import AggregateReadOnlyError, DeclarationError, InvalidSubjectError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from eventsource.domain.aggregates.folding import UnknownEvents
    from eventsource.domain.event import Event, RecordedEvent
    from eventsource.domain.precondition import Precondition

_ID = "{id}"

_OF_INSTANCES = (
    "_id",
    "_subject",
    "_version",
    "_passed_over",
    "_last_event_id",
    "_pending",
    "_rules",
    "_is_decided_by_rules",
    "_is_read_only",
    "_origin",
)
# Names that are set anew for each subclass, so it may have them.
OF_SUBCLASSES = (
    "subject_template",
    "_handlers",
    "_erased_handlers",
    "_unknown_events",
    "_declared_rules",
    "_mutable_defaults",
)


class Aggregate:
    """
    One thing whose rules are checked together: state, command methods, event handlers.

    The class statement names where its events are kept; annotated attributes with a default are
    its state (mutable defaults are copied for each instance). A command method checks the rules
    and calls `emit`; it changes nothing itself. A handler, declared with `handles`, takes one
    event into the state; it never refuses::

        class Account(Aggregate, subject="/accounts/{id}"):
            balance: int = 0

            def deposit(self, cents: int) -> None:
                self.emit(MoneyDeposited(cents=cents))

            @handles
            def _deposited(self, event: MoneyDeposited) -> None:
                self.balance += event.cents

    ``abstract=True`` declares a base for other aggregates; it has no subject. With
    ``unknown_events="ignore"`` events that it has no handler for are passed over, and counted in its
    version; by default they are an error, since nobody can tell whether its rules need them.

    Raises:
        DeclarationError: When the class is made: the subject is missing or has not exactly one
            ``{id}`` segment; an event passed to ``self.emit`` has no handler, or two; a
            handler's event is not annotated; a state attribute takes a name that is in use here.
    """

    subject_template: ClassVar[str] = ""

    _handlers: ClassVar[dict[str, tuple[type[Event], Callable[..., Any]]]] = {}
    _declared_rules: ClassVar[Mapping[str, tuple[Callable[..., Any], ...]]] = {}
    _erased_handlers: ClassVar[dict[str, Callable[..., Any]]] = {}
    _unknown_events: ClassVar[UnknownEvents] = "error"
    _mutable_defaults: ClassVar[dict[str, object]] = {}

    def __init_subclass__(
        cls, *, subject: str = "", abstract: bool = False, unknown_events: UnknownEvents | None = None
    ) -> None:
        super().__init_subclass__()
        check_names(cls, Aggregate, of_instances=_OF_INSTANCES, of_subclasses=OF_SUBCLASSES)
        cls._unknown_events = check_unknown_events(cls, unknown_events or cls._unknown_events)
        cls._handlers = collect_handlers(cls)
        cls._erased_handlers = collect_erased_handlers(cls)
        cls._declared_rules = collect_rules(cls)
        cls._mutable_defaults = collect_mutable_defaults(cls, Aggregate)
        if abstract:
            return
        cls.subject_template = _check_template(cls, subject or cls.subject_template)
        for method, event_class in emitted_event_classes(cls):
            if event_class.event_type not in cls._handlers:
                msg = (
                    f"{cls.__qualname__}.{method} emits {event_class.__name__}, which has no handler: "
                    f"add a method marked @handles with a parameter `event: {event_class.__name__}`"
                )
                raise DeclarationError(msg)

    def __init__(self, id: str) -> None:
        """
        An aggregate of which nothing is read. Get one as it is now from a `Repository`.
        """
        self._id = id
        self._subject = self.subject_of(id)
        self._version = 0
        # How many of the events counted in the version have no handler: others than 0 only where that is allowed.
        self._passed_over = 0
        self._last_event_id: str | None = None
        # What they said when they were emitted: the objects may change.
        self._pending: list[EventContent] = []
        # The rules of all pending events, each once, and whether they stand in place of what was read.
        self._rules: dict[Precondition, None] = {}
        self._is_decided_by_rules = False
        self._is_read_only = False
        # What whoever loaded it wants to remember of that.
        self._origin: Any = None
        for name, default in self._mutable_defaults.items():
            setattr(self, name, copy.deepcopy(default))

    @classmethod
    def subject_of(cls, id: str) -> Subject:
        """
        Where the aggregate with this id keeps its events.

        Raises:
            InvalidSubjectError: The id is empty or cannot be one segment of a subject.
        """
        if not id or "/" in id:
            raise InvalidSubjectError(id, f"the id of {cls.__name__} must be one segment of a subject")
        return Subject(cls.subject_template.replace(_ID, id))

    @property
    def id(self) -> str:
        """
        What tells it from others of its class.
        """
        return self._id

    @property
    def subject(self) -> Subject:
        """
        Where its events are kept.
        """
        return self._subject

    @property
    def version(self) -> int:
        """
        How many recorded events are folded into it; 0 is new. Pending events do not count.
        """
        return self._version

    @property
    def last_event_id(self) -> str | None:
        """
        The id of the last recorded event folded into it.
        """
        return self._last_event_id

    @property
    def pending_events(self) -> tuple[Event, ...]:
        """
        Events emitted and not committed yet, oldest first, as they will be read from the store.
        """
        return tuple(content.to_event() for content in self._pending)

    @property
    def pending_contents(self) -> tuple[EventContent, ...]:
        """
        What will be committed, oldest first.
        """
        return tuple(self._pending)

    @property
    def is_read_only(self) -> bool:
        """
        Whether it is as of a past moment: it can be looked at, and neither emit nor be saved.
        """
        return self._is_read_only

    def make_read_only(self) -> None:
        """
        Say that this is the past.
        """
        self._is_read_only = True

    def check_writable(self) -> None:
        """
        Check that it may be saved.

        Raises:
            AggregateReadOnlyError: It is as of a past moment.
        """
        if self._is_read_only:
            raise AggregateReadOnlyError(subject=self._subject, aggregate=type(self).__name__, version=self._version)

    @property
    def read_guard(self) -> Precondition | None:
        """
        That what was read of it is all there is; None where rules stand in place of that.

        They do if each pending event was emitted under rules. A class that passes over events that it
        has no handler for does not count them either: others may write them meanwhile.
        """
        if self._is_decided_by_rules:
            return None
        if self._unknown_events == "ignore" and (handled := self._handled_classes()):
            return events(*handled).at(self._subject).count_recorded() == self._version - self._passed_over
        return SubjectIsAtVersion(self._subject, self._version) if self._version else SubjectIsNew(self._subject)

    @property
    def pending_rules(self) -> tuple[Precondition, ...]:
        """
        The rules of its pending events, each once.
        """
        return tuple(self._rules)

    @property
    def preconditions(self) -> tuple[Precondition, ...]:
        """
        What must hold when it is saved: its `read_guard` and its `pending_rules`.
        """
        guard = self.read_guard
        return self.pending_rules if guard is None else (guard, *self.pending_rules)

    def emit(self, event: Event, *, guarded_by: Iterable[Precondition] | None = None) -> None:
        """
        Let *event* happen: it is taken into the state now and committed when the aggregate is saved.

        What is stored is what the event says now, whatever happens to the object, or to a list in it, afterwards.

        Args:
            guarded_by: The rules that the store decides at the commit's place in the log, in place of
                "still the version that was read"; where they fail, nothing is committed. A command
                that leaves every decision to them needs no state, so it may run on an aggregate that
                was not read: ``Account("42")``. With none at all the event is always committed.

                What is declared with `rule` for the event counts among them, and is added to the
                version where there is no *guarded_by*.

                Rules see what was committed before, nothing of this commit: a command that may run
                twice before the aggregate is saved counts what is pending in.

        Raises:
            DeclarationError: No handler takes this event.
            UnstorableEventError: It would not come back from the store as it is.
            UnstorableDataError: A field holds what JSON cannot carry.
            AggregateReadOnlyError: The aggregate is as of a past moment.
        """
        self.check_writable()
        known = self._handlers.get(event.event_type)
        if known is None:
            msg = f"{type(self).__name__} has no handler for {type(event).__name__}"
            raise DeclarationError(msg)
        # What is done to the object later, or to something in it, changes nothing: the handler gets what a reader of
        # the store will get.
        content, event = EventContent.with_event(event)
        # Asked before the event is folded: a rule speaks of the state that the command saw.
        declared = [asked(method, self, event) for method in self._declared_rules.get(event.event_type, ())]
        known[1](self, event)
        self._is_decided_by_rules = guarded_by is not None and (self._is_decided_by_rules or not self._pending)
        self._pending.append(content)
        for rules in (guarded_by or (), *declared):
            self._rules.update(dict.fromkeys(rules))

    def fold(self, events: Iterable[RecordedEvent]) -> None:
        """
        Take recorded events of its subject into the state, oldest first.

        Raises:
            UnknownEventTypeError: An event's type is none that this class handles, unless it ignores these.
            EventDecodingError: An event's data does not fit its class.
            NewerEventError: A newer version of the program wrote an event.
            UpcastingError: An upcaster fails.
        """
        passed_over = 0
        if (guarded := self.guarded_types()) is not None:
            events = tuple(events)
            passed_over = sum(recorded.type not in guarded for recorded in events)
        count, last_event_id = fold_events(
            self,
            self._handlers,
            self._erased_handlers,
            events,
            reader=f"aggregate {type(self).__name__}",
            unknown_events=self._unknown_events,
        )
        if last_event_id is not None:
            self._version += count
            self._passed_over += passed_over
            self._last_event_id = last_event_id

    @classmethod
    def guarded_types(cls) -> frozenset[str] | None:
        """
        The names that the events its `read_guard` counts are stored with; None for all.

        They are those of its handlers if it passes over others.
        """
        if cls._unknown_events == "error":
            return None
        return frozenset(name for each in cls._handled_classes() for name in stored_types_of(each))

    @classmethod
    def _handled_classes(cls) -> tuple[type[Event], ...]:
        classes = [event_types.find(name) for name in (*cls._handlers, *cls._erased_handlers)]
        return tuple(dict.fromkeys(each for each in classes if each is not None))

    def mark_committed(self, last_event_id: str) -> None:
        """
        Say that the pending events are stored now, the last of them as *last_event_id*.

        Where they were committed under rules in place of the version, others may have written in
        between: that is neither in the state nor in the version, so that a save under the version
        fails then. Load it again to go on deciding.
        """
        self._version += len(self._pending)
        self._last_event_id = last_event_id
        self._pending.clear()
        self._rules.clear()
        self._is_decided_by_rules = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._subject} version {self._version}>"


def _check_template(cls: type, template: str) -> str:
    if not template:
        msg = f'{cls.__qualname__} has no subject: write class {cls.__name__}(Aggregate, subject="/…/{{id}}")'
        raise DeclarationError(msg)
    if template.split("/").count(_ID) != 1 or re.search(r"[{}]", template.replace(_ID, "", 1)):
        msg = f"{cls.__qualname__}: the subject {template!r} needs exactly one segment '{{id}}'"
        raise DeclarationError(msg)
    try:
        Subject(template.replace(_ID, "x"))
    except InvalidSubjectError as error:
        msg = f"{cls.__qualname__}: {error}"
        raise DeclarationError(msg) from None
    return template
