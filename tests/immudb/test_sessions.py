"""
Sessions: opened when needed, kept, opened again, and ended.
"""

from __future__ import annotations

import asyncio
import logging

import grpc
import pytest

from eventsource.errors import (
    ImmudbClosedError,
    ImmudbLoginError,
    ImmudbNotFoundError,
    ImmudbPermissionError,
    ImmudbRefusedError,
    ImmudbUnavailableError,
)
from eventsource.immudb import ImmudbClient, LoginForm, Permission, Tls
from eventsource.testing.immudb import ImmudbTestServer
from tests.immudb.certificates import self_signed
from tests.immudb.waiting import until

PASSWORD = "Pw1:pasdfoiu"  # noqa: S105  of users that a test makes


async def test_session_is_opened_at_the_first_call_and_ended_with_the_client(server: ImmudbTestServer) -> None:
    """
    Once, however many calls begin together.
    """
    async with ImmudbClient(server.url) as client:
        assert server.calls == []
        await asyncio.gather(*(client.get(b"key") for _ in range(10)))

        assert server.calls.count("OpenSession") == 1
        assert server.accounts.number_of_sessions == 1
    assert server.accounts.number_of_sessions == 0


@pytest.mark.parametrize("form", LoginForm)
async def test_session_that_the_server_ended_is_opened_again(server: ImmudbTestServer, form: LoginForm) -> None:
    """
    Nobody notices, writers neither, and it happens once for all who wait.
    """
    async with ImmudbClient(server.url, login_form=form, trust_on_first_use=True) as client:
        await client.verified_set(b"key", b"value")
        server.expire_sessions()
        server.calls.clear()

        await asyncio.gather(*(client.set(b"%d" % number, b"") for number in range(10)))
        await client.verified_set(b"key", b"again")

        assert server.calls.count("OpenSession") + server.calls.count("Login") == 1
        assert len(server.databases["defaultdb"].transactions) == 12


async def test_server_that_ends_every_session_is_given_up(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    It is tried once again, not for ever.
    """
    await client.get(b"key")
    server.calls.clear()
    server.fail("session not found", grpc.StatusCode.PERMISSION_DENIED, count=100)

    with pytest.raises(ImmudbLoginError):
        await client.get(b"key")

    assert server.calls == ["Get", "OpenSession", "Get"]


async def test_session_is_kept_alive(server: ImmudbTestServer) -> None:
    """
    As long as the client is open; a server that does not hear it changes nothing.
    """
    async with ImmudbClient(server.url, keep_alive_s=0.01) as client:
        await client.get(b"key")
        await until(lambda: server.calls.count("KeepAlive") > 2)
        server.expire_sessions()
        count = len(server.calls)
        await until(lambda: len(server.calls) > count + 2)

        assert await client.get(b"key") is None
    assert server.calls[-1] == "CloseSession"


async def test_calls_under_way_are_finished_in_their_database(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    Who changes the database waits for them.
    """
    await client.create_database("other")
    server.hold_writes()
    writes = [asyncio.create_task(client.verified_set(b"%d" % number, b"")) for number in range(3)]
    writes += [asyncio.create_task(client.verified_set(b"more-%d" % number, b"")) for number in range(3)]
    await until(lambda: "VerifiableSet" in server.calls)
    changing = asyncio.create_task(client.use_database("other"))
    await until(lambda: server.calls.count("OpenSession") == 2)
    assert not changing.done()
    server.release_writes()
    await changing
    await client.verified_set(b"here", b"")
    await asyncio.gather(*writes)

    assert len(server.databases["defaultdb"].transactions) == 6
    assert len(server.databases["other"].transactions) == 1
    assert server.accounts.number_of_sessions == 1


async def test_without_a_user_nobody_is_let_in(server: ImmudbTestServer) -> None:
    """
    The error says what to do; after `login` all is well.
    """
    async with ImmudbClient(f"localhost:{server.port}") as client:
        with pytest.raises(ImmudbLoginError, match=r"login\(user, password\)"):
            await client.get(b"key")
        await client.login("immudb", "immudb")
        assert await client.get(b"key") is None
        await client.logout()
        with pytest.raises(ImmudbLoginError):
            await client.get(b"key")
    assert server.accounts.number_of_sessions == 0


async def test_login_that_fails_leaves_the_one_there_was(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    User, database and session stay.
    """
    await client.set(b"key", b"value")
    with pytest.raises(ImmudbLoginError):
        await client.login("immudb", "wrong")
    with pytest.raises(ImmudbNotFoundError):
        await client.login("immudb", "immudb", "nowhere")
    server.expire_sessions()

    assert await client.get(b"key") is not None


async def test_user_without_rights_in_a_database_is_not_let_in(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    That is another error than a wrong password.
    """
    await client.create_database("other")
    await client.create_user("ada", PASSWORD, Permission.READ, "defaultdb")
    url = f"localhost:{server.port}/other"
    for form in LoginForm:
        async with ImmudbClient(url, user="ada", password=PASSWORD, login_form=form) as stranger:
            with pytest.raises(ImmudbPermissionError):
                await stranger.get(b"key")


async def test_closed_client_says_so(server: ImmudbTestServer) -> None:
    """
    Closing twice does nothing.
    """
    client = ImmudbClient(server.url)
    await client.get(b"key")
    await client.close()
    await client.shutdown()

    with pytest.raises(ImmudbClosedError):
        await client.get(b"key")


async def test_server_that_is_not_there(server: ImmudbTestServer) -> None:
    """
    That is told, with its address and nothing secret; a write says that it was not sent.
    """
    await server.stop()
    async with ImmudbClient(server.url, connect_timeout_s=0.2) as client:
        for ask in (lambda: client.get(b"key"), lambda: client.set(b"key", b"value")):
            with pytest.raises(ImmudbUnavailableError, match=f"localhost:{server.port}"):
                await ask()


async def test_server_that_comes_back_is_found(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    With what it had; sessions it forgot are opened again.
    """
    await client.verified_set(b"key", b"value")
    await server.stop()
    server.expire_sessions()
    reading = asyncio.create_task(client.verified_get(b"key"))
    await server.start()

    assert (await reading).value == b"value"


async def test_refused_login_repeats_no_password(server: ImmudbTestServer, caplog: pytest.LogCaptureFixture) -> None:
    """
    Not even if the server does.
    """
    url = f"localhost:{server.port}"
    with caplog.at_level(logging.DEBUG):
        async with ImmudbClient(url, user="immudb", password="hunter2:A") as client:  # noqa: S106  a wrong one
            server.refuse_sessions("bad password hunter2:A")
            with pytest.raises(ImmudbRefusedError) as caught:
                await client.get(b"key")

    assert "hunter2" not in f"{caught.value}{vars(caught.value)}{caplog.text}"


async def test_connection_is_encrypted() -> None:
    """
    With a certificate that the client was told to believe; without it there is no connection.
    """
    key, certificate = self_signed()
    async with ImmudbTestServer(tls=(key, certificate)) as server:
        assert server.url.startswith("immudbs://")
        async with ImmudbClient(server.url, tls=Tls(certificate)) as client:
            await client.set(b"key", b"value")
        async with ImmudbClient(server.url, connect_timeout_s=0.5) as stranger:
            with pytest.raises(ImmudbUnavailableError):
                await stranger.get(b"key")
