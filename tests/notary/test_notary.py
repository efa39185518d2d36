"""
The notary at work: every event once, a moment after its commit, whatever the ledger does meanwhile.
"""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from eventsource import EventStore, NewEvent
from eventsource.errors import (
    EventNotFoundError,
    LedgerUnavailableError,
    NotaryBookError,
    NotaryNotRunningError,
    NotNotarisedError,
    TamperedError,
)
from eventsource.notary import (
    EmbeddedLedger,
    Entry,
    Notary,
    NotaryBook,
    Proved,
    Receipt,
    SignedHead,
    open_ledger,
    verify,
)
from eventsource.notary.records import BatchRecord, batch_key, event_key
from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from tests.notary.scene import KEY, NAME, moved

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from pathlib import Path


class FlakyLedger(EmbeddedLedger):
    """
    A ledger that can be out of reach, before or after it has done what it was asked.
    """

    is_away = False
    loses_answers = 0
    # The beginning of keys that it says it does not have.
    hides = b"-"

    async def append(self, entries: Sequence[Entry]) -> Receipt:
        """
        Write, and maybe lose the answer.
        """
        receipt = await super().append(entries)
        if self.loses_answers:
            self.loses_answers -= 1
            raise LedgerUnavailableError(*_LOST)
        return receipt

    async def get(self, key: bytes) -> Proved | None:
        """
        Look, and maybe not tell.
        """
        return None if key.startswith(self.hides) else await super().get(key)

    async def _run(self, work: Any) -> Any:
        if self.is_away:
            raise LedgerUnavailableError(*_AWAY)
        return await super()._run(work)


_AWAY = ("the ledger", "nobody is there")
_LOST = ("the ledger", "the answer was lost")


@attrs.frozen
class Office:
    """
    A store, a ledger and a book.
    """

    store: EventStore
    ledger: FlakyLedger
    book: NotaryBook

    def notary(self, **options: Any) -> Notary:
        """
        A notary that does not wait for more.
        """
        return Notary(self.store, self.ledger, self.book, **{"name": NAME, "linger_s": 0.0, **options})

    async def check(self) -> None:
        """
        Every event is notarised, each once and in order.
        """
        verdict = await verify(self.store, self.ledger, self.book, name=NAME)
        assert verdict.is_intact, verdict.findings
        assert (verdict.events, verdict.behind) == (verdict.notarised, 0)
        keys = [entry.key async for _, entry in self.ledger.leaves()]
        assert len(set(keys)) == len(keys)
        assert [key for key in keys if key.startswith(b"e/")] == [
            event_key(NAME, event.id) async for event in self.store.stream()
        ]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncGenerator[Office]:
    """
    An empty store in memory, an empty ledger and a new book.
    """
    async with (
        InMemoryEventStore() as store,
        FlakyLedger(tmp_path / "notary.db") as ledger,
        NotaryBook(tmp_path / "book") as book,
    ):
        yield Office(store, ledger, book)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  the status is looked at, as users do
        await asyncio.sleep(0.01)


async def test_what_is_committed_is_notarised(office: Office) -> None:
    """
    History first, then each new event; whoever waits for one gets its record, proved.
    """
    history = await office.store.commit([moved(number) for number in range(10)])
    async with office.notary(batch_events=4) as notary:
        await notary.caught_up()
        assert (notary.status.state, notary.status.events, notary.status.behind) == ("live", 10, 0)

        event = (await office.store.commit([moved(11)]))[0]
        proved = await notary.notarised(event.id, timeout_s=10)

        assert proved.key == event_key(NAME, event.id)
        assert (await notary.notarised(history[0].id)).receipt.position == 0
        assert notary.status.last_event_id == event.id
        assert (notary.status.lag_s, notary.status.error) == (0.0, None)
    await office.check()


async def test_an_empty_store_is_caught_up_with(office: Office) -> None:
    """
    Where there is nothing there is nothing to wait for, and the first event is notarised all the same.
    """
    async with office.notary() as notary:
        await notary.caught_up()
        assert notary.status.state == "live"
        event = (await office.store.commit([moved(1)]))[0]
        await notary.notarised(event.id, timeout_s=10)
    await office.check()


