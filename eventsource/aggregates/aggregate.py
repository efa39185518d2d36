"""
Aggregates: consistency boundaries, rebuilt from the events of one subject.
"""

from __future__ import annotations

import copy
import inspect
import re
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeAlias

from eventsource.aggregates.errors import AggregateInCommitError, AggregateReadOnlyError
from eventsource.aggregates.folding import check_unknown_events, fold_events
from eventsource.aggregates.state import check_names, collect_mutable_defaults
from eventsource.events.content import EventContent
from eventsource.events.event import check_is_event
from eventsource.events.event_types import event_types, stored_types_of
from eventsource.events.handlers import check_handlers, collect_erased_handlers, collect_handlers
from eventsource.events.plain_call import check_has_run
from eventsource.events.subject import Subject, check_segment
from eventsource.guards.guard import select_events
from eventsource.guards.preconditions import SubjectIsAtVersion, SubjectIsNew
from eventsource.guards.rules import asked, check_given_rules, collect_rules
from eventsource.root_error import DeclarationError, InvalidSubjectError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Never

    from eventsource.aggregates.folding import UnknownEvents
    from eventsource.events.event import Event, NewEvent, RecordedEvent
    from eventsource.guards.preconditions import Precondition

# Whether a commit of the pending events is under way, or has ended without an answer.
CommitState: TypeAlias = Literal["settled", "committing", "unknown"]

_ID = "{id}"
_OF_PROCESSES = re.compile("/process/[^/]+/[^/]+")

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
    "_commit_state",
    "_origin",
)
# Names that are set anew for each subclass, so it may have them.
OF_SUBCLASSES = (
    "subject_template",
    "_handlers",
    "_erased_handlers",
    "_unknown_events",
    "_state_version",
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
    ``state_version=2`` makes the snapshots taken with another number useless: raise it when a function that the
    handlers call makes other state of the same events. A changed handler invalidates them by itself.

    Raises:
        DeclarationError: When the class is made: the subject is missing or has not exactly one
            ``{id}`` segment; two methods handle one event; a handler's event is not annotated; a
            state attribute takes a name that is in use here.
    """

    subject_template: ClassVar[str] = ""

    _handlers: ClassVar[dict[str, tuple[type[Event], Callable[..., Any]]]] = {}
    _declared_rules: ClassVar[Mapping[str, tuple[Callable[..., Any], ...]]] = {}
    _erased_handlers: ClassVar[dict[str, Callable[..., Any]]] = {}
    _unknown_events: ClassVar[UnknownEvents] = "error"
    _state_version: ClassVar[int] = 1
    _mutable_defaults: ClassVar[dict[str, object]] = {}

    def __init_subclass__(
        cls,
        *,
        subject: str = "",
        abstract: bool = False,
        unknown_events: UnknownEvents | None = None,
        state_version: int | None = None,
    ) -> None:
        super().__init_subclass__()
        check_names(cls, Aggregate, of_instances=_OF_INSTANCES, of_subclasses=OF_SUBCLASSES)
        cls._state_version = cls._state_version if state_version is None else state_version
        cls._unknown_events = check_unknown_events(cls, unknown_events or cls._unknown_events)
        cls._handlers = collect_handlers(cls)
        cls._erased_handlers = collect_erased_handlers(cls)
        cls._declared_rules = collect_rules(cls)
        cls._mutable_defaults = collect_mutable_defaults(cls, Aggregate)
        if abstract:
            return
        cls.subject_template = _check_template(cls, subject or cls.subject_template)
        check_constructor(cls)
        check_handlers(cls)

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
        self._commit_state: CommitState = "settled"
        # What whoever loaded it wants to remember of that.
        self._origin: Any = None
        for name, default in self._mutable_defaults.items():
            setattr(self, name, copy.deepcopy(default))

    @classmethod
    def subject_of(cls, id: str) -> Subject:
        """
        Where the aggregate with this id keeps its events.

        Raises:
            InvalidSubjectError: The id is no text, or cannot be one segment of a subject.
        """
        check_segment(id, owner=f"the id of {cls.__name__}")
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
        Check that it may emit and be saved.

        Raises:
            AggregateReadOnlyError: It is as of a past moment.
            AggregateInCommitError: A commit of its events is under way, or ended without an answer.
        """
        if self._is_read_only:
            raise AggregateReadOnlyError(subject=self._subject, aggregate=type(self).__name__, version=self._version)
        if self._commit_state != "settled":
            raise AggregateInCommitError(
                subject=self._subject, aggregate=type(self).__name__, is_unknown=self._commit_state == "unknown"
            )

    def begin_commit(self) -> None:
        """
        Say that its pending events are about to be sent to the store: until the outcome is known it changes no more.

        Raises:
            AggregateReadOnlyError, AggregateInCommitError: As `check_writable`.
        """
        self.check_writable()
        self._commit_state = "committing"

    def end_commit(self, *, is_unknown: bool) -> None:
        """
        Say that the commit of its pending events failed.

        Args:
            is_unknown: Whether it may have been written all the same. Then the aggregate stays as it is for good.
        """
        self._commit_state = "unknown" if is_unknown else "settled"

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
            return select_events(*handled).at(self._subject).count_recorded() == self._version - self._passed_over
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

    def emit(
        self,
        event: Event,
        *,
        rules: Iterable[Precondition] | None = None,
        unversioned: bool = False,
        **others: Never,
    ) -> None:
        """
        Let *event* happen: it is taken into the state now and committed when the aggregate is saved.

        What is stored is what the event says now, whatever happens to the object, or to a list in it, afterwards.

        By default the commit fails if the aggregate is not at the version that was read any more.

        Args:
            rules: What the store decides at the commit's place in the log, in place of the version; where
                one does not hold, nothing is committed. A command that leaves every decision to them
                needs no state, so it may run on an aggregate that was not read: ``Account("42")``. An
                empty list adds nothing: the version guards the commit.

                What is declared with `rule` for the event counts among them, and is added to the
                version where there are no *rules*.

                Rules see what was committed before, nothing of this commit: a command that may run
                twice before the aggregate is saved counts what is pending in.

            unversioned: Commit whatever others have written since: neither the version nor a rule guards
                the event, other than the rules that are declared for it.

            others: There are no others.

        Raises:
            DeclarationError: No handler takes this event.
            NotAnEventError: *event* is no event.
            UnstorableEventError: It would not come back from the store as it is.
            UnstorableDataError: A field holds what JSON cannot carry.
            GuardError: *rules* holds something that is no rule, or *unversioned* is given beside them.
            AggregateReadOnlyError: The aggregate is as of a past moment.
            AggregateInCommitError: A commit of its events is under way, or ended without an answer.
        """
        self.check_writable()
        given = check_given_rules(rules, unversioned=unversioned, others=others)
        handle = self._handler_for(event)
        # What is done to the object later, or to something in it, changes nothing: the handler gets what a reader of
        # the store will get.
        content, event = EventContent.with_event(event)
        # Asked before the event is folded: a rule speaks of the state that the command saw.
        declared = [asked(method, self, event) for method in self._declared_rules.get(event.event_type, ())]
        is_decided_by_rules = bool(given) or unversioned
        check_has_run(handle(self, event), handle)
        self._is_decided_by_rules = is_decided_by_rules and (self._is_decided_by_rules or not self._pending)
        self._pending.append(content)
        for each in (given, *declared):
            self._rules.update(dict.fromkeys(each))

    def _handler_for(self, event: Event) -> Callable[..., Any]:
        check_is_event(event)
        known = self._handlers.get(event.event_type)
        if known is None:
            name = type(event).__name__
            msg = (
                f"{type(self).__name__} has no handler for {name}: "
                f"add a method marked @handles with a parameter `event: {name}`"
            )
            raise DeclarationError(msg)
        return known[1]

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

    def to_stored(self, event: NewEvent) -> NewEvent:
        """
        A pending event as it is committed.
        """
        return event

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
        self._commit_state = "settled"

    def __copy__(self) -> Self:
        # What it emits from now on is its own; else it would be committed with the other one, too.
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        copied._pending, copied._rules = [*self._pending], {**self._rules}
        return copied

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._subject} version {self._version}>"


