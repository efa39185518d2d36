"""
How an immudb answers for what is no plain key and value: the test server does so, and so does a real server.

The answers were read in the source of immudb 1.11.1. Measured there are: the empty value of deletions and expired
entries in a history, a transaction that leaves an expired entry out where values are asked for, references as raw
bytes in a history, and at most 2,500 entries at once.
"""

from __future__ import annotations

from typing import Any

import grpc
import grpc.aio
import pytest

from eventsource.immudb.connection import Address
from eventsource.immudb.messages import new
from eventsource.testing.immudb import ImmudbTestServer
from eventsource.testing.immudb.stored import StoredEntry
from tests.immudb.office import Office

RAW = new("EntriesSpec", kvEntriesSpec=new("EntryTypeSpec", action=2))
RESOLVED = new("EntriesSpec", kvEntriesSpec=new("EntryTypeSpec", action=3))


async def history(office: Office, key: bytes) -> list[Any]:
    """
    What was written to a key.
    """
    return list((await office.ask("History", new("HistoryRequest", key=key))).entries)


async def test_history_shows_a_deletion(office: Office) -> None:
    """
    As an entry without a value that says what it is, and counts as a revision.
    """
    written, deleted = await history(office, b"gone")

    assert (written.value, written.HasField("metadata"), written.revision) == (b"2", False, 1)
    assert (deleted.value, deleted.metadata.deleted, deleted.revision) == (b"", True, 2)


async def test_history_shows_what_has_expired(office: Office) -> None:
    """
    Without its value.
    """
    (entry,) = await history(office, b"ended")

    assert (entry.value, entry.expired, entry.metadata.expiration.expiresAt) == (b"", True, 1)


async def test_history_shows_a_reference_as_it_is_stored(office: Office) -> None:
    """
    The number of a transaction, and the key that it refers to with the byte before it.
    """
    (entry,) = await history(office, b"pointer")

    assert entry.value == bytes(8) + b"\x00plain"
    assert not entry.HasField("referencedBy")


async def test_reference_is_followed(office: Office) -> None:
    """
    The answer is the other key's entry, and says by which key it was found; the proof is of the reference.
    """
    entry = await office.ask("Get", new("KeyRequest", key=b"pointer"))
    proved = await office.ask(
        "VerifiableGet", new("VerifiableGetRequest", keyRequest=new("KeyRequest", key=b"pointer"))
    )

    assert (entry.key, entry.value, entry.revision) == (b"plain", b"2", 2)
    assert (entry.referencedBy.key, entry.referencedBy.revision, entry.referencedBy.atTx) == (b"pointer", 1, 0)
    assert proved.entry == entry
    assert proved.verifiableTx.tx.header.id == entry.referencedBy.tx
    assert proved.verifiableTx.tx.entries[0].key == b"\x00pointer"


async def test_reference_may_be_bound_to_a_transaction(office: Office) -> None:
    """
    Then it stays with the value that was written there.
    """
    before = (await history(office, b"plain"))[0].tx
    request = new("ReferenceRequest", key=b"bound", referencedKey=b"plain", atTx=before, boundRef=True)
    made = await office.ask("SetReference", request)

    entry = await office.ask("Get", new("KeyRequest", key=b"bound"))

    assert (entry.value, entry.tx, entry.referencedBy.tx) == (b"1", before, made.id)


async def test_several_keys_leave_out_what_is_not_there(office: Office) -> None:
    """
    Deleted, expired and missing ones; a reference comes under the other key's name.
    """
    keys = [b"gone", b"pointer", b"ended", b"plain", b"nothing"]

    entries = (await office.ask("GetAll", new("KeyListRequest", keys=keys))).entries

    assert [(entry.key, entry.referencedBy.key) for entry in entries] == [(b"plain", b"pointer"), (b"plain", b"")]


