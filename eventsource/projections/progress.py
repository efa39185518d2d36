"""
How far a projector is, for those who wait for it and those who watch it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, Protocol

import attrs

from eventsource.domain.subject import prefix_below
from eventsource.errors import NotSeenError, ProjectorNotRunningError
from eventsource.subscriptions.checkpoint import Checkpoint, load_checkpoint
from eventsource.subscriptions.subscription import find_event

if TYPE_CHECKING:
    from eventsource.domain.subject import Subject
    from eventsource.projections.database import ReadModelDatabase
    from eventsource.projections.projector import Projector
    from eventsource.store.interface import EventStore

State = Literal["starting", "catching up", "live", "stopped", "failed"]

# What a watcher in another process waits at the most after the read model has changed, in seconds.
_POLL_INTERVAL_S = 0.02


class Progress(Protocol):
    """
    A projector's way through the store, to be waited on.
    """

    async def wait_until_seen(self, event_id: str, timeout_s: float) -> None:
        """
        Return when everything up to the event is in the read model.
        """
        ...


@attrs.define(eq=False)
class RunningProgress:
    """
    The progress of a projector that a worker of this process runs.

    Attributes:
        projector: Its name.

        subject: Where it reads.

        store: What it reads.

        state: What it is doing.

        checkpoint: What it has finished.

        total: How many events its stream had when it started to catch up, those finished included.

        error: Why it failed.
    """

    projector: str
    subject: Subject
    store: EventStore
    state: State = "starting"
    checkpoint: Checkpoint = attrs.field(factory=Checkpoint)
    total: int = 0
    error: Exception | None = None
    _moved: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    def move(self, *, state: State, checkpoint: Checkpoint | None = None, error: Exception | None = None) -> None:
        """
        Say where it is now, and wake those who wait.
        """
        self.state = state
        if checkpoint is not None:
            self.checkpoint = checkpoint
        self.error = error
        self._moved.set()
        self._moved = asyncio.Event()

    async def wait_until_seen(self, event_id: str, timeout_s: float) -> None:
        """
        See `Progress`.
        """
        position = await _position_to_reach(self.store, self.subject, event_id)
        try:
            async with asyncio.timeout(timeout_s):
                while self.checkpoint.position < position:
                    await self._next_move()
        except TimeoutError:
            raise NotSeenError(self.projector, event_id=event_id, timeout_s=timeout_s) from None

    async def wait_until_caught_up(self) -> None:
        """
        Return when it has everything that its stream has now.

        Raises:
            ProjectionError: It failed, or was stopped.
        """
        last = await self.store.last_event(self.subject)
        position = last.position if last else 0
        while self.state != "live" or self.checkpoint.position < position:
            await self._next_move()

    async def _next_move(self) -> None:
        if self.error is not None:
            raise self.error
        if self.state == "stopped":
            raise ProjectorNotRunningError(self.projector)
        await self._moved.wait()


@attrs.frozen(eq=False)
class WatchedProgress:
    """
    The progress of a projector that another process runs, read from its checkpoint.
    """

    projector: str
    subject: Subject
    store: EventStore
    database: ReadModelDatabase

    async def wait_until_seen(self, event_id: str, timeout_s: float) -> None:
        """
        See `Progress`.
        """
        position = await _position_to_reach(self.store, self.subject, event_id)
        try:
            async with asyncio.timeout(timeout_s):
                # The only thing two processes share is the database, and it wakes nobody.
                while await self._position() < position:  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_INTERVAL_S)
        except TimeoutError:
            raise NotSeenError(self.projector, event_id=event_id, timeout_s=timeout_s) from None

    async def _position(self) -> int:
        checkpoint = await self.database.read(lambda tx: load_checkpoint(tx, self.projector))
        return checkpoint.position if checkpoint else 0


def watch(projector: Projector, store: EventStore, database: ReadModelDatabase) -> None:
    """
    Let ``projector.seen`` follow a projector that a worker in another process runs on *database*.
    """
    projector.track(WatchedProgress(projector.name, projector.subject, store, database))


async def _position_to_reach(store: EventStore, subject: Subject, event_id: str) -> int:
    """
    Where a projector has every event of its stream up to the one given.
    """
    event = await find_event(store, event_id)
    if event.subject == subject or event.subject.startswith(prefix_below(subject)):
        return event.position
    # Over HTTP nobody is told that events of other subjects have passed by.
    last = await store.last_event(subject)
    return min(event.position, last.position) if last else 0
