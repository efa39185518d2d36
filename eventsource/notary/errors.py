"""
Errors of the notary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource.root_error import EventSourceError, without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class NotaryError(EventSourceError):
    """
    Something is wrong around the notary or its ledger.
    """

    code = "notary"


class InvalidLedgerUrlError(NotaryError, ValueError):
    """
    A text names no ledger.

    Attributes:
        url: The text as given, without user, password and parameters.

        reason: The fault.
    """

    code = "invalid-ledger-url"

    def __init__(self, url: str, reason: str) -> None:
        url = without_secrets(url)
        super().__init__(f"not a ledger: {url!r}: {reason}; try 'sqlite:notary.db' or 'immudb://HOST:3322/DATABASE'")
        self.url = url
        self.reason = reason


class NotALedgerError(NotaryError):
    """
    A file cannot be used as a notary's log, or as its book.

    Attributes:
        path: The file.

        reason: The fault, in words.
    """

    code = "not-a-ledger"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is not a file of the notary: {reason}")
        self.path = path
        self.reason = reason


class LedgerLockedError(NotaryError):
    """
    Another process already writes to the log: one notary at a time.

    Attributes:
        path: The file.
    """

    code = "ledger-locked"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is already open for writing: one notary at a time; stop the other one, or open this one for "
            "reading"
        )
        self.path = path


class LedgerClosedError(NotaryError):
    """
    The ledger was closed, or not opened yet.
    """

    code = "ledger-closed"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is closed: use it inside `async with open_ledger(...) as ledger`")


class LedgerReadOnlyError(NotaryError):
    """
    Entries were sent to a ledger that was opened for reading.
    """

    code = "ledger-read-only"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is open for reading only: open it without read_only to write")


class LedgerUnavailableError(NotaryError):
    """
    The ledger does not answer. What was sent to it may be written, or not.

    Attributes:
        reason: The cause, in words.
    """

    code = "ledger-unavailable"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} is not available: {reason}")
        self.reason = reason


class LedgerRefusedError(NotaryError):
    """
    The ledger answers, and refuses: the login, the database, a permission or a certificate is not right.

    Nothing was written. Asking again changes nothing until that is put right, so a notary ends with this error.

    Attributes:
        reason: What it refuses, in words.
    """

    code = "ledger-refused"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} refuses: {reason}")
        self.reason = reason


class AlreadyNotarisedError(NotaryError):
    """
    A key of the ledger has a value already, and a value is never written over. Nothing was written.

    Attributes:
        keys: Which keys, those that are known; as text, with escapes for what is none.
    """

    code = "already-notarised"

    def __init__(self, name: str, *, keys: tuple[str, ...]) -> None:
        shown = ", ".join(keys[:3]) + (", …" if len(keys) > len(keys[:3]) else "")
        super().__init__(f"{name} has these keys already: {shown or 'at least one of them'}; nothing was written")
        self.keys = keys


class TamperedError(NotaryError):
    """
    Something is not as it was notarised, or a ledger says what cannot be true. Keep the evidence, and do not go on.

    Attributes:
        kind: What was done: "edited", "deleted", "inserted", "reordered", "truncated", "rolled-back",
            "forked", "rechained" or "unproved"; ``docs/threat-model.md`` has them all.

        place: What it was done to: "store", "ledger" or "head".

        what: The cause, in words.

        evidence: What it is seen by: names of values and the values as text, hashes and places, no event data.
    """

    code = "tampered"

    def __init__(self, *, kind: str, place: str, what: str, evidence: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{place} {kind}: {what}")
        self.kind = kind
        self.place = place
        self.what = what
        self.evidence = dict(evidence or {})


class SignedHeadError(NotaryError, ValueError):
    """
    A text is no signed head or no key, or a signature under a head is forged.
    """

    code = "signed-head"


class NotaryBookError(NotaryError):
    """
    The notary's book does not belong to what stands in the ledger.

    The book holds the secret that leaves are salted with: another one, or a lost one, opens none of them.
    """

    code = "notary-book"


class NotaryNotRunningError(NotaryError):
    """
    Somebody waits for a notary that is not running.
    """

    code = "notary-not-running"

    def __init__(self) -> None:
        super().__init__("the notary is not running: use it inside `async with Notary(...) as notary`")


class NotNotarisedError(NotaryError, TimeoutError):
    """
    An event was not notarised in the time given. It may still be.

    Attributes:
        event_id: The event waited for.

        timeout_s: The time given, in seconds.
    """

    code = "not-notarised"

    def __init__(self, *, event_id: str, timeout_s: float) -> None:
        super().__init__(f"event {event_id} is not notarised after {timeout_s} s")
        self.event_id = event_id
        self.timeout_s = timeout_s
