"""
Open, closed, and what each allows.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from eventsource.errors import StoreClosedError
from eventsource.testing.contract.samples import commit_each, noted, read, take

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from eventsource import EventStore
    from eventsource.testing.contract.kinds import OpenStore

USES: dict[str, Callable[[EventStore], Awaitable[object]]] = {
    "commit": lambda store: store.commit([noted("/a")]),
    "stream": lambda store: read(store.stream()),
    "stream of a subject": lambda store: read(store.stream("/a", recursive=False)),
    "observe": lambda store: take(store.observe(), 1),
    "observe from now": lambda store: take(store.observe(from_now=True), 1),
    "count": lambda store: store.count(),
    "audit": lambda store: store.audit(),
    "ping": lambda store: store.ping(),
}


async def test_an_open_store_answers_a_ping(store: EventStore) -> None:
    """
    A ping returns while the store can be read.
    """
    await store.ping()


@pytest.mark.parametrize("use", USES.values(), ids=list(USES))
async def test_a_closed_store_can_do_nothing(
    open_store: OpenStore, use: Callable[[EventStore], Awaitable[object]]
) -> None:
    """
    Every use of a closed store raises an error that says so.
    """
    async with open_store() as store:
        await commit_each(store, ["/a", "/b"])

    with pytest.raises(StoreClosedError):
        await use(store)


async def test_a_stream_does_not_outlive_its_store(open_store: OpenStore) -> None:
    """
    A stream that has not been read to its end when the store is closed raises at its next step.
    """
    async with open_store() as store:
        await store.commit([noted("/a")] * 2_500)
        stream = store.stream()
        await anext(stream.pages())

    with pytest.raises(StoreClosedError):
        await read(stream)


async def test_closing_twice_is_fine(open_store: OpenStore) -> None:
    """
    A closed store may be closed again, also by two at the same time.
    """
    async with open_store() as store:
        await asyncio.gather(store.aclose(), store.aclose())

        await store.aclose()


async def test_closing_finishes_what_was_sent(open_store: OpenStore) -> None:
    """
    Commits sent before the store is closed are decided and answered.
    """
    async with open_store() as store:
        commits = [asyncio.create_task(store.commit([noted("/a")])) for _ in range(100)]
        await asyncio.sleep(0)

    events = [event for (event,) in await asyncio.gather(*commits)]
    assert len({event.id for event in events}) == 100
