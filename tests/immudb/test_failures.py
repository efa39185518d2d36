"""
What a failed call is told as: refused, not sent or unknown; with the right name, and without secrets.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

import grpc
import pytest

from eventsource.errors import (
    ImmudbError,
    ImmudbExistsError,
    ImmudbLoginError,
    ImmudbNotFoundError,
    ImmudbOutcomeUnknownError,
    ImmudbPermissionError,
    ImmudbRefusedError,
    ImmudbUnavailableError,
)
from eventsource.immudb import ImmudbClient, LoginForm, Permission, PermissionAction
from eventsource.immudb.check import Exchange
from eventsource.immudb.failure import ADMINISTRATIVE, WRITES, CallFailedError, meaning, to_error
from tests.immudb.refusals import CIRCUMSTANCES, ROWS, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from eventsource.testing.immudb import ImmudbTestServer

PASSWORD: Final = "Pw1:pasdfoiu"  # noqa: S105  of users that a test makes
NAMES: Final = {
    "database": "d1",
    "manager": "m1",
    "reader": "r1",
    "inactive": "i1",
    "missing": "x1",
    "newest": "9",
}


@pytest.mark.parametrize("row", [*ROWS, *CIRCUMSTANCES], ids=lambda row: row.id)
def test_what_an_immudb_refuses_is_never_told_as_unknown(row: Row) -> None:
    """
    For each call and each text in the table of refusals nothing was done, and the error says so.
    """
    asked = Exchange(row.call, "d1", row.message(NAMES).SerializeToString(), was_write=row.call in WRITES)
    failure = CallFailedError(grpc.StatusCode[row.status], row.expected(NAMES))

    means = meaning(failure, asked)

    if row.call in ADMINISTRATIVE | WRITES:
        assert not means.leaves_writes_open
    assert isinstance(to_error(failure, asked, "localhost:3322"), ImmudbError)


ADMINISTRATION: Final[dict[str, Callable[[ImmudbClient], Coroutine[Any, Any, Any]]]] = {
    "create-database": lambda client: client.create_database("bank"),
    "create-user": lambda client: client.create_user("ada", PASSWORD, Permission.READ, "defaultdb"),
    "change-password": lambda client: client.change_password("ada", old_password="", new_password=PASSWORD),
    "change-permission": lambda client: client.change_permission(
        PermissionAction.GRANT, "ada", "defaultdb", Permission.READ
    ),
    "set-active-user": lambda client: client.set_active_user("ada", active=False),
}


@pytest.mark.parametrize("name", ADMINISTRATION)
async def test_text_that_is_not_known_refuses_an_administrative_call(
    server: ImmudbTestServer, client: ImmudbClient, name: str
) -> None:
    """
    An immudb says why it does not do it; only a connection that broke off leaves it open.
    """
    for status in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT):
        server.fail("a reason of a later version", status)
        with pytest.raises(ImmudbRefusedError, match="a reason of a later version"):
            await ADMINISTRATION[name](client)
    for text, status in (
        ("Stream removed", grpc.StatusCode.UNKNOWN),
        ("Received RST_STREAM with error code 2", grpc.StatusCode.INTERNAL),
        ("", grpc.StatusCode.UNKNOWN),
        ("Socket closed", grpc.StatusCode.UNAVAILABLE),
    ):
        server.fail(text, status)
        with pytest.raises(ImmudbOutcomeUnknownError, match="look whether it is done") as caught:
            await ADMINISTRATION[name](client)
        assert "resolve" not in str(caught.value)


async def test_text_that_is_not_known_leaves_a_write_open(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    A write of entries can be read back, so it is better to look.
    """
    server.fail("a reason of a later version")

    with pytest.raises(ImmudbOutcomeUnknownError, match="resolve"):
        await client.set(b"key", b"value")


