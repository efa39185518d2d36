"""
What the commands of ``eventsource notary`` read from files, and what they print.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from eventsource.cli.failures import CommandError
from eventsource.cli.output import escape, write_json, write_lines
from eventsource.cli.table import format_table
from eventsource.notary import Finding, Head, SignedHead, SigningKey, Verdict, VerifyingKey
from eventsource.notary.errors import SignedHeadError
from eventsource.notary.findings import MAX_FINDINGS


class HeadResult(BaseModel):
    """
    A head of a ledger.

    Attributes:
        root: 64 hex digits.
    """

    model_config = ConfigDict(frozen=True)

    origin: str
    size: int
    root: str

    @classmethod
    def of(cls, head: Head | None) -> "HeadResult | None":
        """
        What a ledger tells.
        """
        return None if head is None else cls(origin=head.origin, size=head.size, root=head.root.hex())


class NotaryState(BaseModel):
    """
    How far a notarisation is: the outcome of ``status``, and one line of ``run --json``.

    Attributes:
        state: Of ``run``: started, caught_up, waiting, stopped or failed. Of ``status``: caught_up or behind.

        behind: The number of events that are not notarised; None when the last notarised one is not in the store.

        lag_s: How old the first of them is, in seconds.

        obstacle: What it waits for.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    state: Literal["started", "caught_up", "behind", "waiting", "stopped", "failed"]
    events: int
    behind: int | None
    lag_s: float
    last_event_id: str | None
    head: HeadResult | None
    obstacle: str | None = None


class FindingResult(BaseModel):
    """
    One thing that is wrong; the event where it concerns one, or the first of them.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    place: str
    what: str
    number: int | None
    event_id: str | None
    count: int

    @classmethod
    def of(cls, finding: Finding) -> "FindingResult":
        """
        What a verification tells.
        """
        return cls(
            kind=finding.kind,
            place=finding.place,
            what=finding.what,
            number=finding.number,
            event_id=finding.event_id,
            count=finding.count,
        )


class VerifyResult(BaseModel):
    """
    The outcome of a verification; `eventsource.notary.Verdict` describes the same names.

    Attributes:
        held_heads: True if there was a head from elsewhere to compare with.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    intact: bool
    compared: bool
    opened: bool
    held_heads: bool
    signers: list[str]
    events: int
    notarised: int
    behind: int
    erased: int
    forgettable: int
    unchecked: int
    head: HeadResult | None
    findings: list[FindingResult]

    @classmethod
    def of(cls, verdict: Verdict, *, has_heads: bool) -> "VerifyResult":
        """
        What a verification tells.
        """
        return cls(
            name=verdict.name,
            intact=verdict.is_intact,
            compared=verdict.is_compared,
            opened=verdict.is_opened,
            held_heads=has_heads,
            signers=list(verdict.signers),
            events=verdict.events,
            notarised=verdict.notarised,
            behind=verdict.behind,
            erased=verdict.erased,
            forgettable=verdict.forgettable,
            unchecked=verdict.unchecked,
            head=HeadResult.of(verdict.head),
            findings=[FindingResult.of(one) for one in verdict.findings],
        )


def print_status(found: NotaryState, *, as_json: bool) -> None:
    """
    Print how far a notarisation is.
    """
    if as_json:
        write_json(found)
        return
    words = {"caught_up": "caught up", "behind": "behind"}.get(found.state, found.state)
    head = ["store", "state", "notarised", "behind", "last event"]
    write_lines(format_table(head, [(found.name, words, found.events, found.behind, found.last_event_id)]))


def print_findings(result: VerifyResult) -> None:
    """
    Print the outcome of a verification for people: counts, warnings, findings, and the verdict as the last line.
    """
    lines = [*_counts(result), *_reservations(result)]
    if result.intact:
        write_lines([*map(escape, lines), "intact"])
        return
    lines += [f"{one.place} {one.kind}: {one.what}" for one in result.findings]
    count = len(result.findings)
    more = "the first " if count == MAX_FINDINGS else ""
    write_lines([*map(escape, lines), f"{more}{count} finding{'s' if count > 1 else ''}"])


def _counts(result: VerifyResult) -> Iterator[str]:
    yield f"notarised  {result.notarised:,}"
    if result.compared:
        yield f"in store   {result.events:,}, {result.behind:,} of them not notarised yet"
    if result.erased:
        yield f"erased     {result.erased:,}: everything but their data verifies"
    if result.head:
        yield f"head       {result.head.size:,} {result.head.root}"
    if result.signers:
        yield f"signed by  {', '.join(result.signers)}"


def _reservations(result: VerifyResult) -> Iterator[str]:
    """
    What the verdict does not speak of.
    """
    if result.forgettable:
        yield f"the book still has the seals of {result.forgettable:,} erased events: forget them"
    if result.unchecked:
        yield f"the data of {result.unchecked:,} events could not be checked: this store does not tell its salts"
    if not result.held_heads:
        yield "no head from elsewhere was given: a ledger that was written anew is not noticed"
    elif not result.signers:
        yield "the signatures of the head were not checked: no key was given, or it is not signed by one"
    if not result.opened:
        yield "without the book: ids and order were compared, contents were not"
    if not result.compared:
        yield "the store was not compared, since the ledger itself is not to be trusted"


def head_in_words(text: str) -> str:
    """
    A head in a few words.
    """
    signed = SignedHead.parse(text)
    return f"size {signed.head.size:,}, {'signed' if signed.signatures else 'not signed'}"


def read_heads(paths: list[Path]) -> list[SignedHead]:
    """
    Read heads from files.

    Raises:
        CommandError: A file is not there, or holds none.
    """
    heads: list[SignedHead] = []
    for path in paths:
        try:
            heads.append(SignedHead.parse(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, SignedHeadError) as error:
            msg = f"{path}: {error}"
            raise CommandError(msg) from None
    return heads


def read_keys(texts: list[str]) -> list[VerifyingKey]:
    """
    Read verifying keys.

    Raises:
        CommandError: A text is none.
    """
    try:
        return [VerifyingKey.parse(text) for text in texts]
    except SignedHeadError as error:
        msg = f"--key: {error}"
        raise CommandError(msg) from None


def signing_key(path: Path | None, name: str) -> SigningKey | None:
    """
    The signing key in a file, made when it is not there.

    Raises:
        CommandError: The file holds none, or cannot be read or made.
    """
    if path is None:
        return None
    try:
        return SigningKey.load_or_generate(path, f"eventsource.notary/{name}")
    except (OSError, UnicodeDecodeError, SignedHeadError) as error:
        msg = f"{path}: {error}"
        raise CommandError(msg) from None
