"""
Code that was written for the official Python SDK 1.0.0, and each row of the table of what differs.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import io
from typing import TYPE_CHECKING, Any

import pytest

from eventsource import CommitOutcomeUnknownError
from eventsource.errors import (
    ClientSettingError,
    DamagedLineError,
    InvalidStoreUrlError,
    PreconditionFailedError,
    RequestRefusedError,
    UnauthenticatedError,
)
from eventsource.genesisdb import Client, Event, Limits
from eventsource.server import ServerSettings, Tokens, serve
from eventsource.store import InMemoryEventStore
from tests.genesisdb.stub import Request, Talk, event, lines, serving

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

TOKEN = "s3cret-of-tests"  # noqa: S105  of a server of this test
NEW_USER: dict[str, Any] = {
    "source": "io.example.app", "subject": "/user/1", "type": "io.example.app.user-added", "data": {"name": "Ada"}
}  # fmt: skip


@pytest.fixture
async def config() -> AsyncGenerator[dict[str, str]]:
    """
    The settings of a running server, as the official client takes them.
    """
    async with InMemoryEventStore() as behind, serve(behind, ServerSettings(Tokens(TOKEN))) as url:
        yield {"api_url": url, "api_version": "v1", "auth_token": TOKEN}


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("stream_events", ["subject", "options"]),
        ("commit_events", ["events", "preconditions"]),
        ("erase_data", ["subject"]),
        ("audit", []),
        ("ping", []),
        ("q", ["query"]),
        ("query_events", ["query"]),
        ("observe_events", ["subject", "options"]),
    ],
)
def test_each_method_has_its_name_and_its_arguments_in_order(method: str, parameters: list[str]) -> None:
    """
    What may be given by place or by name there may be given so here.
    """
    taken = [
        parameter.name
        for parameter in inspect.signature(getattr(Client, method)).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    assert taken[1:] == parameters


async def test_a_program_of_the_official_sdk(config: dict[str, str]) -> None:
    """
    Committing, streaming, querying, observing, erasing and auditing give what the official client gives.
    """
    client = Client(config)
    assert (client.api_url, client.api_version, client.auth_token) == tuple(config.values())
    assert await client.ping() == "pong"
    await client.commit_events(
        [{**NEW_USER, "options": {"store_data_as_reference": True}}],
        [{"type": "isSubjectNew", "payload": {"subject": "/user/1"}}],
    )
    events = await client.stream_events("/user")
    assert isinstance(events, list)
    assert (events[0]["type"], events[0]["data"]["name"]) == ("io.example.app.user-added", "Ada")
    bound = {"lower_bound": events[0]["id"], "include_lower_bound_event": True}
    assert len(await client.stream_events("/user", options=bound)) == 1
    rows = await client.query_events("STREAM e FROM events MAP { name: e.data.name }")
    assert rows == await client.q(query="STREAM e FROM events MAP { name: e.data.name }") == [{"name": "Ada"}]
    async for seen in client.observe_events("/user", bound):
        assert seen["data"] == {"name": "Ada"}
        break
    await client.erase_data("/user/1")
    assert (await client.stream_events("/user"))[0]["data"] == {"name": ""}
    assert (await client.audit()).startswith("Audit successful")
    await client.aclose()


async def test_results_are_coroutines(config: dict[str, str]) -> None:
    """
    What the methods give goes into `asyncio.gather`, `create_task` and `wait_for`.
    """
    async with Client(config) as client:
        await client.commit_events([NEW_USER])
        task = asyncio.create_task(client.stream_events("/user"))
        gathered = await asyncio.gather(client.q("STREAM e FROM events MAP COUNT()"), client.stream_events("/user"))
        waited = await asyncio.wait_for(client.stream_events("/user"), 60)

        assert len(await task) == len(gathered[1]) == len(waited) == 1
        assert gathered[0] == [1]


def test_settings_are_a_dictionary_a_url_or_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What is missing or empty in them comes from the environment, the URL by either of its two names.
    """
    monkeypatch.setenv("GENESISDB_URL", "http://there:1")
    assert Client().api_url == "http://there:1"
    assert Client({"api_url": "", "auth_token": "x"}).api_url == "http://there:1"
    monkeypatch.setenv("GENESISDB_API_URL", "http://here:1/")
    monkeypatch.setenv("GENESISDB_API_VERSION", "v7")
    made = [Client(), Client({}), Client(None), Client(config={"auth_token": "x"}), Client(auth_token="x")]  # noqa: S106
    assert [client.api_url for client in made] == ["http://here:1"] * 5
    assert [client.auth_token for client in made[3:]] == ["x", "x"]
    assert {client.api_version for client in made} == {"v7"}
    assert Client("http://else:1").api_url == Client(api_url="http://else:1").api_url == "http://else:1"
    assert "x" not in repr(made[3]).replace("eventsource", "")


