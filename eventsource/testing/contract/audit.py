"""
Auditing an intact store.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from eventsource.events.hash_chain import GENESIS_HASH
from eventsource.testing.contract.samples import noted, read

if TYPE_CHECKING:
    from eventsource import EventStore


async def test_an_empty_store_is_intact(store: EventStore) -> None:
    """
    The audit of an empty store has checked nothing, and its head is 64 zeros.
    """
    report = await store.audit()

    assert report.is_intact
    assert (report.events, report.head, report.problems) == (0, GENESIS_HASH, ())


async def test_the_report_tells_how_much_was_checked_and_the_head(store: EventStore) -> None:
    """
    The audit counts every event, also beyond a page, and its head is the hash of the last one.
    """
    recorded = await store.commit([noted(f"/many/{number % 7}") for number in range(2_500)])

    report = await store.audit()

    assert report.is_intact
    assert (report.events, report.head) == (2_500, recorded[-1].hash)


async def test_an_audit_during_commits_finds_nothing_wrong(store: EventStore) -> None:
    """
    Auditing while others commit checks what was there when it began, or more, and raises no false alarm.
    """
    await store.commit([noted("/a")] * 2_500)
    commits = asyncio.gather(*(store.commit([noted("/a"), noted("/b")]) for _ in range(200)))

    report = await store.audit()
    await commits

    assert report.is_intact
    log = await read(store.stream())
    assert report.events >= 2_500
    assert report.head == log[report.events - 1].hash
