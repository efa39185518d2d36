"""
``POST /observe``: history, the seam, what is live, heartbeats and ends.
"""

import asyncio
from typing import Any

import pytest

from tests.server.serving import HEARTBEAT, Served, event, failure, serving


def numbers(events: list[Any]) -> list[int]:
    """
    What they say.
    """
    return [one["data"]["n"] for one in events]


def numbered(*values: int, subject: str = "/a", **members: Any) -> list[dict[str, Any]]:
    """
    Events that say so.
    """
    return [event(subject, data={"n": n}, **members) for n in values]


async def test_headers_and_a_heartbeat_come_at_once(served_each: Served) -> None:
    """
    A client that waits for the answer, and a proxy that waits for a first byte, need not wait for an event.
    """
    async with served_each.observe("/") as observed:
        assert observed.response.status_code == 200
        assert observed.response.headers["content-type"] == "application/x-ndjson"
        assert "content-length" not in observed.response.headers


async def test_heartbeats_go_on() -> None:
    """
    As often as configured, whatever else happens.
    """
    async with serving(heartbeat_s=0.05) as served, served.observe("/") as observed:
        for _ in range(4):
            assert await observed.next_line() == HEARTBEAT
    # Between two of them is as long as configured: here nothing comes before the event.
    async with serving(heartbeat_s=3600) as served, served.observe("/") as observed:
        await served.commit(*numbered(1))
        assert numbers([await observed.next_line()]) == [1]


async def test_without_a_bound_it_is_live_only(served_each: Served) -> None:
    """
    History is not replayed.
    """
    await served_each.commit(*numbered(1, 2))

    async with served_each.observe("/") as observed:
        await served_each.commit(*numbered(3))
        assert numbers(await observed.events(1)) == [3]


async def test_empty_bound_is_no_bound(served: Served) -> None:
    """
    Live as well.
    """
    await served.commit(*numbered(1))

    async with served.observe("/", lowerBound="") as observed:
        await served.commit(*numbered(2))
        assert numbers(await observed.events(1)) == [2]


async def test_from_a_bound_history_comes_first(served_each: Served) -> None:
    """
    Then what is committed, each event once and in order.
    """
    first, _, _ = await served_each.commit(*numbered(1, 2, 3))

    async with served_each.observe("/", lowerBound=first["id"]) as observed:
        assert numbers(await observed.events(2)) == [2, 3]
        await served_each.commit(*numbered(4, 5))
        assert numbers(await observed.events(2)) == [4, 5]
    async with served_each.observe("/", lowerBound=first["id"], includeLowerBoundEvent=True) as observed:
        assert numbers(await observed.events(5)) == [1, 2, 3, 4, 5]


async def test_from_the_start(served_each: Served) -> None:
    """
    Our own option: everything, from the first event on.
    """
    await served_each.commit(*numbered(1, 2))

    async with served_each.observe("/", fromStart=True) as observed:
        await served_each.commit(*numbered(3))
        assert numbers(await observed.events(3)) == [1, 2, 3]


async def test_observing_is_hierarchical_and_keeps_to_segments(served_each: Served) -> None:
    """
    As streaming is, in history and live.
    """
    await served_each.commit(*[event(subject, data={"n": n}) for n, subject in enumerate(["/a", "/a/1", "/ab"])])

    async with served_each.observe("/a", fromStart=True) as observed:
        assert numbers(await observed.events(2)) == [0, 1]
        await served_each.commit(*[event(s, data={"n": n}) for n, s in enumerate(["/ab/1", "/a", "/b", "/a/1/2"])])
        assert numbers(await observed.events(2)) == [1, 3]


async def test_nothing_is_lost_or_doubled_at_the_seam(served_each: Served) -> None:
    """
    Observers come while others commit; each sees a run without a gap.
    """
    (first,) = await served_each.commit(*numbered(0))

    async def commit() -> None:
        for n in range(1, 200):
            await served_each.commit(*numbered(n))

    async def observe(delay_s: float) -> list[int]:
        await asyncio.sleep(delay_s)
        async with served_each.observe("/", lowerBound=first["id"]) as observed:
            return numbers(await observed.events(199))

    committing = asyncio.create_task(commit())
    seen = await asyncio.gather(*[observe(0.02 * number) for number in range(8)])
    await committing

    assert all(found == list(range(1, 200)) for found in seen)


@pytest.mark.parametrize("bound", ["lowerBound", "upperBound"])
async def test_unknown_bound_is_not_found_before_anything_is_sent(served_each: Served, bound: str) -> None:
    """
    With a status, not with a stream that is cut.
    """
    response = await served_each.post("/observe", {"subject": "/", "options": {bound: "no-such-id"}})

    assert failure(response) == (404, "event-not-found")


async def test_upper_bound_ends_the_stream(served_each: Served) -> None:
    """
    It has been committed, or it would not be known: so what lies before it is replayed and that is all.
    """
    first, _, third, _ = await served_each.commit(*numbered(1, 2, 3, 4))

    async with served_each.observe("/", lowerBound=first["id"], upperBound=third["id"]) as observed:
        assert numbers(await observed.events(1)) == [2]
        assert await observed.next_event() is None
    options = {"fromStart": True, "upperBound": third["id"], "includeUpperBoundEvent": True}
    async with served_each.observe("/", **options) as observed:
        assert numbers(await observed.events(3)) == [1, 2, 3]
        assert await observed.next_event() is None
    async with served_each.observe("/", upperBound=third["id"]) as observed:
        # Live only, and the bound is past.
        assert await observed.next_event() is None


async def test_latest_by_event_type_replays_the_latest_and_then_sends_each(served_each: Served) -> None:
    """
    Each new one is the latest of its subject.
    """
    await served_each.commit(*numbered(1), *numbered(2, subject="/b"), *numbered(3), *numbered(4, type="io.other"))

    kind = "io.example.opened"
    async with served_each.observe("/", fromStart=True, latestByEventType=kind) as observed:
        assert numbers(await observed.events(2)) == [2, 3]
        await served_each.commit(*numbered(5), *numbered(6, type="io.other"), *numbered(7))
        assert numbers(await observed.events(2)) == [5, 7]
    async with served_each.observe("/", latestByEventType=kind) as observed:
        await served_each.commit(*numbered(8, type="io.other"), *numbered(9))
        assert numbers(await observed.events(1)) == [9]


async def test_observer_on_an_empty_store(served_each: Served) -> None:
    """
    There is no event to begin behind; the first one comes all the same.
    """
    async with served_each.observe("/") as observed:
        await served_each.commit(*numbered(1))
        assert numbers(await observed.events(1)) == [1]


async def test_observer_that_left_is_noticed(served: Served) -> None:
    """
    Nothing goes on for it.
    """
    tasks = asyncio.all_tasks()
    async with served.observe("/"), served.observe("/a"):
        assert len(asyncio.all_tasks()) > len(tasks)
    async with asyncio.timeout(20):
        # Two connections stay open behind the client, each without a task.
        while len(asyncio.all_tasks()) > len(tasks):  # noqa: ASYNC110  nobody tells when a task is gone
            await asyncio.sleep(0.01)


async def test_reading_never_waits_for_observers(served: Served) -> None:
    """
    A hundred observers, then as many events as they can count.
    """
    async with asyncio.TaskGroup() as group:
        ready = asyncio.Barrier(101)

        async def observe() -> None:
            async with served.observe("/") as observed:
                await ready.wait()
                assert numbers(await observed.events(30)) == list(range(30))

        for _ in range(100):
            group.create_task(observe())
        await ready.wait()
        for n in range(30):
            await served.commit(*numbered(n))
