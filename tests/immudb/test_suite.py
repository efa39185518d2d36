"""
What the client offers, against the test server, and against the immudb that ``IMMUDB_URL`` names.
"""

from __future__ import annotations

import asyncio
import uuid

import pytest

from eventsource.errors import (
    ImmudbExistsError,
    ImmudbKeyExistsError,
    ImmudbKeyNotFoundError,
    ImmudbLoginError,
    ImmudbNotFoundError,
    ImmudbPermissionError,
    ImmudbRefusedError,
)
from eventsource.immudb import Head, ImmudbClient, LoginForm, Permission, PermissionAction
from tests.immudb.conftest import IMMUDB_URL

PASSWORD = "Pw1:pasdfoiu"  # noqa: S105  of users that a test makes


def test_there_is_an_immudb_to_run_against() -> None:
    """
    If so, every test below ran against it, too.
    """
    if not IMMUDB_URL:
        pytest.skip("IMMUDB_URL names no immudb, such as immudb://immudb:PASSWORD@localhost:3322")


def unique(name: str) -> str:
    """
    A name that nobody used on that server before.
    """
    return f"{name}{uuid.uuid4().hex[:12]}"


async def test_what_is_set_can_be_read(admin: ImmudbClient) -> None:
    """
    A key has the value it was given last, and knows its transaction.
    """
    tx = await admin.set(b"key", b"value")

    found = await admin.get(b"key")

    assert found is not None
    assert (found.key, found.value, found.tx, found.revision) == (b"key", b"value", tx, 1)


async def test_key_that_is_not_there_is_none(admin: ImmudbClient) -> None:
    """
    Reading it gives nothing; its history is empty.
    """
    assert await admin.get(b"key") is None
    assert await admin.history(b"key") == []


async def test_values_are_any_bytes(admin: ImmudbClient) -> None:
    """
    Empty values and all bytes come back as they were, with verification and without.
    """
    values = {b"empty": b"", b"all": bytes(range(256)), b"\x00key\xff": b"\x00"}

    await admin.verified_set_all(values)

    assert await admin.get_all(values) == values
    assert {key: (await admin.verified_get(key)).value for key in values} == values


async def test_several_keys_are_written_at_once(admin: ImmudbClient) -> None:
    """
    All of them get the same transaction, and are read at one moment.
    """
    tx = await admin.set_all({b"a": b"1", b"b": b"2"})

    assert await admin.get_all([b"b", b"a"]) == {b"b": b"2", b"a": b"1"}
    assert [(entry.key, entry.tx) for entry in await admin.scan()] == [(b"a", tx), (b"b", tx)]


async def test_all_keys_are_read_or_none(admin: ImmudbClient) -> None:
    """
    A key that is missing among several is an error, which says how many are.
    """
    await admin.set(b"a", b"1")

    with pytest.raises(ImmudbKeyNotFoundError) as caught:
        await admin.get_all([b"a", b"b", b"c"])

    assert caught.value.missing == 2


async def test_history_has_each_value_once(admin: ImmudbClient) -> None:
    """
    What was written to a key stays, in order, and revisions count it.
    """
    for value in (b"1", b"2", b"3"):
        await admin.set(b"key", value)

    assert [entry.value for entry in await admin.history(b"key")] == [b"1", b"2", b"3"]
    assert [entry.value for entry in await admin.history(b"key", newest_first=True, limit=2)] == [b"3", b"2"]
    assert [entry.value for entry in await admin.history(b"key", offset=1)] == [b"2", b"3"]
    second = await admin.get(b"key", at_revision=2)
    assert second is not None
    assert (second.value, second.revision) == (b"2", 2)


async def test_scan_goes_on_where_it_ended(admin: ImmudbClient) -> None:
    """
    Keys come in order, those with a prefix alone, in either direction, a few at a time.
    """
    await admin.set_all({b"a/1": b"", b"a/2": b"", b"a/3": b"", b"b/1": b""})

    first = await admin.scan(b"a/", limit=2)
    rest = await admin.scan(b"a/", after=first[-1].key)
    down = await admin.scan(b"a/", descending=True)

    assert [entry.key for entry in first + rest] == [b"a/1", b"a/2", b"a/3"]
    assert [entry.key for entry in down] == [b"a/3", b"a/2", b"a/1"]


async def test_verified_write_is_proved_and_read_back(admin: ImmudbClient) -> None:
    """
    The receipt, the key and the whole transaction say the same.
    """
    receipt = await admin.verified_set_all({b"b": b"2", b"a": b"1"})

    proved = await admin.verified_get(b"a")
    transaction = await admin.verified_tx(receipt.tx)

    assert (proved.value, proved.tx, proved.alh) == (b"1", receipt.tx, receipt.alh)
    assert (proved.time, proved.time.year >= 2024) == (receipt.time, True)
    assert transaction.receipt == receipt
    assert transaction.entries == ((b"b", b"2"), (b"a", b"1"))
    assert await admin.head() == receipt.head


