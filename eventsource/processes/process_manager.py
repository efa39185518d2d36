"""
Process managers: declaration, correlation, and what one answers to its inputs.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

import attrs
from pydantic import BaseModel

from eventsource.aggregates.aggregate import Aggregate
from eventsource.aggregates.state import check_names
from eventsource.commands.errors import UnstorableCommandError
from eventsource.events.canonical_json import parse_json, to_canonical_json
from eventsource.events.decoding import decode
from eventsource.events.errors import EventError, ReservedNameError
from eventsource.events.event import Event, NewEvent, RecordedEvent
from eventsource.events.event_types import event_types
from eventsource.events.handlers import handles
from eventsource.events.personal_data import Erased
from eventsource.events.process_note import LONGEST_NOTED_TYPE, as_noted, note_type
from eventsource.events.reserved import is_reserved_type, written_by_library
from eventsource.events.round_trip import check_command
from eventsource.guards.preconditions import SubjectIsAtVersion, SubjectIsNew
from eventsource.processes.correlation import command_id, correlate, is_for
from eventsource.processes.errors import (
    ProcessCompletedError,
    ProcessNotStartedError,
    RefusalUnansweredError,
    UndeclaredCommandError,
)
from eventsource.processes.process_events import (
    PROCESS_EVENTS,
    CommandDispatched,
    CommandRefused,
    InputHeld,
    ProcessParked,
    ProcessReacted,
    ProcessRetried,
    SentCommand,
    SetTimer,
    TimerFired,
    fits,
)
from eventsource.processes.process_state import ProcessState
from eventsource.processes.reaction import Reactions, Refusal, collect_reactions
from eventsource.root_error import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta

    from eventsource.guards.preconditions import Precondition
    from eventsource.processes.reaction import By


AnyEvent = TypeVar("AnyEvent", bound=Event)
Lateness = Literal["ignore", "park"]

# It is a segment of subjects and the beginning of command ids.
_NAME = re.compile("[a-z0-9][a-z0-9._-]{0,39}")

_OF_A_PROCESS = re.compile("/process/[^/]+/[^/]+")

_OF_INSTANCES = ("_book", "_deciding")
# What an aggregate uses is checked for it.
_OF_SUBCLASSES = (
    *vars(Aggregate),
    "process_name",
    "_own_prefix",
    "_reactions",
    "_commands",
    "_if_not_started",
    "_if_completed",
    "_since",
)


class ProcessManager(Aggregate, abstract=True):
    """
    Leads something through its steps: it answers events with commands, and waits with timers.

    Each process is an aggregate at ``/process/<name>/<id>``: its state is what its own events have made
    of it. A reaction decides, it changes nothing itself: it calls `send`, `schedule`, `cancel`,
    `complete`, and `emit` for what has to be remembered. What it emits is private, whatever its class: the
    store keeps it under a reserved type, so no other process, projector or rule takes it for a fact. A fact
    of the domain is made by a command::

        class LoanApplication(ProcessManager, name="loan-application", by="/loans/{id}", sends=[ReserveMoney]):
            cents: int = 0

            @starts
            def requested(self, event: LoanRequested) -> None:
                self.emit(ApplicationNoted(cents=event.cents))
                self.send(ReserveMoney(pot=event.pot, loan=self.id, cents=event.cents))

            @handles
            def _noted(self, event: ApplicationNoted) -> None:
                self.cents = event.cents

    What a reaction decided is recorded in one commit with the event it answers, so each event is
    answered once, whoever reads it how often. A `ProcessWorker` runs it.

    Args:
        name: What its subjects and command ids begin with; it never changes.

        by: How an event leads to its process: the name of a field, such as ``"loan"``; the subject it
            stands at, such as ``"/loans/{id}"``; `own_command`, for what a command of the process has
            made; or a function of the event, which gives the id, or None if the event is for no process.

        sends: The commands that it sends. Their class names are stored until they are carried out.

        if_not_started: What becomes of an event that starts nothing, for a process that has not begun:
            ``"ignore"`` passes it over, ``"park"`` parks the process, so that somebody looks at it.

        if_completed: Likewise for an event that comes when the process is over.

        since: Begin no process with an event that was committed before this time: for a process manager
            that is new to a log with a past.

    Raises:
        DeclarationError: When the class is made: the name is missing or none; an event leads to no
            process, or is answered twice; a name is in use here.
    """

    process_name: ClassVar[str] = ""

    _own_prefix: ClassVar[str] = "/process/"
    _reactions: ClassVar[Reactions] = Reactions({}, {}, frozenset(), {})
    _commands: ClassVar[tuple[type[BaseModel], ...]] = ()
    _if_not_started: ClassVar[Lateness] = "ignore"
    _if_completed: ClassVar[Lateness] = "ignore"
    _since: ClassVar[datetime | None] = None

    def __init_subclass__(
        cls,
        *,
        name: str = "",
        by: By | None = None,
        sends: Sequence[type[BaseModel]] = (),
        if_not_started: Lateness = "ignore",
        if_completed: Lateness = "ignore",
        since: datetime | None = None,
        abstract: bool = False,
        **options: Any,
    ) -> None:
        check_names(cls, ProcessManager, of_instances=_OF_INSTANCES, of_subclasses=_OF_SUBCLASSES)
        if abstract:
            super().__init_subclass__(abstract=True, **options)
            return
        if not _NAME.fullmatch(name):
            msg = (
                f'{cls.__qualname__} needs a name of at most 40 small letters and digits, such as "loan-application": '
                f'write class {cls.__name__}(ProcessManager, name="…")'
            )
            raise DeclarationError(msg)
        super().__init_subclass__(subject=f"/process/{name}/{{id}}", **options)
        cls.process_name = name
        cls._own_prefix = f"/process/{name}/"
        cls._reactions = collect_reactions(cls, by)
        cls._commands = tuple(sends)
        if len({command.__name__ for command in sends}) < len(sends):
            msg = f"{cls.__qualname__} sends two commands of one name, and the name is what is stored"
            raise DeclarationError(msg)
        for command_class in cls._reactions.refusals:
            if command_class not in cls._commands:
                msg = f"{cls.__qualname__} answers a refusal of {command_class.__name__}, which is not among `sends`"
                raise DeclarationError(msg)
        if since is not None and since.tzinfo is None:
            msg = f"{cls.__qualname__}: `since` wants a time with a time zone"
            raise DeclarationError(msg)
        cls._if_not_started, cls._if_completed, cls._since = if_not_started, if_completed, since
        # The event of a timer stands at the process's own subject; most processes need not remember it.
        passed = {kind: (found, _pass_over) for kind, found in cls._reactions.classes.items()}
        cls._handlers = passed | cls._handlers
        for kind, (found, _) in cls._handlers.items():
            if len(kind) > LONGEST_NOTED_TYPE:
                msg = (
                    f"{cls.__qualname__} cannot remember {found.__name__}: what a process emits has a type name of at "
                    f"most {LONGEST_NOTED_TYPE} characters"
                )
                raise DeclarationError(msg)

    def __init__(self, id: str) -> None:
        """
        A process of which nothing is read.
        """
        super().__init__(id)
        self._book = ProcessState()
        self._deciding: Deciding | None = None

    # --- As an aggregate ---

    @property
    def read_guard(self) -> Precondition | None:
        """
        Its version: all that stands at its subject is its own.
        """
        return SubjectIsAtVersion(self.subject, self.version) if self.version else SubjectIsNew(self.subject)

    @classmethod
    def guarded_types(cls) -> frozenset[str] | None:
        """
        None: its version counts every event at its subject.
        """
        return None

    def fold(self, events: Iterable[RecordedEvent]) -> None:
        """
        As `Aggregate.fold`; what it emitted is read as the events it emitted.

        A record that does not decode counts in the version and says nothing: the library did not write it.
        """
        found = list(events)
        known = [as_noted(recorded) for recorded in found if fits(recorded)]
        super().fold(known)
        self._count(found, ignored=len(found) - len(known))

    def fold_records(self, events: Iterable[RecordedEvent]) -> None:
        """
        Take the records of the library among *events* into its books, and nothing into the state.

        So a process that cannot be read can be parked.
        """
        found = list(events)
        known = [recorded for recorded in found if recorded.type in PROCESS_EVENTS and fits(recorded)]
        super().fold(known)
        self._count(found, ignored=len(found) - len(known))

    def _count(self, events: Sequence[RecordedEvent], *, ignored: int) -> None:
        if events:
            self._version += ignored
            self._last_event_id = events[-1].id

    def to_stored(self, event: NewEvent) -> NewEvent:
        """
        What it emitted as a note of its own, which no other reader takes for a fact.
        """
        return written_by_library(event if event.type in PROCESS_EVENTS else event.of_type(note_type(event.type)))

    def emit(self, event: Event, **options: Any) -> None:
        """
        As `Aggregate.emit`.

        Raises:
            ReservedNameError: A reaction emits a record of the library, which the library alone writes.
        """
        if self._deciding is not None and is_reserved_type(event.event_type):
            raise ReservedNameError(event.event_type, kind="event type")
        super().emit(event, **options)

    # --- What a reaction calls ---

    def send(self, command: BaseModel) -> None:
        """
        Ask for something. It is dispatched once what was decided is recorded, and carried out once.

        The commands of one reaction are carried out in order; if one is refused, those behind it are not
        sent.

        Raises:
            UndeclaredCommandError: Its class is not among `sends`.
            UnstorableCommandError: It would not be carried out as it is: it comes back from JSON as another one.
        """
        deciding = self._check_deciding()
        if type(command) not in self._commands:
            raise UndeclaredCommandError(self.process_name, command=type(command).__name__)
        deciding.commands.append(to_sent(command))

    def schedule(self, event: Event, *, at: datetime | None = None, after: timedelta | None = None) -> None:
        """
        Have *event* recorded, and answered, when its time has come: once, also after a restart.

        Args:
            event: One with a reaction of its own, `on_timer`.

            at: When, with a time zone.

            after: How long after the event that is being answered.

        Raises:
            ValueError: Not exactly one of *at* and *after*, or a time without a zone.
            DeclarationError: Nothing answers the event, or it is personal.
            UnstorableEventError: The event would not come back from the store as it is.
        """
        deciding = self._check_deciding()
        if (at is None) is (after is None):
            msg = "a timer is due either `at` a time or `after` a while"
            raise ValueError(msg)
        if event.event_type not in self._reactions.timers:
            msg = f"nothing answers {type(event).__name__}: add a method marked @on_timer to {type(self).__name__}"
            raise DeclarationError(msg)
        if event.event_is_personal:
            msg = f"{type(event).__name__} is personal, so it cannot be the event of a timer: those carry metadata"
            raise DeclarationError(msg)
        due_at = deciding.cause.time + after if after is not None else at
        if due_at is None or due_at.tzinfo is None:
            msg = "a timer wants a time with a time zone"
            raise ValueError(msg)
        deciding.timers.append(to_timer(event, due_at))

    def cancel(self, event_class: type[Event]) -> None:
        """
        Wait no more for any timer with an event of this class. It is fine if there is none.

        If one has just fired, and its event is not answered yet, it will not be.
        """
        deciding = self._check_deciding()
        wanted = event_class.event_type
        open_timers = {id: timer.type for id, timer in self._book.timers.items()} | self._book.fired
        deciding.cancelled += [
            id for id, kind in open_timers.items() if kind == wanted and id != self._timer_of(deciding.cause)
        ]
        deciding.timers = [timer for timer in deciding.timers if timer.type != wanted]

    def complete(self) -> None:
        """
        Be over with it: no timer is waited for any more, and events that come later are late.
        """
        self._check_deciding().is_completed = True

    def _check_deciding(self) -> Deciding:
        if self._deciding is None:
            msg = "only a reaction decides something, while it answers an event"
            raise RuntimeError(msg)
        return self._deciding

    # --- What runs it ---

    @classmethod
    def input_types(cls) -> frozenset[str]:
        """
        The types of the events that it answers.
        """
        return frozenset(cls._reactions.events)

    @classmethod
    def command_classes(cls) -> tuple[type[BaseModel], ...]:
        """
        The commands that it sends.
        """
        return cls._commands

    @classmethod
    def processes_of(cls, recorded: RecordedEvent) -> tuple[str, ...]:
        """
        The ids of the processes that an event is for; mostly one, or none.

        Raises:
            EventError: The event cannot be read, and does not say in another way which it is for.
            InvalidSubjectError: What it says cannot be an id.
            Exception: Whatever the function raises that was given as `by`.
        """
        if recorded.subject.startswith(cls._own_prefix):
            recorded = as_noted(recorded)
            is_timer = event_types.can_give(recorded.type, cls._reactions.timers)
            id = recorded.subject.removeprefix(cls._own_prefix)
            is_input = is_timer or (recorded.type == CommandRefused.event_type and fits(recorded))
            return (id,) if is_input and "/" not in id else ()
        if _OF_A_PROCESS.fullmatch(recorded.subject):
            # Another process remembers something. Earlier releases stored that with the type of its class.
            return ()
        is_input = event_types.can_give(recorded.type, cls._reactions.events)
        ids = correlate(recorded, cls._reactions, process_name=cls.process_name) if is_input else ()
        for id in ids:
            cls.subject_of(id)
        return ids

    @property
    def book(self) -> ProcessState:
        """
        What is left to do.
        """
        return self._book

    def passes_over(self, cause: RecordedEvent) -> bool:
        """
        Whether an event comes too early or too late to be answered, and that is as it should be.
        """
        cause = as_noted(cause)
        if cause.type == CommandRefused.event_type:
            return False
        if cause.subject == self.subject and self._timer_of(cause) not in self._book.fired:
            # Its timer was cancelled when it had just fired; or the process emitted it itself.
            return True
        if self._reactions.is_erased(cause):
            # It came while the process was parked. What it said is gone, so there is nothing to answer.
            return True
        if self._book.is_completed:
            return self._if_completed == "ignore"
        return not self._book.answered and self._begins_nothing(cause)

    def react(self, cause: RecordedEvent) -> Answer:
        """
        Answer one event: run its reaction, and emit what was decided.

        Raises:
            ProcessNotStartedError, ProcessCompletedError: It comes too early or too late.
            RefusalUnansweredError: A command was refused, and no reaction says what then.
            EventDecodingError: The event does not fit its class.
            Exception: Whatever the reaction raises. Then nothing of it counts: read the process again.
        """
        cause = as_noted(cause)
        before = len(self.pending_events)
        deciding = self._deciding = Deciding(cause)
        try:
            self._answer(cause)
        finally:
            self._deciding = None
        events = self.pending_events[before:]
        self._record(
            cause,
            commands=tuple(deciding.commands),
            timers=tuple(deciding.timers),
            cancelled=tuple(deciding.cancelled),
            completed=deciding.is_completed,
        )
        return Answer(
            tuple(self._restore(sent, cause.id, index) for index, sent in enumerate(deciding.commands)),
            tuple(deciding.timers),
            tuple(deciding.cancelled),
            events,
            deciding.is_completed,
        )

    def pass_over(self, cause: RecordedEvent) -> None:
        """
        Record that an event needs no answer.
        """
        self._record(cause)

    def fire(self, timer: str) -> None:
        """
        Record the event of a timer, which is then no longer waited for. Save it with the timer as the cause.

        Raises:
            DeclarationError: Nothing answers the event any more.
            EventError: It cannot be read any more.
        """
        waiting = self._book.timers[timer]
        self.emit(TimerFired(timer=timer))
        # It was written when the timer was set, maybe by a class of an earlier version.
        for event in decode(as_recorded(waiting, self.subject)):
            if not isinstance(event, Erased):
                self.emit(event)

    def command(self, cause: str, index: int) -> BaseModel:
        """
        One of the commands that were decided and of which nobody knows yet what became of them.

        Raises:
            UndeclaredCommandError: Its class is not among `sends` any more.
            pydantic.ValidationError: Its data does not fit its class any more.
        """
        return self._restore(self._book.unsent[cause, index], cause, index)

    @classmethod
    def refusal_in(cls, command: BaseModel, error: Exception) -> Refusal | None:
        """
        What *error* means if it refuses the command; None if it is a failure.
        """
        return cls._reactions.refusal_in(command, error)

    # --- Inside ---

    def _answer(self, cause: RecordedEvent) -> None:
        if cause.type == CommandRefused.event_type and cause.subject == self.subject:
            refused = CommandRefused.from_recorded(cause)
            command = self._restore(refused.command, refused.cause, refused.index)
            reaction = self._reactions.answer_to(command, refused.refusal)
            if reaction is None:
                raise RefusalUnansweredError(
                    self.process_name, id=self.id, command=refused.command.name, refusal=refused.refusal
                )
            reaction.call(self, command, Refusal(refused.refusal, refused.rule))
            return
        answers = self._reactions.to(cause)
        facts: dict[str, Any] = {"id": self.id, "event_id": cause.id, "event_type": cause.type}
        if self._book.is_completed:
            raise ProcessCompletedError(self.process_name, **facts)
        if not self._book.answered and not any(reaction.starts for reaction, _ in answers):
            raise ProcessNotStartedError(self.process_name, **facts)
        for reaction, event in answers:
            # Upcasters may make several of one, each for another process.
            if len(answers) == 1 or is_for(self.id, cause, event, reaction.by, process_name=self.process_name):
                reaction.call(self, event, cause)

    def _begins_nothing(self, cause: RecordedEvent) -> bool:
        if self._since is not None and cause.time < self._since:
            return True
        if self._if_not_started == "park":
            return False
        try:
            return not any(reaction.starts for reaction, _ in self._reactions.to(cause))
        except EventError:
            return False

    def _record(self, cause: RecordedEvent, **decided: Any) -> None:
        timer = self._timer_of(cause)
        self.emit(ProcessReacted(cause=cause.id, cause_type=cause.type, cause_time=cause.time, timer=timer, **decided))

    def _timer_of(self, cause: RecordedEvent) -> str | None:
        is_timer = cause.subject == self.subject and cause.type != CommandRefused.event_type
        return cause.metadata.causation_id if is_timer else None

    def _restore(self, sent: SentCommand, cause: str, index: int) -> BaseModel:
        command_class = next((one for one in self._commands if one.__name__ == sent.name), None)
        if command_class is None:
            raise UndeclaredCommandError(self.process_name, command=sent.name)
        command = command_class.model_validate_json(to_canonical_json(sent.data))
        return command.model_copy(update={"command_id": command_id(self.process_name, self.id, cause, index)})

    @handles
    def _enter(
        self,
        event: ProcessReacted
        | CommandDispatched
        | CommandRefused
        | TimerFired
        | InputHeld
        | ProcessParked
        | ProcessRetried,
    ) -> None:
        self._book.enter(event)


def _pass_over(process: ProcessManager, event: Event) -> None:
    """
    Handle an event that changes nothing.
    """


@attrs.frozen
class Answer:
    """
    What a process made of one event.

    Attributes:
        commands: What it asks for, in order, each with its id.

        timers: What it waits for from now on.

        cancelled: The ids of the timers that it waits for no more.

        events: What it emitted for itself.

        is_completed: Whether it is over with this.
    """

    commands: tuple[BaseModel, ...]
    timers: tuple[SetTimer, ...]
    cancelled: tuple[str, ...]
    events: tuple[Event, ...]
    is_completed: bool


@attrs.define
class Deciding:
    """
    What one reaction has asked for so far.
    """

    cause: RecordedEvent
    commands: list[SentCommand] = attrs.field(factory=list[SentCommand])
    timers: list[SetTimer] = attrs.field(factory=list[SetTimer])
    cancelled: list[str] = attrs.field(factory=list[str])
    is_completed: bool = False


def to_sent(command: BaseModel) -> SentCommand:
    """
    A command as the books hold it: what it says now.

    Raises:
        UnstorableCommandError: It would be read back as another one.
    """
    name = type(command).__name__
    try:
        data = command.model_dump(mode="json", by_alias=True, warnings=False)
        field = check_command(command, data)
    except ValueError:
        # The text may quote a value.
        raise UnstorableCommandError(name, field="data") from None
    if field is not None:
        raise UnstorableCommandError(name, field=field)
    data.pop(_id_member(type(command)), None)
    return SentCommand(name=name, data=data)


def _id_member(command_class: type[BaseModel]) -> str:
    field = command_class.model_fields.get("command_id")
    return (field.serialization_alias if field is not None else None) or "command_id"


def to_timer(event: Event, due_at: datetime) -> SetTimer:
    """
    A timer as the books hold it; its event with the version of its class.
    """
    new = NewEvent.of(event, subject="/timer")
    return SetTimer(due_at=due_at, type=new.type, data=parse_json(new.data_json))


def as_recorded(timer: SetTimer, subject: str) -> RecordedEvent:
    """
    The event of a timer as if it were in the log already, to be read by upcasters.
    """
    data_json = to_canonical_json(timer.data)
    return RecordedEvent(0, "", 0, "", subject, timer.type, data_json, "", "")
