"""
Who may do what: tokens, roles, and pages of browsers.
"""

from typing import Any

import httpx
import pytest

from eventsource import connect
from eventsource.errors import UnsafeTokenError
from eventsource.server import Role, ServerSettings, Tokens, make_app, serve
from eventsource.server.routes import all_routes
from tests.server.serving import ADMINISTRATOR, READER, TOKENS, WRITER, Served, event, failure, serving

ROUTES = all_routes(ServerSettings(TOKENS, metrics=True))

# What each endpoint takes, written down a second time: a change here is a decision.
ROLES = {
    "POST /api/v1/commit": Role.WRITE,
    "POST /api/v1/stream": Role.READ,
    "POST /api/v1/observe": Role.READ,
    "POST /api/v1/q": Role.READ,
    "POST /api/v1/query": Role.READ,
    "POST /api/v1/erase": Role.ADMINISTRATOR,
    "GET /api/v1/status/ping": None,
    "GET /api/v1/status/audit": Role.READ,
    "GET /api/v1/status": Role.READ,
    "POST /api/v1/schema/register": Role.ADMINISTRATOR,
    "GET /api/v1/schema/get": Role.READ,
    "GET /api/v1/subjects": Role.READ,
    "GET /api/v1/types": Role.READ,
    "GET /api/v1/backup/create": Role.ADMINISTRATOR,
    "POST /api/v1/backup/restore": Role.ADMINISTRATOR,
    "POST /api/v1/explain": Role.READ,
    "GET /api/v1/indexes": Role.READ,
    "POST /api/v1/indexes": Role.ADMINISTRATOR,
    "POST /api/v1/indexes/drop": Role.ADMINISTRATOR,
    "GET /healthz": None,
    "GET /readyz": None,
    "GET /metrics": None,
    "GET /openapi.json": None,
}

BEARERS = {
    None: None,
    "nobody": "Bearer nobody-canary",
    "reader": f"Bearer {READER}",
    "writer": f"Bearer {WRITER}",
    "administrator": f"Bearer {ADMINISTRATOR}",
}
ALLOWED = {"reader": Role.READ, "writer": Role.WRITE, "administrator": Role.ADMINISTRATOR}


async def ask(served: Served, route: str, bearer: str | None) -> int:
    """
    The status of a request without a usable body; an observed stream is left at its headers.
    """
    method, path = route.split()
    headers = {"authorization": bearer or ""}
    async with served.http.stream(method, path, headers=headers) as response:
        return response.status_code


def test_every_route_is_in_the_table() -> None:
    """
    A new one is denied until somebody has decided.
    """
    documented = {f"{route.method} {route.full_path}": route.role for route in ROUTES}

    assert documented | {"GET /openapi.json": None} == ROLES


@pytest.mark.parametrize("bearer", BEARERS, ids=str)
async def test_every_endpoint_with_every_token(bearer: str | None) -> None:
    """
    Without a token or with one that nobody knows 401, with too small a role 403, else neither.
    """
    async with serving(metrics=True) as served:
        for route, role in ROLES.items():
            status = await ask(served, route, BEARERS[bearer])
            if role is None:
                assert status == 200, route
            elif bearer not in ALLOWED:
                assert status == 401, route
            elif ALLOWED[bearer] < role:
                assert status == 403, route
            else:
                assert status not in {401, 403, 404, 405, 500}, route


@pytest.mark.parametrize(
    "value",
    [
        b"", b"Bearer", ADMINISTRATOR.encode(), b"Basic " + ADMINISTRATOR.encode(),
        b"Bearer " + ADMINISTRATOR.encode() + b"x", b"Bearer " + ADMINISTRATOR[:-1].encode(),
        b"Bearer " + ADMINISTRATOR.upper().encode(), b"Bearer \xff\xfe\xfc", b"Bearer " + b"x" * 8_000,
        b"Bearer " + ADMINISTRATOR.encode() + b" x", b"Bearer " + ADMINISTRATOR.encode() + b"," + READER.encode(),
    ],
)  # fmt: skip
async def test_what_is_no_token_is_refused(served: Served, value: bytes) -> None:
    """
    Always with the same answer, and never with an error of the server's.
    """
    response = await served.http.get("/api/v1/subjects", headers={b"authorization": value})

    assert failure(response) == (401, "unauthenticated")
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_scheme_is_case_insensitive(served: Served, scheme: str) -> None:
    """
    As RFC 9110 has it.
    """
    response = await served.http.get("/api/v1/subjects", headers={"authorization": f"{scheme} {READER}"})

    assert response.status_code == 200