async def test_each_answer_follows_from_the_one_before(admin: ImmudbClient) -> None:
    """
    Proofs hold for every pair of sizes: each transaction is read while another number of them is trusted.
    """
    receipts = [await admin.verified_set(str(number).encode(), b"value") for number in range(18)]

    for receipt in receipts:
        assert (await admin.verified_tx(receipt.tx)).receipt == receipt
        assert (await admin.verified_get(str(receipt.tx - receipts[0].tx).encode())).tx == receipt.tx
    for receipt in receipts:
        assert await admin.prove_since(receipt.head) == receipts[-1].head


async def test_older_value_is_read_by_its_transaction(admin: ImmudbClient) -> None:
    """
    A receipt tells which value is meant, also after others were written.
    """
    first = await admin.verified_set(b"key", b"1")
    await admin.verified_set(b"key", b"2")

    assert (await admin.verified_get(b"key", at_tx=first.tx)).value == b"1"
    assert (await admin.verified_get(b"key")).value == b"2"


async def test_missing_key_with_verification_is_an_error(admin: ImmudbClient) -> None:
    """
    Absence cannot be proved, so it is no value of a verified call.
    """
    await admin.verified_set(b"other", b"value")

    with pytest.raises(ImmudbKeyNotFoundError, match="cannot be proved"):
        await admin.verified_get(b"key")


@pytest.mark.parametrize("verified", [True, False])
async def test_key_that_is_written_once_stays(admin: ImmudbClient, verified: bool) -> None:  # noqa: FBT001  a parameter
    """
    The second write is rejected, with all its other keys, and says so.
    """
    write = admin.verified_set_all if verified else admin.set_all
    await write({b"key": b"first"}, write_once=True)

    with pytest.raises(ImmudbKeyExistsError):
        await write({b"new": b"", b"key": b"second"}, write_once=True)

    assert (await admin.verified_get(b"key")).value == b"first"
    assert await admin.get(b"new") is None


async def test_trust_catches_up_with_others(admin: ImmudbClient, url: str) -> None:
    """
    What others wrote is trusted once it is proved to follow.
    """
    await admin.verified_set(b"mine", b"1")
    state = await admin.current_state()
    async with ImmudbClient(url, trust_on_first_use=True) as other:
        await other.use_database(state.database)
        theirs = await other.verified_set(b"theirs", b"2")

    assert await admin.advance() == theirs.head
    assert (await admin.verified_get(b"theirs")).value == b"2"


async def test_current_state_changes_nothing_that_is_trusted(admin: ImmudbClient) -> None:
    """
    It is the server's word alone.
    """
    receipt = await admin.verified_set(b"a", b"1")
    tx = await admin.set(b"b", b"2")

    state = await admin.current_state()

    assert (state.tx, state.database != "defaultdb") == (tx, True)
    assert await admin.head() == receipt.head


async def test_pinned_head_begins_trust(admin: ImmudbClient, url: str) -> None:
    """
    Whoever was told a head needs no first use.
    """
    receipt = await admin.verified_set(b"a", b"1")
    await admin.verified_set(b"b", b"2")
    database = (await admin.current_state()).database

    at = f"{url.rpartition('/')[0]}/{database}"
    async with ImmudbClient(at, pinned=Head.parse(str(receipt.head))) as pinned:
        assert (await pinned.verified_get(b"b")).value == b"2"


async def test_databases_are_apart(admin: ImmudbClient) -> None:
    """
    Each has its keys, its transactions and its trust.
    """
    first = (await admin.current_state()).database
    await admin.verified_set(b"key", b"first")
    other = unique("d")
    assert await admin.create_database(other) is True
    assert await admin.create_database(other, if_not_exists=True) is False
    assert {first, other} <= set(await admin.list_databases())

    await admin.use_database(other)
    assert await admin.get(b"key") is None
    await admin.verified_set(b"key", b"other")
    await admin.use_database(first)

    assert (await admin.verified_get(b"key")).value == b"first"


async def test_database_is_made_once(admin: ImmudbClient) -> None:
    """
    Making it again is an error; so is using one that is not there, and the one in use stays.
    """
    database = (await admin.current_state()).database
    with pytest.raises(ImmudbExistsError):
        await admin.create_database(database)
    with pytest.raises(ImmudbNotFoundError):
        await admin.use_database(unique("d"))

    assert (await admin.current_state()).database == database


