"""
A program that fills the disk under a store and frees it again, and prints what it saw as JSON.

It is given a folder on a small file system of its own.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from eventsource import EventStore, NewEvent
from eventsource.errors import StoreFullError
from eventsource.store import EmbeddedEventStore

TEXT = "x" * 20_000


async def _commit(store: EventStore, name: str, size: int) -> None:
    await store.commit(
        [
            NewEvent(
                subject="/a",
                type="io.example.faults.noted",
                data={"commit": name, "index": index, "size": size, "text": TEXT},
            )
            for index in range(size)
        ]
    )


async def _fill(store: EventStore) -> list[str]:
    """
    Commit until the disk is full, then twenty times more together; returns what was stored.
    """
    stored: list[str] = []
    while True:
        name = f"{len(stored)}"
        try:
            await _commit(store, name, 3)
        except StoreFullError:
            break
        stored.append(name)
    names = [f"full-{number}" for number in range(20)]
    outcomes = await asyncio.gather(*(_commit(store, name, 3) for name in names), return_exceptions=True)
    for name, outcome in zip(names, outcomes, strict=True):
        if outcome is None:
            stored.append(name)
        elif not isinstance(outcome, StoreFullError):
            raise outcome
    return stored


async def _names(store: EventStore) -> list[tuple[str, int, int]]:
    return [(event.data["commit"], event.data["index"], event.data["size"]) async for event in store.stream()]


async def _main(folder: Path) -> None:
    path, filler = folder / "store.db", folder / "filler"
    filler.write_bytes(b"\0" * 2_000_000)
    async with EmbeddedEventStore(path) as store:
        stored = await _fill(store)
        while_full = await _names(store)
        filler.unlink()
        await _commit(store, "space again", 3)
        after = await _names(store)
    async with EmbeddedEventStore(path) as store:
        report = await store.audit()
        reopened = await _names(store)
    print(  # noqa: T201
        json.dumps(
            {
                "stored": stored,
                "while_full": while_full,
                "after": after,
                "reopened": reopened,
                "is_intact": report.is_intact,
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
