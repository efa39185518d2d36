"""
What every ledger promises: the embedded Merkle log and an immudb.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from eventsource.errors import (
    AlreadyNotarisedError,
    InvalidImmudbUrlError,
    InvalidLedgerUrlError,
    LedgerClosedError,
    LedgerReadOnlyError,
    TamperedError,
)
from eventsource.notary import Entry, Head, Ledger, open_ledger
from eventsource.notary.ledger import MAX_ENTRIES, MAX_KEY_BYTES, MAX_VALUE_BYTES
from eventsource.testing.immudb import ImmudbTestServer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path


@pytest.fixture(params=["sqlite", "immudb"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[str]:
    """
    Where an empty ledger of each kind is.
    """
    if request.param == "sqlite":
        yield f"sqlite:{tmp_path / 'notary.db'}"
        return
    async with ImmudbTestServer() as server:
        yield server.url


@pytest.fixture
async def ledger(url: str) -> AsyncGenerator[Ledger]:
    """
    An empty ledger of each kind.
    """
    async with open_ledger(url, trust_on_first_use=True) as opened:
        yield opened


def entries(*numbers: int) -> list[Entry]:
    """
    Some entries.
    """
    return [Entry(f"key {number}".encode(), f"value {number}".encode()) for number in numbers]


async def test_what_was_written_is_proved(ledger: Ledger) -> None:
    """
    Each entry is found under its key, with the batch it came in; what was not written is not there.
    """
    first = await ledger.append(entries(1, 2, 3))
    second = await ledger.append(entries(4))

    for number, receipt in ((1, first), (3, first), (4, second)):
        proved = await ledger.get(f"key {number}".encode())
        assert proved is not None
        assert (proved.key, proved.value) == entries(number)[0]
        assert proved.receipt.position == receipt.position
        assert await ledger.batch(proved.receipt) == await ledger.batch(receipt)
    assert await ledger.batch(first) == tuple(entries(1, 2, 3))
    assert await ledger.get(b"key 5") is None


async def test_a_key_is_written_once(ledger: Ledger) -> None:
    """
    A batch with a key that is taken is refused whole.
    """
    await ledger.append(entries(1))
    head = await ledger.head()

    with pytest.raises(AlreadyNotarisedError):
        await ledger.append(entries(2, 1, 3))

    assert await ledger.head() == head
    assert await ledger.get(b"key 2") is None
    await ledger.append(entries(2, 3))


async def test_heads_follow_each_other(ledger: Ledger) -> None:
    """
    Each head is proved to continue every one before it, the empty one included.
    """
    heads = [await ledger.head()]
    assert heads[0].size == 0
    for number in range(5):
        receipt = await ledger.append(entries(number))
        heads.append(receipt.head)

    now = await ledger.head()
    assert now == heads[-1]
    for head in heads:
        assert await ledger.prove_since(head) == now
    assert len({head.root for head in heads}) == len(heads)


async def test_another_history_is_told(ledger: Ledger) -> None:
    """
    A head that the ledger does not continue is a finding: another root, a larger size, another ledger.
    """
    await ledger.append(entries(1))
    await ledger.append(entries(2))
    head = await ledger.head()

    forged = {
        "forked": attrs.evolve(head, root=bytes(32)),
        "rolled-back": attrs.evolve(head, size=head.size + 1),
    }
    for kind, other in forged.items():
        with pytest.raises(TamperedError) as caught:
            await ledger.prove_since(other)
        assert (caught.value.kind, caught.value.place) == (kind, "ledger")
    with pytest.raises(TamperedError, match="and this l"):
        await ledger.prove_since(attrs.evolve(head, origin="other"))


async def test_what_was_written_is_there_for_the_next(url: str) -> None:
    """
    Closed and opened again, for reading alone, with the head that was kept, it has everything and writes nothing.
    """
    async with open_ledger(url, trust_on_first_use=True) as ledger:
        await ledger.append(entries(1, 2))
        head = await ledger.head()

    async with open_ledger(url, read_only=True, pinned=head) as ledger:
        assert await ledger.prove_since(head) == head
        proved = await ledger.get(b"key 2")
        assert proved is not None
        with pytest.raises(LedgerReadOnlyError):
            await ledger.append(entries(3))


@pytest.mark.parametrize(
    "batch",
    [
        [],
        entries(1, 1),
        [Entry(b"", b"")],
        [Entry(b"k" * (MAX_KEY_BYTES + 1), b"")],
        [Entry(b"k", bytes(MAX_VALUE_BYTES + 1))],
        entries(*range(MAX_ENTRIES + 1)),
    ],
    ids=["nothing", "a key twice", "no key", "long key", "long value", "too many"],
)
async def test_what_is_no_batch_is_refused(ledger: Ledger, batch: list[Entry]) -> None:
    """
    Nothing is sent of what no ledger takes.
    """
    with pytest.raises(ValueError, match=r"batch|an entry has"):
        await ledger.append(batch)


async def test_the_largest_batch_is_taken(ledger: Ledger) -> None:
    """
    As many entries as allowed, and a key and a value as large.
    """
    await ledger.append([*entries(*range(MAX_ENTRIES - 1)), Entry(b"k" * MAX_KEY_BYTES, bytes(MAX_VALUE_BYTES))])

    proved = await ledger.get(b"k" * MAX_KEY_BYTES)
    assert proved is not None
    assert len(await ledger.batch(proved.receipt)) == MAX_ENTRIES


async def test_a_closed_ledger_says_so(ledger: Ledger) -> None:
    """
    Closing twice is fine, and asking afterwards is told.
    """
    await ledger.aclose()
    await ledger.aclose()

    with pytest.raises(LedgerClosedError):
        await ledger.head()


@pytest.mark.parametrize(
    "url", ["", "notary.db", "sqlite:", "sqlite://host/x", "paper:x", "paper://user:secret@host/x"]
)
def test_what_is_no_ledger_is_told(url: str) -> None:
    """
    A URL that names none is an error, and no password is in it.
    """
    with pytest.raises(InvalidLedgerUrlError) as caught:
        open_ledger(url)

    assert "secret" not in str(caught.value)


def test_what_is_no_immudb_is_told() -> None:
    """
    The client says what is wrong with an address of an immudb.
    """
    with pytest.raises(InvalidImmudbUrlError):
        open_ledger("immudb://host:0/db")


def test_a_head_shows_its_root_in_digits() -> None:
    """
    The repr of a head can be read and compared.
    """
    assert repr(Head("o", 1, bytes(31) + b"\x0f")).endswith(f"root={'00' * 31}0f)")
