"""
Purging what one process keeps in memory, when another one erases.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from eventsource.erasure.erase import purge_one
from eventsource.events.subject_erased import is_erasure
from eventsource.store.erasures import ErasureRecords

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from eventsource.erasure.erase import Purgeable
    from eventsource.store.interface import EventStore, EventStream


@asynccontextmanager
async def purge_caches(store: EventStore, *holders: Purgeable) -> AsyncGenerator[None]:
    """
    As long as the block runs, purge caches and the like of each subject that anybody erases.

    ``async with purging(store, cache):`` around what a server or a worker does. The store is observed, so it is told
    of erasures by other processes as soon as they are recorded.

    Raises:
        ExceptionGroup: The store could not be observed any more, or a holder could not purge: the block is cancelled.
    """
    last = await store.last_event()
    stream = store.observe(lower_bound=last.id if last else None)
    async with asyncio.TaskGroup() as group:
        following = group.create_task(_follow(store, stream, holders), name="eventsource-purging")
        try:
            yield
        finally:
            following.cancel()


async def _follow(store: EventStore, stream: EventStream, holders: tuple[Purgeable, ...]) -> None:
    async for page in stream.pages():
        records = ErasureRecords(store, "purge_caches")
        for event in page.events:
            if is_erasure(event) and (record := records.read(event)) is not None and await records.emptied_by(event):
                for holder in holders:
                    await purge_one(holder, store, record.subject)