async def test_transaction_leaves_out_what_has_expired_where_values_are_asked_for(office: Office) -> None:
    """
    Its hash is told where only hashes are; the header counts it in both.
    """
    tx = (await history(office, b"ended"))[0].tx

    raw = await office.ask("TxById", new("TxRequest", tx=tx, entriesSpec=RAW))
    digests = await office.ask("TxById", new("TxRequest", tx=tx))

    assert (len(raw.entries), raw.header.nentries) == (0, 1)
    assert [(entry.key, entry.value, entry.vLen) for entry in digests.entries] == [(b"\x00ended", b"", 2)]
    assert digests.entries[0].metadata.expiration.expiresAt == 1


async def test_transaction_shows_deletions_and_references_as_they_are_stored(office: Office) -> None:
    """
    Raw; resolved, a deletion is left out and a reference is followed.
    """
    deletion, reference = (await history(office, b"gone"))[1].tx, (await history(office, b"pointer"))[0].tx
    shown = {}
    for tx in (deletion, reference):
        shown[tx] = await office.ask("TxById", new("TxRequest", tx=tx, entriesSpec=RAW))
        resolved = await office.ask("TxById", new("TxRequest", tx=tx, entriesSpec=RESOLVED))
        assert [entry.value for entry in resolved.kvEntries] == ([] if tx == deletion else [b"2"])

    (gone,), (pointer,) = shown[deletion].entries, shown[reference].entries
    assert (gone.key, gone.value, gone.vLen, gone.metadata.deleted) == (b"\x00gone", b"", 0, True)
    assert (pointer.key, pointer.value) == (b"\x00pointer", b"\x01" + bytes(8) + b"\x00plain")


async def test_transactions_are_scanned(office: Office) -> None:
    """
    From one on, in either direction; behind the last there are none.
    """
    newest = int(office.names["newest"])

    up = await office.ask("TxScan", new("TxScanRequest", initialTx=newest - 1))
    down = await office.ask("TxScan", new("TxScanRequest", initialTx=newest, desc=True, limit=2))
    behind = await office.ask("TxScan", new("TxScanRequest", initialTx=newest + 1))

    assert [tx.header.id for tx in up.txs] == [newest - 1, newest]
    assert [tx.header.id for tx in down.txs] == [newest, newest - 1]
    assert not behind.txs


async def test_scan_has_two_ends(office: Office) -> None:
    """
    Each belongs to it where that is asked for.
    """
    await office.set(s1=b"1", s2=b"2", s3=b"3", s4=b"4")

    async def scan(**wanted: Any) -> list[bytes]:
        request = new("ScanRequest", prefix=b"s", **wanted)
        return [entry.key for entry in (await office.ask("Scan", request)).entries]

    assert await scan(seekKey=b"s1", endKey=b"s3") == [b"s2"]
    assert await scan(seekKey=b"s1", endKey=b"s3", inclusiveSeek=True, inclusiveEnd=True) == [b"s1", b"s2", b"s3"]
    assert await scan(seekKey=b"s4", endKey=b"s2", desc=True, inclusiveEnd=True) == [b"s3", b"s2"]
    assert await scan(offset=1, limit=2) == [b"s2", b"s3"]


async def test_scan_counts_references_to_nothing(office: Office) -> None:
    """
    They take a place of the limit and are left out, so an answer may be short before the end.
    """
    await office.set(t1=b"1", t3=b"3")
    await office.ask("SetReference", new("ReferenceRequest", key=b"t2", referencedKey=b"t1"))
    await office.ask("Delete", new("DeleteKeysRequest", keys=[b"t1"]))

    entries = (await office.ask("Scan", new("ScanRequest", prefix=b"t", limit=1))).entries

    assert not entries


async def test_scan_and_history_end_at_2500(office: Office) -> None:
    """
    Without a sign; the rest is asked for from there on.
    """
    for start in range(0, 2_502, 834):
        await office.set(**{f"k{number:04}": b"" for number in range(start, start + 834)})

    first = (await office.ask("Scan", new("ScanRequest", prefix=b"k"))).entries
    rest = (await office.ask("Scan", new("ScanRequest", prefix=b"k", seekKey=first[-1].key))).entries

    assert (len(first), [entry.key for entry in rest]) == (2_500, [b"k2500", b"k2501"])


