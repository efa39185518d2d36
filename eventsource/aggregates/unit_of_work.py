"""
The unit of work: one decision over several subjects, committed at once or not at all.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from typing import TYPE_CHECKING, Concatenate, Literal, ParamSpec, TypeVar

import attrs

from eventsource.aggregates.aggregate import Aggregate
from eventsource.aggregates.closing import close_books, new_aggregate
from eventsource.aggregates.conflicts import explain
from eventsource.aggregates.context import current_metadata
from eventsource.aggregates.decision_state import DecisionState
from eventsource.aggregates.errors import AggregateNotFoundError, UnitOfWorkClosedError
from eventsource.aggregates.loader import Loader, ReadSet
from eventsource.aggregates.periods import PeriodAggregate
from eventsource.events.content import EventContent
from eventsource.events.event import NewEvent, check_event_subject, check_is_event
from eventsource.events.plain_call import check_is_plain
from eventsource.events.reserved import written_by_library
from eventsource.guards.errors import PreconditionFailedError
from eventsource.guards.preconditions import Precondition
from eventsource.guards.rules import check_given_rules, checked_rules
from eventsource.root_error import EventSourceError
from eventsource.store.idempotency import check_idempotency_key
from eventsource.wire.errors import CommitOutcomeUnknownError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Never

    from eventsource.events.event import Event, RecordedEvent
    from eventsource.events.metadata import Metadata
    from eventsource.guards.guard import EventSelection
    from eventsource.store.interface import EventStore

AnyAggregate = TypeVar("AnyAggregate", bound=Aggregate)
AnyPeriodAggregate = TypeVar("AnyPeriodAggregate", bound=PeriodAggregate)
AnyState = TypeVar("AnyState", bound=DecisionState)
Arguments = ParamSpec("Arguments")

GIVEN_TWICE = "the same aggregate is to be saved twice in one commit"


class UnitOfWork:
    """
    Collects what one decision reads and what it emits, and commits that as one.

    Everything is read once, and everything that was read guards the commit: it fails if events came
    to it meanwhile, to an aggregate or to the selection of a decision state. Events of other types,
    or elsewhere, are in nobody's way::

        work = UnitOfWork(store)
        sender, receiver = await work.load_all(Account, ["1", "2"])
        today = await work.read(WithdrawnToday.of("ada"))
        ...
        recorded = await work.commit()

    It is good for one commit, and is closed from the moment that begins. If the store refuses the commit,
    nothing is written and the unit of work is open again. If it is not known whether it was written, the
    unit of work stays closed; a commit with an idempotency key may then be repeated, with the same key.
    `transact` makes one, and another one after a conflict.

    Args:
        store: Where the events are.

        metadata: What is stored with each event; by default what is in force at the commit.

        loader: Where aggregates come from; by default from the events in the store.

        read_set: What earlier attempts at the same decision have read; it brings its own *loader*.
    """

    def __init__(
        self,
        store: EventStore,
        *,
        metadata: Metadata | None = None,
        loader: Loader | None = None,
        read_set: ReadSet | None = None,
    ) -> None:
        self._store = store
        self._metadata = metadata
        self._read_set = read_set or ReadSet(store, loader or Loader(store), are_kept=False)
        # Several reads can run at once; of the same thing the second one waits.
        self._locks: defaultdict[object, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._aggregates: dict[str, Aggregate] = {}
        # Where the aggregates that were read are kept: that is another subject for those with periods.
        self._places: dict[str, str] = {}
        # Those whose absence was read: that one is there now is a conflict, and no refusal.
        self._absent: set[str] = set()
        self._states: dict[tuple[type[DecisionState], EventSelection[Event]], DecisionState] = {}
        self._emitted: list[tuple[EventContent, str]] = []
        # Records of the library, committed behind all the others.
        self._records: list[tuple[EventContent, str]] = []
        self._required: list[Precondition] = []
        self._state: Literal["open", "committing", "committed", "unknown"] = "open"
        # What is on its way to the store, or went there and was not answered.
        self._sent: _Sent | None = None
        self._recorded: tuple[RecordedEvent, ...] = ()

    # --- Reading ---

    async def load(self, aggregate_class: type[AnyAggregate], id: str) -> AnyAggregate:
        """
        An aggregate as it is now; the same object each time.

        Raises:
            AggregateNotFoundError: It has no events. That is read, too, and guards the commit.
            UnknownEventTypeError, EventDecodingError: The log holds an event it cannot take.
        """
        aggregate = await self.load_or_new(aggregate_class, id)
        if aggregate.version == 0 and not aggregate.pending_contents:
            raise AggregateNotFoundError(subject=aggregate.subject, aggregate=aggregate_class.__name__)
        return aggregate

    async def load_all(self, aggregate_class: type[AnyAggregate], ids: Iterable[str]) -> list[AnyAggregate]:
        """
        Several aggregates of one class, read at the same time.

        Raises:
            AggregateNotFoundError, UnknownEventTypeError, EventDecodingError: As `load`.
        """
        known = {*self._aggregates}
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self.load(aggregate_class, id)) for id in ids]
        except BaseExceptionGroup as failures:
            # The others were stopped: of what failed the first is told, as if they had been read one by one.
            raise failures.exceptions[0] from None
        loaded = [task.result() for task in tasks]
        # Events are committed in the order in which aggregates were asked for, not in which they came.
        for aggregate in loaded:
            if aggregate.subject not in known:
                self._aggregates[aggregate.subject] = self._aggregates.pop(aggregate.subject)
        return loaded

    async def load_or_new(self, aggregate_class: type[AnyAggregate], id: str) -> AnyAggregate:
        """
        An aggregate as it is now, or a new one if it has no events; the same object each time.

        Raises:
            UnknownEventTypeError, EventDecodingError: The log holds an event it cannot take.
        """
        self._check_open()
        subject = aggregate_class.subject_of(id)
        async with self._locks[subject]:
            if subject not in self._aggregates and subject not in self._places:
                aggregate = await self._read_set.aggregate(aggregate_class, id)
                self.add(aggregate)
                self._places[subject] = aggregate.subject
                if aggregate.version == 0:
                    self._absent.add(subject)
        return self._known(aggregate_class, self._places.get(subject, subject))

    def create(self, aggregate_class: type[AnyAggregate], id: str, *, period: str | None = None) -> AnyAggregate:
        """
        A new aggregate; nothing is read. The commit fails if its subject has events.

        Args:
            aggregate_class: Its class.

            id: Which one.

            period: Its first period, if it is one with periods.

        Raises:
            TypeError: A period is given for a class without periods.
        """
        return self.add(new_aggregate(aggregate_class, id, period=period))

    def add(self, aggregate: AnyAggregate) -> AnyAggregate:
        """
        Let an aggregate that was made or loaded elsewhere take part.

        One that was not read can emit what is decided by rules alone: ``work.add(Account("42"))``.

        Returns:
            The aggregate.

        Raises:
            ValueError: Another object takes part as the aggregate of that subject.
            AggregateReadOnlyError: It is as of a past moment.
            AggregateInCommitError: A commit of its events is under way, or ended without an answer.
        """
        self._check_open()
        aggregate.check_writable()
        if self._aggregates.setdefault(aggregate.subject, aggregate) is not aggregate:
            raise ValueError(GIVEN_TWICE)
        return aggregate

    def close_period(
        self,
        current: AnyPeriodAggregate,
        next_period: str,
        command: Callable[Concatenate[AnyPeriodAggregate, Arguments], Event | Iterable[Event]],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> AnyPeriodAggregate:
        """
        Close the books of a period that takes part, and open the next one in the same commit.

        `Repository.close_period` does it in a commit of its own. Here the function that decides can read more first,
        such as a sum that goes into the closing event.

        Args:
            current: The last period, as `load` gives it.

            next_period: The name of the next one.

            command: A method of the aggregate: it emits the closing event, last of all, and returns what the next
                period opens with, one event or several.

            args, kwargs: Its arguments.

        Returns:
            The next period, which takes part as well.

        Raises:
            PeriodClosedError: The books are closed already.
            DeclarationError: *command* does not emit the closing event, or gives nothing to open with.
            ValueError: *next_period* does not come after this one.
        """
        self._check_open()
        check_is_plain(command, may_yield=True)
        self.add(current)
        return self.add(close_books(current, next_period, lambda period: command(period, *args, **kwargs)))

    async def read(self, state: AnyState) -> AnyState:
        """
        Fold what is in the selection of a decision state into it.

        Returns:
            The state; where an equal one was read already, that one.

        Raises:
            EventDecodingError: The log holds an event it cannot take.
            QueryBudgetError: There are too many events to read them for a decision.
        """
        self._check_open()
        key = (type(state), state.selection)
        async with self._locks[key]:
            if key not in self._states:
                self._states[key] = await self._read_set.state(state)
        found = self._states[key]
        assert isinstance(found, type(state))  # noqa: S101  it is part of the key
        return found

    # --- Deciding ---

    def emit(
        self,
        event: Event,
        *,
        at: str,
        rules: Iterable[Precondition] | None = None,
        unversioned: bool = False,
        **others: Never,
    ) -> None:
        """
        Let an event happen that is no aggregate's.

        Args:
            at: Its subject.

            rules: What the store decides for the commit, beside all that was read. An empty list adds nothing.

            unversioned: Say that the event itself needs no guard: this is so by default, since the subject
                of an event that is no aggregate's was not read. What was read guards the commit all the same.

            others: There are no others.

        Raises:
            InvalidSubjectError: *at* is none that an event can have.
            NotAnEventError: *event* is no event.
            UnstorableEventError: The event would not come back from the store as it is.
            UnstorableDataError: A field of it holds what JSON cannot carry.
            GuardError: *rules* holds something that is no rule, or *unversioned* is given beside them.
        """
        self._check_open()
        given = check_given_rules(rules, unversioned=unversioned, others=others)
        check_is_event(event)
        self._emitted.append((EventContent.of(event), check_event_subject(at)))
        self._required.extend(given)

    def _record(self, record: Event, *, at: str, rules: Iterable[Precondition]) -> None:
        """
        Have a record of the library committed with the rest: `emit` takes no reserved names.
        """
        self._check_open()
        self._records.append((EventContent.of(record), check_event_subject(at)))
        self._required.extend(rules)

    def require(self, *rules: Precondition | Iterable[Precondition]) -> None:
        """
        Commit only if these hold, too.

        Raises:
            GuardError: One is no rule.
        """
        self._check_open()
        given = [checked_rules([each] if isinstance(each, Precondition) else each) for each in rules]
        self._required.extend(itertools.chain.from_iterable(given))

    @property
    def aggregates(self) -> tuple[Aggregate, ...]:
        """
        The aggregates that take part.
        """
        return tuple(self._aggregates.values())

    @property
    def emitted(self) -> tuple[tuple[Event, str], ...]:
        """
        The events and their subjects: what the aggregates emitted, each in turn, then what was emitted here.
        """
        return tuple((content.to_event(), subject) for content, subject in self._contents())

    @property
    def new_events(self) -> tuple[NewEvent, ...]:
        """
        What would be committed now: what was `emitted`, with its metadata.
        """
        metadata = self._metadata if self._metadata is not None else current_metadata()
        of_aggregates = (
            aggregate.to_stored(NewEvent.of_content(content, subject=aggregate.subject, metadata=metadata))
            for aggregate in self._aggregates.values()
            for content in aggregate.pending_contents
        )
        others = (
            NewEvent.of_content(content, subject=subject, metadata=metadata) for content, subject in self._emitted
        )
        records = (
            written_by_library(NewEvent.of_content(content, subject=subject, metadata=metadata))
            for content, subject in self._records
        )
        return (*of_aggregates, *others, *records)

    # --- Committing ---

    async def commit(
        self, *, idempotency_key: str | None = None, tells_events: bool = True
    ) -> tuple[RecordedEvent, ...]:
        """
        Write all that was emitted, at all subjects, or nothing. If nothing was emitted nothing is checked.

        The commit is guarded by what was read, as it was folded: aggregates by their version (unless all
        that one emitted has rules in place of it), decision states by the number of events in their
        selection. The rules come behind that, so that a rule is broken only if all that was read is
        still true.

        Args:
            idempotency_key: See `EventStore.commit`.

            tells_events: Read what came between for a `ConflictError`. Whoever just decides again does
                without.

        Returns:
            What was committed, in the order of `new_events`.

        Raises:
            ConflictError: Others added to what was read. Decide again.
            RuleBrokenError: A rule did not hold; `name` tells which.
            AggregateExistsError: One that was created here has events already.
            AggregateNotFoundError: It is a rule of one, `SubjectExists`, that it exists, and it does not.
            CommitOutcomeUnknownError: Whether it was written is not known. That is so as well where the call
                is cancelled.
            UnitOfWorkClosedError: It was committed before, is being committed now, or it is not known
                whether it was.
            AggregateInCommitError: An aggregate takes part in another commit, which is not settled.
        """
        sent = self._to_send(idempotency_key)
        if sent is None:
            return ()
        was_unknown = self._state == "unknown"
        self._state = "committing"
        try:
            recorded = await self._store.commit(sent.events, sent.preconditions, idempotency_key=idempotency_key)
        except BaseException as error:
            # All errors of this package but one say that nothing was written; a cancellation says nothing.
            is_known = isinstance(error, EventSourceError) and not isinstance(error, CommitOutcomeUnknownError)
            self._reopen(sent, is_unknown=was_unknown or not is_known)
            if not isinstance(error, PreconditionFailedError):
                raise
            refusal = await explain(
                error,
                sent.guards,
                sent.rules,
                self._store,
                aggregates=self._aggregates,
                absent=self._absent,
                tells_events=tells_events,
            )
            raise refusal from error
        self._state = "committed"
        self._recorded = recorded
        committed = iter(recorded)
        for aggregate, count in sent.aggregates:
            own = list(itertools.islice(committed, count))
            aggregate.mark_committed(own[-1].id)
        self._read_set.loader.committed(*self._aggregates.values(), events=recorded)
        return recorded

    def _to_send(self, idempotency_key: str | None) -> _Sent | None:
        """
        What to commit; None if nothing was emitted. From here on the aggregates change no more.
        """
        if self._state == "unknown" and self._sent is not None and idempotency_key is not None:
            if idempotency_key != self._sent.idempotency_key:
                raise UnitOfWorkClosedError(self._state)
            # The very same again: the store answers it with what it has stored.
            return self._sent
        self._check_open()
        if idempotency_key is not None:
            check_idempotency_key(idempotency_key)
        events = self.new_events
        if not events:
            return None
        guards = self._guards()
        rules = [*self._required, *(rule for each in self._aggregates.values() for rule in each.pending_rules)]
        counts = [(each, len(each.pending_contents)) for each in self._aggregates.values() if each.pending_contents]
        begun: list[Aggregate] = []
        try:
            for aggregate, _ in counts:
                aggregate.begin_commit()
                begun.append(aggregate)
        except EventSourceError:
            for aggregate in begun:
                aggregate.end_commit(is_unknown=False)
            raise
        self._sent = _Sent(events, tuple(guards), tuple(rules), tuple(counts), idempotency_key)
        return self._sent

    def _reopen(self, sent: _Sent, *, is_unknown: bool) -> None:
        self._state = "unknown" if is_unknown else "open"
        for aggregate, _ in sent.aggregates:
            aggregate.end_commit(is_unknown=is_unknown)

    @property
    def recorded(self) -> tuple[RecordedEvent, ...]:
        """
        What was committed; nothing before.
        """
        return self._recorded

    def _contents(self) -> Iterator[tuple[EventContent, str]]:
        for aggregate in self._aggregates.values():
            for content in aggregate.pending_contents:
                yield content, aggregate.subject
        yield from self._emitted
        yield from self._records

    def _guards(self) -> list[tuple[Precondition, Aggregate | DecisionState]]:
        found: list[tuple[Precondition, Aggregate | DecisionState]] = []
        for aggregate in self._aggregates.values():
            guard = aggregate.read_guard
            if guard is not None:
                found.append((guard, aggregate))
        found.extend((state.guard, state) for state in self._states.values())
        return found

    def _known(self, aggregate_class: type[AnyAggregate], subject: str) -> AnyAggregate:
        aggregate = self._aggregates[subject]
        if not isinstance(aggregate, aggregate_class):
            msg = f"{subject} takes part already, as {type(aggregate).__name__} and not as {aggregate_class.__name__}"
            raise ValueError(msg)  # noqa: TRY004  it is the subject that is given twice
        return aggregate

    def _check_open(self) -> None:
        if self._state != "open":
            raise UnitOfWorkClosedError(self._state)


@attrs.frozen(eq=False)
class _Sent:
    """
    A commit as it goes to the store.

    Attributes:
        guards: The preconditions that what was read is still so, each with what was read.

        rules: The others.

        aggregates: Those that emitted, in the order of the events, each with how many are its own.
    """

    events: tuple[NewEvent, ...]
    guards: tuple[tuple[Precondition, Aggregate | DecisionState], ...]
    rules: tuple[Precondition, ...]
    aggregates: tuple[tuple[Aggregate, int], ...]
    idempotency_key: str | None

    @property
    def preconditions(self) -> list[Precondition]:
        return [*(guard for guard, _ in self.guards), *self.rules]
