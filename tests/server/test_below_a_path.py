"""
An application below a path: mounted by a framework, or behind a proxy.
"""

from typing import Any

import httpx
import pytest

from eventsource import connect
from eventsource.server import ServerSettings, make_app
from tests.server.serving import TOKENS, WRITER, event

HEADERS = {"authorization": f"Bearer {WRITER}"}


def client(app: Any, root_path: str = "") -> httpx.AsyncClient:
    """
    A client of an application, with the place that its server tells it.
    """
    transport = httpx.ASGITransport(app, root_path=root_path)
    return httpx.AsyncClient(transport=transport, base_url="http://store", headers=HEADERS)


@pytest.mark.parametrize(
    ("root_path", "path"),
    [
        ("", "/api/v1/status/ping"),
        ("/es", "/es/api/v1/status/ping"),
        ("/es/", "/es/api/v1/status/ping"),
        ("/es/", "/es//api/v1/status/ping"),
        ("/a/b", "/a/b/api/v1/status/ping"),
        ("/api", "/api/api/v1/status/ping"),
        ("/api/v1", "/api/v1/api/v1/status/ping"),
        # As frameworks and servers told it that cut the place off.
        ("/es", "/api/v1/status/ping"),
        ("/api", "/api/v1/status/ping"),
        ("/es", "/es/api/v1/status/ping/"),
        ("/é s", "/%C3%A9%20s/api/v1/status/ping"),
    ],
)
async def test_routes_are_found_below_the_path(root_path: str, path: str) -> None:
    """
    Whether the path of a request has the place in it, as ASGI says, or not.
    """
    async with connect("memory:") as store, client(make_app(store, ServerSettings(TOKENS)), root_path) as http:
        answer = await http.get(path)

    assert (answer.status_code, answer.text) == (200, "pong")


@pytest.mark.parametrize("path", ["/es", "/es/", "/esapi/v1/status/ping", "/other/api/v1/status/ping", "/es/v1/status"])
async def test_other_paths_are_not_found(path: str) -> None:
    """
    A path that only begins with the same letters does not lie below it.
    """
    async with connect("memory:") as store, client(make_app(store, ServerSettings(TOKENS)), "/es") as http:
        assert (await http.get(path)).status_code == 404


async def test_another_method_is_told_below_a_path() -> None:
    """
    With what the address takes.
    """
    async with connect("memory:") as store, client(make_app(store, ServerSettings(TOKENS)), "/es") as http:
        answer = await http.get("/es/api/v1/commit")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_the_description_says_where_it_is() -> None:
    """
    Its paths stay, and its server is the place; at the root there is none to tell.
    """
    async with connect("memory:") as store:
        app = make_app(store, ServerSettings(TOKENS))
        async with client(app, "/es/") as below, client(app) as above:
            described = (await below.get("/es/openapi.json")).json()
            plain = (await above.get("/openapi.json")).json()

    assert described.pop("servers") == [{"url": "/es"}]
    assert described == plain


@pytest.mark.parametrize("mount", ["/es", "/api", "/deep/er"])
async def test_starlette_and_fastapi_mount_it(mount: str) -> None:
    """
    Beside routes of their own, and below a place of their own.
    """
    fastapi = pytest.importorskip("fastapi")
    async with connect("memory:") as store:
        outer = fastapi.FastAPI()
        outer.mount(mount, make_app(store, ServerSettings(TOKENS)))
        async with client(outer) as http, client(outer, "/proxy") as behind:
            committed = await http.post(f"{mount}/api/v1/commit", json={"events": [event()]})
            pong = await behind.get(f"/proxy{mount}/api/v1/status/ping")
            described = await behind.get(f"/proxy{mount}/openapi.json")
        assert await store.count() == 1

    assert committed.status_code == 200
    assert pong.text == "pong"
    assert described.json()["servers"] == [{"url": f"/proxy{mount}"}]
