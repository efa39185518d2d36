"""
The progress of a projector, for callers that wait for it or watch it.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, Protocol

import attrs
from sqlalchemy.exc import SQLAlchemyError

from eventsource.events.subject import prefix_below
from eventsource.projections.errors import ProjectorNotRunningError
from eventsource.projections.faults import describe, passes
from eventsource.subscriptions.checkpoint import Checkpoint, load_checkpoint
from eventsource.subscriptions.errors import NotSeenError
from eventsource.subscriptions.subscription import find_event
from eventsource.wire.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from eventsource.events.subject import Subject
    from eventsource.projections.database import ReadModelDatabase
    from eventsource.store.interface import EventStore

State = Literal["starting", "catching up", "live", "retrying", "stopped", "failed"]

# What a watcher in another process waits at the most after the read model has changed, in seconds.
_POLL_INTERVAL_S = 0.02

# After a store did not say what is in it: how long until it is asked again, in seconds.
_STORE_PAUSE_S = 0.2


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

        subject: The subject it reads.

        store: The store it reads.

        state: Its present activity.

        checkpoint: The position it has finished.

        total: Number of events in its stream when it started to catch up, finished ones included.

        error: Why it failed, or what it is retrying after.
    """

    projector: str
    subject: Subject
    store: EventStore
    state: State = "starting"
    checkpoint: Checkpoint = attrs.field(factory=Checkpoint)
    total: int = 0
    error: Exception | None = None
    # Those who wait, each in an event loop of its own.
    _waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = attrs.field(
        factory=set[tuple[asyncio.AbstractEventLoop, asyncio.Event]], init=False
    )
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def move(self, *, state: State, checkpoint: Checkpoint | None = None, error: Exception | None = None) -> None:
        """
        Report the present position, and wake the waiting callers.
        """
        with self._lock:
            self.state = state
            if checkpoint is not None:
                self.checkpoint = checkpoint
            self.error = error
            waiting, self._waiting = self._waiting, set()
        for loop, moved in waiting:
            # A loop that is closed has nobody who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(moved.set)

    async def wait_until_seen(self, event_id: str, timeout_s: float) -> None:
        """
        See `Progress`.
        """
        await _in_time(self._wait_until_seen(event_id), self, event_id, timeout_s)

    async def wait_until_caught_up(self) -> None:
        """
        Return when it has everything that its stream has now.

        Raises:
            ProjectionError: It failed, or was stopped.
        """
        position = await self._last_position()
        while self.state != "live" or self.checkpoint.position < position:
            await self._next_move(lambda: self.state == "live" and self.checkpoint.position >= position)

    async def moved(self) -> None:
        """
        Return when it has moved, at once if it has stopped or failed.
        """
        await self._next_move(lambda: self.state in {"stopped", "failed"})

    @property
    def whereabouts(self) -> str:
        """
        Describe the progress, in words.
        """
        reached = f"{self.checkpoint.events} of its events are in the read model"
        why = f" after {describe(self.error)}" if self.state == "retrying" and self.error else ""
        return f"the projector is {self.state}{why}, {reached}"

    async def _wait_until_seen(self, event_id: str) -> None:
        position = await _position_to_reach(self.store, self.subject, event_id)
        while self.checkpoint.position < position:
            await self._next_move(lambda: self.checkpoint.position >= position)

    async def _last_position(self) -> int:
        while True:
            try:
                last = await self.store.last_event(self.subject)
            except StoreUnavailableError:
                # The projector waits for it, too.
                self._raise_if_over()
                await asyncio.sleep(_STORE_PAUSE_S)
            else:
                return last.position if last else 0

    async def _next_move(self, is_there: Callable[[], bool]) -> None:
        moved = asyncio.Event()
        mine = (asyncio.get_running_loop(), moved)
        with self._lock:
            # It may have moved since the caller looked, in another thread.
            if is_there():
                return
            self._raise_if_over()
            self._waiting.add(mine)
        try:
            await moved.wait()
        finally:
            with self._lock:
                self._waiting.discard(mine)

    def _raise_if_over(self) -> None:
        if self.state == "failed" and self.error is not None:
            raise self.error
        if self.state == "stopped":
            raise ProjectorNotRunningError(self.projector)


@attrs.define(eq=False)
class WatchedProgress:
    """
    The progress of a projector that another process runs, read from its checkpoint.
    """

    projector: str
    subject: Subject
    store: EventStore
    database: ReadModelDatabase
    _events: int = attrs.field(default=0, init=False)

    async def wait_until_seen(self, event_id: str, timeout_s: float) -> None:
        """
        See `Progress`.
        """
        await _in_time(self._wait_until_seen(event_id), self, event_id, timeout_s)

    @property
    def whereabouts(self) -> str:
        """
        Describe the progress, in words, as far as it was read.
        """
        return f"another process runs the projector, {self._events} of its events were in the read model"

    async def _wait_until_seen(self, event_id: str) -> None:
        position = await _position_to_reach(self.store, self.subject, event_id)
        # The only thing two processes share is the database, and it wakes nobody.
        while await self._position() < position:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_INTERVAL_S)

    async def _position(self) -> int:
        try:
            checkpoint = await self.database.read(lambda tx: load_checkpoint(tx, self.projector))
        except SQLAlchemyError as error:
            if not passes(error):
                raise
            return 0
        self._events = checkpoint.events if checkpoint else 0
        return checkpoint.position if checkpoint else 0


async def _position_to_reach(store: EventStore, subject: Subject, event_id: str) -> int:
    """
    The position at which a projector has every event of its stream up to the one given.
    """
    event = await find_event(store, event_id)
    if event.subject == subject or event.subject.startswith(prefix_below(subject)):
        return event.position
    # Over HTTP nobody is told that events of other subjects have passed by.
    last = await store.last_event(subject)
    return min(event.position, last.position) if last else 0


async def _in_time(
    waiting: Coroutine[Any, Any, None], progress: RunningProgress | WatchedProgress, event_id: str, timeout_s: float
) -> None:
    """
    Wait, and not longer than *timeout_s* whatever it takes to look the event up.

    What is slow to be cancelled, such as a store that reads in a thread, is left to end by itself.
    """
    task = asyncio.ensure_future(waiting)
    try:
        await asyncio.wait({task}, timeout=timeout_s)
        if task.done():
            # A time limit of the store or of the database is theirs.
            task.result()
            return
    finally:
        task.cancel()
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
    raise NotSeenError(progress.projector, event_id=event_id, timeout_s=timeout_s, whereabouts=progress.whereabouts)