def check_constructor(cls: type[Aggregate], **arguments: str) -> None:
    """
    Check that *cls* can be made as the library makes aggregates: with an id, and with *arguments*.

    Raises:
        DeclarationError: Its own ``__init__`` takes other arguments.
    """
    try:
        inspect.signature(cls.__init__).bind(None, "id", **arguments)
    except TypeError as error:
        wanted = ", ".join(("id", *(f"{name}=..." for name in arguments)))
        msg = (
            f"{cls.__qualname__}.__init__ cannot be called as loading calls it, {cls.__name__}({wanted}): {error}; "
            "take these arguments and hand them on to super().__init__"
        )
        raise DeclarationError(msg) from None


def _check_template(cls: type, template: str) -> str:
    if not template:
        msg = f'{cls.__qualname__} has no subject: write class {cls.__name__}(Aggregate, subject="/…/{{id}}")'
        raise DeclarationError(msg)
    if template.split("/").count(_ID) != 1 or re.search(r"[{}]", template.replace(_ID, "", 1)):
        msg = f"{cls.__qualname__}: the subject {template!r} needs exactly one segment '{{id}}'"
        raise DeclarationError(msg)
    if _OF_PROCESSES.fullmatch(template) and not hasattr(cls, "process_name"):
        msg = f"{cls.__qualname__}: {template!r} is where process managers keep what they record; take another subject"
        raise DeclarationError(msg)
    try:
        Subject(template.replace(_ID, "x"))
    except InvalidSubjectError as error:
        msg = f"{cls.__qualname__}: {error}"
        raise DeclarationError(msg) from None
    return template