async def test_it_goes_on_where_it_was(office: Office) -> None:
    """
    Started again and again, with events in between and with none, it notarises each once.
    """
    for number in range(6):
        async with office.notary(batch_events=1 + number % 3) as notary:
            await notary.caught_up()
            await notary.caught_up()
        await office.store.commit([moved(number)] * (number % 4 + 1))
    async with office.notary() as notary:
        await notary.caught_up()
    await office.check()


async def test_events_that_come_together_share_a_batch(office: Office) -> None:
    """
    A batch has as many events as have come and may be in one, and a record that counts them.
    """
    events = await office.store.commit([moved(number) for number in range(10)])

    async with office.notary(batch_events=4, clock=lambda: 1_700_000_000_000_000_000) as notary:
        await notary.caught_up()

    records = []
    for number in range(1, 4):
        proved = await office.ledger.get(batch_key(NAME, number))
        assert proved is not None
        records.append(BatchRecord.from_bytes(proved.value))
    assert [(one.first, one.last, one.size) for one in records] == [(1, 4, 4), (5, 8, 4), (9, 10, 2)]
    assert [one.last_event_id for one in records] == [events[3].id, events[7].id, events[9].id]
    assert {one.time_ns for one in records} == {1_700_000_000_000_000_000}


async def test_commits_do_not_wait_for_a_ledger_that_is_away(office: Office) -> None:
    """
    The store goes on, the status tells what is missing and why, and it is caught up with later.
    """
    async with office.notary() as notary:
        await notary.caught_up()
        office.ledger.is_away = True
        events = await office.store.commit([moved(number) for number in range(3)])
        await _until(lambda: notary.status.state == "waiting for the ledger")

        status = notary.status
        assert (status.events, status.behind) == (0, 3)
        assert status.lag_s > 0
        assert status.obstacle == "the ledger is not available: nobody is there"

        office.ledger.is_away = False
        await notary.notarised(events[-1].id, timeout_s=10)
        assert notary.status.obstacle is None
    await office.check()


async def test_a_notary_can_be_stopped_while_the_ledger_is_away(office: Office) -> None:
    """
    It does not hang on to a ledger that does not answer, neither at its start nor later.
    """
    office.ledger.is_away = True
    await office.store.commit([moved(1)])
    async with office.notary() as notary:
        await _until(lambda: notary.status.state == "waiting for the ledger")
    office.ledger.is_away = False
    async with office.notary() as notary:
        await notary.caught_up()
        office.ledger.is_away = True
        await office.store.commit([moved(2)])
        await _until(lambda: notary.status.state == "waiting for the ledger")


async def test_an_answer_that_was_lost_is_found_in_the_ledger(office: Office, tmp_path: Path) -> None:
    """
    A batch that was written although nobody said so is not written again, and its head is published.
    """
    await office.store.commit([moved(number) for number in range(5)])
    office.ledger.loses_answers = 3

    async with office.notary(batch_events=2, head_file=tmp_path / "head") as notary:
        await notary.caught_up()

    assert office.ledger.loses_answers == 0
    assert SignedHead.parse((tmp_path / "head").read_text()).head == await office.ledger.head()
    await office.check()


async def test_two_notaries_notarise_each_event_once(office: Office) -> None:
    """
    Two at the same ledger with the same book share the work, and neither fails.
    """
    async with office.notary(batch_events=3) as one, office.notary(batch_events=5) as other:
        for number in range(30):
            await office.store.commit([moved(number)] * (number % 7 + 1))
            if number % 5 == 0:
                await asyncio.gather(one.caught_up(), other.caught_up())
        await asyncio.gather(one.caught_up(), other.caught_up())
    await office.check()


async def test_a_wait_may_end_before(office: Office) -> None:
    """
    Who waits for an event that is not notarised in time is told, and one that is nowhere is no event.
    """
    async with office.notary() as notary:
        await notary.caught_up()
        office.ledger.is_away = True
        event = (await office.store.commit([moved(1)]))[0]
        await _until(lambda: notary.status.behind == 1)
        office.ledger.is_away = False
        waiting = office.notary(linger_s=30)
        with pytest.raises(EventNotFoundError):
            await notary.notarised("nobody")
        await notary.notarised(event.id, timeout_s=10)
    async with waiting:
        await waiting.caught_up()
        late = (await office.store.commit([moved(2)]))[0]
        with pytest.raises(NotNotarisedError, match=r"is not notarised after 0\.05 s"):
            await waiting.notarised(late.id, timeout_s=0.05)
    with pytest.raises(NotaryNotRunningError):
        await waiting.notarised(late.id)


