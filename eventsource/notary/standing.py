"""
Finding out from the ledger how far a notarisation is: the ledger itself is the checkpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource.notary.batching import Standing
from eventsource.notary.errors import NotaryBookError, TamperedError
from eventsource.notary.fingerprint import secret_digest
from eventsource.notary.records import BatchRecord, Charter, batch_key, charter_key

if TYPE_CHECKING:
    from eventsource.notary.book import NotaryBook, Seen
    from eventsource.notary.ledger import Ledger


async def check_charter(ledger: Ledger, book: NotaryBook, name: str) -> bool:
    """
    Check that the book is the one which the notarisation of *name* was begun with.

    Returns:
        True if it was begun.

    Raises:
        NotaryBookError: It was, with another book.
    """
    proved = await ledger.get(charter_key(name))
    if proved is None:
        return False
    if Charter.from_bytes(proved.value).secret_digest != secret_digest(book.secret):
        msg = (
            f"{book.path} is not the book that {name!r} was notarised with: use that one; with another nobody "
            "can tell whether an event is still the one that was notarised"
        )
        raise NotaryBookError(msg)
    return True


async def find_standing(
    ledger: Ledger, name: str, *, since: Standing | None = None, seen: Seen | None = None
) -> Standing:
    """
    The standing behind the last batch in the ledger.

    Args:
        since: A standing that was read before.

        seen: What was seen of the ledger before.

    Raises:
        TamperedError: The ledger does not have a batch that was seen in it.
    """
    known = since or Standing()
    if seen and seen.batches > known.batch:
        record = await read_batch_record(ledger, name, seen.batches)
        if record is None:
            what = f"the ledger had {seen.batches} batches of {name!r}, and says that there is no such batch"
            raise TamperedError(kind="rolled-back", place="ledger", what=what, evidence={"batch": str(seen.batches)})
        known = Standing.behind(record)
    # Batches have no gaps: gallop beyond the end, then halve.
    step, beyond = 1, 0
    while not beyond:
        record = await read_batch_record(ledger, name, known.batch + step)
        if record is None:
            beyond = known.batch + step
        else:
            known, step = Standing.behind(record), 2 * step
    while beyond - known.batch > 1:
        middle = (known.batch + beyond) // 2
        record = await read_batch_record(ledger, name, middle)
        if record is None:
            beyond = middle
        else:
            known = Standing.behind(record)
    return known


async def read_batch_record(ledger: Ledger, name: str, batch: int) -> BatchRecord | None:
    """
    The record of a batch.

    Raises:
        TamperedError: What stands there is none, or of another batch.
    """
    proved = await ledger.get(batch_key(name, batch))
    if proved is None:
        return None
    record = BatchRecord.from_bytes(proved.value)
    if record.batch != batch:
        what = f"the record of batch {batch} says that it is batch {record.batch}"
        raise TamperedError(kind="edited", place="ledger", what=what)
    return record
