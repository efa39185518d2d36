"""
The kinds of event store that the contract holds for.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from eventsource import EventStore, NewEvent, connect, scoped
from eventsource.server import ServerSettings, Tokens, serve
from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from eventsource.testing.contract import Capability, StoreKind

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from eventsource.testing.contract.kinds import OpenIn

_TOKEN = "contract-token"  # noqa: S105  of a server on this machine, for a test


def memory(
    folder: Path,  # noqa: ARG001  it keeps nothing
    *,
    source: str,
    clock: Callable[[], int],
    new_id: Callable[[], str],
) -> AbstractAsyncContextManager[EventStore]:
    """
    The store in memory.
    """
    return InMemoryEventStore(source=source, clock=clock, new_id=new_id)


def embedded(
    folder: Path, *, source: str, clock: Callable[[], int], new_id: Callable[[], str]
) -> AbstractAsyncContextManager[EventStore]:
    """
    The store in one SQLite file.
    """
    return EmbeddedEventStore(folder / "store.db", source=source, clock=clock, new_id=new_id)


def over_http(behind: OpenIn) -> OpenIn:
    """
    A server over a new store of another kind, and the store that is its client.
    """

    @asynccontextmanager
    async def opened(
        folder: Path, *, source: str, clock: Callable[[], int], new_id: Callable[[], str]
    ) -> AsyncGenerator[EventStore]:
        # The client fills in its own source, so the one of the store behind must not show.
        async with (
            behind(folder, source="io.example.behind", clock=clock, new_id=new_id) as inner,
            serve(inner, ServerSettings(Tokens(_TOKEN), heartbeat_s=0.2), grace_s=0.1) as url,
            connect(url, token=_TOKEN, source=source) as store,
        ):
            yield store

    return opened


# Namesakes before, beside and behind the part, and at its prefix.
_OTHERS = (
    "/tenants",
    "/tenants/globex/a",
    "/accounts/1",
    "/tenants/on",
    "/tenants/one0/a",
    "/tenants/one",
    "/tenants/one-/a",
)


def part_of(whole: OpenIn) -> OpenIn:
    """
    A part of a new store of another kind, with events of others around it.
    """

    @asynccontextmanager
    async def opened(
        folder: Path, *, source: str, clock: Callable[[], int], new_id: Callable[[], str]
    ) -> AsyncGenerator[EventStore]:
        async with whole(folder, source=source, clock=clock, new_id=new_id) as store:
            others = [NewEvent(subject=subject, type="io.example.contract.noted", data={}) for subject in _OTHERS]
            await store.commit(others)
            async with scoped(store, "/tenants/one") as part:
                yield part
            # The part is closed with its own block; what is around it goes on.
            await store.ping()

    return opened


# There are no positions on the wire, and a call takes its time on it.
_HTTP_LACKS = frozenset({Capability.POSITIONS, Capability.DIRECT})

KINDS = {
    "memory": StoreKind(memory),
    "embedded": StoreKind(embedded),
    "http-memory": StoreKind(over_http(memory), _HTTP_LACKS, effort=0.1),
    "http-embedded": StoreKind(over_http(embedded), _HTTP_LACKS, effort=0.1),
}

_PART_LACKS = frozenset({Capability.POSITIONS, Capability.CLOCK, Capability.WHOLE})

PARTS = {
    "memory": StoreKind(part_of(memory), _PART_LACKS, effort=0.2),
    "embedded": StoreKind(part_of(embedded), _PART_LACKS, effort=0.02),
    "http": StoreKind(part_of(over_http(memory)), _PART_LACKS | {Capability.DIRECT}, effort=0.02),
    "nested": StoreKind(part_of(part_of(memory)), _PART_LACKS, effort=0.05),
}
"""
Parts of stores, each of which is a kind of store by itself.
"""
