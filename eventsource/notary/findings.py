"""
What a verification found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventsource.notary.errors import TamperedError
    from eventsource.notary.ledger import Head

# What can be done to a store, a ledger or a head; ``docs/threat-model.md`` describes each.
KINDS: Final = (
    "edited",
    "deleted",
    "inserted",
    "reordered",
    "truncated",
    "rolled-back",
    "forked",
    "rechained",
    "unproved",
)
PLACES: Final = ("store", "ledger", "head")

# More say nothing new: what was done at a thousand places needs a person after the first ones.
MAX_FINDINGS = 100


@attrs.frozen
class Finding:
    """
    One thing that is not as it was notarised.

    Attributes:
        kind: What was done, one of `KINDS`.

        place: What it was done to, one of `PLACES`.

        what: The same in words.

        number: The first event it concerns, by its place in the order of the store, from 1 on.

        event_id: That event.

        count: The number of events it concerns.
    """

    kind: str
    place: str
    what: str
    number: int | None = None
    event_id: str | None = None
    count: int = 1

    @classmethod
    def of(cls, error: TamperedError) -> Finding:
        """
        What an error says.
        """
        return cls(error.kind, error.place, error.what)


@attrs.frozen
class Verdict:
    """
    The outcome of a verification.

    Attributes:
        name: What the store is called in the ledger.

        events: The number of events of the store that were looked at; 0 where it was not compared.

        notarised: The number of events the ledger has.

        behind: The number of the store's events that are not notarised yet: nothing is known of them.

        erased: Of how many notarised events the data is erased. They verify, but for the data.

        forgettable: Of how many of these the book still has the seal: `Notary.forget` deletes it.

        unchecked: Of how many the data could not be looked into: the store is read over HTTP, and does not
            tell the salts of data by reference.

        head: The head of the ledger; None where it could not be had.

        signers: Whose true signatures stand under the heads that were given.

        is_compared: True if the store was compared: it is not where the ledger itself is not to be trusted.

        is_opened: True if a book was there to compare contents with; without one only ids and order are.

        findings: What was found, at most 100; empty if all is as it was notarised.
    """

    name: str
    events: int = 0
    notarised: int = 0
    behind: int = 0
    erased: int = 0
    forgettable: int = 0
    unchecked: int = 0
    head: Head | None = None
    signers: tuple[str, ...] = ()
    is_compared: bool = True
    is_opened: bool = True
    findings: tuple[Finding, ...] = ()

    @property
    def is_intact(self) -> bool:
        """
        True if nothing was found.
        """
        return not self.findings


class Findings:
    """
    Collects findings, and no more than anybody reads.
    """

    def __init__(self) -> None:
        self._found: list[Finding] = []

    def add(self, finding: Finding) -> None:
        """
        Note one.
        """
        if len(self._found) < MAX_FINDINGS:
            self._found.append(finding)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._found)

    def __bool__(self) -> bool:
        return bool(self._found)