NAMED: Final[list[tuple[Callable[[ImmudbClient], Coroutine[Any, Any, Any]], str, str]]] = [
    (lambda client: client.create_user("ada", PASSWORD, Permission.READ, "nowhere"), "database", "nowhere"),
    (lambda client: client.use_database("nowhere"), "database", "nowhere"),
    (lambda client: client.login("immudb", "immudb", "nowhere"), "database", "nowhere"),
    (
        lambda client: client.change_permission(PermissionAction.GRANT, "ghost", "defaultdb", Permission.READ),
        "user",
        "ghost",
    ),
    (lambda client: client.set_active_user("ghost", active=True), "user", "ghost"),
    (lambda client: client.change_password("ghost", old_password="", new_password=PASSWORD), "user", "ghost"),
    (lambda client: client.set_active_user("permission denied", active=True), "user", "permission denied"),
    (lambda client: client.set_active_user("session not found", active=True), "user", "session not found"),
    (lambda client: client.set_active_user("x.*(", active=True), "user", "x.*("),
    (lambda client: client.get(b"key", at_tx=7), "transaction", "7"),
]


@pytest.mark.parametrize(("ask", "kind", "name"), NAMED, ids=range(len(NAMED)))
async def test_what_is_missing_has_its_own_name(
    client: ImmudbClient, ask: Callable[[ImmudbClient], Coroutine[Any, Any, Any]], kind: str, name: str
) -> None:
    """
    The database, user or transaction that is missing is named, whatever it is called.
    """
    await client.set(b"key", b"value")

    with pytest.raises(ImmudbNotFoundError) as caught:
        await ask(client)

    assert (caught.value.kind, caught.value.name) == (kind, name)


async def test_user_may_be_called_as_an_error_is(client: ImmudbClient) -> None:
    """
    A user called "permission" exists once, and is made inactive as any other.
    """
    await client.create_user("permission", PASSWORD, Permission.READ, "defaultdb")

    with pytest.raises(ImmudbExistsError, match="user 'permission'"):
        await client.create_user("permission", PASSWORD, Permission.READ, "defaultdb")
    await client.set_active_user("permission", active=False)


async def test_wrong_old_password_is_no_missing_permission(client: ImmudbClient) -> None:
    """
    The error says which of the two it is.
    """
    with pytest.raises(ImmudbRefusedError, match="old password is incorrect"):
        await client.change_password("immudb", old_password="Wrong:123", new_password=PASSWORD)  # noqa: S106


async def test_names_of_databases_that_are_none_are_refused(client: ImmudbClient) -> None:
    """
    With a hyphen or a space, too long, empty, or the server's own: nothing was made, and the error says why.
    """
    for name in ("a-b", "a b", "d" * 200, "", "systemdb"):
        with pytest.raises(ImmudbRefusedError, match="database"):
            await client.create_database(name)

    assert await client.list_databases() == ["defaultdb"]


async def test_user_without_a_name_is_refused(client: ImmudbClient) -> None:
    """
    Nothing was made.
    """
    with pytest.raises(ImmudbRefusedError, match="username can not be empty"):
        await client.create_user("", PASSWORD, Permission.READ, "defaultdb")


async def test_permission_that_is_missing_is_told_with_its_database(
    server: ImmudbTestServer, client: ImmudbClient
) -> None:
    """
    Whoever may read cannot write, delete or refer.
    """
    await client.create_user("ada", PASSWORD, Permission.READ, "defaultdb")
    await client.set(b"key", b"value")
    async with ImmudbClient(f"localhost:{server.port}", user="ada", password=PASSWORD) as reader:
        for write in (reader.set(b"key", b""), reader.delete(b"key"), reader.set_reference(b"pointer", b"key")):
            with pytest.raises(ImmudbPermissionError, match="'defaultdb'"):
                await write


SECRET: Final = "hunter2:Ä/+"  # noqa: S105  a test's
REPEATED: Final = [
    SECRET,
    SECRET.upper(),
    SECRET.encode().hex(),
    base64.b64encode(SECRET.encode()).decode(),
    repr(SECRET.encode()),
    "hunter2%3A%C3%84%2F%2B",
]


