"""
A store that is read over HTTP: it does not tell how data is kept, so the notary seals it, and forgets the seal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from eventsource import EventStore, NewEvent, connect
from eventsource.erasure import erase_subject
from eventsource.notary import EmbeddedLedger, Notary, NotaryBook, Verdict, make_receipt, verify
from eventsource.notary.check_receipt import check_receipt
from eventsource.store import EmbeddedEventStore
from tests.notary.scene import KEY, NAME, moved
from tests.store.http_server import TOKEN, serving

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

VERIFYING = str(KEY.verifying)


@attrs.frozen
class Office:
    """
    The same store behind a server and in its file, a ledger and a book.
    """

    served: EventStore
    own: EmbeddedEventStore
    ledger: EmbeddedLedger
    book: NotaryBook

    def notary(self) -> Notary:
        """
        A notary of the served store.
        """
        return Notary(self.served, self.ledger, self.book, name=NAME, linger_s=0.0)

    async def verify(self, store: EventStore) -> Verdict:
        """
        Compare one of the two.
        """
        return await verify(store, self.ledger, self.book, name=NAME)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncGenerator[Office]:
    """
    A store with an event about a person.
    """
    async with (
        EmbeddedEventStore(tmp_path / "store.db") as own,
        serving(own) as url,
        connect(url, token=TOKEN) as served,
        EmbeddedLedger(tmp_path / "notary.db") as ledger,
        NotaryBook(tmp_path / "book") as book,
    ):
        await own.commit([moved(1), named("/people/1"), named("/people/2")])
        yield Office(served, own, ledger, book)


def named(subject: str) -> NewEvent:
    """
    Data that can be erased.
    """
    return NewEvent(subject=subject, type="t.named", data={"name": "Ada"}, store_data_as_reference=True)


async def test_a_served_store_is_notarised_and_verifies_either_way(office: Office) -> None:
    """
    What was notarised over HTTP verifies over HTTP and beside the file, data included.
    """
    async with office.notary() as notary:
        await notary.caught_up()

    for store in (office.served, office.own):
        verdict = await office.verify(store)
        assert verdict.is_intact, verdict.findings
        assert (verdict.events, verdict.erased, verdict.unchecked) == (3, 0, 0)


async def test_what_the_file_knows_the_server_does_not_tell(office: Office) -> None:
    """
    Notarised beside the file, data by reference cannot be looked into over HTTP; that is counted.
    """
    async with Notary(office.own, office.ledger, office.book, name=NAME, linger_s=0.0) as notary:
        await notary.caught_up()

    verdict = await office.verify(office.served)

    assert verdict.is_intact
    assert verdict.unchecked == 2


async def test_a_recorded_erasure_lets_go_of_the_seals(office: Office) -> None:
    """
    The notary reads that a subject was erased, and forgets what its data could be guessed by.
    """
    async with office.notary() as notary:
        await notary.caught_up()
        ids = [event.id async for event in office.served.stream("/people")]
        assert set(await office.book.seals(ids)) == set(ids)

        erasure = await erase_subject(office.served, "/people/1")
        await notary.notarised(erasure.recorded[-1].id, timeout_s=10)

    assert set(await office.book.seals(ids)) == {ids[1]}
    for store in (office.served, office.own):
        verdict = await office.verify(store)
        assert verdict.is_intact, verdict.findings
        assert (verdict.erased, verdict.forgettable) == (1, 0)


async def test_an_erasure_that_nobody_recorded_can_be_made_good(office: Office, tmp_path: Path) -> None:
    """
    Erased at the store alone, the seal stays and is counted, until it is forgotten: then no byte of it is left.
    """
    async with office.notary() as notary:
        await notary.caught_up()
        event_id = await anext(event.id async for event in office.served.stream("/people/2"))
        seal = (await office.book.seals([event_id]))[event_id]
        await office.served.erase("/people/2")
        before = await office.verify(office.served)

        assert await notary.forget("/people/2") == 1

        after = await office.verify(office.served)
    assert (before.is_intact, before.erased, before.forgettable) == (True, 1, 1)
    assert (after.is_intact, after.erased, after.forgettable) == (True, 1, 0)
    files = [path for path in tmp_path.iterdir() if path.name.startswith("book")]
    assert all(seal not in path.read_bytes() for path in files)


async def test_data_without_its_seal_proves_nothing(office: Office) -> None:
    """
    Where a seal is gone and the data is not, somebody took one of them.
    """
    async with office.notary() as notary:
        await notary.caught_up()
        await notary.forget("/people/1")

    verdict = await office.verify(office.served)

    assert [finding.kind for finding in verdict.findings] == ["edited"]
    assert "the book has no seal of it" in verdict.findings[0].what


async def test_receipts_of_sealed_data(office: Office) -> None:
    """
    The receipt has the data with its seal; once it is erased and forgotten, the event without.
    """
    async with office.notary() as notary:
        await notary.caught_up()
        event_id = await anext(event.id async for event in office.served.stream("/people/1"))
        before = await make_receipt(office.served, office.ledger, office.book, event_id, name=NAME, signing_key=KEY)
        await office.served.erase("/people/1")
        await notary.forget("/people/1")
        after = await make_receipt(office.served, office.ledger, office.book, event_id, name=NAME, signing_key=KEY)

    assert check_receipt(before.model_dump(mode="json"), key=VERIFYING) == "matches"
    assert before.event.data_json == '{"name":"Ada"}'
    assert check_receipt(after.model_dump(mode="json"), key=VERIFYING) == "not in the receipt"
    # A hash of another formula could cover the data without a salt.
    assert after.event.hash is None
