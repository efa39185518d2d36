"""
Answers that are not what was asked for, and answers that do not come: an error by name in each case, never silence.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from eventsource import CommitOutcomeUnknownError, EventSourceError, SubjectIsNew
from eventsource.errors import DamagedLineError, PreconditionFailedError, StoreUnavailableError
from eventsource.genesisdb import Client, Limits
from eventsource.store.genesisdb import GenesisDBEventStore
from tests.genesisdb.stub import Request, Talk, event, lines, serving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

QUICK = Limits(read_s=0.3, connect_s=5, liveness_s=0.3, pool_s=0.3, tries=2, commit_tries=2)
NOTED: dict[str, Any] = {"source": "s", "subject": "/a", "type": "t", "data": {"secret": "hunter2"}}
PAGE = "<!doctype html>\n<p>Sign in</p>\n"

ANSWERS = {
    "a page": (PAGE, "text/html; charset=utf-8"),
    "a page that says it is text": (PAGE, "text/plain"),
    "a page on one line": ("<p>Sign in</p>", "text/plain"),
    "an empty page": ("", "text/html"),
    "an array": (json.dumps([event(1)]), "application/json"),
    "an array with a line end": (json.dumps([event(1)]) + "\n", "application/json"),
    "an object that is no event": ('{"count": 7}\n', "application/x-ndjson"),
    "an error behind an event": (lines(event(1)) + '{"error": "hunter2"}\n', "application/x-ndjson"),
    "an error without a line end": ('{"error": "no"}', "application/json"),
    "an error over several lines": ('{\n  "error": "no"\n}\n', "application/json"),
    "a number": ("7\n", "application/json"),
    "a truncated line": (lines(event(1))[:-9], "application/x-ndjson"),
    "an image": (b"\x89PNG\r\n", "image/png"),
}


def answering(body: str | bytes, media_type: str) -> Callable[[Request, Talk], Awaitable[None]]:
    """
    A server with one answer to everything.
    """

    async def answer(_: Request, talk: Talk) -> None:
        await talk.answer(body, headers=f"content-type: {media_type}\r\n")

    return answer


@pytest.mark.parametrize(("body", "media_type"), ANSWERS.values(), ids=list(ANSWERS))
async def test_an_answer_of_another_kind_is_an_error(body: str | bytes, media_type: str) -> None:
    """
    Reading and observing say so, with a history and without, and quote nothing of the events.
    """
    async with (
        serving(answering(body, media_type)) as stub,
        Client(stub.url, limits=QUICK) as client,
        GenesisDBEventStore(stub.url, limits=QUICK) as store,
    ):

        async def observe(options: dict[str, Any] | None = None) -> None:
            async for _ in client.observe_events("/a", options):
                pass

        async def observe_store(*, from_now: bool) -> None:
            async for _ in store.observe("/a", from_now=from_now):
                pass

        async def stream_store() -> None:
            async for _ in store.stream("/a"):
                pass

        async with asyncio.timeout(60):
            for asked in (
                client.stream_events("/a"),
                observe(),
                observe({"lower_bound": "id-0"}),
                observe({"lower_bound": "id-0", "upper_bound": "id-9"}),
                observe_store(from_now=True),
                observe_store(from_now=False),
                stream_store(),
            ):
                with pytest.raises(DamagedLineError) as refused:
                    await asked
                assert "hunter2" not in str(refused.value)


ADMINISTRATION: dict[str, Callable[[Client], Awaitable[object]]] = {
    "status": lambda client: client.status(),
    "subjects": lambda client: client.subjects(),
    "types": lambda client: client.types(),
    "schemas": lambda client: client.schemas(),
    "indexes": lambda client: client.indexes(),
    "ping": lambda client: client.ping(),
    "audit": lambda client: client.audit(),
    "erase": lambda client: client.erase_data("/a"),
    "query": lambda client: client.q("STREAM e FROM events"),
}


@pytest.mark.parametrize("ask", ADMINISTRATION.values(), ids=list(ADMINISTRATION))
async def test_a_page_is_no_answer_to_anything(ask: Callable[[Client], Awaitable[object]]) -> None:
    """
    A web application that answers each path with its page and 200 is not taken for a Genesis DB.
    """
    async with serving(answering(PAGE, "text/html")) as stub, Client(stub.url, limits=QUICK) as client:
        with pytest.raises(DamagedLineError, match="text/html"):
            await ask(client)


@pytest.mark.parametrize("body", ["7", '"text"', "[1, 2]", '[{"x": 1}, 3]', '{"subjects": 3, "indexes": {}}'])
async def test_a_list_of_other_things_is_an_error(body: str) -> None:
    """
    Subjects, schemas and indexes are never made up of something else.
    """
    async with serving(answering(body, "application/json")) as stub, Client(stub.url, limits=QUICK) as client:
        with pytest.raises(DamagedLineError):
            await client.indexes()
        if body.startswith(("[", "7")):
            with pytest.raises(DamagedLineError):
                await client.schemas()
            with pytest.raises(DamagedLineError):
                await client.subjects()


@pytest.mark.parametrize(
    ("body", "media_type"),
    [(PAGE, "text/html"), ('{"error": "no space"}', "application/json"), ('{"success": false}', "application/json")],
    ids=["a page", "an error", "no success"],
)
async def test_a_commit_that_is_answered_otherwise_is_unknown(body: str, media_type: str) -> None:
    """
    200 with something else than Genesis DB's answer does not say that the events are stored.
    """
    async with serving(answering(body, media_type)) as stub, Client(stub.url, limits=QUICK) as client:
        with pytest.raises(CommitOutcomeUnknownError):
            await client.commit_events([NOTED])


async def never(_: Request, __: Talk) -> None:
    """
    Take a request, and say nothing.
    """
    await asyncio.Event().wait()


async def half_a_head(_: Request, talk: Talk) -> None:
    """
    Stop within the head of the answer.
    """
    await talk.send("HTTP/1.1 200 OK\r\ncontent-ty")
    await asyncio.Event().wait()


async def only_a_head(_: Request, talk: Talk) -> None:
    """
    Stop behind the head.
    """
    await talk.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")
    await asyncio.Event().wait()


async def half_a_body(_: Request, talk: Talk) -> None:
    """
    Stop within the body.
    """
    await talk.send('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"id": ')
    await asyncio.Event().wait()


@pytest.mark.parametrize("behave", [never, half_a_head, only_a_head, half_a_body], ids=lambda each: each.__name__)
async def test_a_server_that_falls_silent_is_an_error(behave: Callable[[Request, Talk], Awaitable[None]]) -> None:
    """
    Whatever part of an answer came, reading ends with an error, and a commit is unknown unless its status came.
    """
    async with serving(behave) as stub, Client(stub.url, limits=QUICK) as client, asyncio.timeout(60):
        with pytest.raises(StoreUnavailableError):
            await client.stream_events("/a")
        with pytest.raises(StoreUnavailableError):
            await client.status()
        with pytest.raises(StoreUnavailableError):
            await client.audit()
        if behave in (never, half_a_head):
            with pytest.raises(CommitOutcomeUnknownError):
                await client.commit_events([NOTED])
        else:
            assert await client.commit_events([NOTED]) == []


async def test_a_full_pool_is_an_error_and_nothing_was_sent() -> None:
    """
    A commit that gets no connection in time was not made, and says so.
    """
    asked = asyncio.Event()

    async def silent(_: Request, __: Talk) -> None:
        asked.set()
        await asyncio.Event().wait()

    limits = Limits(read_s=60, pool_s=0.2, tries=1, commit_tries=1)
    async with serving(silent) as stub:
        client = Client(stub.url, limits=limits, max_connections=1)
        holding = asyncio.create_task(client.status())
        await asked.wait()
        with pytest.raises(StoreUnavailableError):
            await client.commit_events([NOTED])
        holding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holding
        await client.aclose()
        assert len(stub.requests) == 1


@pytest.mark.parametrize("host", ["nothing.invalid", "127.0.0.1:9"])
async def test_a_server_that_is_not_found_is_an_error(host: str) -> None:
    """
    A name that no DNS knows and a port where nothing listens: nothing was sent.
    """
    async with Client(f"http://{host}", limits=QUICK) as client, asyncio.timeout(60):
        with pytest.raises(StoreUnavailableError):
            await client.commit_events([NOTED])


@pytest.mark.parametrize(
    "url", ["http://" + "a" * 70 + ".example", "http://a..example", "http://a:70000", "http://a:0"]
)
def test_a_host_or_port_that_cannot_be_is_refused(url: str) -> None:
    """
    At construction, by name.
    """
    with pytest.raises(EventSourceError, match="not a store URL"):
        Client(url)


async def test_a_time_limit_around_a_commit_leaves_an_unknown_outcome() -> None:
    """
    The limit ends it, its cause says that the commit may be stored, and `resolve` finds out.
    """
    stored: dict[str, int] = {}
    is_silent = True

    async def keeping(request: Request, talk: Talk) -> None:
        key = request.headers["idempotency-key"]
        number = stored.setdefault(key, len(stored) + 1)
        if is_silent:
            await asyncio.Event().wait()
        await talk.answer(json.dumps({"events": [event(number)]}), headers=f"idempotency-key: {key}\r\n")

    async with serving(keeping) as stub, GenesisDBEventStore(stub.url) as store:
        client = store.client
        with pytest.raises(TimeoutError) as limit:
            async with asyncio.timeout(0.2):
                await client.commit_events([NOTED], [SubjectIsNew("/a")])
        waited = asyncio.create_task(asyncio.wait_for(client.commit_events([NOTED], [SubjectIsNew("/a")]), 0.2))
        with pytest.raises(TimeoutError) as other_limit:
            await waited

        doubts = [CommitOutcomeUnknownError.behind(ended) for ended in (limit.value, other_limit.value)]
        assert all("may or may not have been stored" in str(doubt) for doubt in doubts)
        is_silent = False
        doubt = doubts[0]
        assert doubt is not None
        found = await client.resolve(doubt)
        assert found is not None
        assert len(found) == 1


async def test_a_cancelled_commit_is_cancelled_and_unknown() -> None:
    """
    The task counts as cancelled, its error says what it means, and its connection is not used again.
    """
    asked = asyncio.Event()

    async def silent_once(request: Request, talk: Talk) -> None:
        if not asked.is_set():
            asked.set()
            await asyncio.Event().wait()
        await talk.answer(request.body + b"\n")

    async with serving(silent_once) as stub, Client(stub.url, max_connections=1) as client:
        task = asyncio.create_task(client.commit_events([NOTED]))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError, match="may or may not have been stored") as cancelled:
            await task

        assert task.cancelled()
        assert CommitOutcomeUnknownError.behind(cancelled.value) is not None
        assert "hunter2" not in str(cancelled.value)
        assert await client.q("next") == [{"query": "next"}]
        assert stub.connections == 2


async def test_an_error_without_a_commit_hides_no_outcome() -> None:
    """
    A time limit around reading is no unknown commit.
    """
    async with serving(never) as stub, Client(stub.url) as client:
        with pytest.raises(TimeoutError) as limit:
            async with asyncio.timeout(0.1):
                await client.status()

    assert CommitOutcomeUnknownError.behind(limit.value) is None


async def test_the_log_says_that_the_server_is_back(caplog: pytest.LogCaptureFixture) -> None:
    """
    Each `observe.reconnecting` is followed by `observe.reconnected` before anything else is tried.
    """
    asked = 0

    async def coming_and_going(request: Request, talk: Talk) -> None:
        nonlocal asked
        if not request.path.endswith("/observe"):
            await talk.answer("")
            return
        asked += 1
        await talk.begin()
        await talk.chunk(lines(event(asked)))
        if asked < 4:
            talk.cut()
        else:
            await asyncio.Event().wait()

    with caplog.at_level(logging.INFO, logger="eventsource"):
        async with serving(coming_and_going) as stub, Client(stub.url) as client:
            observing = client.observe_events("/a", {"lower_bound": "id-0"})
            found = [(await anext(observing)).id for _ in range(4)]
            await observing.aclose()

    assert found == [f"id-{number}" for number in range(1, 5)]
    told = [record.getMessage().split(" ")[0] for record in caplog.records if "observe.reconn" in record.getMessage()]
    assert told == ["observe.reconnecting", "observe.reconnected"] * 3


async def test_which_precondition_failed_is_told() -> None:
    """
    With dictionaries and objects mixed the refusal has the place, the type and the words of the server.
    """
    told: dict[str, Any] = {"error": "known already", "precondition": {"index": 1, "type": "isSubjectNew"}}

    async def refuse(_: Request, talk: Talk) -> None:
        await talk.answer(json.dumps(told), status="412 Precondition Failed")

    new = {"type": "isSubjectNew", "payload": {"subject": "/taken"}}
    future: dict[str, Any] = {"type": "isSomethingOfTheFuture", "payload": {}}
    async with serving(refuse) as stub, Client(stub.url) as client:
        with pytest.raises(PreconditionFailedError, match="known already") as refused:
            await client.commit_events([NOTED], [SubjectIsNew("/fresh"), new])
        with pytest.raises(PreconditionFailedError) as unknown:
            await client.commit_events([NOTED], [future])

    assert (refused.value.index, refused.value.type, refused.value.subject) == (1, "isSubjectNew", "/taken")
    assert refused.value.text == "known already"
    assert (unknown.value.index, unknown.value.precondition) == (0, "isSomethingOfTheFuture")
