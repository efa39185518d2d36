"""
A store that fails the way networks and rivals make stores fail.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from enum import Enum
from typing import TYPE_CHECKING, Final

from eventsource.guards.errors import PreconditionFailedError
from eventsource.guards.preconditions import SubjectIsAtVersion, SubjectIsNew
from eventsource.store.delegating import DelegatingEventStore
from eventsource.store.interface import EventStream
from eventsource.testing.contract.chance import seeded_random
from eventsource.wire.errors import CommitOutcomeUnknownError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from eventsource.events.event import NewEvent, RecordedEvent
    from eventsource.guards.preconditions import Precondition
    from eventsource.store.interface import EventStore, Page

_NAME: Final = "the flaky store"


class Fault(Enum):
    """
    What becomes of one commit.
    """

    NONE = "it is made"
    ANSWER_LOST = "it is made, and the answer is lost: CommitOutcomeUnknownError"
    REQUEST_LOST = "it is not made, and nobody can tell: CommitOutcomeUnknownError"
    CONFLICT = "others are said to have been first: nothing is written"
    UNAVAILABLE = "the store cannot be reached: nothing is written"


class FlakyStore(DelegatingEventStore):
    """
    A store around *inner* that loses answers, raises conflicts and cuts streams.

    What a client has to live with, at will: either by *script*, one fault for each commit to come, or by
    chance. Everything that was made is in *inner*, so a test looks there for what really happened::

        store = FlakyStore(InMemoryEventStore(), script=[Fault.ANSWER_LOST])
        with pytest.raises(CommitOutcomeUnknownError):
            await store.commit([...])

    A conflict is raised for a commit that is guarded by a version or by the subject being new, as the
    store would; one without such a guard cannot conflict, and is made.

    Args:
        inner: The store that works.

        script: What becomes of the next commits, in order; after it chance decides.

        lost: The share of commits whose outcome stays unknown; half of these are made.

        conflicts: The share of commits that are refused since others were first.

        unavailable: The share of commits, and of streams at each page, that fail since the store is away.

        seed: Of chance; None takes the one that EVENTSOURCE_SEED sets, and prints it.

    Attributes:
        faults: What became of each commit so far, in order.
    """

    def __init__(
        self,
        inner: EventStore,
        *,
        script: Iterable[Fault] = (),
        lost: float = 0.0,
        conflicts: float = 0.0,
        unavailable: float = 0.0,
        seed: int | None = None,
    ) -> None:
        super().__init__(inner)
        by_chance = lost or conflicts or unavailable
        self._script = list(script)
        self._lost = lost
        self._conflicts = conflicts
        self._unavailable = unavailable
        self._random = seeded_random() if seed is None and by_chance else random.Random(seed)  # noqa: S311  repeatable
        self.faults: list[Fault] = []

    async def commit(
        self,
        events: Sequence[NewEvent],
        preconditions: Sequence[Precondition] = (),
        *,
        idempotency_key: str | None = None,
    ) -> tuple[RecordedEvent, ...]:
        """
        See `EventStore.commit`, and what may become of it here.
        """
        fault = self._script.pop(0) if self._script else self._drawn()
        guarded = next((one for one in preconditions if isinstance(one, SubjectIsAtVersion | SubjectIsNew)), None)
        if fault is Fault.CONFLICT and guarded is None:
            fault = Fault.NONE
        self.faults.append(fault)
        # Others get a turn in between, as with any real store.
        await asyncio.sleep(0)
        if fault is Fault.UNAVAILABLE:
            raise StoreUnavailableError(_NAME, "as the test wants it")
        if fault is Fault.REQUEST_LOST:
            raise CommitOutcomeUnknownError(_NAME, "the request was lost, as the test wants it")
        if fault is Fault.CONFLICT and guarded is not None:
            raise _conflict(guarded)
        recorded = await self._inner.commit(events, preconditions, idempotency_key=idempotency_key)
        if fault is Fault.ANSWER_LOST:
            raise CommitOutcomeUnknownError(_NAME, "the answer was lost, as the test wants it")
        return recorded

    def stream(
        self,
        subject: str = "/",
        *,
        recursive: bool = True,
        lower_bound: str | None = None,
        include_lower_bound: bool = False,
        upper_bound: str | None = None,
        include_upper_bound: bool = False,
        latest_by_type: str | None = None,
    ) -> EventStream:
        """
        See `EventStore.stream`; it may break off before any page.
        """
        stream = self._inner.stream(
            subject,
            recursive=recursive,
            lower_bound=lower_bound,
            include_lower_bound=include_lower_bound,
            upper_bound=upper_bound,
            include_upper_bound=include_upper_bound,
            latest_by_type=latest_by_type,
        )
        return EventStream(self._cut(stream))

    async def _cut(self, stream: EventStream) -> AsyncGenerator[Page]:
        async with aclosing(stream):
            while True:
                if self._random.random() < self._unavailable:
                    raise StoreUnavailableError(_NAME, "the stream broke off, as the test wants it")
                page = await anext(stream.pages(), None)
                if page is None:
                    return
                yield page

    def _drawn(self) -> Fault:
        chance = self._random.random()
        for share, faults in (
            (self._lost, (Fault.ANSWER_LOST, Fault.REQUEST_LOST)),
            (self._conflicts, (Fault.CONFLICT,)),
            (self._unavailable, (Fault.UNAVAILABLE,)),
        ):
            if chance < share:
                return self._random.choice(faults)
            chance -= share
        return Fault.NONE


def _conflict(guarded: SubjectIsAtVersion | SubjectIsNew) -> PreconditionFailedError:
    return PreconditionFailedError(
        subject=guarded.subject,
        precondition=type(guarded).__name__,
        expected=f"version {guarded.version}" if isinstance(guarded, SubjectIsAtVersion) else "a new subject",
        found="events of others, as the test wants it",
    )