async def test_ping_needs_no_token(served: Served) -> None:
    """
    The extension for VS Code tests connections without one.
    """
    async with httpx.AsyncClient() as http:
        response = await http.get(f"{served.url}/api/v1/status/ping")

    assert (response.status_code, response.text) == (200, "pong")


@pytest.mark.parametrize("token", ["", " ", "a b", "tokén", "a\n", "\x7f"])
def test_token_that_no_header_can_carry_is_refused(token: str) -> None:
    """
    Above all an empty one, which would let everybody in; and the error does not quote it.
    """
    with pytest.raises(ValueError, match="administrator token") as caught:
        Tokens(token)

    assert not token.strip() or token not in str(caught.value)


def test_tokens_do_not_show() -> None:
    """
    Neither do the settings that hold them.
    """
    shown = f"{TOKENS!r} {ServerSettings(TOKENS)!r} {TOKENS!s}"

    assert "canary" not in shown


async def test_roles_are_optional() -> None:
    """
    With the administrator's token alone nothing else opens.
    """
    tokens = Tokens(ADMINISTRATOR)

    assert tokens.role_of(b"Bearer ") is None
    assert tokens.role_of(b"Bearer None") is None
    assert tokens.role_of(f"Bearer {ADMINISTRATOR}".encode()) is Role.ADMINISTRATOR


@pytest.mark.parametrize("path", ["/api/v1/commit", "/api/v1/nowhere", "/", "/metrics"])
async def test_preflight_is_answered_without_a_token(served: Served, path: str) -> None:
    """
    A browser asks so before it sends anything; status 200 and the three lists.
    """
    async with httpx.AsyncClient() as http:
        response = await http.options(
            served.url + path,
            headers={
                "origin": "vscode-webview://x",
                "access-control-request-method": "POST",
                "access-control-request-headers": "authorization,content-type",
            },
        )

    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "*"
    assert "POST" in response.headers["access-control-allow-methods"]
    assert {"authorization", "content-type"} <= {
        name.strip().lower() for name in response.headers["access-control-allow-headers"].split(",")
    }


async def test_pages_may_read_answers_and_refusals(served: Served) -> None:
    """
    Also of an error, or the page could not tell what is wrong; programs get no such header.
    """
    origin = {"origin": "https://example.com"}

    for response in (
        await served.post("/commit", {"events": [event()]}, headers=origin),
        await served.post("/commit", {}, headers=origin),
        await served.post("/stream", {"subject": "/"}, headers=origin),
        await served.get("/nowhere", headers=origin),
        await served.get("/subjects", headers=origin | {"authorization": ""}),
    ):
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in response.headers
    assert "access-control-allow-origin" not in (await served.get("/subjects")).headers


@pytest.mark.parametrize(("setting", "header"), [(None, None), ("https://a.example", "https://a.example")])
async def test_pages_can_be_limited(setting: str | None, header: str | None) -> None:
    """
    To those of one origin, or to none.
    """
    async with serving(cors_origin=setting) as served:
        response = await served.get("/subjects", headers={"origin": "https://b.example"})

    assert response.headers.get("access-control-allow-origin") == header


