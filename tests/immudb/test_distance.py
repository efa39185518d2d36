"""
A server that is far away, comes up late, or is cut off in the middle of a call: what is told is never wrong.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import attrs
import pytest

from eventsource.errors import ImmudbError, ImmudbOutcomeUnknownError, ImmudbUnavailableError, VerificationError
from eventsource.immudb import ImmudbClient, LoginForm, Permission, PermissionAction, Receipt, Tls
from eventsource.testing.immudb import ImmudbTestServer
from tests.immudb.certificates import self_signed
from tests.immudb.proxy import Cut, Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

PASSWORD: Final = "Pw1:pasdfoiu"  # noqa: S105  of users that a test makes
WAYS: Final = [20, 100, 300]


@pytest.mark.parametrize("is_encrypted", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("round_trip_ms", WAYS)
async def test_far_away_server_is_used_as_a_near_one(round_trip_ms: int, is_encrypted: bool) -> None:  # noqa: FBT001  a parameter
    """
    The first connection that is tried is used for all: log in, write, read with verification.
    """
    key, certificate = self_signed()
    tls = (key, certificate) if is_encrypted else None
    async with (
        ImmudbTestServer(tls=tls) as server,
        Proxy(server.port, round_trip_s=round_trip_ms / 1000, is_encrypted=is_encrypted) as proxy,
        ImmudbClient(
            proxy.url(server.url), trust_on_first_use=True, tls=Tls(certificate) if is_encrypted else None
        ) as client,
    ):
        receipt = await client.verified_set(b"key", b"value")
        proved = await client.verified_get(b"key")

        assert (proved.value, proved.tx) == (b"value", receipt.tx)
        assert proxy.connections == 1
        assert server.calls.count("OpenSession") == 1


@pytest.mark.parametrize("form", LoginForm)
async def test_server_that_comes_up_late_is_waited_for(server: ImmudbTestServer, form: LoginForm) -> None:
    """
    Logging in is tried again as a read is, and so a write waits, too.
    """
    for call in ("get", "set", "login"):
        async with Proxy(server.port) as proxy:
            proxy.refuse(2)
            async with ImmudbClient(proxy.url(server.url), login_form=form) as client:
                if call == "get":
                    assert await client.get(b"nothing") is None
                elif call == "set":
                    assert await client.set(b"key", b"value") == 1
                else:
                    await client.login("immudb", "immudb")
            assert proxy.refused == 2
            assert proxy.connections == 1


async def test_server_that_is_not_there_was_sent_nothing(server: ImmudbTestServer) -> None:
    """
    Also where the session is open already: a connection that was never made carried no write.
    """
    async with ImmudbClient(server.url, trust_on_first_use=True, connect_timeout_s=0.2) as client:
        await client.verified_set(b"key", b"value")
        await server.stop()
        for write in (client.set, client.verified_set):
            with pytest.raises(ImmudbUnavailableError):
                await write(b"key", b"never")
        with pytest.raises(ImmudbUnavailableError):
            await client.create_database("never")
    await server.start()
    async with ImmudbClient(server.url) as client:
        assert await client.set(b"key", b"value") == 2


@pytest.mark.timeout(60)
async def test_client_that_finds_no_connection_can_be_closed() -> None:
    """
    Whatever gRPC waits for at that moment.
    """
    async with ImmudbTestServer(tls=self_signed()) as server:
        for _ in range(3):
            async with ImmudbClient(server.url, connect_timeout_s=0.3) as stranger:
                asked = await asyncio.gather(*(stranger.get(b"key") for _ in range(2)), return_exceptions=True)

            assert [type(answer) for answer in asked] == [ImmudbUnavailableError] * 2


@attrs.frozen
class Call:
    """
    A call that changes something, and how to see at the server whether it did.
    """

    ask: Callable[[ImmudbClient], Awaitable[Any]]
    is_done: Callable[[ImmudbTestServer], bool]
    can_be_resolved: bool = False


def wrote(server: ImmudbTestServer) -> bool:
    """
    Whether there is one transaction more than the one that a test began with.
    """
    assert server.databases["defaultdb"].newest in (1, 2)
    return server.databases["defaultdb"].newest == 2


def account(server: ImmudbTestServer) -> Any:
    """
    The user that a test made.
    """
    return server.accounts.named("ada")


WRITES: Final = {
    "set": Call(lambda client: client.set(b"new", b"value"), wrote, can_be_resolved=True),
    "set-once": Call(lambda client: client.set(b"new", b"value", write_once=True), wrote, can_be_resolved=True),
    "verified-set": Call(lambda client: client.verified_set(b"new", b"value"), wrote, can_be_resolved=True),
    "set-all": Call(lambda client: client.set_all({b"new": b"1", b"newer": b"2"}), wrote, can_be_resolved=True),
    "delete": Call(lambda client: client.delete(b"key"), wrote, can_be_resolved=True),
    "set-reference": Call(lambda client: client.set_reference(b"new", b"key"), wrote, can_be_resolved=True),
    "verified-set-reference": Call(
        lambda client: client.verified_set_reference(b"new", b"key"), wrote, can_be_resolved=True
    ),
    "create-database": Call(lambda client: client.create_database("other"), lambda server: "other" in server.databases),
    "create-user": Call(
        lambda client: client.create_user("bob", PASSWORD, Permission.READ, "defaultdb"),
        lambda server: server.accounts.named("bob") is not None,
    ),
    "change-password": Call(
        lambda client: client.change_password("ada", old_password="", new_password="Qw2:pasdfoiu"),  # noqa: S106  a test's
        lambda server: account(server).password != PASSWORD,
    ),
    "change-permission": Call(
        lambda client: client.change_permission(PermissionAction.GRANT, "ada", "defaultdb", Permission.READ_WRITE),
        lambda server: account(server).permissions["defaultdb"] == Permission.READ_WRITE,
    ),
    "set-active-user": Call(
        lambda client: client.set_active_user("ada", active=False), lambda server: not account(server).is_active
    ),
}

READS: Final[dict[str, Callable[[ImmudbClient], Awaitable[Any]]]] = {
    "get": lambda client: client.get(b"key"),
    "get-all": lambda client: client.get_all([b"key"]),
    "history": lambda client: client.history(b"key"),
    "scan": lambda client: client.scan(),
    "tx": lambda client: client.tx(1),
    "scan-txs": lambda client: client.scan_txs(),
    "server-info": lambda client: client.server_info(),
    "verified-get": lambda client: client.verified_get(b"key"),
    "verified-tx": lambda client: client.verified_tx(1),
    "advance": lambda client: client.advance(),
    "current-state": lambda client: client.current_state(),
    "list-databases": lambda client: client.list_databases(),
    "list-users": lambda client: client.list_users(),
    "health": lambda client: client.health(),
    "login": lambda client: client.login("immudb", "immudb"),
    "use-database": lambda client: client.use_database("defaultdb"),
}


@attrs.frozen
class Line:
    """
    A client that reaches its server by a link.
    """

    server: ImmudbTestServer
    proxy: Proxy
    client: ImmudbClient


@pytest.fixture
async def line(server: ImmudbTestServer) -> AsyncGenerator[Line]:
    """
    With a session, a key, a trusted head and a user.
    """
    async with (
        Proxy(server.port) as proxy,
        ImmudbClient(proxy.url(server.url), trust_on_first_use=True) as client,
    ):
        await client.verified_set(b"key", b"value")
        await client.create_user("ada", PASSWORD, Permission.READ, "defaultdb")
        yield Line(server, proxy, client)


@pytest.mark.parametrize("cut", Cut)
@pytest.mark.parametrize("name", WRITES)
async def test_write_that_is_cut_off_is_told_as_what_it_is(line: Line, name: str, cut: Cut) -> None:
    """
    Sent or not, done or not: the error says no more than is true, nothing is done twice, and `resolve` finds out.
    """
    call = WRITES[name]
    line.proxy.cut(cut)

    error: ImmudbError | None = None
    try:
        await call.ask(line.client)
    except ImmudbError as raised:
        error = raised
    await line.proxy.is_cut.wait()

    if cut in (Cut.REQUEST, Cut.HALF_A_REQUEST):
        assert isinstance(error, ImmudbOutcomeUnknownError | ImmudbUnavailableError)
        assert not call.is_done(line.server)
    elif cut is not Cut.ARRIVAL:
        assert isinstance(error, ImmudbOutcomeUnknownError)
        assert call.is_done(line.server)
    else:
        assert isinstance(error, ImmudbOutcomeUnknownError)
    if call.can_be_resolved and isinstance(error, ImmudbOutcomeUnknownError | VerificationError):
        found = await line.client.resolve(error)
        assert (found is not None) is call.is_done(line.server)


@pytest.mark.parametrize("cut", Cut)
@pytest.mark.parametrize("name", READS)
async def test_read_that_is_cut_off_is_asked_again(line: Line, name: str, cut: Cut) -> None:
    """
    Wherever the link broke, the answer is the one it would have been.
    """
    ask = READS[name]
    expected = await ask(line.client)
    line.proxy.cut(cut)

    found = await ask(line.client)

    assert line.proxy.is_cut.is_set()
    assert found == expected


@pytest.mark.parametrize("cut", [Cut.REQUEST, Cut.ANSWER], ids=["request", "answer"])
async def test_encrypted_link_that_breaks(cut: Cut) -> None:
    """
    Whatever the client says of its write is true.
    """
    key, certificate = self_signed()
    async with (
        ImmudbTestServer(tls=(key, certificate)) as server,
        Proxy(server.port, is_encrypted=True) as proxy,
        ImmudbClient(proxy.url(server.url), trust_on_first_use=True, tls=Tls(certificate)) as client,
    ):
        await client.verified_set(b"key", b"value")
        proxy.cut(cut)
        (raised,) = await asyncio.gather(client.verified_set(b"new", b"value"), return_exceptions=True)
        was_done = wrote(server)

        match raised:
            case ImmudbOutcomeUnknownError():
                assert (await client.resolve(raised) is not None) is was_done
            case ImmudbUnavailableError():
                assert not was_done
            case _:
                assert isinstance(raised, Receipt)
                assert was_done
        assert (await client.verified_get(b"key")).value == b"value"
