"""
Explanations: what is promised to be a search is one, by SQLite's own word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from tests.store.query_stores import fill, happened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from eventsource import EventStore

SEARCHES = {
    "subject": ("WHERE e.subject == '/a/1' MAP e.data", "events_subject"),
    "subject and type": ("WHERE e.subject == '/a/1' AND e.type == 't1' MAP COUNT()", "events_subject"),
    "under": ("WHERE e.subject UNDER '/a/1' MAP SUM(e.data.n)", "events_subject"),
    "descendants": ("WHERE e.subject DESCENDANTS '/a/1' MAP e.id", "events_subject"),
    "under and type": ("WHERE e.subject UNDER '/a/1' AND e.type == 't1' MAP COUNT()", "events_subject"),
    "under and time": (
        "WHERE e.subject UNDER '/a/1' AND e.time >= '2001-01-01T00:00:00Z' MAP SUM(e.data.n)",
        "events_subject",
    ),
    "some subjects": ("WHERE e.subject IN ['/a/1', '/a/2'] MAP e.id", "events_subject"),
    "type": ("WHERE e.type == 't1' MAP e.id", "events_type"),
    "rare type": ("WHERE e.type == 'rare' MAP SUM(e.data.n)", "events_type"),
    "last of a type": ("WHERE e.type == 't1' ORDER BY e.time DESC LIMIT 20 MAP e.id", "events_type"),
    "some types": ("WHERE e.type IN ['rare', 'none'] MAP e.id", "events_type"),
    "id": ("WHERE e.id == 'x' MAP e.data", "events_id"),
    "indexed member": ("WHERE e.type == 't1' AND e.data.n == 7 MAP COUNT() == 0", "t1 (data.n)"),
    "range of an indexed member": ("WHERE e.type == 't1' AND e.data.n BETWEEN 7 AND 9 MAP e.id", "t1 (data.n)"),
}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EventStore]:
    """
    A file with 6,000 events of three types in 1,500 subjects, and an index on their data.
    """
    async with EmbeddedEventStore(tmp_path / "store.db") as opened:
        await fill(
            opened,
            [
                happened(f"/a/{n % 1500}/x"[: None if n % 2 else -2], f"t{n % 3}" if n % 100 else "rare", n=n)
                for n in range(6000)
            ],
        )
        await opened.create_index("t1", "data.n")
        yield opened


@pytest.mark.parametrize("name", SEARCHES)
async def test_promised_shapes_are_searches(store: EventStore, name: str) -> None:
    """
    The explanation names the index, and SQLite searches and scans no table.
    """
    query, index = SEARCHES[name]

    explanation = await store.explain(f"STREAM e FROM events {query}")

    assert index in {part.index for part in explanation.parts}
    assert any(line.startswith("SEARCH") for line in explanation.sqlite)
    assert not any(line.startswith("SCAN") for line in explanation.sqlite if "wanted" not in line)


async def test_explanation_tells_what_runs_row_by_row(store: EventStore) -> None:
    """
    A condition that SQL does not decide is named as such, beside the one an index answers.
    """
    explanation = await store.explain(
        "STREAM e FROM events WHERE e.subject == '/a/1' AND LENGTH(e.data.n) > 1 MAP e.id"
    )

    assert str(explanation) == (
        "WHERE e.subject == '/a/1': index events_subject; WHERE LENGTH(e.data.n) > 1: row by row; MAP e.id: row by row"
    )


async def test_time_is_a_search_of_the_log(store: EventStore) -> None:
    """
    A stretch of time is found by position, without an index.
    """
    explanation = await store.explain("STREAM e FROM events WHERE e.time < '2001-01-01T00:00:00Z' MAP COUNT()")

    assert next(part.how for part in explanation.parts) == "search of the log"


async def test_memory_tells_that_it_looks_at_every_event() -> None:
    """
    The store in memory says so where no index of its own serves a query.
    """
    async with InMemoryEventStore() as store:
        explanation = await store.explain("STREAM e FROM events WHERE e.data.n == 1 MAP COUNT()")

    assert {part.how for part in explanation.parts} == {"row by row"}
