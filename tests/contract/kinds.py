"""
The kinds of event store that the contract holds for.

A further kind is one more function here: whatever it starts (a server, say) it also stops.
"""

from __future__ import annotations

import time
import uuid
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from eventsource import EmbeddedEventStore, EventStore, InMemoryEventStore

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path


def random_id() -> str:
    """
    What the stores themselves make ids with.
    """
    return str(uuid.uuid4())


class OpenStore(Protocol):
    """
    Opens a new, empty store of one kind.
    """

    def __call__(
        self,
        *,
        source: str = "io.example.contract",
        clock: Callable[[], int] = time.time_ns,
        new_id: Callable[[], str] = random_id,
    ) -> AbstractAsyncContextManager[EventStore]:
        """
        Time and ids come from *clock* and *new_id*, wherever in the store they are made.
        """
        ...


class StoreKind(Protocol):
    """
    Opens a new, empty store that keeps what it has to keep in *folder*.
    """

    def __call__(
        self, folder: Path, *, source: str, clock: Callable[[], int], new_id: Callable[[], str]
    ) -> AbstractAsyncContextManager[EventStore]:
        """
        As `OpenStore`, with everything given.
        """
        ...


@asynccontextmanager
async def memory(
    folder: Path,  # noqa: ARG001  it keeps nothing
    *,
    source: str,
    clock: Callable[[], int],
    new_id: Callable[[], str],
) -> AsyncGenerator[EventStore]:
    """
    The store in memory.
    """
    async with InMemoryEventStore(source=source, clock=clock, new_id=new_id) as store:
        yield store


@asynccontextmanager
async def embedded(
    folder: Path, *, source: str, clock: Callable[[], int], new_id: Callable[[], str]
) -> AsyncGenerator[EventStore]:
    """
    The store in one SQLite file.
    """
    async with EmbeddedEventStore(folder / "store.db", source=source, clock=clock, new_id=new_id) as store:
        yield store


KINDS: dict[str, StoreKind] = {"memory": memory, "embedded": embedded}
