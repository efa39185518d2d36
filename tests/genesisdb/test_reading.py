"""
Reading: streams, queries and all that is asked for once.
"""

from __future__ import annotations

import copy
import itertools
import json
import pickle
from typing import Any

import httpx
import pytest

from eventsource.errors import (
    AnswerTooLargeError,
    DamagedLineError,
    InvalidStoreUrlError,
    NotSupportedError,
    RequestRefusedError,
    StoreClosedError,
    StoreUnavailableError,
)
from eventsource.genesisdb import Client, Event, Limits
from eventsource.genesisdb.settings import Settings
from tests.genesisdb.stub import Request, Talk, event, lines, serving

TOKEN = "s3cret!"  # noqa: S105  nobody's
QUICK = Limits(read_s=0.5, connect_s=1, tries=3)


def always(body: str | bytes, status: str = "200 OK") -> Any:
    """
    A server that has one answer.
    """

    async def answer(_: Request, talk: Talk) -> None:
        await talk.answer(body, status=status)

    return answer


async def test_a_stream_is_a_list_or_a_loop() -> None:
    """
    As in the official SDK it is awaited; or it is gone through without holding it.
    """
    async with serving(always(lines(event(1), event(2)))) as stub, Client(stub.url) as client:
        assert [each["id"] for each in await client.stream_events("/a")] == ["id-1", "id-2"]
        assert [each.id async for each in client.stream_events("/a")] == ["id-1", "id-2"]


async def test_options_are_those_of_the_official_sdk() -> None:
    """
    Snake case here, camel case on the wire; what is not known is refused, not dropped.
    """
    async with serving(always("")) as stub, Client(stub.url) as client:
        await client.stream_events(
            "/a",
            {
                "lower_bound": "1",
                "include_lower_bound_event": True,
                "upper_bound": "2",
                "include_upper_bound_event": False,
                "latest_by_event_type": "t",
            },
        )
        assert stub.requests[0].json()["options"] == {
            "lowerBound": "1",
            "includeLowerBoundEvent": True,
            "upperBound": "2",
            "includeUpperBoundEvent": False,
            "latestByEventType": "t",
        }
        with pytest.raises(ValueError, match="'lowerbound'"):
            client.stream_events("/a", {"lowerbound": "1"})


async def test_an_empty_answer_is_no_events() -> None:
    """
    Genesis DB answers 200 with nothing.
    """
    async with serving(always("")) as stub, Client(stub.url) as client:
        assert await client.stream_events("/a") == []
        assert await client.query_events("STREAM e FROM events") == []


async def test_rows_may_be_any_json() -> None:
    """
    Numbers stay exact, and a row that looks like a heartbeat is a row.
    """
    rows = [1, None, "text", {"payload": ""}, [1, 2], 2**70, 1.5]
    async with serving(always("".join(json.dumps(row) + "\n" for row in rows))) as stub, Client(stub.url) as client:
        assert await client.query_events("STREAM e FROM events") == rows
        assert await client.q("STREAM e FROM events") == rows


@pytest.mark.parametrize(
    ("body", "line"),
    [(lines(event(1)) + '{"id": oops}\n', 2), (lines(event(1), event(2))[:-1], 2), (lines(event(1)) + "[1]\n", 2)],
    ids=["no JSON", "cut", "no event"],
)
async def test_a_damaged_answer_is_an_error_with_its_line(body: str, line: int) -> None:
    """
    Events are never skipped in silence.
    """
    async with serving(always(body)) as stub, Client(stub.url) as client:
        with pytest.raises(DamagedLineError) as failure:
            await client.stream_events("/a")

        assert failure.value.line == line


async def test_a_read_is_tried_again_until_its_first_line() -> None:
    """
    Lost connections and busy servers are survived; a stream cut in the middle is an error.
    """
    calls = itertools.count()

    async def unsteady(_: Request, talk: Talk) -> None:
        match next(calls):
            case 0:
                talk.cut()
            case 1:
                await talk.answer(status="503 Service Unavailable")
            case 2:
                await talk.answer(lines(event(1)))
            case _:
                await talk.begin()
                await talk.chunk(lines(event(1)))
                talk.cut()

    async with serving(unsteady) as stub, Client(stub.url, limits=QUICK) as client:
        assert len(await client.stream_events("/a")) == 1
        with pytest.raises(StoreUnavailableError):
            await client.stream_events("/a")


async def test_an_answer_that_is_too_large_is_given_up() -> None:
    """
    Whoever answers without end fills no memory.
    """

    async def endless(_: Request, talk: Talk) -> None:
        await talk.begin()
        while True:
            await talk.chunk(b" " * 100_000)

    limits = Limits(answer_bytes=1_000_000, line_bytes=1_000_000)
    async with serving(endless) as stub, Client(stub.url, limits=limits) as client:
        with pytest.raises(AnswerTooLargeError):
            await client.status()
        with pytest.raises(DamagedLineError):
            await client.stream_events("/a")