async def test_who_waits_is_told_that_the_notary_stopped(office: Office) -> None:
    """
    A notary that is stopped leaves nobody waiting.
    """
    async with office.notary(linger_s=30) as notary:
        await notary.caught_up()
        event = (await office.store.commit([moved(1)]))[0]
        waiting = asyncio.create_task(notary.notarised(event.id))
        await _until(lambda: notary.status.behind == 1)
    with pytest.raises(NotaryNotRunningError):
        await waiting


async def test_the_head_leaves_the_house(office: Office, tmp_path: Path) -> None:
    """
    Behind each batch the head is in its file, signed, and handed on; it says how far the notarisation is.
    """
    heads: list[SignedHead] = []

    async def take(head: SignedHead) -> None:
        heads.append(head)

    async with office.notary(batch_events=2, signing_key=KEY, head_file=tmp_path / "head", on_head=take) as notary:
        await office.store.commit([moved(number) for number in range(4)])
        await notary.caught_up()

        in_file = SignedHead.parse((tmp_path / "head").read_text())
        assert in_file == heads[-1]
        assert in_file.signers([KEY.verifying]) == (KEY.name,)
        assert in_file.extensions[0].startswith(f"eventsource-notary/1 {NAME} 2 4 ")
        assert in_file.head == await office.ledger.head()
    verdict = await verify(office.store, office.ledger, None, name=NAME, heads=heads, keys=[KEY.verifying])
    assert verdict.is_intact


async def test_the_last_head_is_published_at_each_start(office: Office, tmp_path: Path) -> None:
    """
    A notary that was killed behind a batch makes good for it when it starts, and replaces the head as a whole.
    """
    await office.store.commit([moved(1)])
    async with office.notary() as notary:
        await notary.caught_up()
    async with office.notary(head_file=tmp_path / "head") as notary:
        await notary.caught_up()
    before = (tmp_path / "head").read_text()
    await office.store.commit([moved(2)])
    with (tmp_path / "head").open() as opened:
        async with office.notary(head_file=tmp_path / "head") as notary:
            await notary.caught_up()
        # Another file took its place; the old one was not written into.
        assert opened.read() == before

    assert SignedHead.parse(before).head.size == 3
    assert SignedHead.parse((tmp_path / "head").read_text()).head == await office.ledger.head()


async def test_a_ledger_that_hides_its_batches_is_not_gone_on_with(office: Office) -> None:
    """
    The book knows how many batches there were: one that is said not to be there was hidden.
    """
    await office.store.commit([moved(1)])
    async with office.notary() as notary:
        await notary.caught_up()
    office.ledger.hides = b"b/"

    with pytest.raises(TamperedError) as caught:
        await office.notary().run()

    assert (caught.value.kind, caught.value.place) == ("rolled-back", "ledger")


async def test_a_ledger_that_hides_what_it_took_is_named(office: Office) -> None:
    """
    Who waits for an event is told when the ledger says that it does not have what it has just taken.
    """
    office.ledger.hides = b"e/"
    await office.store.commit([moved(1)])

    async with office.notary() as notary:
        with pytest.raises(TamperedError, match="says that it does not have it"):
            await notary.caught_up()


async def test_a_head_that_cannot_be_handed_on_stops_nothing(office: Office, tmp_path: Path) -> None:
    """
    Where nobody takes the head, events are notarised all the same, and the status says so.
    """

    async def refuse(_: SignedHead) -> None:
        msg = "no room"
        raise OSError(msg)

    async with office.notary(on_head=refuse, head_file=tmp_path / "head") as notary:
        await office.store.commit([moved(1)])
        await notary.caught_up()

        assert notary.status.obstacle == "OSError: no room"
        assert notary.status.state == "live"
    await office.check()


async def test_a_new_book_does_not_go_on_for_a_lost_one(office: Office, tmp_path: Path) -> None:
    """
    With another secret nothing is notarised: what was could not be opened together with it.
    """
    await office.store.commit([moved(1)])
    async with office.notary() as notary:
        await notary.caught_up()

    async with NotaryBook(tmp_path / "new-book") as book:
        with pytest.raises(NotaryBookError, match="is not the book"):
            async with Notary(office.store, office.ledger, book, name=NAME) as notary:
                await notary.caught_up()


