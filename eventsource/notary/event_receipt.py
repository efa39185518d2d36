"""
Receipts of events: one event, its record, the proof of it and a signed head, in a small file.

Whoever has the file and the notary's verifying key can check it with nothing else: neither the store nor the
ledger, nor this package. `eventsource.notary.check_receipt` does it with Python's standard library alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict

from eventsource.events.timestamp import format_timestamp
from eventsource.notary.batching import Standing
from eventsource.notary.comparison import is_emptied, read_entry
from eventsource.notary.errors import NotNotarisedError, TamperedError
from eventsource.notary.fingerprint import DataForm, Salts, canonical, commit_to_data, fingerprint
from eventsource.notary.publishing import make_head
from eventsource.notary.records import BatchRecord, EventRecord, batch_key, event_key, next_running
from eventsource.notary.standing import check_charter, find_standing, read_batch_record
from eventsource.wire.errors import EventNotFoundError

if TYPE_CHECKING:
    from eventsource.notary.book import NotaryBook
    from eventsource.notary.keys import SigningKey
    from eventsource.notary.ledger import Ledger, Proved
    from eventsource.notary.signed_head import SignedHead
    from eventsource.store.interface import EventStore
    from eventsource.store.log_entry import LogEntry

FORMAT: Final = "eventsource-notary-receipt/1"


class ReceiptEvent(BaseModel):
    """
    The event as it is in the store.

    Attributes:
        time: The same as `time_ns`, for people.

        predecessor_hash, hash: As they are in the store; None where data could be guessed from them that is not here.

        data_json: Its data as text, as it was hashed; None where it was erased or is not handed out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    time: str
    time_ns: int
    source: str
    subject: str
    type: str
    predecessor_hash: str | None
    hash: str | None
    data_json: str | None


class MerkleProof(BaseModel):
    """
    The way from the event's leaf to the root of the log.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["merkle"] = "merkle"
    index: int
    size: int
    path: list[str]


class RunningProof(BaseModel):
    """
    The running hash before the event, and the records behind it to the end of its batch, as (key, value).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["running"] = "running"
    before: str
    behind: list[tuple[str, str]]


class EventReceipt(BaseModel):
    """
    A receipt. Bytes are hexadecimal digits.

    Attributes:
        store: What the store is called in the ledger.

        number: The event's place in the order of the store, from 1 on.

        content_salt, chain_salt, data_salt: What the three hashes in the event's record are salted with, of those
            that the receipt opens. They open this event's record and no other's.

        key, value: The event's record in the ledger.

        head: A signed head, as text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["eventsource-notary-receipt/1"] = FORMAT
    store: str
    number: int
    event: ReceiptEvent
    content_salt: str
    chain_salt: str | None
    data_salt: str | None
    key: str
    value: str
    proof: MerkleProof | RunningProof
    head: str


async def make_receipt(
    store: EventStore,
    ledger: Ledger,
    book: NotaryBook,
    event_id: str,
    *,
    name: str = "events",
    signing_key: SigningKey | None = None,
    with_data: bool = True,
) -> EventReceipt:
    """
    The receipt of an event.

    Args:
        name: What the store is called in the ledger.

        signing_key: Signs the head. Without one whoever checks it must have the head from elsewhere.

        with_data: True if the data is handed out with it. Without, the receipt shows that there was an event of that
            subject, type and time, and says nothing of its data.

    Raises:
        EventNotFoundError: The store does not have it.
        NotNotarisedError: It is not notarised yet.
        TamperedError: It is not the event that was notarised.
        NotaryBookError: The book is another one.
    """
    entry = await read_entry(store, event_id)
    if entry is None:
        raise EventNotFoundError(event_id)
    await check_charter(ledger, book, name)
    proved = await ledger.get(event_key(name, event_id))
    if proved is None:
        raise NotNotarisedError(event_id=event_id, timeout_s=0.0)
    record = EventRecord.from_bytes(proved.value)
    event, salts = entry.event, Salts.of(book.secret, event_id)
    form = DataForm(record.form)
    if fingerprint(event, number=record.number, form=form, commitment=record.commitment, salts=salts) != record:
        what = f"event {event_id}, number {record.number}, is not the one that was notarised"
        raise TamperedError(kind="edited", place="store", what=what)
    data = await _open_data(entry, record, book) if with_data else None
    # From the hashes data can be guessed, but not from those over data by reference.
    shows_hashes = data is not None or form is DataForm.BY_REFERENCE
    proof, head = await _prove(ledger, name, proved, signing_key)
    return EventReceipt(
        store=name,
        number=record.number,
        event=ReceiptEvent(
            id=event.id,
            time=format_timestamp(event.time_ns),
            time_ns=event.time_ns,
            source=event.source,
            subject=event.subject,
            type=event.type,
            predecessor_hash=event.predecessor_hash if shows_hashes else None,
            hash=event.hash if shows_hashes else None,
            data_json=data[0] if data else None,
        ),
        content_salt=salts.content.hex(),
        chain_salt=salts.chain.hex() if shows_hashes else None,
        data_salt=data[1] if data else None,
        key=proved.key.decode(),
        value=proved.value.hex(),
        proof=proof,
        head=str(head),
    )


async def _open_data(entry: LogEntry, record: EventRecord, book: NotaryBook) -> tuple[str, str] | None:
    """
    The data and the salt that opens the commitment to it; None once it is erased.

    Raises:
        TamperedError: It is not the data that was notarised.
    """
    event, data_json = entry.event, entry.event.data_json
    match DataForm(record.form):
        case DataForm.BY_VALUE:
            salt = Salts.of(book.secret, event.id).data
            if commit_to_data(data_json, salt, DataForm.BY_VALUE) == record.commitment:
                return data_json, salt.hex()
        case DataForm.SEALED:
            seal = (await book.seals([event.id])).get(event.id)
            if seal is not None and commit_to_data(data_json, seal, DataForm.SEALED) == record.commitment:
                return canonical(data_json), seal.hex()
            if is_emptied(data_json):
                return None
        case DataForm.BY_REFERENCE:
            reference = entry.reference
            if reference is None or reference.salt is None:
                return None
            if reference.fits(data_json) and bytes.fromhex(reference.digest) == record.commitment:
                return data_json, reference.salt
    what = f"the data of event {event.id}, number {record.number}, is not what was notarised"
    raise TamperedError(kind="edited", place="store", what=what)


async def _prove(
    ledger: Ledger, name: str, proved: Proved, key: SigningKey | None
) -> tuple[MerkleProof | RunningProof, SignedHead]:
    if proved.proof.get("kind") == "merkle":
        standing = await find_standing(ledger, name)
        return MerkleProof.model_validate(proved.proof), make_head(proved.receipt.head, name, standing, key)
    # Any other ledger: the running hash, which the head states, ties the record as well.
    entries = await ledger.batch(proved.receipt)
    own = [entry for entry in entries if entry.key.startswith(event_key(name, ""))]
    place = [entry.key for entry in own].index(proved.key)
    mark = next(entry for entry in entries if entry.key.startswith(batch_key(name, 0)[:-1]))
    batch = BatchRecord.from_bytes(mark.value)
    before = await read_batch_record(ledger, name, batch.batch - 1) if batch.batch > 1 else None
    running = before.running if before else Standing().running
    for entry in own[:place]:
        running = next_running(running, *entry)
    behind = [(entry.key.decode(), entry.value.hex()) for entry in own[place + 1 :]]
    proof = RunningProof(before=running.hex(), behind=behind)
    return proof, make_head(proved.receipt.head, name, Standing.behind(batch), key)