async def test_the_token_is_told_to_nobody_else() -> None:
    """
    Not to pings, not in texts about the client, not in errors though the server sends it back.
    """
    async with serving(always("you sent Bearer s3cret!", "400 Bad Request")) as stub:
        client = Client(stub.url, auth_token=TOKEN)
        with pytest.raises(RequestRefusedError) as failure:
            await client.stream_events("/a")
        with pytest.raises(RequestRefusedError):
            await client.ping()
        await client.aclose()

        assert "authorization" in stub.requests[0].headers
        assert "authorization" not in stub.requests[1].headers
        shown = [repr(client), repr(client.exchange.settings), str(failure.value), repr(failure.value)]
        assert not any(TOKEN in text for text in shown)


async def test_a_redirect_is_not_followed() -> None:
    """
    The token would go wherever the answer says.
    """

    async def elsewhere(_: Request, talk: Talk) -> None:
        await talk.answer(status="302 Found", headers="location: http://127.0.0.1:9/\r\n")

    async with serving(elsewhere) as stub, Client(stub.url, limits=QUICK) as client:
        with pytest.raises(RequestRefusedError, match="elsewhere"):
            await client.stream_events("/a")
        with pytest.raises(RequestRefusedError, match="elsewhere"):
            await client.status()


async def test_what_a_server_does_not_have_is_told() -> None:
    """
    Genesis DB knows no indexes.
    """
    async with serving(always("404 page not found", "404 Not Found")) as stub, Client(stub.url) as client:
        with pytest.raises(NotSupportedError):
            await client.explain("STREAM e FROM events")
        with pytest.raises(NotSupportedError):
            await client.indexes()


@pytest.mark.parametrize(
    "body", ['["/a","/b"]', '{"subjects":["/a","/b"]}', '"/a"\n"/b"\n', '[\n"/a",\n"/b"\n]'], ids=repr
)
async def test_lists_come_in_several_forms(body: str) -> None:
    """
    No public source says which one is right.
    """
    async with serving(always(body)) as stub, Client(stub.url) as client:
        assert await client.subjects() == ["/a", "/b"]


async def test_a_backup_is_restored_as_it_is() -> None:
    """
    A backup is one JSON array, an event a line; what restores it is the same.
    """
    backup = "[" + ",\n".join(json.dumps(event(number)) for number in range(1, 4)) + "]\n"

    async def keep(request: Request, talk: Talk) -> None:
        await talk.answer(backup if request.method == "GET" else '{"restored": 3}')

    async with serving(keep) as stub, Client(stub.url) as client:
        events = [each async for each in client.backup()]
        assert await client.restore(events) == 3

        assert stub.requests[-1].json() == json.loads(backup)


async def test_an_own_client_of_httpx_is_used_and_left_open() -> None:
    """
    Its headers go along, and it is closed by whoever made it.
    """
    async with serving(always(lines(event(1)))) as stub, httpx.AsyncClient(headers={"x-proxy": "yes"}) as http:
        async with Client(stub.url, http=http, auth_token=TOKEN) as client:
            assert len(await client.stream_events("/a")) == 1
        assert stub.requests[0].headers["x-proxy"] == "yes"
        assert stub.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
        assert (await http.get(stub.url)).status_code == 200


async def test_a_closed_client_asks_nothing() -> None:
    """
    Each use of it says so.
    """
    client = Client("http://127.0.0.1:9")
    await client.aclose()
    await client.aclose()

    with pytest.raises(StoreClosedError):
        await client.stream_events("/a")
    with pytest.raises(StoreClosedError):
        await client.ping()


def test_settings_come_from_the_environment() -> None:
    """
    The variables are those of the official SDKs, and what is given goes first.
    """
    environ = {
        "GENESISDB_API_URL": "http://there:8080/",
        "GENESISDB_API_VERSION": "v2",
        "GENESISDB_AUTH_TOKEN": "secret",
    }

    assert Settings.of(environ=environ) == Settings("http://there:8080", "v2", "secret")
    assert Settings.of("https://here", environ=environ).base == "https://here/api/v2"
    assert "secret" not in repr(Settings.of(environ=environ))


@pytest.mark.parametrize(
    "url",
    ["", "there:8080", "ftp://there", "http://", "http://ada:pa55@there", "http://pa55@there/x", "http://there?t=pa55"],
    ids=repr,
)
def test_a_url_that_is_none_is_refused_without_its_secrets(url: str) -> None:
    """
    A password in a URL would end up in logs, so it is refused, and not shown.
    """
    with pytest.raises(InvalidStoreUrlError) as failure:
        Client(url)

    assert "pa55" not in str(failure.value) + failure.value.url


@pytest.mark.parametrize("token", ["a b", "a\r\nX-Admin: yes", "tökén"], ids=repr)
def test_a_token_that_no_header_carries_is_refused(token: str) -> None:
    """
    Without showing it.
    """
    with pytest.raises(ValueError, match="token") as failure:
        Client("http://there", auth_token=token)

    assert token not in str(failure.value)


def test_an_event_is_a_mapping_with_attributes() -> None:
    """
    Both ways of reading it work, and it can be copied and sent.
    """
    noted = Event(event(1))

    assert noted["id"] == noted.id == "id-1"
    assert noted.get_data() == noted.data == {"number": 1}
    assert noted.get_attributes()["subject"] == "/a"
    assert dict(noted) == event(1)
    assert pickle.loads(pickle.dumps(noted)) == noted == copy.deepcopy(noted)  # noqa: S301
    assert "number" not in repr(noted)
    assert len({noted, Event(event(1))}) == 1
    with pytest.raises(AttributeError):
        _ = noted.nothing
