"""
Records of erasures that no erasure wrote: the notary goes on, and keeps the seals of events that hold their data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from eventsource import EventStore, NewEvent, connect, erase_subject
from eventsource.notary import EmbeddedLedger, Notary, NotaryBook, verify
from eventsource.store import EmbeddedEventStore
from tests.notary.scene import NAME, moved
from tests.older_logs import erasure, forged
from tests.store.http_server import TOKEN, serving

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

ERASED = "io.eventsource.subject-erased"

SHAPES: dict[str, NewEvent] = {
    "at the root": erasure("/_erasures", "e-1"),
    "elsewhere": erasure("/people/1", "e-1"),
    "without data": forged("/people/1/_erasures", ERASED, {}),
    "of no text": forged("/people/1/_erasures", ERASED, {"eventIds": [1, None]}),
    "of another version": erasure("/people/1/_erasures", "e-1", _meta={"version": 99}),
    "with metadata that is a text": erasure("/people/1/_erasures", "e-1", _meta="x"),
    "with metadata that is a list": erasure("/people/1/_erasures", "e-1", _meta=[1]),
    "that calls itself erased": erasure("/people/1/_erasures", "e-1", _meta={"held": ""}),
}


@attrs.frozen
class Office:
    """
    A store in a file, as a server tells of it, and what is notarised of it.
    """

    own: EmbeddedEventStore
    served: EventStore
    ledger: EmbeddedLedger
    book: NotaryBook

    def notary(self) -> Notary:
        """
        A notary that has to seal data itself, since a server does not tell how it is kept.
        """
        return Notary(self.served, self.ledger, self.book, name=NAME, linger_s=0.0)

    async def ids(self, subject: str) -> list[str]:
        """
        Which events a subject has.
        """
        return [event.id async for event in self.own.stream(subject, recursive=False)]

    async def counts(self) -> tuple[bool, int, int]:
        """
        Whether all is intact, how many events are erased, and how many seals are left that could go.
        """
        verdict = await verify(self.served, self.ledger, self.book, name=NAME)
        assert verdict.notarised == await self.own.count(), verdict.findings
        return verdict.is_intact, verdict.erased, verdict.forgettable


@pytest.fixture
async def office(tmp_path: Path) -> AsyncGenerator[Office]:
    """
    A store with 20 events about two people.
    """
    async with (
        EmbeddedEventStore(tmp_path / "store.db") as own,
        serving(own) as url,
        connect(url, token=TOKEN) as served,
        EmbeddedLedger(tmp_path / "notary.db") as ledger,
        NotaryBook(tmp_path / "book") as book,
    ):
        await own.commit([named(f"/people/{n % 2}", {"name": f"Ada {n}"}) for n in range(20)])
        yield Office(own, served, ledger, book)


def named(subject: str, data: dict[str, Any]) -> NewEvent:
    """
    Data that can be erased.
    """
    return NewEvent(subject=subject, type="t.named", data=data, store_data_as_reference=True)


async def test_events_that_hold_their_data_keep_their_seals(office: Office) -> None:
    """
    Records that name every event, at their subject and elsewhere, destroy nothing: all stays provable.
    """
    async with office.notary() as notary:
        await notary.caught_up()
        everything = await office.ids("/people/0") + await office.ids("/people/1")
        assert len(await office.book.seals(everything)) == 20
        records = [
            erasure(place, *everything) for place in ("/people/0/_erasures", "/people/1/_erasures", "/_erasures", "/a")
        ]
        *_, last = await office.own.commit(records * 5)
        await notary.notarised(last.id, timeout_s=60)

        assert len(await office.book.seals(everything)) == 20
    assert await office.counts() == (True, 0, 0)


async def test_a_record_names_some_that_are_gone_and_some_that_are_not(office: Office) -> None:
    """
    Only the seals of emptied events of the record's own subject are let go of.
    """
    async with office.notary() as notary:
        await notary.caught_up()
        gone, kept = await office.ids("/people/0"), await office.ids("/people/1")
        await office.own.erase("/people/0")
        (elsewhere,) = await office.own.commit([erasure("/people/1/_erasures", *gone, *kept)])
        await notary.notarised(elsewhere.id, timeout_s=60)
        assert set(await office.book.seals(gone + kept)) == {*gone, *kept}

        (own,) = await office.own.commit([erasure("/people/0/_erasures", *gone, *kept)])
        await notary.notarised(own.id, timeout_s=60)

        assert set(await office.book.seals(gone + kept)) == {*kept}
    assert await office.counts() == (True, 10, 0)


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_record_that_does_not_fit_is_notarised_as_any_event(office: Office, shape: str) -> None:
    """
    The notary goes on behind it, while it runs and when it starts, and follows the erasure that comes later.
    """
    await office.own.commit([SHAPES[shape]])
    async with office.notary() as notary:
        await notary.caught_up()
        (last,) = await office.own.commit([SHAPES[shape]])
        await notary.notarised(last.id, timeout_s=60)
        erased = await erase_subject(office.own, "/people/1")
        await notary.notarised(erased.recorded[-1].id, timeout_s=60)

        assert len(await office.book.seals(await office.ids("/people/1"))) == 0
        assert len(await office.book.seals(await office.ids("/people/0"))) == 10
    assert await office.counts() == (True, 10, 0)


async def test_an_event_that_calls_itself_erased_keeps_its_seal(office: Office) -> None:
    """
    The mark of erased data is no proof: an event with a value left is none that was erased.
    """
    liar = forged("/people/1", "t.named", {"_meta": {"held": ""}, "name": "Eve"}, by_reference=True)
    (lying,) = await office.own.commit([liar])
    async with office.notary() as notary:
        await notary.caught_up()
        (last,) = await office.own.commit([erasure("/people/1/_erasures", lying.id)])
        await notary.notarised(last.id, timeout_s=60)

        assert set(await office.book.seals([lying.id])) == {lying.id}
    assert await office.counts() == (True, 0, 0)


async def test_beside_the_file_nothing_is_sealed_and_nothing_is_lost(office: Office) -> None:
    """
    A notary that reads the store itself needs no seals, and goes by the records all the same.
    """
    await office.own.commit([*SHAPES.values(), moved(1)])
    async with Notary(office.own, office.ledger, office.book, name=NAME, linger_s=0.0) as notary:
        await notary.caught_up()

    verdict = await verify(office.own, office.ledger, office.book, name=NAME)
    assert verdict.is_intact, verdict.findings
