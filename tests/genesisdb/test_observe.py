"""
Observing: each event once and in order, whatever happens to the connection.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from eventsource.errors import (
    DamagedLineError,
    EventNotFoundError,
    StoreClosedError,
    StoreUnavailableError,
    UnauthenticatedError,
)
from eventsource.genesisdb import Client, Limits
from eventsource.store.genesisdb import GenesisDBEventStore
from eventsource.testing.contract.chance import rounds
from tests.genesisdb.stub import Request, Talk, event, lines, serving

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncGenerator, AsyncIterator

    from eventsource.store.interface import EventStream, Page

QUICK = Limits(liveness_s=0.2, read_s=1, connect_s=1, tries=2)
HEARTBEAT = '{"payload":""}\n'


class Log:
    """
    A log that is streamed, queried for its newest event and observed; *misbehave* may break off an observation.

    Attributes:
        is_observed: Whether a live stream is open: what is added from now on comes.

        observers: How many were opened; each of them sets *has_observer*.
    """

    def __init__(self, rng: random.Random | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        self.is_observed = asyncio.Event()
        self.has_observer = asyncio.Event()
        self.observers = 0
        self._rng = rng
        self._grown = asyncio.Event()

    def add(self, count: int = 1) -> None:
        """
        Commit events.
        """
        for _ in range(count):
            self.events.append(event(len(self.events) + 1, data={"text": "Zürich 😀"}))
        self._grown.set()
        self._grown = asyncio.Event()

    async def __call__(self, request: Request, talk: Talk) -> None:
        """
        Answer one request.
        """
        if request.path.endswith("/q"):
            await talk.answer(lines(*self.events[-1:]))
            return
        bound = (request.json().get("options") or {}).get("lowerBound")
        place = 0
        if bound is not None:
            ids = [stored["id"] for stored in self.events]
            if bound not in ids:
                details = {"error": "no", "code": "event-not-found", "details": {"event_id": bound}}
                await talk.answer(json.dumps(details), status="404 Not Found")
                return
            place = ids.index(bound) + 1
        if request.path.endswith("/stream"):
            await talk.answer(lines(*self.events[place:]))
        else:
            await self._observe(talk, place if bound is not None else len(self.events))

    async def _observe(self, talk: Talk, place: int) -> None:
        await talk.begin()
        await talk.chunk(HEARTBEAT)
        self.is_observed.set()
        self.observers += 1
        self.has_observer.set()
        while True:
            text = lines(*self.events[place:]).encode() or HEARTBEAT.encode()
            place = len(self.events)
            if self._rng is not None and self._rng.random() < 0.4:
                # Anywhere, within a line and within a character too.
                await talk.chunk(text[: self._rng.randrange(1, len(text) + 1)])
                if self._rng.random() < 0.3:
                    await talk.chunk("")
                talk.cut()
                return
            await talk.chunk(text)
            try:
                async with asyncio.timeout(0.05):
                    await self._grown.wait()
            except TimeoutError:
                pass


async def take(events: AsyncIterator[Any], count: int) -> list[str]:
    """
    The ids of the first events.
    """
    found: list[str] = []
    async with asyncio.timeout(60):
        async for each in events:
            found.append(each["id"])
            if len(found) == count:
                break
    return found


async def take_ids(stream: EventStream, count: int) -> list[str]:
    """
    The ids of the first events of a store's stream.
    """
    return await take_from(stream.pages(), count)


async def take_from(pages: AsyncGenerator[Page], count: int) -> list[str]:
    """
    The ids of the first events of pages.
    """
    found: list[str] = []
    async with asyncio.timeout(60), aclosing(pages):
        async for page in pages:
            found += [each.id for each in page.events]
            if len(found) >= count:
                break
    return found[:count]


def ids(first: int, last: int) -> list[str]:
    """
    Those of events *first* to *last*.
    """
    return [f"id-{number}" for number in range(first, last + 1)]


async def test_without_a_bound_only_what_follows_comes() -> None:
    """
    As with Genesis DB itself the live stream is opened first, without a bound.
    """
    log = Log()
    log.add(3)
    async with serving(log) as stub, Client(stub.url, limits=QUICK) as client:
        seen = asyncio.create_task(take(client.observe_events("/a"), 2))
        await log.is_observed.wait()
        log.add(2)

        assert await seen == ids(4, 5)
        assert stub.requests[0].path.endswith("/observe")
        assert stub.of("/observe")[0].json() == {"subject": "/a"}


async def test_a_lower_bound_gives_what_lies_behind_it_and_what_follows() -> None:
    """
    History and live stream are one.
    """
    log = Log()
    log.add(5)
    async with serving(log) as stub, Client(stub.url, limits=QUICK) as client:
        seen = asyncio.create_task(take(client.observe_events("/a", {"lower_bound": "id-2"}), 5))
        await log.is_observed.wait()
        log.add(2)

        assert await seen == ids(3, 7)


async def test_an_event_committed_between_history_and_live_stream_is_not_lost() -> None:
    """
    Whoever reads history first gets the first event of an empty store at whatever moment of the opening it comes.
    """
    for moment in ("/stream", "/observe"):
        for before in (True, False):
            log = Log()
            is_first = True

            async def behave(
                request: Request, talk: Talk, log: Log = log, moment: str = moment, *, before: bool = before
            ) -> None:
                nonlocal is_first
                is_the_moment = is_first and request.path.endswith(moment)
                if is_the_moment:
                    is_first = False
                if is_the_moment and before:
                    log.add()
                if is_the_moment and not before:
                    asyncio.get_running_loop().call_soon(log.add)
                await log(request, talk)

            async with serving(behave) as stub, GenesisDBEventStore(stub.url, limits=QUICK) as store:
                assert await take_ids(store.observe("/a"), 1) == ["id-1"]


@pytest.mark.parametrize(
    "queries", ["are not known", "give something else", "give an event of elsewhere", "give events"]
)
@pytest.mark.parametrize("count", [0, 3])
async def test_a_connection_lost_before_the_first_event_loses_none(queries: str, count: int) -> None:
    """
    What is committed while the first connection is gone comes by the next, whatever the server knows of queries.
    """
    log = Log()
    log.add(count)
    cut, asked = asyncio.Event(), 0

    async def cutting_once(request: Request, talk: Talk) -> None:
        nonlocal asked
        if request.path.endswith("/q") and queries != "give events":
            match queries:
                case "are not known":
                    await talk.answer("404 page not found", status="404 Not Found")
                case "give something else":
                    await talk.answer('{"count": 7}\n')
                case _:
                    await talk.answer(lines(event(99, subject="/elsewhere")))
            return
        asked += request.path.endswith("/observe")
        if request.path.endswith("/observe") and asked == 1:
            await talk.begin()
            await talk.chunk(HEARTBEAT)
            await cut.wait()
            talk.cut()
            return
        await log(request, talk)

    async with serving(cutting_once) as stub, GenesisDBEventStore(stub.url, limits=QUICK) as store:
        pages = store.observe("/a", from_now=True).pages()
        begun = await anext(pages)
        assert (begun.events, begun.caught_up) == ((), True)
        log.add(2)
        cut.set()
        found: list[str] = []
        async with asyncio.timeout(60):
            while len(found) < 2:
                found += [each.id for each in (await anext(pages)).events]
        await pages.aclose()

        assert found == ids(count + 1, count + 2)


async def test_connections_cut_at_random_lose_and_repeat_nothing(rng: random.Random) -> None:
    """
    Cut within lines and characters, ended in good order, again and again: each event comes once, in order.
    """
    for _ in range(rounds(6, 200)):
        log = Log(rng)
        log.add(rng.choice([0, 1, 10]))
        async with serving(log) as stub, GenesisDBEventStore(stub.url, limits=QUICK) as store:
            first = len(log.events) + 1
            pages = store.observe("/a", from_now=True).pages()
            # From here on nothing may be lost.
            await anext(pages)
            seen = asyncio.create_task(take_from(pages, 40))
            while not seen.done():
                log.add(rng.randrange(4))
                await asyncio.sleep(rng.choice([0, 0.005]))

            assert await seen == ids(first, first + 39)


async def test_silence_beyond_the_limit_is_a_lost_connection() -> None:
    """
    A server that says nothing, not even that it is alive, is asked again.
    """
    log = Log()
    log.add(2)
    asked = 0

    async def silent_once(request: Request, talk: Talk) -> None:
        nonlocal asked
        if request.path.endswith("/observe"):
            asked += 1
            if asked == 1:
                await talk.begin()
                await asyncio.Event().wait()
        await log(request, talk)

    async with serving(silent_once) as stub, Client(stub.url, limits=QUICK) as client:
        seen = asyncio.create_task(take(client.observe_events("/a"), 1))
        await log.is_observed.wait()
        log.add()

        assert await seen == ["id-3"]
        assert asked >= 2


async def test_silence_with_heartbeats_is_none() -> None:
    """
    As long as the server says that it is alive nothing is opened again.

    Each heartbeat is sent when the one before it was counted, so a machine that stalls is no silence.
    """
    beats = 0

    async def beating(request: Request, talk: Talk) -> None:
        nonlocal beats
        if not request.path.endswith("/observe"):
            await talk.answer("")
            return
        await talk.begin()
        while beats < 20:
            beats += 1
            await talk.chunk(HEARTBEAT)
            await asyncio.sleep(0.1)
        await talk.chunk(lines(event(1)))
        await asyncio.Event().wait()

    # Together the heartbeats last longer than the limit, and two of them are far closer than it.
    limits = Limits(liveness_s=1.5, read_s=30, connect_s=30)
    async with serving(beating) as stub, Client(stub.url, limits=limits) as client:
        assert await take(client.observe_events("/a"), 1) == ["id-1"]


async def test_a_busy_server_is_asked_again_after_what_it_says() -> None:
    """
    503 with Retry-After during a restart is waited out.
    """
    log = Log()
    log.add()
    asked: list[float] = []

    async def restarting(request: Request, talk: Talk) -> None:
        if request.path.endswith("/observe"):
            asked.append(asyncio.get_running_loop().time())
            if len(asked) == 1:
                await talk.answer(status="503 Service Unavailable", headers="retry-after: 1\r\n")
                return
        await log(request, talk)

    async with serving(restarting) as stub, Client(stub.url, limits=QUICK) as client:
        seen = asyncio.create_task(take(client.observe_events("/a"), 1))
        await log.is_observed.wait()
        log.add()

        assert await seen == ["id-2"]
        assert asked[1] - asked[0] >= 1


async def test_a_damaged_line_ends_it_with_its_number() -> None:
    """
    What cannot be read is not skipped.
    """
    log = Log()

    async def damaged(request: Request, talk: Talk) -> None:
        if request.path.endswith("/observe"):
            await talk.begin()
            await talk.chunk(HEARTBEAT + lines(event(1)) + '{"id": "secret\n')
        else:
            await log(request, talk)

    async with serving(damaged) as stub, Client(stub.url, limits=QUICK) as client:
        with pytest.raises(DamagedLineError) as failure:
            await take(client.observe_events("/a"), 2)

        assert failure.value.line >= 2
        assert "secret" not in str(failure.value)


async def test_an_unknown_bound_and_a_wrong_token_are_errors() -> None:
    """
    They would be the same at every try.
    """
    log = Log()
    async with serving(log) as stub, Client(stub.url, limits=QUICK) as client:
        with pytest.raises(EventNotFoundError):
            await take(client.observe_events("/a", {"lower_bound": "nobody"}), 1)

    async def locked(_: Request, talk: Talk) -> None:
        await talk.answer("no", status="401 Unauthorized")

    async with serving(locked) as stub, Client(stub.url, limits=QUICK) as client:
        with pytest.raises(UnauthenticatedError):
            await take(client.observe_events("/a"), 1)


async def test_a_server_that_was_never_there_is_an_error() -> None:
    """
    At the start it is more likely a wrong address than a restart.
    """
    async with Client("http://127.0.0.1:9", limits=QUICK) as client:
        with pytest.raises(StoreUnavailableError):
            await take(client.observe_events("/a"), 1)


async def test_closing_the_client_ends_a_waiting_observer() -> None:
    """
    It does not wait for ever, nor try again.
    """
    log = Log()
    log.add()
    async with serving(log) as stub, Client(stub.url, limits=QUICK) as client:
        seen = asyncio.create_task(take(client.observe_events("/a"), 1))
        await log.is_observed.wait()
        await client.aclose()

        with pytest.raises(StoreClosedError):
            await seen


async def test_observers_take_no_place_of_commits() -> None:
    """
    More observers than connections are allowed: requests go on.
    """
    log = Log()
    log.add()
    async with serving(log) as stub, Client(stub.url, limits=QUICK, max_connections=2) as client:
        observers = [asyncio.create_task(take(client.observe_events("/a"), 1)) for _ in range(10)]
        async with asyncio.timeout(60):
            while log.observers < 10:
                await log.has_observer.wait()
                log.has_observer.clear()

        assert len(await client.stream_events("/a")) == 1
        log.add()
        assert await asyncio.gather(*observers) == [["id-2"]] * 10


class AwayForAWhile(Log):
    """
    A log that cuts its first observation, and then does not stream for a while.
    """

    def __init__(self) -> None:
        super().__init__()
        self.observed = self.streamed = 0
        self.is_streamed_again = asyncio.Event()

    async def __call__(self, request: Request, talk: Talk) -> None:
        """
        Answer one request, or cut it.
        """
        self.streamed += request.path.endswith("/stream")
        self.observed += request.path.endswith("/observe")
        if self.streamed >= 8:
            self.is_streamed_again.set()
        if request.path.endswith("/stream") and 2 < self.streamed < 8:
            talk.cut()
        elif request.path.endswith("/observe") and self.observed == 1:
            await talk.begin()
            await talk.chunk(HEARTBEAT)
            talk.cut()
        else:
            await super().__call__(request, talk)


async def test_observer_of_an_empty_stream_waits_where_history_cannot_be_read_again() -> None:
    """
    Once it has begun, a server that goes away is waited for, also while there is no event yet to go on behind.
    """
    log = AwayForAWhile()
    async with serving(log) as stub, GenesisDBEventStore(stub.url, limits=QUICK) as store:

        async def first() -> str:
            async for recorded in store.observe("/a"):
                return recorded.id
            return ""

        seen = asyncio.create_task(first())
        async with asyncio.timeout(60):
            await log.is_streamed_again.wait()
        log.add()

        async with asyncio.timeout(60):
            assert await seen == "id-1"