@pytest.mark.parametrize("form", LoginForm)
@pytest.mark.parametrize("repeated", REPEATED, ids=range(len(REPEATED)))
async def test_password_that_a_server_repeats_is_in_no_error(
    server: ImmudbTestServer, caplog: pytest.LogCaptureFixture, form: LoginForm, repeated: str
) -> None:
    """
    However it is written there, and whichever way the login fails.
    """
    statuses = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAUTHENTICATED)
    for status in statuses:
        async with ImmudbClient(f"localhost:{server.port}", user="immudb", password=SECRET, login_form=form) as client:
            server.refuse_sessions(f"login of immudb:{repeated} failed", status)
            with pytest.raises(ImmudbError) as caught:
                await client.get(b"key")

        shown = f"{caught.value}{caught.value!r}{vars(caught.value)}{caplog.text}".casefold()
        assert repeated.casefold() not in shown
        assert "hunter2" not in shown


async def test_password_of_a_new_user_that_a_server_repeats_is_in_no_error(
    server: ImmudbTestServer, client: ImmudbClient
) -> None:
    """
    Refused or unknown.
    """
    for text, status in (("no: " + PASSWORD, grpc.StatusCode.UNKNOWN), (PASSWORD, grpc.StatusCode.UNAVAILABLE)):
        server.fail(text, status)
        with pytest.raises(ImmudbError, match="repeats a password") as caught:
            await client.create_user("ada", PASSWORD, Permission.READ, "defaultdb")
        assert "pasdfoiu" not in f"{caught.value}{vars(caught.value)}"


async def test_text_of_a_server_is_one_short_line(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    Control characters and kilobytes do not come through to whoever reads the error.
    """
    server.fail("\x1b[2J\r\nall\x00is\u202ewell " + 3_000 * "x", grpc.StatusCode.INVALID_ARGUMENT)

    with pytest.raises(ImmudbRefusedError) as caught:
        await client.set(b"key", b"value")

    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
    assert "all is well" in caught.value.text


@pytest.mark.parametrize("form", LoginForm)
@pytest.mark.parametrize("name", ["abc\r\nevil: 1", "", "a b", "é", "x" * 5_000, "a\x00b"], ids=range(6))
async def test_session_that_no_header_can_hold_is_told(
    server: ImmudbTestServer, monkeypatch: pytest.MonkeyPatch, form: LoginForm, name: str
) -> None:
    """
    A server that gives such a name opens no session: nothing is sent with it, and the error is one of this package.
    """
    monkeypatch.setattr(server.accounts, "open_session", lambda *_: name)
    monkeypatch.setattr(server.accounts, "give_token", lambda *_: name)
    async with ImmudbClient(server.url, login_form=form) as client:
        with pytest.raises(ImmudbLoginError, match="no header can hold"):
            await client.get(b"key")


async def test_login_that_is_answered_with_garbage_is_told(server: ImmudbTestServer) -> None:
    """
    As a session that there is not.
    """
    server.garbles = True
    async with ImmudbClient(server.url) as client:
        with pytest.raises(ImmudbLoginError, match="no message"):
            await client.get(b"key")


async def test_login_is_tried_again(server: ImmudbTestServer) -> None:
    """
    As a read is: five times where the server may do it a moment later, and once where it refuses.
    """
    for count, tries in ((3, 4), (100, 5)):
        server.calls.clear()
        server.refuse_sessions("the connection was closed", grpc.StatusCode.UNAVAILABLE, count=count)
        async with ImmudbClient(server.url) as client:
            if tries == 5:
                with pytest.raises(ImmudbUnavailableError):
                    await client.set(b"key", b"value")
            else:
                await client.set(b"key", b"value")
        assert server.calls.count("OpenSession") == tries
