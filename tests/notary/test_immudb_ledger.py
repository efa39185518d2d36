"""
A notary that writes into an immudb: the same promises, and every lie of the server has a name.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from eventsource.errors import LedgerRefusedError, LedgerUnavailableError, TamperedError
from eventsource.immudb import ImmudbClient
from eventsource.notary import (
    KeptStates,
    Notary,
    NotaryBook,
    SignedHead,
    Verdict,
    make_receipt,
    open_ledger,
    verify,
)
from eventsource.notary.check_receipt import BadReceiptError, check_receipt
from eventsource.notary.findings import KINDS
from eventsource.notary.immudb_ledger import ImmudbLedger
from eventsource.notary.publishing import make_head
from eventsource.notary.records import batch_key, event_key
from eventsource.notary.standing import find_standing
from eventsource.store import InMemoryEventStore
from eventsource.testing.immudb import ImmudbTestServer, Lie
from tests.notary.scene import KEY, NAME, moved

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

EVENTS = 20


@attrs.frozen
class Office:
    """
    A store, an immudb and a book.
    """

    store: InMemoryEventStore
    server: ImmudbTestServer
    book: NotaryBook
    heads: list[SignedHead]

    def ledger(self, **options: Any) -> ImmudbLedger:
        """
        The ledger, as the book remembers it or at first sight.
        """
        ledger = open_ledger(self.server.url, **{"origin": "immudb/test", **options})
        assert isinstance(ledger, ImmudbLedger)
        return ledger

    def notary(self, ledger: ImmudbLedger, **options: Any) -> Notary:
        """
        A notary that keeps its heads.
        """

        async def keep(head: SignedHead) -> None:
            self.heads.append(head)

        options = {"batch_events": 6, "linger_s": 0.0, "on_head": keep, "signing_key": KEY, **options}
        return Notary(self.store, ledger, self.book, name=NAME, **options)

    async def verify(self, *, pinned: bool = True) -> Verdict:
        """
        Compare everything, with the last head as somebody else has kept it.
        """
        head = self.heads[-1]
        async with self.ledger(pinned=head.head if pinned else None, trust_on_first_use=not pinned) as ledger:
            return await verify(self.store, ledger, self.book, name=NAME, heads=[head], keys=[KEY.verifying])


@pytest.fixture
async def office(tmp_path: Path) -> AsyncGenerator[Office]:
    """
    A store of 20 events, notarised in four batches.
    """
    async with ImmudbTestServer() as server, InMemoryEventStore() as store, NotaryBook(tmp_path / "book") as book:
        made = Office(store, server, book, [])
        await store.commit([moved(number) for number in range(EVENTS)])
        async with made.ledger(trust_on_first_use=True) as ledger, made.notary(ledger) as notary:
            await notary.caught_up()
        yield made


async def test_events_are_notarised_in_transactions(office: Office) -> None:
    """
    Each batch is one transaction; all of it verifies, and a notary that is started again goes on behind it.
    """
    async with office.ledger(pinned=office.heads[-1].head) as ledger, office.notary(ledger) as notary:
        event = (await office.store.commit([moved(99)]))[0]
        await notary.notarised(event.id, timeout_s=10)

    verdict = await office.verify()

    assert verdict.is_intact, verdict.findings
    assert (verdict.events, verdict.notarised, verdict.behind) == (21, 21, 0)
    assert verdict.signers == (KEY.name,)
    assert verdict.head is not None
    assert (verdict.head.origin, verdict.head.size) == ("immudb/test", 5)


async def test_lost_answers_and_restarts_double_nothing(office: Office) -> None:
    """
    Answers that are lost behind a write, and a server that is away, leave each event notarised once.
    """
    async with office.ledger(pinned=office.heads[-1].head) as ledger, office.notary(ledger) as notary:
        await notary.caught_up()
        office.server.drop_answers(2)
        await office.store.commit([moved(number) for number in range(100, 115)])
        await notary.caught_up()
        await office.server.stop()
        last = (await office.store.commit([moved(200)]))[0]
        async with asyncio.timeout(20):
            while notary.status.state != "waiting for the ledger":  # noqa: ASYNC110  as users look
                await asyncio.sleep(0.01)
        await office.server.start()
        await notary.notarised(last.id, timeout_s=20)

    verdict = await office.verify()

    assert verdict.is_intact, verdict.findings
    assert verdict.notarised == EVENTS + 16


@pytest.mark.parametrize("lie", Lie)
async def test_each_lie_has_a_name(office: Office, lie: Lie) -> None:
    """
    Whatever the server lies about, verifying finds it and names it, or the lie is about nothing that is used.
    """
    office.server.lie(lie)

    verdict = await office.verify()

    # What is not signed is not checked, and times and versions beside the proofs are not used.
    harmless = {Lie.FORGED_SIGNATURE, Lie.MISSING_SIGNATURE, Lie.OLD_ANSWER, Lie.FORGED_STATE}
    assert verdict.is_intact is (lie in harmless), (lie, verdict.findings)
    for finding in verdict.findings:
        assert finding.kind in KINDS
        assert finding.place == "ledger"


@pytest.mark.parametrize("lie", [Lie.CHANGED_VALUE, Lie.OLD_ANSWER, Lie.BROKEN_HISTORY, Lie.MISSING_PROOF])
async def test_a_notary_stops_at_a_lie(office: Office, lie: Lie) -> None:
    """
    A notary that is lied to notarises nothing more, and keeps what it was answered as evidence.
    """
    async with office.ledger(pinned=office.heads[-1].head) as ledger:
        last = (await office.store.commit([moved(99)]))[0]
        notary = office.notary(ledger)
        office.server.lie(lie)
        with pytest.raises(TamperedError) as caught:
            await notary.run()

    assert caught.value.place == "ledger"
    assert caught.value.evidence["trusted transaction"] == "4"
    assert len(caught.value.evidence["answer sha256"]) == 64
    assert caught.value.__cause__ is not None
    assert notary.status.last_event_id != last.id


async def test_a_server_that_was_put_back_is_named(office: Office) -> None:
    """
    A restored server is behind the head; one that went another way contradicts it.
    """
    office.server.roll_back(2)
    rolled_back = await office.verify()
    async with office.ledger(trust_on_first_use=True) as ledger:
        with pytest.raises(TamperedError) as at_start:
            await office.notary(ledger).run()
    office.server.fork(2)
    office.server.fork(3)
    forked = await office.verify()

    assert [finding.kind for finding in rolled_back.findings] == ["rolled-back"]
    assert at_start.value.kind == "rolled-back"
    assert "forked" in {finding.kind for finding in forked.findings}
    assert not forked.is_compared


async def test_a_ledger_that_hides_its_end_is_named_by_the_head(office: Office) -> None:
    """
    That a batch is not there cannot be proved, so the server could say it; the head tells how many there were.
    """
    office.server.databases["defaultdb"].roll_back(2)

    async with office.ledger(trust_on_first_use=True) as ledger:
        # Somebody who lost all but the text of the head.
        head = attrs.evolve(office.heads[-1], head=await ledger.head(), signatures=())
        verdict = await verify(office.store, ledger, None, name=NAME, heads=[head])

    assert [finding.kind for finding in verdict.findings] == ["rolled-back"]
    assert "a head tells of 4 batches, and the ledger has 2" in verdict.findings[0].what


async def test_who_writes_a_key_again_changes_nothing(office: Office) -> None:
    """
    Another client with the right to write can write over a record: the first one counts, and is found.
    """
    event = (await office.store.commit([moved(99)]))[0]
    async with office.ledger(pinned=office.heads[-1].head) as ledger, office.notary(ledger) as notary:
        await notary.notarised(event.id, timeout_s=10)
    async with ImmudbClient(office.server.url, trust_on_first_use=True) as vandal:
        await vandal.set(event_key(NAME, event.id), b"nothing")
        await vandal.set(batch_key(NAME, 2), b"nothing")

    verdict = await office.verify()

    assert verdict.is_intact, verdict.findings


async def test_an_edited_store_is_named(office: Office) -> None:
    """
    The store is compared with the immudb as with any ledger.
    """
    office.store._events[3] = office.store._events[3]._replace(data_json='{"cents":9}')

    verdict = await office.verify()

    assert [(finding.kind, finding.place, finding.number) for finding in verdict.findings] == [("edited", "store", 4)]


async def test_receipts_need_no_server(office: Office) -> None:
    """
    A receipt of an event in an immudb is checked offline by the running hash that the signed head states.
    """
    ids = [event.id async for event in office.store.stream()]
    async with office.ledger(pinned=office.heads[-1].head, read_only=True) as ledger:
        receipts = [
            await make_receipt(office.store, ledger, office.book, one, name=NAME, signing_key=KEY)
            for one in (ids[0], ids[5], ids[6], ids[13], ids[19])
        ]

    for receipt in receipts:
        assert receipt.proof.kind == "running"
        assert check_receipt(receipt.model_dump(mode="json"), key=str(KEY.verifying)) == "matches"
        forged = receipt.model_copy(update={"number": receipt.number + 1})
        with pytest.raises(BadReceiptError):
            check_receipt(forged.model_dump(mode="json"), key=str(KEY.verifying))


async def test_snapshots_are_proved_or_not_there(office: Office) -> None:
    """
    A snapshot in an immudb that lies is built anew.
    """
    told: list[str] = []
    async with office.ledger(pinned=office.heads[-1].head) as ledger:
        states = KeptStates(ledger, office.book, name=NAME, on_finding=lambda finding: told.append(finding.kind))
        await states.keep("Account/1", 7, b"seven")
        assert await states.read("Account/1", 7) == b"seven"
        office.server.lie(Lie.CHANGED_VALUE)
        assert await states.read("Account/1", 7) is None

    assert told == ["edited"]


async def test_nobody_at_the_address_is_told() -> None:
    """
    A server that is not there is unavailable, which is no tampering.
    """
    async with open_ledger("immudb://immudb:immudb@localhost:1/db", trust_on_first_use=True) as ledger:
        with pytest.raises(LedgerUnavailableError, match="immudb localhost:1/db is not available"):
            await ledger.head()


async def test_a_notary_that_is_refused_stops(office: Office) -> None:
    """
    It does not ask again: it says what is wrong, to whoever waits for it, too.
    """
    event = (await office.store.commit([moved(99)]))[0]
    url = office.server.url.rpartition("/")[0] + "/missing"
    async with ImmudbLedger(url, trust_on_first_use=True) as ledger:
        with pytest.raises(LedgerRefusedError, match="no database 'missing'"):
            await ledger.head()
        notary = office.notary(ledger)
        with pytest.raises(LedgerRefusedError):
            async with notary:
                await notary.notarised(event.id)

    assert notary.status.state == "failed"
    assert office.server.calls.count("OpenSession") < 10


async def test_a_refusal_that_may_pass_is_waited_for(office: Office) -> None:
    """
    A database that is being closed or opened refuses for reasons of its own; the notary goes on behind that.
    """
    event = (await office.store.commit([moved(99)]))[0]
    async with office.ledger(pinned=office.heads[-1].head) as ledger:
        office.server.fail("already closed", count=3)
        async with office.notary(ledger) as notary:
            await notary.notarised(event.id)

    assert (await office.verify()).is_intact


@pytest.mark.parametrize("same_name", [True, False], ids=["of-one-store", "of-two-names"])
async def test_two_notaries_write_into_one_database(office: Office, tmp_path: Path, *, same_name: bool) -> None:
    """
    At the same time: each event is notarised once for each name, and all of it verifies.
    """
    name = NAME if same_name else "other"
    async with NotaryBook(tmp_path / ("book" if same_name else "other-book")) as book:
        async with office.ledger(trust_on_first_use=True) as one, office.ledger(trust_on_first_use=True) as other:
            second = Notary(office.store, other, book, name=name, batch_events=3, linger_s=0.0)
            async with office.notary(one) as first, second:
                for number in range(30):
                    await office.store.commit([moved(100 + number)])
                await asyncio.gather(first.caught_up(), second.caught_up())
        async with office.ledger(trust_on_first_use=True) as ledger:
            verdict = await verify(office.store, ledger, book, name=name)

    mine = await office.verify(pinned=False)
    assert verdict.is_intact, verdict.findings
    assert mine.is_intact, mine.findings
    assert verdict.notarised == mine.notarised == EVENTS + 30


async def test_a_head_of_an_immudb_is_signed_like_any(office: Office) -> None:
    """
    The head that is exported has the transaction as size and its hash as root.
    """
    async with office.ledger(pinned=office.heads[-1].head) as ledger:
        head = make_head(await ledger.head(), NAME, await find_standing(ledger, NAME), KEY)

    assert SignedHead.parse(str(head)) == office.heads[-1]


async def test_key_that_stands_for_another_is_no_entry_of_the_ledger() -> None:
    """
    Whoever may write can make a key a reference; the value that it shows was not written by a notary.
    """
    async with ImmudbTestServer() as server, ImmudbClient(server.url) as stranger:
        await stranger.set(b"value", b"forged")
        await stranger.set_reference(b"key", b"value")
        async with ImmudbLedger(server.url, trust_on_first_use=True) as ledger:
            with pytest.raises(TamperedError, match="stand for another key"):
                await ledger.get(b"key")
