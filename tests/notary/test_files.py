"""
The notary's files: who may open them, and what is said of those that are something else.
"""

from __future__ import annotations

import shutil
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from eventsource.errors import (
    LedgerClosedError,
    LedgerLockedError,
    NotALedgerError,
    NotaryBookError,
    NotSupportedError,
    SignedHeadError,
    TamperedError,
)
from eventsource.notary import EmbeddedLedger, Entry, Notary, NotaryBook, Receipt, SignedHead, verify
from eventsource.notary.records import BatchRecord
from eventsource.store import InMemoryEventStore
from eventsource.store.scope import scoped
from tests.notary.scene import KEY, NAME, ORIGIN, Scene, make_scene
from tests.notary.tampering import read_batches, write_anew

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def execute(path: Path, sql: str) -> None:
    """
    Change a file with SQL.
    """
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


async def test_one_writes_and_many_read(tmp_path: Path) -> None:
    """
    A second writer is told; readers see what is written while it is.
    """
    path = tmp_path / "notary.db"
    async with EmbeddedLedger(path, origin=ORIGIN) as writer, EmbeddedLedger(path, read_only=True) as reader:
        with pytest.raises(LedgerLockedError, match="one notary at a time"):
            await EmbeddedLedger(path).__aenter__()
        await writer.append([Entry(b"k", b"v")])

        assert reader.origin == ORIGIN
        assert await reader.head() == await writer.head()
        assert [entry async for _, entry in reader.leaves()] == [Entry(b"k", b"v")]
        assert await reader.audit() == []
    with pytest.raises(LedgerClosedError):
        _ = writer.origin


