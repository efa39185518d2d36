"""
What is trusted: where it begins, where it is kept, and that it never goes back.
"""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from eventsource.errors import RollbackError, TrustMissingError, TrustUnreadableError, VerificationError
from eventsource.immudb import Check, FileTrustStore, Head, ImmudbClient, MemoryTrustStore, Origin, TrustedHead
from eventsource.immudb.trust import MAX_HEADS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from eventsource.immudb import TrustStore
    from eventsource.testing.immudb import ImmudbTestServer

ROOT = Path(__file__).parents[2]


def head(tx: int) -> Head:
    """
    A head with a hash of its own.
    """
    return Head(tx, tx.to_bytes(32, "big"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    Where trust is kept.
    """
    return tmp_path / "trust" / "heads.json"


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, path: Path) -> TrustStore:
    """
    A store of each kind.
    """
    return MemoryTrustStore() if request.param == "memory" else FileTrustStore(path)


async def test_first_contact_must_be_asked_for(server: ImmudbTestServer, store: TrustStore) -> None:
    """
    Without a head or the word for it nothing is sent, neither read nor written; a file that is not there is no word.
    """
    async with ImmudbClient(server.url, trust=store) as client:
        for ask in (lambda: client.verified_set(b"key", b"value"), lambda: client.verified_get(b"key"), client.advance):
            with pytest.raises(TrustMissingError, match="trust_on_first_use=True"):
                await ask()

        assert set(server.calls) == {"OpenSession"}
        assert await client.head() is None


async def test_plain_calls_need_no_trust(server: ImmudbTestServer) -> None:
    """
    They verify nothing.
    """
    async with ImmudbClient(server.url) as client:
        await client.set(b"key", b"value")

        assert await client.get(b"key") is not None


async def test_first_use_of_an_empty_database_begins_with_its_first_transaction(server: ImmudbTestServer) -> None:
    """
    There is nothing to trust before.
    """
    async with ImmudbClient(server.url, trust_on_first_use=True) as client:
        assert await client.advance() is None
        receipt = await client.verified_set(b"key", b"value")

        assert await client.heads() == [TrustedHead(receipt.head, Origin.FIRST_USE)]


async def test_wrong_pin_is_refused(server: ImmudbTestServer) -> None:
    """
    A head that is not in this history makes every answer wrong.
    """
    database = server.databases["defaultdb"]
    for _ in range(3):
        database.write([(b"key", b"value")], time_s=0)
    for pinned in (head(2), head(3)):
        async with ImmudbClient(server.url, pinned=pinned) as client:
            with pytest.raises(VerificationError):
                await client.verified_get(b"key")
    async with ImmudbClient(server.url, pinned=Head(2, database.alh(2))) as client:
        assert (await client.verified_get(b"key")).tx == 3


async def test_pin_beyond_the_server_is_a_rollback(server: ImmudbTestServer) -> None:
    """
    Somebody knew of more than there is.
    """
    server.databases["defaultdb"].write([(b"key", b"value")], time_s=0)
    async with ImmudbClient(server.url, pinned=head(7)) as client:
        with pytest.raises(RollbackError):
            await client.verified_get(b"key")


async def test_pin_that_contradicts_the_file_is_told(server: ImmudbTestServer, path: Path) -> None:
    """
    One of the two is wrong, and nobody can say which.
    """
    async with ImmudbClient(server.url, trust=path, trust_on_first_use=True) as client:
        await client.verified_set(b"key", b"value")
    async with ImmudbClient(server.url, trust=path, pinned=head(1)) as client:
        with pytest.raises(VerificationError, match="pinned"):
            await client.verified_get(b"key")


async def test_trust_is_kept_between_programs(server: ImmudbTestServer, path: Path) -> None:
    """
    The next one needs no first use, and finds a server that was changed in between.
    """
    async with ImmudbClient(server.url, trust=path, trust_on_first_use=True) as client:
        await client.verified_set(b"key", b"value")
        receipt = await client.verified_set(b"key", b"again")
    async with ImmudbClient(server.url, trust=str(path)) as client:
        assert await client.head() == receipt.head
        assert (await client.verified_get(b"key")).value == b"again"
    server.fork(1)
    async with ImmudbClient(server.url, trust=FileTrustStore(path)) as client:
        with pytest.raises(VerificationError):
            await client.verified_set(b"key", b"more")


async def test_file_older_than_the_server_catches_up(server: ImmudbTestServer, path: Path) -> None:
    """
    What others wrote since is proved to follow.
    """
    async with ImmudbClient(server.url, trust=path, trust_on_first_use=True) as client:
        await client.verified_set(b"key", b"value")
    for _ in range(20):
        server.databases["defaultdb"].write([(b"theirs", b"value")], time_s=0)

    async with ImmudbClient(server.url, trust=path) as client:
        assert (await client.verified_get(b"theirs")).tx == 21
        newest = await client.head()

    assert newest is not None
    assert newest.tx == 21


async def test_trust_is_kept_by_the_configured_name(server: ImmudbTestServer, path: Path) -> None:
    """
    The name is the user's: another name is another ledger, even at the same address.
    """
    async with ImmudbClient(server.url, trust=path, ledger="bank", trust_on_first_use=True) as client:
        await client.verified_set(b"key", b"value")

    async with ImmudbClient(server.url, trust=path, ledger="bank") as client:
        assert (await client.verified_get(b"key")).value == b"value"
    async with ImmudbClient(server.url, trust=path) as client:
        with pytest.raises(TrustMissingError):
            await client.verified_get(b"key")


async def test_file_is_for_its_owner_alone(store: TrustStore, path: Path) -> None:
    """
    Nobody else may read or write it, and nothing else is left beside it but the lock.
    """
    await store.advance("bank", "db", old=None, new=TrustedHead(head(1), Origin.PINNED))

    if isinstance(store, FileTrustStore):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert {found.name for found in path.parent.iterdir()} == {"heads.json", "heads.json.lock"}


async def test_trust_that_others_could_plant_is_refused(path: Path) -> None:
    """
    A link in the place of the file or its lock is an error, and never the beginning of new trust; nothing is written.
    """
    (victim := path.with_name("victim")).parent.mkdir(exist_ok=True)
    victim.write_text('{"format": 1, "ledgers": {}}')
    for name in (path, path.with_name(f"{path.name}.lock")):
        for plant in (name.symlink_to, name.hardlink_to):
            name.unlink(missing_ok=True)
            plant(victim)

            with pytest.raises(TrustUnreadableError, match="link"):
                await FileTrustStore(path).advance("bank", "db", old=None, new=TrustedHead(head(1), Origin.PINNED))

            assert victim.read_text() == '{"format": 1, "ledgers": {}}'
            name.unlink()


async def test_trust_never_goes_back(store: TrustStore) -> None:
    """
    An older head does not take the place of a newer one, and one that others moved is not moved again.
    """
    assert await store.advance("bank", "db", old=None, new=TrustedHead(head(5), Origin.PINNED)) == head(5)
    assert await store.advance("bank", "db", old=head(5), new=TrustedHead(head(3), Origin.VERIFIED)) == head(5)
    assert await store.advance("bank", "db", old=head(4), new=TrustedHead(head(9), Origin.VERIFIED)) == head(5)
    assert await store.advance("bank", "db", old=None, new=TrustedHead(head(9), Origin.FIRST_USE)) == head(5)
    assert await store.advance("bank", "db", old=head(5), new=TrustedHead(head(9), Origin.VERIFIED)) == head(9)

    assert await store.trusted("bank", "db") == head(9)
    assert await store.trusted("bank", "other") is None
    assert [step.head.tx for step in await store.history("bank", "db")] == [5, 9]


async def test_old_heads_are_thinned(store: TrustStore) -> None:
    """
    The first and the newest stay, the file does not grow for ever, and the order is kept.
    """
    old = None
    for tx in range(1, 2 * MAX_HEADS if isinstance(store, MemoryTrustStore) else 3):
        old = await store.advance("bank", "db", old=old, new=TrustedHead(head(tx), Origin.VERIFIED))
    if isinstance(store, FileTrustStore):
        return

    kept = [step.head.tx for step in await store.history("bank", "db")]

    assert len(kept) <= MAX_HEADS
    assert kept == sorted(set(kept))
    assert kept[0] == 1
    assert kept[-MAX_HEADS // 4 :] == list(range(2 * MAX_HEADS - MAX_HEADS // 4, 2 * MAX_HEADS))


async def test_server_is_noted_by_its_own_word(store: TrustStore) -> None:
    """
    So that it shows when it is another one.
    """
    assert await store.server_uuid("bank", "a") is None
    assert await store.server_uuid("bank", "b") == "a"
    assert await store.trusted("bank", "db") is None


def entry(tx: int) -> dict[str, object]:
    """
    A head as it stands in the file.
    """
    return {"tx": tx, "alh": head(tx).alh.hex(), "origin": "verified"}


def whole(*heads: dict[str, object]) -> dict[str, object]:
    """
    A file with these heads.
    """
    return {"format": 1, "ledgers": {"bank": {"server_uuid": None, "databases": {"db": list(heads)}}}}


DAMAGED = {
    "empty": b"",
    "no JSON": b"{",
    "bytes": b"\x80\x04\x95",
    "a list": b"[]",
    "another format": json.dumps({**whole(), "format": 2}).encode(),
    "unknown member": json.dumps({**whole(), "more": 1}).encode(),
    "short hash": json.dumps(whole({**entry(1), "alh": "ab"})).encode(),
    "hash in capitals": json.dumps(whole({**entry(1), "alh": "AB" * 32})).encode(),
    "no number": json.dumps(whole({**entry(1), "tx": "1"})).encode(),
    "transaction 0": json.dumps(whole({**entry(1), "tx": 0})).encode(),
    "unknown origin": json.dumps(whole({**entry(1), "origin": "hearsay"})).encode(),
    "backwards": json.dumps(whole(entry(5), entry(3))).encode(),
    "twice": json.dumps(whole(entry(5), entry(5))).encode(),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
async def test_damaged_file_is_an_error_and_never_new_trust(
    server: ImmudbTestServer, path: Path, content: bytes
) -> None:
    """
    Also where first use is allowed; the file stays as it is.
    """
    path.parent.mkdir()
    path.write_bytes(content)
    async with ImmudbClient(server.url, trust=path, trust_on_first_use=True, ledger="bank") as client:
        with pytest.raises(TrustUnreadableError, match="restore it from a copy"):
            await client.verified_set(b"key", b"value")

    assert path.read_bytes() == content
    assert "VerifiableSet" not in server.calls


async def test_file_that_may_not_be_read_is_an_error(path: Path) -> None:
    """
    It is not taken for one that is not there.
    """
    path.mkdir(parents=True)

    with pytest.raises(TrustUnreadableError):
        await FileTrustStore(path).trusted("bank", "db")


async def test_cut_off_write_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A full disk, say: what was trusted is, and nothing lies beside it.
    """
    store = FileTrustStore(path)
    await store.advance("bank", "db", old=None, new=TrustedHead(head(1), Origin.PINNED))

    def fail(_descriptor: int) -> None:
        raise OSError(28, "no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="no space"):
            await store.advance("bank", "db", old=head(1), new=TrustedHead(head(2), Origin.VERIFIED))

    assert await store.trusted("bank", "db") == head(1)
    assert {found.name for found in path.parent.iterdir()} == {"heads.json", "heads.json.lock"}


async def test_processes_share_one_file(server: ImmudbTestServer, path: Path) -> None:
    """
    Each verifies what the others wrote, none loses what another trusted, and the file has it in order.
    """
    count, names = 8, ("one", "two")
    writers = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-W",
            "error",
            str(Path(__file__).with_name("writer.py")),
            server.url,
            str(path),
            name,
            str(count),
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        for name in names
    ]

    assert [await asyncio.wait_for(writer.wait(), 60) for writer in writers] == [0, 0]

    transactions = len(server.databases["defaultdb"].transactions)
    kept = await FileTrustStore(path).history("shared", "defaultdb")
    assert transactions == count * len(names)
    assert kept[-1].head == Head(transactions, server.databases["defaultdb"].alh(transactions))


class Interrupted(MemoryTrustStore):
    """
    Lets something else happen just before trust is moved for the second time.
    """

    def __init__(self, happen: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._happen = happen
        self._moves = 0

    async def advance(self, ledger: str, database: str, *, old: Head | None, new: TrustedHead) -> Head | None:
        """
        See `MemoryTrustStore.advance`.
        """
        self._moves += 1
        if self._moves == 2:
            await self._happen()
        return await super().advance(ledger, database, old=old, new=new)


@pytest.mark.parametrize("others", [1, 3])
async def test_client_that_others_overtook_proves_one_history(server: ImmudbTestServer, others: int) -> None:
    """
    Between its question and its answer another client moved the trust they share: both must be of one history.
    """

    async def overtake() -> None:
        async with ImmudbClient(server.url, trust=trust) as other:
            for number in range(others):
                await other.verified_set(b"theirs", b"%d" % number)

    trust = Interrupted(overtake)
    async with ImmudbClient(server.url, trust=trust, trust_on_first_use=True) as client:
        await client.verified_set(b"mine", b"1")
        await client.verified_set(b"mine", b"2")

        assert await client.head() == Head(2 + others, server.databases["defaultdb"].alh(2 + others))


async def test_clients_that_are_shown_two_histories_find_out_at_once(server: ImmudbTestServer) -> None:
    """
    If they share what they trust, the first one to come second is told.
    """

    async def see_another_history() -> None:
        server.roll_back(1)
        async with ImmudbClient(server.url, trust=trust) as other:
            await other.verified_set(b"theirs", b"value")

    trust = Interrupted(see_another_history)
    async with ImmudbClient(server.url, trust=trust, trust_on_first_use=True) as client:
        await client.verified_set(b"mine", b"1")
        with pytest.raises(VerificationError) as caught:
            await client.verified_set(b"mine", b"2")

    assert caught.value.check == Check.HISTORY


def test_head_is_a_text_and_back() -> None:
    """
    To be published; what is none is refused.
    """
    assert Head.parse(str(head(7))) == head(7)
    for wrong in ("", "7", "7:ab", "0:" + "00" * 32, "x:" + "00" * 32):
        with pytest.raises(ValueError, match=r"."):
            Head.parse(wrong)
