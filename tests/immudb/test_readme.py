"""
What the README of immudb's official Python client shows, row by row: under its own names, and under ours.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import attrs
import pytest

from eventsource.errors import VerificationError
from eventsource.immudb import (
    PERMISSION_GRANT,
    PERMISSION_R,
    PERMISSION_REVOKE,
    PERMISSION_RW,
    FileTrustStore,
    ImmudbClient,
    Permission,
    PermissionAction,
    PersistentRootService,
    VerificationException,
)
from eventsource.testing.immudb import ImmudbTestServer, Lie

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    Ask = Callable[[ImmudbClient], Awaitable[Any]]

PASSWORD: Final = "Pw1:pasdfoiu"  # noqa: S105  of users that a test makes
NEW_PASSWORD: Final = "pW1:a0s98d7gfy"  # noqa: S105  the README's
TIME: Final = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
PAIRS: Final = {b"key1": b"value1", b"key2": b"value2"}


@attrs.frozen
class Row:
    """
    A row of the README: its call, ours, and what either gives and leaves at the server.
    """

    official: Ask
    ours: Ask
    check: Callable[[Any, ImmudbTestServer], bool]


def account(server: ImmudbTestServer, name: str = "ada") -> Any:
    """
    A user of the server.
    """
    return server.accounts.named(name)


def newest(server: ImmudbTestServer) -> int:
    """
    The newest transaction; a test begins with the third.
    """
    return server.databases["defaultdb"].newest


ROWS: Final = {
    "login": Row(
        lambda client: client.login(username="immudb", password="immudb"),  # noqa: S106  immudb's own
        lambda client: client.login("immudb", "immudb"),
        lambda _, server: server.accounts.number_of_sessions == 1,
    ),
    "logout": Row(
        lambda client: client.closeSession(),
        lambda client: client.logout(),
        lambda _, server: server.accounts.number_of_sessions == 0,
    ),
    "openSession": Row(
        lambda client: client.openSession("immudb", "immudb", b"defaultdb"),
        lambda client: client.login("immudb", "immudb", "defaultdb"),
        lambda _, server: server.accounts.number_of_sessions == 1,
    ),
    "createDatabase": Row(
        lambda client: client.createDatabase(b"db1"),
        lambda client: client.create_database("db1"),
        lambda _, server: "db1" in server.databases,
    ),
    "useDatabase": Row(
        lambda client: client.useDatabase(b"other"),
        lambda client: client.use_database("other"),
        lambda _, server: server.calls.count("OpenSession") == 2,
    ),
    "databaseList": Row(
        lambda client: client.databaseList(),
        lambda client: client.list_databases(),
        lambda found, _: found == ["defaultdb", "other"],
    ),
    "set": Row(
        lambda client: client.set(b"k123", b"value123"),
        lambda client: client.set(b"k123", b"value123"),
        lambda found, server: found == newest(server) == 4,
    ),
    "set-bytes-like": Row(
        lambda client: client.set(bytearray(b"k123"), memoryview(b"value123")),
        lambda client: client.set_all([(bytearray(b"k123"), memoryview(b"value123"))]),
        lambda found, server: found == newest(server) == 4,
    ),
    "get": Row(
        lambda client: client.get(b"key1"),
        lambda client: client.get(b"key1"),
        lambda found, _: (found.key, found.value, found.tx) == (b"key1", b"value1", 3),
    ),
    "get-bytes-like": Row(
        lambda client: client.get(bytearray(b"key1")),
        lambda client: client.get(memoryview(b"key1")),
        lambda found, _: (found.key, found.value) == (b"key1", b"value1"),
    ),
    "verifiedSet": Row(
        lambda client: client.verifiedSet(b"k123", b"v123"),
        lambda client: client.verified_set(b"k123", b"v123"),
        lambda found, server: found.tx == newest(server) == 4,
    ),
    "safeSet": Row(
        lambda client: client.safeSet(b"k123", bytearray([1, 2, 3])),
        lambda client: client.verified_set(b"k123", bytes([1, 2, 3])),
        lambda found, server: found.tx == newest(server) == 4,
    ),
    "verifiedGet": Row(
        lambda client: client.verifiedGet(b"k"),
        lambda client: client.verified_get(b"k"),
        lambda found, _: (found.key, found.value, found.tx) == (b"k", b"second", 2),
    ),
    "safeGet": Row(
        lambda client: client.safeGet(b"k"),
        lambda client: client.verified_get(b"k"),
        lambda found, _: (found.value, found.tx) == (b"second", 2),
    ),
    "verifiedGet-revision": Row(
        lambda client: client.verifiedGet(b"k", atRevision=1),
        lambda client: client.verified_get(b"k", at_revision=1),
        lambda found, _: (found.value, found.tx) == (b"first", 1),
    ),
    "verifiedGetAt": Row(
        lambda client: client.verifiedGetAt(b"k", 1),
        lambda client: client.verified_get(b"k", at_tx=1),
        lambda found, _: (found.value, found.tx) == (b"first", 1),
    ),
    "verifiedTxById": Row(
        lambda client: client.verifiedTxById(3),
        lambda client: client.verified_tx(3),
        lambda found, _: dict(found.entries) == PAIRS,
    ),
    "setAll": Row(
        lambda client: client.setAll({b"a": b"1", b"b": b"2"}),
        lambda client: client.set_all({b"a": b"1", b"b": b"2"}),
        lambda found, server: found == newest(server) == 4,
    ),
    "getAll": Row(
        lambda client: client.getAll(PAIRS.keys()),
        lambda client: client.get_all(PAIRS),
        lambda found, _: found == PAIRS,
    ),
    "get-several": Row(
        lambda client: client.get([b"key1", b"key2"]),
        lambda client: client.get((b"key1", b"key2")),
        lambda found, _: found == PAIRS,
    ),
    "history": Row(
        lambda client: client.history(b"k", 0, 10, True),  # noqa: FBT003  as the official client's
        lambda client: client.history(b"k", limit=10, newest_first=True),
        lambda found, _: [revision.value for revision in found] == [b"second", b"first"],
    ),
    "scan": Row(
        lambda client: client.scan(b"key1", b"key", False, 10, 3),  # noqa: FBT003  as the official client's
        lambda client: client.scan(b"key", after=b"key1", limit=10),
        lambda found, _: [(entry.key, entry.value) for entry in found] == [(b"key2", b"value2")],
    ),
    "createUser": Row(
        lambda client: client.createUser("newuser", PASSWORD, PERMISSION_RW, "defaultdb"),
        lambda client: client.create_user("newuser", PASSWORD, Permission.READ_WRITE, "defaultdb"),
        lambda _, server: account(server, "newuser").permissions == {"defaultdb": 2},
    ),
    "changePassword": Row(
        lambda client: client.changePassword("ada", NEW_PASSWORD, PASSWORD),
        lambda client: client.change_password("ada", old_password=PASSWORD, new_password=NEW_PASSWORD),
        lambda _, server: account(server).password == NEW_PASSWORD,
    ),
    "changePermission": Row(
        lambda client: client.changePermission(PERMISSION_GRANT, "ada", "other", PERMISSION_R),
        lambda client: client.change_permission(PermissionAction.GRANT, "ada", "other", Permission.READ),
        lambda _, server: account(server).permissions["other"] == 1,
    ),
    "revokePermission": Row(
        lambda client: client.changePermission(PERMISSION_REVOKE, "ada", "defaultdb", PERMISSION_R),
        lambda client: client.change_permission(PermissionAction.REVOKE, "ada", "defaultdb", Permission.READ),
        lambda _, server: account(server).permissions == {},
    ),
    "setActiveUser": Row(
        lambda client: client.setActiveUser(False, "ada"),  # noqa: FBT003  as the official client's
        lambda client: client.set_active_user("ada", active=False),
        lambda _, server: not account(server).is_active,
    ),
    "listUsers": Row(
        lambda client: client.listUsers(),
        lambda client: client.list_users(),
        lambda users, _: (
            [user.name for user in users.userlist.users] == [user.name for user in users] == ["ada", "immudb"]
        ),
    ),
    "currentState": Row(
        lambda client: client.currentState(),
        lambda client: client.current_state(),
        lambda state, _: (state.database, state.tx) == ("defaultdb", 3),
    ),
    "healthCheck": Row(
        lambda client: client.healthCheck(), lambda client: client.health(), lambda health, _: health.is_well
    ),
    "expireableSet": Row(
        lambda client: client.expireableSet(b"k", b"v", TIME),
        lambda client: client.set(b"k", b"v", expires_at=TIME),
        lambda found, server: found == newest(server) == 4,
    ),
    "delete": Row(
        lambda client: client.delete(b"key1", b"key2"),
        lambda client: client.delete(*PAIRS),
        lambda found, server: found == newest(server) == 4,
    ),
    "setReference": Row(
        lambda client: client.setReference(b"k", b"pointer"),
        lambda client: client.set_reference(b"pointer", b"k"),
        lambda found, server: found == newest(server) == 4,
    ),
    "verifiedSetReference": Row(
        lambda client: client.verifiedSetReference(b"k", b"pointer"),
        lambda client: client.verified_set_reference(b"pointer", b"k"),
        lambda found, server: found.tx == newest(server) == 4,
    ),
    "txById": Row(
        lambda client: client.txById(3), lambda client: client.tx(3), lambda found, _: dict(found.entries) == PAIRS
    ),
    "txScan": Row(
        lambda client: client.txScan(2, 999, False),  # noqa: FBT003  as the official client's
        lambda client: client.scan_txs(2),
        lambda found, _: [transaction.tx for transaction in found] == [2, 3],
    ),
    "serverInfo": Row(
        lambda client: client.serverInfo(), lambda client: client.server_info(), lambda info, _: info.databases == 2
    ),
}


@pytest.mark.parametrize("whose", ["official", "ours"])
@pytest.mark.parametrize("name", ROWS)
async def test_row_of_the_readme(server: ImmudbTestServer, name: str, whose: str) -> None:
    """
    Either name does the same, with the same result.
    """
    row = ROWS[name]
    async with ImmudbClient(server.url, trust_on_first_use=True) as client:
        for value in (b"first", b"second"):
            await client.verified_set(b"k", value)
        await client.set_all(PAIRS)
        await client.create_database("other")
        await client.create_user("ada", PASSWORD, Permission.READ, "defaultdb")

        found = await (row.official if whose == "official" else row.ours)(client)

        assert row.check(found, server)


async def test_shut_down_client_is_not_used_again(server: ImmudbTestServer) -> None:
    """
    `shutdown` is `close`: another client has to be made.
    """
    client = ImmudbClient(server.url)
    await client.set(b"key", b"value")

    await client.shutdown()

    assert server.accounts.number_of_sessions == 0


@pytest.mark.parametrize("address", ["", "mycustomurl:1234", "10.105.20.32:8899"])
def test_client_is_made_as_the_readme_makes_it(address: str) -> None:
    """
    With nothing, or with a host and a port.
    """
    client = ImmudbClient(address) if address else ImmudbClient()

    assert repr(client) == f"<ImmudbClient {address or 'localhost:3322'}>"


async def test_state_is_kept_in_the_file_that_the_readme_names(server: ImmudbTestServer, tmp_path: Path) -> None:
    """
    ``rs`` takes what keeps the trusted state, also by the official client's name for it.
    """
    filename = tmp_path / "rootfilename"
    async with ImmudbClient(server.url, rs=PersistentRootService(str(filename)), trust_on_first_use=True) as client:
        receipt = await client.verifiedSet(b"example", b"value")

    async with ImmudbClient(server.url, rs=filename) as client:
        assert (await client.verifiedGet(b"example")).tx == receipt.tx
    assert isinstance(PersistentRootService(), FileTrustStore)


async def test_signature_is_checked_with_the_key_that_the_readme_names(tmp_path: Path) -> None:
    """
    ``publicKeyFile`` is the file of the key.
    """
    key = tmp_path / "public_signing_key.pem"
    async with ImmudbTestServer(signs=True) as server:
        key.write_bytes(server.public_key)
        async with ImmudbClient(server.url, publicKeyFile=str(key), trust_on_first_use=True) as client:
            await client.verifiedSet(b"key", b"value")
            server.lie(Lie.MISSING_SIGNATURE)
            with pytest.raises(VerificationException):
                await client.verifiedGet(b"key")

    assert VerificationException is VerificationError