async def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    """
    Log and book are readable by nobody else.
    """
    async with EmbeddedLedger(tmp_path / "notary.db"), NotaryBook(tmp_path / "book"):
        for name in ("notary.db", "notary.db-wal", "book", "book-wal"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600, name


async def test_a_log_keeps_its_name(tmp_path: Path) -> None:
    """
    A log is known by one name for ever, its own if none is given, and not opened by another.
    """
    path = tmp_path / "notary.db"
    async with EmbeddedLedger(path) as ledger:
        name = ledger.origin
    async with EmbeddedLedger(path) as ledger:
        assert ledger.origin == name
    assert name.startswith("eventsource.notary/")
    with pytest.raises(SignedHeadError, match="is the log"):
        await EmbeddedLedger(path, origin="other").__aenter__()


@pytest.mark.parametrize("kind", [EmbeddedLedger, NotaryBook])
async def test_what_is_something_else_is_told(tmp_path: Path, kind: type[EmbeddedLedger | NotaryBook]) -> None:
    """
    No file, a directory, a text, another database, a newer format: each is told in words.
    """
    (tmp_path / "text").write_text("no database at all, but long enough to be taken for one\n" * 20)
    execute(tmp_path / "other.db", "CREATE TABLE t (x)")
    async with kind(tmp_path / "newer.db"):
        pass
    execute(tmp_path / "newer.db", "PRAGMA user_version = 9")

    for name, reason in {
        "missing": "no such file",
        "nowhere/x": "directory does not exist",
        "text": "no SQLite database",
        "other.db": "it is no notary's",
        "newer.db": "of a newer eventsource",
    }.items():
        with pytest.raises(NotALedgerError, match=reason):
            await kind(tmp_path / name, read_only=True).__aenter__()
    with pytest.raises(NotALedgerError, match="it is a directory"):
        await kind(tmp_path).__aenter__()


async def test_a_book_is_closed_or_open(tmp_path: Path) -> None:
    """
    The secret is there while the book is open, the same each time; a book without one is none.
    """
    book = NotaryBook(tmp_path / "book")
    with pytest.raises(LedgerClosedError):
        _ = book.secret
    async with book:
        secret = book.secret
        assert len(secret) == 32
        assert await book.last_seen("bank") is None
        assert await book.forget(["nobody"]) == 0
    with pytest.raises(LedgerClosedError):
        await book.seals(["x"])
    async with NotaryBook(tmp_path / "book", read_only=True) as again:
        assert again.secret == secret
    execute(tmp_path / "book", "UPDATE secret SET secret = x'00'")
    with pytest.raises(NotaryBookError, match="holds no secret"):
        await NotaryBook(tmp_path / "book").__aenter__()


async def test_a_seal_is_made_once(tmp_path: Path) -> None:
    """
    Whoever seals an event again gets the seal there is: another one would not open what is in the ledger.
    """
    async with NotaryBook(tmp_path / "book") as book:
        first = await book.seal(["a", "b"])

        assert await book.seal(["b", "c"]) == {"b": first["b"], "c": (await book.seals(["c"]))["c"]}
        assert len({*first.values(), *(await book.seals(["c"])).values()}) == 3


async def test_what_was_changed_in_the_log_is_not_given_out(tmp_path: Path) -> None:
    """
    A changed leaf, a missing leaf, a missing node: asking raises, and names what was done.
    """
    made = tmp_path / "notary.db"
    async with EmbeddedLedger(made) as ledger:
        receipt = await ledger.append([Entry(f"k{number}".encode(), b"v") for number in range(7)])

    for sql, kinds in {
        "UPDATE leaves SET value = x'00' WHERE idx = 3": {"edited"},
        "DELETE FROM leaves WHERE idx = 3": {"deleted"},
        "DELETE FROM nodes WHERE level = 2": {"deleted"},
        "UPDATE nodes SET hash = zeroblob(32) WHERE level = 1 AND idx = 0": {"edited"},
        "DELETE FROM batches": {"deleted"},
    }.items():
        path = tmp_path / "changed.db"
        shutil.copy(made, path)
        execute(path, sql)
        async with EmbeddedLedger(path, read_only=True) as ledger:
            found = set()
            for call in (ledger.get(b"k2"), ledger.get(b"k3"), ledger.batch(receipt), ledger.head()):
                try:
                    await call
                except TamperedError as error:
                    found.add(error.kind)
            assert found == kinds, sql
    async with EmbeddedLedger(made, read_only=True) as ledger:
        with pytest.raises(ValueError, match="says how many entries"):
            await ledger.batch(Receipt(0, None, receipt.head))


async def test_a_log_without_a_name_is_told(tmp_path: Path) -> None:
    """
    What heads are known by cannot be taken out of the log.
    """
    path = tmp_path / "notary.db"
    async with EmbeddedLedger(path):
        pass
    execute(path, "DELETE FROM about")

    with pytest.raises(TamperedError, match="does not say what it is called"):
        await EmbeddedLedger(path, read_only=True).__aenter__()


async def test_a_scope_has_no_notary(tmp_path: Path) -> None:
    """
    A part of a store is a part of a chain; the whole store is notarised.
    """
    async with (
        InMemoryEventStore() as store,
        EmbeddedLedger(tmp_path / "log") as ledger,
        NotaryBook(tmp_path / "b") as book,
    ):
        with pytest.raises(NotSupportedError, match="notarise the whole store"):
            Notary(scoped(store, "/tenants/acme"), ledger, book)


@pytest.fixture
async def scene(tmp_path: Path) -> Scene:
    """
    A store that was notarised.
    """
    return await make_scene(tmp_path / "scene")


async def test_without_the_book_ids_and_order_are_compared(scene: Scene) -> None:
    """
    An auditor without the secret finds what is missing, and not what was edited.
    """
    assert (await scene.verify(with_book=False)).is_intact
    execute(scene.store, """UPDATE events SET data = '{"cents":9}' WHERE position = 2""")
    assert (await scene.verify(with_book=False)).is_intact
    execute(scene.store, "DELETE FROM events WHERE position = 5")

    verdict = await scene.verify(with_book=False)

    assert [finding.kind for finding in verdict.findings] == ["deleted"]
    assert not verdict.is_opened


async def test_the_ledger_can_be_looked_at_alone(scene: Scene) -> None:
    """
    Without a store the ledger is held against itself and against the heads.
    """
    head = SignedHead.parse(scene.head.read_text())
    async with EmbeddedLedger(scene.log, read_only=True) as ledger:
        verdict = await verify(None, ledger, None, name=NAME, heads=[head], keys=[KEY.verifying])

    assert (verdict.is_intact, verdict.is_compared, verdict.notarised, verdict.events) == (True, False, 37, 0)


async def test_a_store_that_cannot_be_read_is_a_finding(scene: Scene) -> None:
    """
    Where the file of the store is damaged, the verdict says from where on.
    """
    content = bytearray(scene.store.read_bytes())
    # Some page in the middle, and all behind it.
    for place in range(len(content) // 3, len(content)):
        content[place] ^= 0x55
    scene.store.write_bytes(bytes(content))

    verdict = await scene.verify()

    assert not verdict.is_intact
    assert {finding.place for finding in verdict.findings} == {"store"}


async def test_heads_are_believed_by_their_signatures(scene: Scene) -> None:
    """
    A forged signature, and a head by nobody who is trusted, are findings of their own.
    """
    text = scene.head.read_text()
    forged = SignedHead.parse(text.replace(f"{NAME} 7 37", f"{NAME} 7 36"))
    unsigned = SignedHead.parse(text.rpartition("\n\n")[0] + "\n")

    for head, kind in ((forged, "edited"), (unsigned, "unproved")):
        verdict = await scene.verify(heads=[head])
        assert ("head", kind) in {(finding.place, finding.kind) for finding in verdict.findings}


@pytest.mark.parametrize("line", ["bank 7", "bank x 37 00", "bank 7 37 0011", "bank 7 37 " + "00" * 32 + " more"])
async def test_a_head_that_says_it_in_another_form_is_told(scene: Scene, line: str) -> None:
    """
    What a head tells of the notarisation is read as it was written, or not at all.
    """
    head = SignedHead(SignedHead.parse(scene.head.read_text()).head, (f"eventsource-notary/1 {line}",))

    with pytest.raises(SignedHeadError, match="has not its form"):
        await scene.verify(heads=[head], keys=[])


async def test_a_head_tells_what_the_ledger_must_have(scene: Scene) -> None:
    """
    What the text of a head says of the notarisation is compared, too: for ledgers that can hide their end.
    """
    made = SignedHead.parse(scene.head.read_text())
    for line, kind in ((f"{NAME} 9 50 {'00' * 32}", "rolled-back"), (f"{NAME} 7 37 {'00' * 32}", "forked")):
        head = SignedHead(
            made.head, (f"eventsource-notary/1 {line}", "other line", "eventsource-notary/1 other 1 1 00")
        )
        verdict = await scene.verify(heads=[head], keys=[])
        assert [finding.kind for finding in verdict.findings] == [kind]


def _drop_batch(batches: list[list[Entry]]) -> None:
    del batches[2]


def _move_record(batches: list[list[Entry]]) -> None:
    batches[4].insert(0, batches[2].pop(1))


def _copy_record(batches: list[list[Entry]]) -> None:
    key, value = batches[2][1]
    batches[4].insert(0, Entry(key + b"-copy", value))


def _drop_record(batches: list[list[Entry]]) -> None:
    del batches[2][1]


def _swap_records(batches: list[list[Entry]]) -> None:
    batches[2][0], batches[2][1] = batches[2][1], batches[2][0]


def _rename_event(batches: list[list[Entry]]) -> None:
    key, value = batches[2][1]
    batches[2][1] = Entry(key + b"x", value)


def _garble_batch_record(batches: list[list[Entry]]) -> None:
    key, value = batches[2][-1]
    batches[2][-1] = Entry(key, value[:-1])


def _shift_batch(batches: list[list[Entry]]) -> None:
    key, value = batches[2][-1]
    record = BatchRecord.from_bytes(value)
    batches[2][-1] = Entry(key, record._replace(first=record.first + 1).to_bytes())


def _miscount_batch(batches: list[list[Entry]]) -> None:
    key, value = batches[2][-1]
    batches[2][-1] = Entry(key, BatchRecord.from_bytes(value)._replace(size=2).to_bytes())


def _drop_last_batch_record(batches: list[list[Entry]]) -> None:
    del batches[-1][-1]


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        (_drop_batch, {"deleted"}),
        (_move_record, {"reordered"}),
        (_copy_record, {"inserted"}),
        (_drop_record, {"deleted"}),
        (_swap_records, {"reordered"}),
        (_rename_event, {"edited"}),
        (_garble_batch_record, {"edited"}),
        (_shift_batch, {"edited"}),
        (_miscount_batch, {"edited"}),
        (_drop_last_batch_record, {"truncated"}),
    ],
    ids=lambda change: getattr(change, "__name__", "_"),
)
async def test_a_log_that_was_written_anew_contradicts_itself(
    scene: Scene, change: Callable[[list[list[Entry]]], None], kinds: set[str]
) -> None:
    """
    A log whose tree is whole, but whose records were changed one by one, is found out by them, without any head.
    """
    batches = read_batches(scene)
    change(batches)
    write_anew(scene, batches)

    verdict = await scene.verify(heads=[], with_book=False)

    assert {finding.kind for finding in verdict.findings} >= kinds, verdict.findings
    assert {finding.place for finding in verdict.findings} == {"ledger"}
    assert not verdict.is_compared
