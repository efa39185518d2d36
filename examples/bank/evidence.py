"""
Evidence that nobody changed the bank's events behind its back: a notary, receipts, and verifying.

The notary keeps a fingerprint of every event in a log of its own. Here that log lies in the same folder, so
that the example is one; a bank that means it gives the heads away, or uses a ledger on somebody else's machine.
"""

import asyncio
import json
import sqlite3
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import attrs

from eventsource import EventStore, connect
from eventsource.notary import (
    Ledger,
    Notary,
    NotaryBook,
    NotaryStatus,
    SignedHead,
    SigningKey,
    Verdict,
    make_receipt,
    open_ledger,
    verify,
)

_NAME = "bank"
_PATIENCE_S = 10.0


@attrs.frozen
class Verified:
    """
    What a verification found.

    Attributes:
        notarised: How many events the notary has.

        erased: Of how many of them the personal data is erased.

        findings: What is not as it was notarised, in words; empty if nothing.
    """

    notarised: int
    erased: int
    findings: Sequence[str]


@attrs.frozen
class Evidence:
    """
    The bank's notary. Get one from `open_evidence`.
    """

    _store: EventStore
    _ledger: Ledger
    _book: NotaryBook
    _notary: Notary
    _key: SigningKey
    _head_file: Path
    _store_file: Path | None

    @property
    def status(self) -> NotaryStatus:
        """
        How far the notary is.
        """
        return self._notary.status

    @property
    def can_be_tampered_with(self) -> bool:
        """
        Whether the events are in a file of this machine, where somebody could tamper with them.
        """
        return self._store_file is not None

    async def receipt(self, event_id: str) -> str:
        """
        The receipt of an event as JSON: anybody can check it, with ``check_receipt.py`` of the package alone.

        Raises:
            EventNotFoundError: There is no such event.
            NotaryError: It is not notarised in time, or is not what was notarised.
        """
        await self._notary.notarised(event_id, timeout_s=_PATIENCE_S)
        receipt = await make_receipt(self._store, self._ledger, self._book, event_id, name=_NAME, signing_key=self._key)
        return receipt.model_dump_json(indent=2)

    async def verify(self) -> Verified:
        """
        Compare every event with what was notarised.
        """
        return await self._verify(self._store)

    async def verify_tampered_copy(self) -> Verified:
        """
        Change a row in a copy of the store, as somebody with the password of the machine could, and verify it.

        The copy is restored from a backup. The bank's own file is not touched: while a store is open, nothing
        but the store opens its file in this process.

        Raises:
            ValueError: The events are not in a file of this machine, or nothing is booked yet.
        """
        if self._store_file is None:
            msg = "the events are on a server, so there is no file here to tamper with."
            raise ValueError(msg)
        with tempfile.TemporaryDirectory(prefix="bank-copy-") as folder:
            copy = Path(folder) / "bank.db"
            async with connect(f"sqlite:{copy}") as restored:
                await restored.restore(self._store.backup())
            await asyncio.to_thread(tamper_with, copy)
            async with connect(f"sqlite:{copy}", read_only=True) as store:
                return await self._verify(store)

    async def _verify(self, store: EventStore) -> Verified:
        heads = [SignedHead.parse(self._head_file.read_text())] if self._head_file.exists() else []
        verdict: Verdict = await verify(
            store, self._ledger, self._book, name=_NAME, heads=heads, keys=[self._key.verifying]
        )
        return Verified(verdict.notarised, verdict.erased, [finding.what for finding in verdict.findings])


@asynccontextmanager
async def open_evidence(folder: Path, store: EventStore, *, store_file: Path | None) -> AsyncGenerator[Evidence]:
    """
    Run the notary of a bank until the block ends; commits do not wait for it.

    Args:
        folder: Where its log, its book and its key are.

        store_file: The file of the events, where they are in one of this machine.

    Raises:
        NotaryError: At the end of the block: it found that something was tampered with.
    """
    key = SigningKey.load_or_generate(folder / "notary.key", "bank.example/notary")
    head_file = folder / "notary.head"
    async with (
        open_ledger(f"sqlite:{folder / 'notary.db'}") as ledger,
        NotaryBook(folder / "notary-book.db") as book,
        Notary(store, ledger, book, name=_NAME, signing_key=key, head_file=head_file) as notary,
    ):
        yield Evidence(store, ledger, book, notary, key, head_file, store_file)


def tamper_with(path: Path) -> None:
    """
    Give somebody a hundred times as much in the last deposit of a store that is closed.

    Raises:
        ValueError: Nothing is deposited yet.
    """
    with closing(sqlite3.connect(path)) as file:
        row = file.execute(
            "SELECT position, data FROM events WHERE type LIKE '%money-deposited' ORDER BY position DESC LIMIT 1"
        ).fetchone()
        if row is None:
            msg = "deposit something first: there is no row yet that would be worth changing."
            raise ValueError(msg)
        position, text = row
        data = json.loads(text)
        data["deltaCents"] *= 100
        changed = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        file.execute("UPDATE events SET data = ? WHERE position = ?", (changed, position))
        file.commit()
