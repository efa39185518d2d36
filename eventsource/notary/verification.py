"""
Verifying: a store, the ledger that it was notarised in, and heads that others have kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource.notary.comparison import Comparison
from eventsource.notary.errors import SignedHeadError, TamperedError
from eventsource.notary.findings import Finding, Findings, Verdict
from eventsource.notary.notarised import Notarised, ReadableLog
from eventsource.notary.publishing import standing_in
from eventsource.notary.standing import check_charter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsource.notary.batching import Standing
    from eventsource.notary.book import NotaryBook
    from eventsource.notary.keys import VerifyingKey
    from eventsource.notary.ledger import Head, Ledger
    from eventsource.notary.signed_head import SignedHead
    from eventsource.store.interface import EventStore


async def verify(
    store: EventStore | None,
    ledger: Ledger,
    book: NotaryBook | None,
    *,
    name: str = "events",
    heads: Sequence[SignedHead] = (),
    keys: Sequence[VerifyingKey] = (),
) -> Verdict:
    """
    Compare a store with its notarisation, and that with the heads.

    First the ledger is checked: that it continues every head, and contradicts itself nowhere. Only where it
    does not, the store is compared with it, event by event.

    Args:
        store: The store; None looks at the ledger alone.

        book: The notary's book; without it only ids and order of the events are compared, not their contents.

        name: What the store is called in the ledger.

        heads: Heads that were kept where nobody who could change the ledger can write. Without any, a ledger that
            was written anew from its beginning passes.

        keys: Whose signatures count. With any, each head must be signed by at least one of them.

    Returns:
        What was found; tampering is no error here.

    Raises:
        LedgerUnavailableError, StoreUnavailableError: One of them cannot be read.
        NotaryBookError: The book is not the one that the store was notarised with.
    """
    findings = Findings()
    signers = _check_signatures(heads, keys, findings)
    held = [(one.head, standing_in(one, name)) for one in heads]
    seen = await book.last_seen(name) if book else None
    if seen is not None:
        held.append((seen.head, None))
    standings = [standing for _, standing in held if standing is not None]
    notarised = Notarised(ledger, name, batches_of_interest=frozenset(one.batch for one in standings))
    heads_to_meet = [one for one, _ in held]
    if isinstance(ledger, ReadableLog):
        # What its own hashes say of it comes first: whether it is one log at all.
        await notarised.check_structure()
        head = await _check_heads(ledger, heads_to_meet, findings, is_whole=notarised.is_whole)
    else:
        head = await _check_heads(ledger, heads_to_meet, findings, is_whole=True)
        if not findings:
            await notarised.check_structure()
    for finding in notarised.findings:
        findings.add(finding)
    if not findings:
        _check_standings(notarised, standings, findings)
    is_compared = store is not None and not findings
    comparison = None
    if is_compared and store is not None:
        comparison = Comparison(store, book)
        again = Notarised(ledger, name)
        try:
            if book is not None and notarised.end.batch:
                await check_charter(ledger, book, name)
            await comparison.run(again.batches())
        except TamperedError as error:
            findings.add(Finding.of(error))
        # A ledger that now tells something else lies.
        for finding in (*comparison.findings, *again.findings):
            findings.add(finding)
    counts = comparison.counts if comparison else None
    return Verdict(
        name=name,
        events=counts.events if counts else 0,
        notarised=notarised.end.events,
        behind=counts.behind if counts else 0,
        erased=counts.erased if counts else 0,
        forgettable=counts.forgettable if counts else 0,
        unchecked=counts.unchecked if counts else 0,
        head=head,
        signers=signers,
        is_compared=is_compared,
        is_opened=book is not None,
        findings=tuple(findings),
    )


def _check_signatures(heads: Sequence[SignedHead], keys: Sequence[VerifyingKey], findings: Findings) -> tuple[str, ...]:
    found: list[str] = []
    for one in heads:
        try:
            signers = one.signers(keys)
        except SignedHeadError as error:
            findings.add(Finding("edited", "head", str(error)))
            continue
        if keys and not signers:
            what = f"nobody of those whose keys were given has signed the head of size {one.head.size}"
            findings.add(Finding("unproved", "head", what))
        found += signers
    return tuple(dict.fromkeys(found))


async def _check_heads(ledger: Ledger, heads: Sequence[Head], findings: Findings, *, is_whole: bool) -> Head | None:
    now: Head | None = None
    try:
        now = await ledger.head()
        for head in heads:
            now = await ledger.prove_since(head)
    except TamperedError as error:
        # Of a ledger that does not hang together no head says more than that, but for how long it was.
        if is_whole or error.kind == "rolled-back":
            findings.add(Finding.of(error))
    return now


def _check_standings(notarised: Notarised, standings: Sequence[Standing], findings: Findings) -> None:
    """
    What heads say of the notarisation itself: also where the ledger is one that cannot be proved to be complete.
    """
    for standing in standings:
        if standing.batch == 0:
            continue
        found = notarised.standings.get(standing.batch)
        if found is None:
            what = f"a head tells of {standing.batch} batches, and the ledger has {notarised.end.batch}"
            findings.add(Finding("rolled-back", "ledger", what, number=notarised.end.events + 1))
        elif (found.events, found.running) != (standing.events, standing.running):
            what = f"up to batch {standing.batch} the ledger has other events than the head tells of"
            findings.add(Finding("forked", "ledger", what, number=found.events))
