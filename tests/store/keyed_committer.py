"""
A program that commits with idempotency keys as fast as it can, and is killed while it does.

It is called with the path of the store, the first number, and before which change of its files it dies. It prints
``sent NUMBER`` before each commit and ``stored NUMBER IDS`` after its answer.
"""

from __future__ import annotations

import asyncio
import itertools
import sys

from eventsource import EventStore, NewEvent, Precondition, RecordedEvent, SubjectIsNew
from eventsource.store import EmbeddedEventStore
from tests.faults.disk import DeadlyDisk, watched_disk

TASKS = 8


async def commit(store: EventStore, number: int) -> tuple[RecordedEvent, ...]:
    """
    The commit with that number: one to three events, guarded by being the first.
    """
    event = NewEvent(subject=f"/a/{number}", type="io.example.keyed", data={"number": number})
    conditions: list[Precondition] = [SubjectIsNew(event.subject)] if number % 2 else []
    return await store.commit([event] * (number % 3 + 1), conditions, idempotency_key=f"k-{number}")


async def _main(path: str, first: int, at: int) -> None:
    numbers = itertools.count(first)

    async def work(store: EmbeddedEventStore) -> None:
        for number in numbers:
            print("sent", number, flush=True)  # noqa: T201
            recorded = await commit(store, number)
            print("stored", number, *(event.id for event in recorded), flush=True)  # noqa: T201

    with watched_disk(disk := DeadlyDisk()):
        disk.start(at)
        async with EmbeddedEventStore(path) as store:
            await asyncio.gather(*(work(store) for _ in range(TASKS)))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