async def test_deleted_key_may_be_written_once_more(office: Office) -> None:
    """
    It counts as not there, so a key that is written once is safe from writers, and not from those who delete.
    """
    request = new(
        "SetRequest",
        KVs=[new("KeyValue", key=b"gone", value=b"3")],
        preconditions=[new("Precondition", keyMustNotExist=new("KeyOnly", key=b"gone"))],
    )

    await office.ask("Set", request)

    assert [entry.value for entry in await history(office, b"gone")] == [b"2", b"", b"3"]


async def test_value_of_a_transaction_has_no_revision(office: Office) -> None:
    """
    Asked for by its transaction, an entry does not say how often the key had been written.
    """
    tx = (await history(office, b"plain"))[0].tx

    entry = await office.ask("Get", new("KeyRequest", key=b"plain", atTx=tx))

    assert (entry.value, entry.tx, entry.revision) == (b"1", tx, 0)


async def test_set_is_scanned_by_score(office: Office) -> None:
    """
    A sorted set gives the entries of its keys, smallest score first, within bounds.
    """
    await office.set(low=b"l")
    for key, score in ((b"plain", 2.5), (b"low", -1.0)):
        await office.ask("ZAdd", new("ZAddRequest", set=b"scores", score=score, key=key))

    every = (await office.ask("ZScan", new("ZScanRequest", set=b"scores"))).entries
    high = (await office.ask("ZScan", new("ZScanRequest", set=b"scores", minScore=new("Score", score=0)))).entries

    assert [(entry.score, entry.entry.value) for entry in every] == [(-1.0, b"l"), (2.5, b"2")]
    assert [entry.key for entry in high] == [b"plain"]


async def test_server_tells_of_itself(office: Office) -> None:
    """
    To everybody.
    """
    information = await office.ask("ServerInfo", new("Empty"), "nobody")

    assert information.version
    assert information.numDatabases >= 1


async def test_names_of_databases_are_made_small(office: Office) -> None:
    """
    A database that was made with capital letters is found with small ones, and a session takes either.
    """
    name = f"{office.names['database']}x"

    made = await office.ask("CreateDatabaseV2", new("CreateDatabaseRequest", name=name.upper()))
    again = await office.ask("CreateDatabaseV2", new("CreateDatabaseRequest", name=name, ifNotExists=True))

    assert (made.name, made.alreadyExisted, again.alreadyExisted) == (name, False, True)


async def test_entries_expire_when_their_time_comes() -> None:
    """
    The test server reads the clock it was given: an entry is there, and a second later it is not.
    """
    now_s = [1_000_000.0]
    async with ImmudbTestServer(clock=lambda: now_s[0]) as server:
        channel = grpc.aio.insecure_channel(f"localhost:{server.port}")
        there = Office(channel, Address.parse(server.url), is_real=False)
        expiring = new("KVMetadata", expiration=new("Expiration", expiresAt=1_000_001))
        entry = new("KeyValue", key=b"key", value=b"value", metadata=expiring)
        made = await there.ask("Set", new("SetRequest", KVs=[entry]))
        found = await there.ask("Get", new("KeyRequest", key=b"key"))
        now_s[0] += 1

        with pytest.raises(grpc.aio.AioRpcError, match="expired"):
            await there.ask("Get", new("KeyRequest", key=b"key"))
        await channel.close(None)

    assert (made.ts, found.value) == (1_000_000, b"value")


def test_stored_entries_are_read_back() -> None:
    """
    What an entry says can be read off the bytes it is stored as.
    """
    reference = StoredEntry.reference(b"key", b"other", 7)

    assert reference.referred == (b"\x00other", 7)
    assert StoredEntry.plain(b"key", b"value").referred is None
    assert StoredEntry.plain(b"key", b"value").set_member is None
