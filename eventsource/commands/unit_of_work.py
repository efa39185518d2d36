"""
The unit of work: one decision over several subjects, committed at once or not at all.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

from eventsource.commands.context import current_metadata
from eventsource.commands.loading import Loader
from eventsource.commands.readings import Readings
from eventsource.commands.refusal import explain
from eventsource.domain.aggregates.aggregate import Aggregate
from eventsource.domain.aggregates.decision_state import DecisionState
from eventsource.domain.event import NewEvent
from eventsource.domain.event_content import EventContent
from eventsource.domain.precondition import Precondition
from eventsource.errors import AggregateNotFoundError, PreconditionFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from eventsource.domain.event import Event, RecordedEvent
    from eventsource.domain.guards.guard import EventSelection
    from eventsource.domain.metadata import Metadata
    from eventsource.store.interface import EventStore

AnyAggregate = TypeVar("AnyAggregate", bound=Aggregate)
AnyState = TypeVar("AnyState", bound=DecisionState)

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

    It is good for one commit. `decide` makes one, and another one after a conflict.

    Args:
        store: Where the events are.

        metadata: What is stored with each event; by default what is in force at the commit.

        loader: Where aggregates come from; by default from the events in the store.

        readings: What earlier attempts at the same decision have read; it brings its own *loader*.
    """

    def __init__(
        self,
        store: EventStore,
        *,
        metadata: Metadata | None = None,
        loader: Loader | None = None,
        readings: Readings | None = None,
    ) -> None:
        self._store = store
        self._metadata = metadata
        self._readings = readings or Readings(store, loader or Loader(store), are_kept=False)
        # Several reads can run at once; of the same thing the second one waits.
        self._locks: defaultdict[object, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._aggregates: dict[str, Aggregate] = {}
        # Where the aggregates that were read are kept: that is another subject for those with periods.
        self._places: dict[str, str] = {}
        # Those whose absence was read: that one is there now is a conflict, and no refusal.
        self._absent: set[str] = set()
        self._states: dict[tuple[type[DecisionState], EventSelection[Event]], DecisionState] = {}
        self._emitted: list[tuple[EventContent, str]] = []
        self._required: list[Precondition] = []
        self._is_committed = False
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
        loaded = await asyncio.gather(*(self.load(aggregate_class, id) for id in ids))
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
                aggregate = await self._readings.aggregate(aggregate_class, id)
                self.add(aggregate)
                self._places[subject] = aggregate.subject
                if aggregate.version == 0:
                    self._absent.add(subject)
        return self._known(aggregate_class, self._places.get(subject, subject))

    def create(self, aggregate_class: type[AnyAggregate], id: str) -> AnyAggregate:
        """
        A new aggregate; nothing is read. The commit fails if its subject has events.
        """
        return self.add(aggregate_class(id))

    def add(self, aggregate: AnyAggregate) -> AnyAggregate:
        """
        Let an aggregate that was made or loaded elsewhere take part.

        One that was not read can emit what is decided by rules alone: ``work.add(Account("42"))``.

        Returns:
            The aggregate.

        Raises:
            ValueError: Another object takes part as the aggregate of that subject.
            AggregateReadOnlyError: It is as of a past moment.
        """
        self._check_open()
        aggregate.check_writable()
        if self._aggregates.setdefault(aggregate.subject, aggregate) is not aggregate:
            raise ValueError(GIVEN_TWICE)
        return aggregate

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
                self._states[key] = await self._readings.state(state)
        found = self._states[key]
        assert isinstance(found, type(state))  # noqa: S101  it is part of the key
        return found

    # --- Deciding ---

    def emit(self, event: Event, *, at: str, guarded_by: Iterable[Precondition] = ()) -> None:
        """
        Let an event happen that is no aggregate's.

        Args:
            at: Its subject.

            guarded_by: Rules for the commit, beside all that was read.

        Raises:
            InvalidSubjectError: *at* is none that an event can have.
            UnstorableEventError: The event would not come back from the store as it is.
            UnstorableDataError: A field of it holds what JSON cannot carry.
        """
        self._check_open()
        self._emitted.append((EventContent.of(event), at))
        self.require(guarded_by)

    def require(self, *rules: Precondition | Iterable[Precondition]) -> None:
        """
        Commit only if these hold, too.
        """
        self._check_open()
        for each in rules:
            self._required.extend([each] if isinstance(each, Precondition) else each)

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
        return tuple(
            NewEvent.of_content(content, subject=subject, metadata=metadata) for content, subject in self._contents()
        )

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
        """
        self._check_open()
        events = self.new_events
        if not events:
            return ()
        guards = self._guards()
        aggregates = self._aggregates
        rules = [*self._required, *(rule for each in aggregates.values() for rule in each.pending_rules)]
        preconditions = [*(guard for guard, _ in guards), *rules]
        try:
            recorded = await self._store.commit(events, preconditions, idempotency_key=idempotency_key)
        except PreconditionFailedError as error:
            refusal = await explain(
                error,
                guards,
                rules,
                self._store,
                aggregates=aggregates,
                absent=self._absent,
                tells_events=tells_events,
            )
            raise refusal from error
        self._is_committed = True
        self._recorded = recorded
        committed = iter(recorded)
        for aggregate in aggregates.values():
            own = [next(committed) for _ in aggregate.pending_contents]
            if own:
                aggregate.mark_committed(own[-1].id)
        self._readings.loader.committed(*aggregates.values(), events=recorded)
        return recorded

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
        if self._is_committed:
            msg = "this unit of work is committed: make a new one for the next decision"
            raise RuntimeError(msg)