async def test_two_stores_share_a_ledger(office: Office) -> None:
    """
    Each store has its own notarisation under its own name.
    """
    async with InMemoryEventStore() as other:
        await office.store.commit([moved(1), moved(2)])
        await other.commit([moved(3)])
        async with office.notary() as one, Notary(other, office.ledger, office.book, name="other") as two:
            await asyncio.gather(one.caught_up(), two.caught_up())

        verdicts = [
            await verify(office.store, office.ledger, office.book, name=NAME),
            await verify(other, office.ledger, office.book, name="other"),
        ]
    assert [(one.is_intact, one.notarised) for one in verdicts] == [(True, 2), (True, 1)]


async def test_a_store_that_lost_events_is_not_gone_on_with(office: Office) -> None:
    """
    Where the last notarised event is gone, the notary says so and writes nothing.
    """
    await office.store.commit([moved(1), moved(2)])
    async with office.notary() as notary:
        await notary.caught_up()
    before = await office.ledger.head()

    async with InMemoryEventStore() as smaller:
        await smaller.commit([moved(1)])
        with pytest.raises(TamperedError) as caught:
            async with Notary(smaller, office.ledger, office.book, name=NAME) as notary:
                await notary.run()

    assert (caught.value.kind, caught.value.place) == ("truncated", "store")
    assert await office.ledger.head() == before


async def test_an_event_that_was_changed_before_is_not_notarised(office: Office) -> None:
    """
    What does not fit its own hash when it comes to the notary is not made to look right.
    """
    store = office.store
    assert isinstance(store, InMemoryEventStore)
    await store.commit([moved(1), moved(2)])
    store._events[1] = store._events[1]._replace(data_json='{"cents":9}')

    with pytest.raises(TamperedError, match="was changed before it was notarised"):
        async with office.notary() as notary:
            await notary.caught_up()


async def test_an_event_that_does_not_follow_is_not_notarised(office: Office) -> None:
    """
    Where an event is missing between two others before they come to the notary, it stops.
    """
    store = office.store
    assert isinstance(store, InMemoryEventStore)
    await store.commit([moved(1), moved(2), moved(3)])
    del store._events[1]

    with pytest.raises(TamperedError, match="does not follow the event before it"):
        await office.notary().run()


async def test_data_by_reference_that_was_changed_before_is_not_notarised(office: Office) -> None:
    """
    Data that is not what its digest stands for is not notarised either, nor what is no data at all.
    """
    store = office.store
    assert isinstance(store, InMemoryEventStore)
    await store.commit([moved(0)])
    for text in ('{"cents":9}', "no json"):
        store._events[0] = store._events[0]._replace(data_json=text)
        with pytest.raises(TamperedError, match="was changed before it was notarised"):
            await office.notary().run()


async def test_an_event_that_was_changed_since_is_not_gone_on_behind(office: Office) -> None:
    """
    Where the last notarised event is another one now, the notary that starts again says so.
    """
    store = office.store
    assert isinstance(store, InMemoryEventStore)
    await store.commit([moved(1), moved(2)])
    async with office.notary() as notary:
        await notary.caught_up()
    store._events[1] = store._events[1]._replace(subject="/accounts/9")

    with pytest.raises(TamperedError) as caught:
        await office.notary().run()

    assert (caught.value.kind, caught.value.place) == ("edited", "store")


async def test_another_notary_with_other_events_is_named(office: Office) -> None:
    """
    Two notaries of two stores under one name: the second finds other events than its own.
    """
    async with InMemoryEventStore() as other:
        await other.commit([moved(1), moved(2)])
        await office.store.commit([moved(1)])
        late = office.notary(linger_s=0.5)
        running = asyncio.create_task(late.run())
        await _until(lambda: late.status.behind == 1)
        async with Notary(other, office.ledger, office.book, name=NAME, linger_s=0.0) as first:
            await first.caught_up()

        with pytest.raises(TamperedError):
            await running


async def test_a_foreign_record_in_the_way_is_named(office: Office) -> None:
    """
    Somebody else's entry under the key of an event stops the notary with a name.
    """
    event = (await office.store.commit([moved(1)]))[0]
    async with office.notary() as notary:
        await notary.caught_up()
    proved = await office.ledger.get(event_key(NAME, event.id))
    assert proved is not None
    new = (await office.store.commit([moved(2)]))[0]
    await office.ledger.append([Entry(event_key(NAME, new.id), proved.value)])

    with pytest.raises(TamperedError) as caught:
        await office.notary().run()

    assert (caught.value.kind, caught.value.place) == ("inserted", "store")


