"""
Subscriptions: everything from a checkpoint on, from the store the checkpoint belongs to.
"""

from collections.abc import AsyncGenerator
from pathlib import Path

import attrs
import pytest

from eventsource import EventStore, NewEvent, RecordedEvent, connect
from eventsource.errors import EventNotFoundError
from eventsource.subscriptions import Checkpoint, find_event, subscribe
from eventsource.subscriptions.checkpoint import START


@pytest.fixture(params=["memory", "embedded"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[EventStore]:
    """
    Each kind of store in turn, with five events.
    """
    opened: EventStore = connect("memory:" if request.param == "memory" else f"sqlite:{tmp_path / 'store.db'}")
    async with opened:
        await opened.commit([new(subject) for subject in ("/a/1", "/b/1", "/a/2", "/a/1", "/b/2")])
        yield opened


def new(subject: str) -> NewEvent:
    """
    An event there.
    """
    return NewEvent(subject=subject, type="io.example.test.subscriptions.noted", data={})


def checkpoint_at(recorded: RecordedEvent) -> Checkpoint:
    """
    The checkpoint of a listener that has finished this event.
    """
    return Checkpoint(event_id=recorded.id, event_hash=recorded.hash, position=recorded.position, events=1)


async def read(store: EventStore, subject: str, checkpoint: Checkpoint, count: int) -> list[int]:
    """
    The positions of the first so many events of a subscription.
    """
    stream = await subscribe(store, subject, checkpoint)
    assert stream is not None
    positions: list[int] = []
    async for recorded in stream:
        positions.append(recorded.position)
        if len(positions) == count:
            break
    await stream.aclose()
    return positions


async def test_event_is_found_by_its_id(store: EventStore) -> None:
    """
    Any event of the store can be looked up.
    """
    async for recorded in store.stream():
        assert await find_event(store, recorded.id) == recorded


async def test_event_that_is_not_there_is_an_error(store: EventStore) -> None:
    """
    The error names the id.
    """
    with pytest.raises(EventNotFoundError) as excinfo:
        await find_event(store, "no-such-event")

    assert excinfo.value.event_id == "no-such-event"


async def test_subscription_starts_with_the_first_event(store: EventStore) -> None:
    """
    From the start on, everything under the subject comes, and nothing else.
    """
    assert await read(store, "/a", START, 3) == [1, 3, 4]


async def test_subscription_goes_on_behind_the_checkpoint(store: EventStore) -> None:
    """
    What is finished does not come again; what is committed later does.
    """
    first, *_ = [recorded async for recorded in store.stream()]
    await store.commit([new("/a/3")])

    assert await read(store, "/a", checkpoint_at(first), 3) == [3, 4, 6]


async def test_checkpoint_whose_event_is_missing_does_not_fit(store: EventStore) -> None:
    """
    There is no subscription from an event the store does not have.
    """
    assert await subscribe(store, "/", attrs.evolve(START, event_id="no-such-event")) is None


async def test_checkpoint_whose_event_differs_does_not_fit(store: EventStore) -> None:
    """
    There is no subscription from an event that has another history behind it.
    """
    first, *_ = [recorded async for recorded in store.stream()]

    assert await subscribe(store, "/", attrs.evolve(checkpoint_at(first), event_hash="0" * 64)) is None


@pytest.mark.parametrize("kind", ["memory", "embedded"])
async def test_a_checkpoint_at_an_id_that_comes_twice_is_told_by_its_hash(kind: str, tmp_path: Path) -> None:
    """
    In a log restored from another kind of store a listener goes on behind its own event, wherever it was.
    """
    items = [
        {
            "source": "s",
            "subject": f"/a/{n % 2}",
            "type": "io.example.test.subscriptions.noted",
            "specversion": "1.0",
            "id": "first" if n == 0 else "twice" if n % 2 else f"id-{n}",
            "time": f"2026-01-01T00:00:0{n}Z",
            "datacontenttype": "application/json",
            "predecessorhash": f"{n:064x}",
            "data": {"n": n},
            "hash": f"{n + 1:064x}",
        }
        for n in range(6)
    ]
    async with connect("memory:" if kind == "memory" else f"sqlite:{tmp_path / 'other.db'}") as restored:
        await restored.restore(items)
        events = [event async for event in restored.stream()]
        await restored.commit([new("/a/0")])

        for reached in events:
            expected = list(range(reached.position + 1, 8))
            assert await read(restored, "/", checkpoint_at(reached), len(expected)) == expected
        elsewhere = attrs.evolve(checkpoint_at(events[1]), event_hash="f" * 64)
        assert await subscribe(restored, "/", elsewhere) is None
