"""
Deletions, expiry, references, preconditions, scans and transactions, against a server of each kind.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from eventsource.errors import (
    ImmudbError,
    ImmudbKeyExistsError,
    ImmudbKeyNotFoundError,
    ImmudbLimitError,
    ImmudbNotFoundError,
    ImmudbOutcomeUnknownError,
    ImmudbPreconditionError,
    ImmudbRefusedError,
)
from eventsource.immudb import (
    ImmudbClient,
    KeyMustExist,
    KeyMustNotExist,
    KeyNotModifiedAfter,
    Reference,
)
from eventsource.testing.immudb import ImmudbTestServer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

PAST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
FUTURE = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


async def test_deleted_key_is_gone_and_stays_in_its_history(admin: ImmudbClient) -> None:
    """
    A deletion is a revision without a value, and no empty one; the transaction names the key.
    """
    await admin.set(b"key", b"")
    tx = await admin.delete(b"key")

    assert await admin.get(b"key") is None
    assert await admin.scan() == []
    written, deleted = await admin.history(b"key")
    assert (written.value, written.is_deleted) == (b"", False)
    assert (deleted.value, deleted.is_deleted, deleted.tx) == (None, True, tx)
    assert (await admin.tx(tx)).deleted == (b"key",)
    assert (await admin.verified_tx(tx)).deleted == (b"key",)
    with pytest.raises(ImmudbKeyNotFoundError):
        await admin.verified_get(b"key")
    with pytest.raises(ImmudbKeyNotFoundError):
        await admin.delete(b"key")


async def test_keys_are_deleted_together_or_not(admin: ImmudbClient) -> None:
    """
    Where one of them is missing, the others stay.
    """
    await admin.set_all({b"a": b"1", b"b": b"2"})
    with pytest.raises(ImmudbKeyNotFoundError):
        await admin.delete(b"a", b"nothing")
    assert await admin.get(b"a") is not None

    await admin.delete(b"a", b"b")

    assert await admin.scan() == []


async def test_expired_value_is_given_out_no_more(admin: ImmudbClient) -> None:
    """
    It leaves a revision without a value; a value whose time is not over is read, with its date.
    """
    await admin.set(b"past", b"value", expires_at=PAST)
    await admin.set(b"future", b"value", expires_at=FUTURE)

    assert await admin.get(b"past") is None
    found = await admin.get(b"future")
    assert found is not None
    assert (found.value, found.expires_at_s) == (b"value", int(FUTURE.timestamp()))
    (revision,) = await admin.history(b"past")
    assert (revision.value, revision.is_expired, revision.expires_at_s) == (None, True, int(PAST.timestamp()))
    assert [entry.key for entry in await admin.scan()] == [b"future"]


async def test_transaction_with_an_expired_entry_is_proved(admin: ImmudbClient) -> None:
    """
    A server leaves the value out: the proof holds all the same, and the key is named.
    """
    receipt = await admin.verified_set_all({b"a": b"1", b"b": b"2"}, expires_at=PAST)
    mixed = await admin.verified_set(b"kept", b"3", expires_at=FUTURE)

    found = await admin.verified_tx(receipt.tx)

    assert (found.receipt, found.entries, found.expired, found.others) == (receipt, (), (b"a", b"b"), 2)
    assert (await admin.verified_tx(mixed.tx)).entries == ((b"kept", b"3"),)
    assert (await admin.verified_get(b"kept")).value == b"3"


async def test_reference_is_read_as_the_key_it_stands_for(admin: ImmudbClient) -> None:
    """
    In each call, with verification and without; it follows the key, or stays with one transaction.
    """
    first = await admin.set(b"key", b"1")
    await admin.set_reference(b"newest", b"key")
    receipt = await admin.verified_set_reference(b"bound", b"key", at_tx=first)
    await admin.set(b"key", b"2")

    newest, bound = Reference(b"newest", b"key"), Reference(b"bound", b"key", first)
    for key, value, reference in ((b"newest", b"2", newest), (b"bound", b"1", bound)):
        found = await admin.get(key)
        proved = await admin.verified_get(key)
        assert found is not None
        assert (found.key, found.value, found.reference, found.asked_key) == (b"key", value, reference, key)
        assert (proved.key, proved.value, proved.reference) == (b"key", value, reference)
    assert await admin.get_all([b"newest", b"key", b"bound"]) == {b"newest": b"2", b"key": b"2", b"bound": b"1"}
    assert [entry.asked_key for entry in await admin.scan()] == [b"bound", b"key", b"newest"]
    assert (await admin.verified_tx(receipt.tx)).references == (bound,)
    assert (await admin.tx(receipt.tx)).references == (bound,)


async def test_reference_in_a_history_is_told_from_a_value_that_looks_like_one(admin: ImmudbClient) -> None:
    """
    The bytes may be the same: the transaction tells what was written.
    """
    looks_alike = bytes(8) + b"\x00key"
    await admin.set(b"key", b"value")
    await admin.set_reference(b"pointer", b"key")
    await admin.set(b"value", looks_alike)

    (pointer,) = await admin.history(b"pointer")
    (value,) = await admin.history(b"value")

    assert (pointer.value, pointer.reference) == (None, Reference(b"pointer", b"key"))
    assert (value.value, value.reference) == (looks_alike, None)


async def test_reference_needs_a_key_that_holds_a_value(admin: ImmudbClient) -> None:
    """
    A missing one, a reference, and a key of its own value are refused.
    """
    await admin.set(b"key", b"value")
    await admin.set_reference(b"pointer", b"key")

    with pytest.raises(ImmudbKeyNotFoundError):
        await admin.set_reference(b"new", b"nothing")
    for key, refers_to in ((b"new", b"pointer"), (b"key", b"key")):
        with pytest.raises(ImmudbRefusedError):
            await admin.verified_set_reference(key, refers_to)


@pytest.mark.parametrize("verified", [True, False])
async def test_write_takes_place_only_if_its_preconditions_hold(
    admin: ImmudbClient,
    verified: bool,  # noqa: FBT001  a parameter
) -> None:
    """
    A key must be there, must not be, or must not have been written since.
    """
    write: Callable[..., Coroutine[Any, Any, Any]] = admin.verified_set if verified else admin.set
    first = await admin.set(b"key", b"1")
    await write(b"other", b"", preconditions=[KeyMustExist(b"key"), KeyMustNotExist(b"new")])
    await write(b"key", b"2", preconditions=[KeyNotModifiedAfter(b"key", first)])

    with pytest.raises(ImmudbPreconditionError):
        await write(b"key", b"3", preconditions=[KeyNotModifiedAfter(b"key", first)])
    with pytest.raises(ImmudbPreconditionError):
        await write(b"key", b"3", preconditions=[KeyMustExist(b"nothing")])
    with pytest.raises(ImmudbKeyExistsError):
        await write(b"key", b"3", preconditions=[KeyMustNotExist(b"other")])

    assert [revision.value for revision in await admin.history(b"key")] == [b"1", b"2"]


async def test_deleted_key_may_be_written_once_more(admin: ImmudbClient) -> None:
    """
    Written once means that the key is not there, and a deleted one is not.
    """
    await admin.set(b"key", b"1", write_once=True)
    await admin.delete(b"key")

    await admin.set(b"key", b"2", write_once=True)

    assert [revision.value for revision in await admin.history(b"key")] == [b"1", None, b"2"]


async def test_scan_ends_before_a_key(admin: ImmudbClient) -> None:
    """
    Both ends can be left out or taken in, in either direction.
    """
    await admin.set_all(dict.fromkeys((b"a", b"b", b"c", b"d"), b""))

    async def keys(**ends: Any) -> list[bytes]:
        return [entry.key async for entry in admin.iter_scan(**ends)]

    assert await keys(end=b"c") == [b"a", b"b"]
    assert await keys(after=b"b", includes_after=True, end=b"c", includes_end=True) == [b"b", b"c"]
    assert await keys(after=b"d", end=b"b", descending=True) == [b"c"]


async def test_scan_and_history_go_on_behind_what_one_answer_holds(admin: ImmudbClient) -> None:
    """
    An immudb gives 2,500 results at once and says nothing of the rest: here all of them come, or the limit's number.
    """
    for start in range(0, 3_000, 1_000):
        await admin.set_all({b"%04d" % number: b"" for number in range(start, start + 1_000)})

    everything = [b"%04d" % number for number in range(3_000)]
    assert [entry.key for entry in await admin.scan()] == everything
    assert [entry.key for entry in await admin.scan(descending=True)] == everything[::-1]
    assert [entry.key for entry in await admin.scan(limit=2_600)] == everything[:2_600]
    assert len(await admin.scan(b"", b"", True, 2_501)) == 2_501  # noqa: FBT003  as the official client's


async def test_history_of_many_revisions_is_whole() -> None:
    """
    From either end, also where another client writes between two answers.
    """
    async with ImmudbTestServer() as server, ImmudbClient(server.url) as client:
        await asyncio.gather(*(client.set(b"key", b"%d" % number) for number in range(2_600)))

        assert [revision.revision for revision in await client.history(b"key")] == list(range(1, 2_601))
        assert len(await client.history(b"key", 2_550)) == 50
        assert len(await client.history(b"key", limit=2_550)) == 2_550

        seen: list[int] = []
        async for revision in client.iter_history(b"key", newest_first=True):
            if len(seen) == 10:
                await client.set(b"key", b"meanwhile")
            seen.append(revision.revision)
        assert seen == list(range(2_600, 0, -1))


async def test_scan_does_not_end_at_references_to_nothing(admin: ImmudbClient) -> None:
    """
    They take room in an answer and are not in it, so that a short answer is not the last one.
    """
    await admin.set(b"gone", b"")
    for number in range(3):
        await admin.set_reference(b"a%d" % number, b"gone")
    await admin.set_all({b"b1": b"", b"b2": b""})
    await admin.delete(b"gone")

    assert [entry.key for entry in await admin.scan(limit=2)] == [b"b1", b"b2"]


async def test_scan_stays_in_its_database(admin: ImmudbClient) -> None:
    """
    Where the client changes the database meanwhile, the reading ends with an error, and mixes nothing.
    """
    for start in range(0, 3_000, 1_000):
        await admin.set_all({b"%04d" % number: b"" for number in range(start, start + 1_000)})

    entries = admin.iter_scan()
    await anext(entries)
    await admin.use_database("defaultdb")

    with pytest.raises(ImmudbRefusedError, match="another database"):
        _ = [entry async for entry in entries]


async def test_transactions_are_read_in_order(admin: ImmudbClient) -> None:
    """
    One by its number, and many from one on, in either direction.
    """
    numbers = [await admin.set(b"key", b"%d" % number) for number in range(4)]

    assert [found.tx async for found in admin.iter_txs(numbers[1])] == numbers[1:]
    assert [found.tx for found in await admin.scan_txs(numbers[2], 2, descending=True)] == numbers[2:0:-1]
    found = await admin.tx(numbers[3])
    assert (found.entries, found.others, found.time_s > 0) == (((b"key", b"3"),), 0, True)
    with pytest.raises(ImmudbNotFoundError, match="transaction '999'"):
        await admin.tx(999)


async def test_missing_transaction_and_revision_are_named(admin: ImmudbClient) -> None:
    """
    By their numbers, whichever call asked for them.
    """
    await admin.verified_set(b"key", b"value")
    asks: list[Callable[[], Coroutine[Any, Any, Any]]] = [
        lambda: admin.get(b"key", at_tx=999),
        lambda: admin.verified_get(b"key", at_tx=999),
        lambda: admin.verified_tx(999),
    ]
    for ask in asks:
        with pytest.raises(ImmudbNotFoundError, match="no transaction '999'"):
            await ask()
    for ask in (lambda: admin.get(b"key", 7), lambda: admin.verified_get(b"key", 7)):
        with pytest.raises(ImmudbNotFoundError, match="no revision '7'"):
            await ask()


async def test_server_says_what_it_is(admin: ImmudbClient) -> None:
    """
    Its version, and how much it holds.
    """
    info = await admin.server_info()

    assert info.version
    assert info.databases > 1
    assert info.started_at_s > 0


@pytest.fixture
async def unsure() -> AsyncGenerator[tuple[ImmudbTestServer, ImmudbClient]]:
    """
    A server that can be told to break off, and a client that trusts it.
    """
    async with ImmudbTestServer() as server, ImmudbClient(server.url, trust_on_first_use=True) as client:
        await client.verified_set(b"key", b"value")
        yield server, client


WRITES: dict[str, Callable[[ImmudbClient], Coroutine[Any, Any, Any]]] = {
    "delete": lambda client: client.delete(b"key"),
    "reference": lambda client: client.set_reference(b"pointer", b"key"),
    "verified-reference": lambda client: client.verified_set_reference(b"pointer", b"key"),
    "expired": lambda client: client.verified_set(b"new", b"value", expires_at=PAST),
}


@pytest.mark.parametrize("name", WRITES)
async def test_each_kind_of_write_can_be_read_back(unsure: tuple[ImmudbTestServer, ImmudbClient], name: str) -> None:
    """
    `resolve` finds a deletion, a reference, and a value whose time is over already.
    """
    server, client = unsure
    server.drop_answers()
    with pytest.raises(ImmudbOutcomeUnknownError, match="resolve") as caught:
        await WRITES[name](client)

    receipt = await client.resolve(caught.value)

    assert receipt is not None
    assert receipt.tx == 2


UNFIT: list[Callable[[ImmudbClient], Coroutine[Any, Any, Any]]] = [
    lambda client: client.get(b"key", at_tx=-1),
    lambda client: client.verified_get(b"key", at_tx=2**64),
    lambda client: client.verified_tx(0),
    lambda client: client.tx(0),
    lambda client: client.history(b"key", -1),
    lambda client: client.scan(limit=-1),
    lambda client: client.scan_txs(0),
    lambda client: client.delete(),
    lambda client: client.set(b"key", b"", preconditions=[KeyNotModifiedAfter(b"key", 0)]),
    lambda client: client.set(b"key", b"", preconditions=[KeyMustExist(b"")]),
]


@pytest.mark.parametrize("ask", UNFIT, ids=range(len(UNFIT)))
async def test_numbers_that_do_not_fit_are_not_sent(
    server: ImmudbTestServer, client: ImmudbClient, ask: Callable[[ImmudbClient], Coroutine[Any, Any, Any]]
) -> None:
    """
    The error names the limit.
    """
    with pytest.raises(ImmudbLimitError):
        await ask(client)

    assert [call for call in server.calls if call != "OpenSession"] == []


async def test_large_values_are_scanned_in_smaller_answers(client: ImmudbClient) -> None:
    """
    Where the values of 2,500 keys do not fit into one answer, fewer are asked for.
    """
    for number in range(5):
        await client.set(b"%d" % number, bytes(9_000_000))

    assert [(entry.key, len(entry.value)) async for entry in client.iter_scan()] == [
        (b"%d" % number, 9_000_000) for number in range(5)
    ]


async def test_errors_of_a_database_are_one_family(admin: ImmudbClient) -> None:
    """
    A key that exists is a precondition that does not hold, and both are errors of an immudb.
    """
    await admin.set(b"key", b"")
    with pytest.raises(ImmudbPreconditionError):
        await admin.set(b"key", b"", write_once=True)

    assert issubclass(ImmudbPreconditionError, ImmudbError)
