"""
A store that was notarised: what the tests of the notary start from, made once and copied.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import attrs

from eventsource import NewEvent
from eventsource.notary import (
    EmbeddedLedger,
    Notary,
    NotaryBook,
    SignedHead,
    SigningKey,
    Verdict,
    VerifyingKey,
    verify,
)
from eventsource.store import EmbeddedEventStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAME = "bank"
KEY = SigningKey("bank.example/notary", bytes(range(32)))
ORIGIN = "bank.example/log"
EVENTS = 37
BATCH = 6


def moved(number: int) -> NewEvent:
    """
    An event; each fifth has data that can be erased.
    """
    return NewEvent(
        subject=f"/accounts/{number % 4}",
        type="io.example.bank.money-moved",
        data={"cents": number, "text": f"payment {number}"},
        store_data_as_reference=number % 5 == 0,
    )


@attrs.frozen
class Scene:
    """
    The files of a store, its log, the notary's book, and the head that somebody else has kept.
    """

    folder: Path

    @property
    def store(self) -> Path:
        """
        The store's file.
        """
        return self.folder / "store.db"

    @property
    def log(self) -> Path:
        """
        The Merkle log.
        """
        return self.folder / "notary.db"

    @property
    def book(self) -> Path:
        """
        The notary's book.
        """
        return self.folder / "notary.db-book"

    @property
    def head(self) -> Path:
        """
        The head that was kept elsewhere.
        """
        return self.folder / "head"

    def copied(self, folder: Path) -> Scene:
        """
        The same files in another folder.
        """
        shutil.copytree(self.folder, folder)
        return Scene(folder)

    async def commit(self, events: Sequence[NewEvent]) -> None:
        """
        Write to the store.
        """
        async with EmbeddedEventStore(self.store) as store:
            await store.commit(events)

    async def erase(self, subject: str) -> None:
        """
        Erase the personal data of a subject.
        """
        async with EmbeddedEventStore(self.store) as store:
            await store.erase(subject)

    async def notarise(self) -> None:
        """
        Run a notary until it has caught up.
        """
        async with (
            EmbeddedEventStore(self.store, read_only=True) as store,
            EmbeddedLedger(self.log, origin=ORIGIN) as ledger,
            NotaryBook(self.book) as book,
            Notary(
                store,
                ledger,
                book,
                name=NAME,
                batch_events=BATCH,
                linger_s=0,
                head_file=self.head,
                signing_key=KEY,
            ) as notary,
        ):
            await notary.caught_up()

    async def verify(
        self,
        *,
        heads: Sequence[SignedHead] | None = None,
        keys: Sequence[VerifyingKey] = (KEY.verifying,),
        with_book: bool = True,
    ) -> Verdict:
        """
        Compare everything.
        """
        async with (
            EmbeddedEventStore(self.store, read_only=True) as store,
            EmbeddedLedger(self.log, read_only=True) as ledger,
            NotaryBook(self.book, read_only=True) as book,
        ):
            held = [SignedHead.parse(self.head.read_text())] if heads is None else heads
            return await verify(store, ledger, book if with_book else None, name=NAME, heads=held, keys=keys)


async def make_scene(folder: Path) -> Scene:
    """
    A store of 37 events, some of them with erased data, all notarised in batches of 6.
    """
    folder.mkdir()
    scene = Scene(folder)
    await scene.commit([moved(number) for number in range(EVENTS)])
    await scene.erase("/accounts/2")
    await scene.notarise()
    # Also what was erased after it was notarised.
    await scene.erase("/accounts/3")
    return scene