async def test_address_and_method_are_checked(served: Served) -> None:
    """
    404 and 405 as JSON, with what would be allowed.
    """
    wrong = await served.get("/commit")

    assert failure(wrong) == (405, "method-not-allowed")
    assert wrong.headers["allow"] == "POST"
    assert failure(await served.get("/nowhere")) == (404, "not-found")
    assert failure(await served.http.get("/api/v2/status")) == (404, "not-found")
    assert failure(await served.http.get("/")) == (404, "not-found")


@pytest.mark.parametrize("path", ["//api/v1/status", "/api//v1///status", "///api/v1/status"])
async def test_double_slashes_are_tolerated(served: Served, path: str) -> None:
    """
    SDKs put their path behind an address that may end in a slash.
    """
    assert (await served.http.get(f"{served.url}{path}")).status_code == 200


async def test_head_is_get_without_a_body(served: Served) -> None:
    """
    What load balancers ask.
    """
    response = await served.http.head("/api/v1/status/ping")

    assert (response.status_code, response.content) == (200, b"")


async def test_application_runs_under_any_asgi_server() -> None:
    """
    `make_app` gives it without deadlines; requests in memory reach it.
    """
    async with serving() as served:
        transport = httpx.ASGITransport(app=make_app(served.store, ServerSettings(TOKENS)))
        headers: dict[str, Any] = {"authorization": f"Bearer {WRITER}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://a", headers=headers) as http:
            response = await http.post("/api/v1/commit", json={"events": [event()]})

        assert response.status_code == 200
        assert len(await served.stream("/")) == 1


@pytest.mark.parametrize("token", ["a", "abcd", "a" * 32, "abababababababab", "abcabcabcabc"])
def test_token_that_is_guessed_is_refused(token: str) -> None:
    """
    With a named error that says whose it is, and does not quote it.
    """
    for tokens in ((token,), (ADMINISTRATOR, token), (ADMINISTRATOR, WRITER, token)):
        with pytest.raises(UnsafeTokenError) as caught:
            Tokens(*tokens)

        assert caught.value.role == ("administrator", "write", "read")[len(tokens) - 1]
        assert len(token) == 1 or token not in str(caught.value)


@pytest.mark.parametrize("tokens", [(WRITER, WRITER), (WRITER, READER, READER), (READER, WRITER, READER)])
def test_one_token_for_two_roles_is_refused(tokens: tuple[str, ...]) -> None:
    """
    It would have the larger of the two, and who holds it would not know.
    """
    with pytest.raises(UnsafeTokenError, match="another role"):
        Tokens(*tokens)


@pytest.mark.parametrize(("host", "warns"), [("127.0.0.1", False), ("0.0.0.0", True), ("::1", False), ("::", True)])  # noqa: S104  what is warned of
async def test_tokens_in_the_clear_are_warned_of(host: str, caplog: pytest.LogCaptureFixture, *, warns: bool) -> None:
    """
    Where others than this machine can connect and no TLS is spoken.
    """
    async with connect("memory:") as store, serve(store, ServerSettings(TOKENS), host=host):
        pass

    assert ("server.tokens_in_the_clear" in caplog.text) == warns


@pytest.mark.parametrize("tokens", [(READER, ADMINISTRATOR), (ADMINISTRATOR, READER), (ADMINISTRATOR, ADMINISTRATOR)])
async def test_two_authorizations_are_refused_under_any_server(served: Served, tokens: tuple[str, str]) -> None:
    """
    The application itself refuses a request with two Authorization headers, whatever serves it.
    """
    transport = httpx.ASGITransport(app=make_app(served.store, ServerSettings(TOKENS)))
    headers = [("authorization", f"Bearer {token}") for token in tokens]

    async with httpx.AsyncClient(transport=transport, base_url="http://server") as http:
        answer = await http.get("/api/v1/status", headers=headers)

    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid-request"


async def test_a_short_token_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """
    A token that is short, and not so short that it is refused, is told to the operator by its role.
    """
    async with connect("memory:") as store, serve(store, ServerSettings(Tokens(ADMINISTRATOR, "s3cret"))):
        pass

    assert "server.short_token" in caplog.text
    assert "s3cret" not in caplog.text