async def test_user_may_do_what_was_permitted(admin: ImmudbClient, url: str) -> None:
    """
    Who may read cannot write; who is given the permission can; who is not active cannot come.
    """
    database, name = (await admin.current_state()).database, unique("u")
    await admin.set(b"key", b"value")
    await admin.create_user(name, PASSWORD, Permission.READ, database)
    at = f"{url.rpartition('@')[2].partition('/')[0]}/{database}"
    async with ImmudbClient(at, user=name, password=PASSWORD) as user:
        assert await user.get(b"key") is not None
        with pytest.raises(ImmudbPermissionError):
            await user.set(b"key", b"other")
        assert [listed.name for listed in await user.list_users()] == [name]

        await admin.change_permission(PermissionAction.GRANT, name, database, Permission.READ_WRITE)
        await user.set(b"key", b"other")

        listed = {listed.name: listed for listed in await admin.list_users()}[name]
        assert listed.permissions[database] is Permission.READ_WRITE
        assert listed.is_active
        await admin.set_active_user(name, active=False)
        with pytest.raises(ImmudbLoginError):
            await user.login(name, PASSWORD)


async def test_password_is_changed_by_an_administrator(admin: ImmudbClient, url: str) -> None:
    """
    The old one is refused from then on, and the new one is taken.
    """
    database, name, new_password = (await admin.current_state()).database, unique("u"), "Qw2:pasdfoiu"
    await admin.create_user(name, PASSWORD, Permission.READ_WRITE, database)
    at = f"{url.rpartition('@')[2].partition('/')[0]}/{database}"
    async with ImmudbClient(at, user=name, password=PASSWORD) as user:
        await user.set(b"key", b"value")

        await admin.change_password(name, old_password="", new_password=new_password)

        with pytest.raises(ImmudbLoginError):
            await user.get(b"key")
        await user.login(name, new_password)
        assert await user.get(b"key") is not None


async def test_user_cannot_change_their_own_password(admin: ImmudbClient, url: str) -> None:
    """
    An immudb refuses that to all who manage no database; the password stays.
    """
    database, name = (await admin.current_state()).database, unique("u")
    await admin.create_user(name, PASSWORD, Permission.READ_WRITE, database)
    at = f"{url.rpartition('@')[2].partition('/')[0]}/{database}"
    async with ImmudbClient(at, user=name, password=PASSWORD) as user:
        with pytest.raises((ImmudbPermissionError, ImmudbRefusedError)):
            await user.change_password(name, old_password=PASSWORD, new_password="Qw2:pasdfoiu")  # noqa: S106  a test's

    async with ImmudbClient(at, user=name, password=PASSWORD) as user:
        await user.set(b"key", b"value")


async def test_user_exists_once(admin: ImmudbClient) -> None:
    """
    Making it again is an error.
    """
    database, name = (await admin.current_state()).database, unique("u")
    await admin.create_user(name, PASSWORD, Permission.READ, database)

    with pytest.raises(ImmudbExistsError):
        await admin.create_user(name, PASSWORD, Permission.READ, database)


async def test_wrong_password_is_told_and_not_repeated(url: str) -> None:
    """
    The error names the server, and neither it nor the client shows the password.
    """
    at = url.rpartition("@")[2]
    async with ImmudbClient(at, user="immudb", password="Wrong:hunter2") as client:  # noqa: S106  a wrong one
        with pytest.raises(ImmudbLoginError) as caught:
            await client.get(b"key")

        assert "hunter2" not in f"{caught.value!s}{caught.value!r}{vars(caught.value)}{client!r}"


async def test_token_will_do(admin: ImmudbClient, url: str) -> None:
    """
    The older way to log in reads, writes and verifies just as well.
    """
    database = (await admin.current_state()).database
    async with ImmudbClient(url, login_form=LoginForm.TOKEN, trust_on_first_use=True) as client:
        await client.use_database(database)
        receipt = await client.verified_set(b"key", b"value")

        assert (await client.verified_get(b"key")).tx == receipt.tx
        assert client.server_uuid


async def test_64_writers_are_served(admin: ImmudbClient) -> None:
    """
    More writes at once than a server takes wait for each other.
    """
    await asyncio.gather(*(admin.set(f"{number:02}".encode(), b"value") for number in range(64)))

    assert len(await admin.scan()) == 64


async def test_64_verified_writers_are_served(admin: ImmudbClient) -> None:
    """
    They come one after the other, and each has its transaction.
    """
    writes = (admin.verified_set(f"{number:02}".encode(), b"value") for number in range(64))

    receipts = await asyncio.gather(*writes)

    assert len({receipt.tx for receipt in receipts}) == 64
    assert await admin.head() == max(receipts, key=lambda receipt: receipt.tx).head


async def test_health(admin: ImmudbClient) -> None:
    """
    A server says that it is well, and which version it has.
    """
    health = await admin.health()

    assert health.is_well
    assert health.version