async def test_a_log_that_was_put_back_is_named_at_the_start(tmp_path: Path) -> None:
    """
    The book remembers the head: an older log, or another one in its place, is not gone on with.
    """
    path = tmp_path / "notary.db"
    async with InMemoryEventStore() as store, NotaryBook(tmp_path / "book") as book:
        async with open_ledger(f"sqlite:{path}") as ledger, Notary(store, ledger, book, name=NAME) as notary:
            await store.commit([moved(1)])
            await notary.caught_up()
        older = path.read_bytes()
        async with open_ledger(f"sqlite:{path}") as ledger, Notary(store, ledger, book, name=NAME) as notary:
            await store.commit([moved(2)])
            await notary.caught_up()
        path.write_bytes(older)

        async with open_ledger(f"sqlite:{path}") as ledger:
            with pytest.raises(TamperedError) as rolled_back:
                async with Notary(store, ledger, book, name=NAME) as notary:
                    await notary.caught_up()
        async with open_ledger(f"sqlite:{tmp_path / 'other.db'}") as ledger:
            with pytest.raises(TamperedError) as replaced:
                async with Notary(store, ledger, book, name=NAME) as notary:
                    await notary.caught_up()

    assert (rolled_back.value.kind, replaced.value.kind) == ("rolled-back", "forked")
    assert rolled_back.value.evidence["size"] == "3"


async def test_erased_events_still_verify(tmp_path: Path) -> None:
    """
    Erased before or after it was notarised, an event verifies, and nothing of its data can be found out.
    """
    async with (
        EmbeddedEventStore(tmp_path / "store.db") as store,
        EmbeddedLedger(tmp_path / "notary.db") as ledger,
        NotaryBook(tmp_path / "book") as book,
    ):
        for subject in ("/people/1", "/people/2"):
            await store.commit(
                [NewEvent(subject=subject, type="t.named", data={"name": "Ada"}, store_data_as_reference=True)]
            )
        await store.erase("/people/1")
        async with Notary(store, ledger, book, name=NAME) as notary:
            await notary.caught_up()
            await store.erase("/people/2")
            assert await notary.forget("/people/2") == 0

        verdict = await verify(store, ledger, book, name=NAME)

        assert verdict.is_intact
        assert (verdict.events, verdict.erased) == (2, 2)


async def test_events_that_were_erased_though_stored_by_value_verify(tmp_path: Path) -> None:
    """
    Notarised and then erased by its type, an event counts as erased; one that somebody emptied is a change.
    """
    async with (
        EmbeddedEventStore(tmp_path / "store.db") as store,
        EmbeddedLedger(tmp_path / "notary.db") as ledger,
        NotaryBook(tmp_path / "book") as book,
    ):
        for subject in ("/people/1", "/people/2", "/people/3", "/people/4"):
            await store.commit([NewEvent(subject=subject, type="t.named", data={"name": "Ada"})])
        await store.erase("/people/1", including=["t.named"])
        async with Notary(store, ledger, book, name=NAME) as notary:
            await notary.caught_up()
            await store.erase("/people/2", including=["t.named"])

        verdict = await verify(store, ledger, book, name=NAME)

        assert verdict.is_intact, verdict.findings
        # The first was notarised as it is now.
        assert (verdict.events, verdict.erased) == (4, 1)
    connection = sqlite3.connect(tmp_path / "store.db")
    with connection:
        connection.execute("UPDATE events SET data = ? WHERE subject = '/people/3'", ('{"name":""}',))
    connection.close()
    async with (
        EmbeddedEventStore(tmp_path / "store.db", read_only=True) as store,
        EmbeddedLedger(tmp_path / "notary.db") as ledger,
        NotaryBook(tmp_path / "book") as book,
    ):
        assert not (await verify(store, ledger, book, name=NAME)).is_intact


async def test_names_and_batches_have_limits(office: Office) -> None:
    """
    A name that no key could carry, and a batch that no ledger takes, are refused at once.
    """
    for name in ("", "with/slash", "with space", "x" * 65, "-first"):
        with pytest.raises(ValueError, match="cannot name a store"):
            office.notary(name=name)
    for size in (0, 1_023):
        with pytest.raises(ValueError, match="a batch has 1 to 1022 events"):
            office.notary(batch_events=size)
