"""
The specification of the query language, run against the stores.
"""

from __future__ import annotations

import re
from pathlib import Path  # noqa: TC003  pytest reads the annotations
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from eventsource import EventStore, NewEvent, QueryHolds
from eventsource.errors import PreconditionFailedError
from eventsource.gdbql import to_instant
from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from tests.gdbql.case_files import Case, check_rows, check_truth, load_cases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def is_storable(case: Case) -> bool:
    """
    Whether its events can be committed as they are: data are objects, subjects lie below the root, times grow.
    """
    times = [instant.ns for event in case.events if (instant := to_instant(event["time"]))]
    return (
        all(isinstance(event["data"], dict) and event["subject"] != "/" for event in case.events)
        and len(times) == len(case.events)
        and times == sorted(set(times))
        # A store writes nine digits and Z.
        and all(re.fullmatch(r".*\.\d{9}Z", event["time"]) for event in case.events)
    )


CASES = [case for case in load_cases() if is_storable(case)]
STORES: dict[str, Callable[..., EventStore]] = {
    "memory": lambda _path, **options: InMemoryEventStore(**options),
    "embedded": lambda path, **options: EmbeddedEventStore(path / "cases.db", **options),
}


async def commit_events(store: EventStore, events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """
    Commit the events of a case; returns them as they are stored.
    """
    for event in events:
        await store.commit([NewEvent(**{name: event[name] for name in ("subject", "type", "source", "data")})])
    return [event.to_cloud_event() async for event in store.stream()]


def open_store(kind: str, path: Path, case: Case) -> EventStore:
    """
    A store that gives the events of *case* the times and ids stated there.
    """
    times: Iterator[int] = (instant.ns for event in case.events if (instant := to_instant(event["time"])))
    ids = (event["id"] for event in case.events)
    return STORES[kind](path, clock=lambda: next(times), new_id=lambda: next(ids))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("kind", STORES)
async def test_store_gives_the_rows_of_the_case(kind: str, case: Case, tmp_path: Path) -> None:
    """
    A store gives the rows, or the error, that the case states.
    """
    async with open_store(kind, tmp_path, case) as store:
        stored = await commit_events(store, case.events)
        rows: list[Any] = []
        failure: Exception | None = None
        try:
            rows = [row async for row in store.query(case.query)]
        except Exception as error:  # noqa: BLE001  whatever comes is compared with what is stated
            failure = error

    def answer(_text: str, _events: object) -> list[Any]:
        if failure is not None:
            raise failure
        return rows

    check_rows(attrs.evolve(case, events=stored), answer)


@pytest.mark.parametrize("case", [case for case in CASES if case.truth is not None], ids=lambda case: case.name)
@pytest.mark.parametrize("kind", STORES)
async def test_store_decides_the_precondition_of_the_case(kind: str, case: Case, tmp_path: Path) -> None:
    """
    A commit guarded by the query is accepted or refused as the case states.
    """
    async with open_store(kind, tmp_path, attrs.evolve(case, events=[*case.events, LAST])) as store:
        await commit_events(store, case.events)
        accepted = True
        try:
            await store.commit([NewEvent(subject="/last", type="last", data={})], [QueryHolds(case.query)])
        except PreconditionFailedError:
            accepted = False

    check_truth(case, lambda _text, _events: accepted)


LAST = {"time": "2100-01-01T00:00:00.000000000Z", "id": "00000000-0000-4000-8000-999999999999"}