def test_a_missing_setting_is_an_error_at_construction(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    As there it is a ValueError, and names what is missing.
    """
    with pytest.raises(InvalidStoreUrlError, match="GENESISDB_API_URL") as no_url:
        Client()
    monkeypatch.delenv("GENESISDB_AUTH_TOKEN")
    with pytest.raises(ClientSettingError, match="GENESISDB_AUTH_TOKEN") as no_token:
        Client({"api_url": "http://there"})
    assert isinstance(no_url.value, ValueError)
    assert isinstance(no_token.value, ValueError)


def test_print_shows_an_event_with_its_data() -> None:
    """
    `print` and f-strings show all of it; `repr`, which logs and tracebacks use, leaves out the data.
    """
    noted = Event(event(1, data={"name": "Ada"}))
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        print(noted)  # noqa: T201  that is what is tried

    assert "'name': 'Ada'" in said.getvalue()
    assert "io.example.noted" in said.getvalue()
    assert said.getvalue() == f"{noted}\n"
    assert "Ada" not in repr(noted)


# The rows of the table in docs/genesisdb-client.md.


async def test_a_line_that_is_no_event_is_an_error() -> None:
    """
    It is never skipped.
    """

    async def answer(_: Request, talk: Talk) -> None:
        await talk.answer(lines(event(1)) + "oops\n")

    async with serving(answer) as stub, Client(stub.url) as client:
        with pytest.raises(DamagedLineError, match="line 2"):
            await client.stream_events("/a")


@pytest.mark.parametrize(
    "config",
    [{"api_url": "http://a", "url": "x"}, {"api_url": "http://a", "auth_token": 7}, {"timeout": 3}],
    ids=str,
)
def test_a_setting_that_does_not_exist_is_an_error(config: Any) -> None:
    """
    It is never dropped, and a value that is no text is no setting.
    """
    with pytest.raises(ClientSettingError):
        Client(config, api_url=None if "api_url" in config else "http://a")
    with pytest.raises(ClientSettingError, match="twice"):
        Client({"api_url": "http://a"}, api_url="http://b")


def test_an_option_that_does_not_exist_is_an_error() -> None:
    """
    It is never dropped.
    """
    with pytest.raises(ValueError, match="no such option"):
        Client("http://there").stream_events("/a", {"lowerbound": "1"})


async def test_upper_bounds_are_options_too(config: dict[str, str]) -> None:
    """
    They are sent, and not dropped as by the official client.
    """
    async with Client(config) as client:
        first, second = await client.commit_events([NEW_USER, NEW_USER])
        upper = {"upper_bound": second.id, "include_upper_bound_event": False}
        assert [each.id for each in await client.stream_events("/user", upper)] == [first.id]


async def test_refusals_are_typed_and_nothing_is_printed(
    config: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """
    The official client prints, and raises errors of httpx.
    """
    async with Client({**config, "auth_token": "wrong"}) as client:
        with pytest.raises(UnauthenticatedError):
            await client.stream_events("/user")
    async with Client(config) as client:
        await client.commit_events([NEW_USER])
        with pytest.raises(PreconditionFailedError):
            await client.commit_events([NEW_USER], [{"type": "isSubjectNew", "payload": {"subject": "/user/1"}}])
    assert capsys.readouterr() == ("", "")


async def test_a_commit_gives_its_events(config: dict[str, str]) -> None:
    """
    The official client gives None.
    """
    async with Client(config) as client:
        (committed,) = await client.commit_events([NEW_USER])
        assert committed == (await client.stream_events("/user"))[0]


async def test_a_commit_whose_answer_is_lost_is_unknown() -> None:
    """
    It is no error of the connection, after which it would look as if nothing were stored.
    """

    async def lose(request: Request, talk: Talk) -> None:
        await (talk.answer("{}") if request.path.endswith("/status") else asyncio.sleep(0))
        talk.cut()

    async with serving(lose) as stub, Client(stub.url, limits=Limits(commit_tries=1)) as client:
        with pytest.raises(CommitOutcomeUnknownError):
            await client.commit_events([NEW_USER])


def test_events_are_read_only_and_no_cloud_events() -> None:
    """
    They are mappings, and what they hold is not set; so are the settings of a client.
    """
    noted: Any = Event(event(1))
    with pytest.raises(TypeError):
        noted["type"] = "x"
    with pytest.raises(AttributeError):
        Client("http://there").auth_token = "other"  # type: ignore[misc]  # noqa: S105
    assert "cloudevents" not in {each.__module__.partition(".")[0] for each in type(noted).__mro__}


async def test_connections_are_kept() -> None:
    """
    The official client opens one for each call.
    """

    async def answer(_: Request, talk: Talk) -> None:
        await talk.answer("")

    async with serving(answer) as stub, Client(stub.url) as client:
        for _ in range(5):
            await client.stream_events("/a")
        assert stub.connections == 1


async def test_redirects_are_not_followed_and_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The token would go along.
    """
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    async def elsewhere(_: Request, talk: Talk) -> None:
        await talk.answer(status="302 Found", headers="location: http://127.0.0.1:9/\r\n")

    async with serving(elsewhere) as stub, Client(stub.url) as client:
        with pytest.raises(RequestRefusedError, match="elsewhere"):
            await client.stream_events("/a")
        assert len(stub.requests) == 1


async def test_a_ping_carries_no_token() -> None:
    """
    It shows whether the server is there, and not who asks.
    """

    async def pong(_: Request, talk: Talk) -> None:
        await talk.answer("pong")

    async with serving(pong) as stub, Client(stub.url) as client:
        assert await client.ping() == "pong"
        assert "authorization" not in stub.requests[0].headers
