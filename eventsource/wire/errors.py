"""
Errors of a store that cross HTTP: a server turns them into answers, and a client turns the answers back into them.
"""

from __future__ import annotations

from eventsource.root_error import StoreError, shortened, without_secrets


class InvalidStoreUrlError(StoreError, ValueError):
    """
    A store URL is not understood.

    Attributes:
        url: The URL as given, without user, password and parameters.
    """

    code = "invalid-store-url"

    def __init__(self, url: str, reason: str) -> None:
        url = without_secrets(url)
        super().__init__(f"not a store URL: {url!r}: {reason}; write 'memory:', 'sqlite:PATH' or 'http://HOST:PORT'")
        self.url = url


class StoreReadOnlyError(StoreError):
    """
    A commit was sent to a store that was opened for reading.
    """

    code = "store-read-only"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is open for reading only: open it without read_only to commit")


class StoreClosedError(StoreError):
    """
    The store was closed, or not opened yet.
    """

    code = "store-closed"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is closed: use it inside `async with connect(...) as store`")


class StoreFullError(StoreError):
    """
    The disk is full. Nothing of the commit was written; reading goes on.
    """

    code = "store-full"

    def __init__(self, name: str) -> None:
        super().__init__(f"no space left to commit to {name}: nothing was written; free some and try again")


class StoreUnavailableError(StoreError):
    """
    The store does not answer, or refuses further work after an I/O error until it is reopened.

    Attributes:
        reason: The cause, in words.
    """

    code = "store-unavailable"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} is not available: {reason}")
        self.reason = reason


class StoreCorruptedError(StoreError):
    """
    What is stored cannot be true: a page is damaged, or the hash chain does not hold.

    Attributes:
        problem: The fault, and where.
    """

    code = "store-corrupted"

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name} is damaged: {problem}; restore a backup, and keep this file for analysis")
        self.problem = problem


class CommitOutcomeUnknownError(StoreError):
    """
    The commit was sent or was being made durable when something broke: it may be stored, or not.

    Read the subject to find out; do not simply send the commit again, unless its
    preconditions make the repeat harmless, or it has an idempotency key. Over HTTP the store's
    ``resolve`` does that, as far as it can be decided.

    A time limit of yours around a commit ends in `TimeoutError`, and a cancelled task in
    `asyncio.CancelledError`, as they must. Where the commit was sent by then the cause of it is this
    error: `behind` finds it.

    Attributes:
        reason: The cause, in words.

        attempt: What was sent, for ``resolve``; None where there is nothing more to find out by it.
    """

    code = "commit-outcome-unknown"

    @classmethod
    def behind(cls, error: BaseException) -> CommitOutcomeUnknownError | None:
        """
        The unknown outcome that *error* is, or that caused it; None if no commit was on its way.

        >>> doubt = CommitOutcomeUnknownError("the store", "cancelled")
        >>> limit = TimeoutError()
        >>> limit.__cause__ = doubt
        >>> CommitOutcomeUnknownError.behind(limit) is doubt
        True
        """
        found: BaseException | None = error
        seen: set[int] = set()
        while found is not None and id(found) not in seen:
            if isinstance(found, cls):
                return found
            seen.add(id(found))
            found = found.__cause__ or found.__context__
        return None

    def __init__(self, name: str, reason: str, *, attempt: object = None) -> None:
        super().__init__(
            f"a commit to {name} may or may not have been stored ({reason}): read the subject before you repeat it"
        )
        self.reason = reason
        self.attempt = attempt


class DamagedLineError(StoreError):
    """
    A line of a server's answer cannot be read. What came before it is good; nothing is skipped.

    Attributes:
        line: Which line of the answer, counted from 1.

        reason: The fault, in words; nothing of it is quoted, it may be personal.
    """

    code = "damaged-line"

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line} of the answer is damaged: {reason}")
        self.line = line
        self.reason = reason


class EventNotFoundError(StoreError, LookupError):
    """
    An event id used as a bound is not in the store.

    Attributes:
        event_id: The id.
    """

    code = "event-not-found"

    def __init__(self, event_id: str) -> None:
        super().__init__(f"no event with id {shortened(event_id)!r} in this store")
        self.event_id = event_id


class SubjectNotFoundError(StoreError, LookupError):
    """
    Data was to be erased at a subject that has no events.

    Attributes:
        subject: The subject.
    """

    code = "subject-not-found"

    def __init__(self, subject: str) -> None:
        super().__init__(f"no events at {subject}: there is nothing to erase; data is erased at the exact subject")
        self.subject = subject


class ErasureUnfinishedError(StoreError):
    """
    Data was erased for every reader, but bytes of it are still in the files: somebody else is in the way.

    The store tries again by itself with later commits, when it closes and when it is opened again for
    writing. To be told, erase again: that returns once the bytes are gone.

    Attributes:
        name: What the store is called.

        subject: The subject whose data was erased.

        events: The number of events that were emptied.

        reason: Who or what is in the way, in words.
    """

    code = "erasure-unfinished"

    def __init__(self, name: str, *, subject: str, events: int, reason: str) -> None:
        super().__init__(
            f"the data of {events} events at {subject} is erased and nobody can read it any more, but bytes of it "
            f"remain in the files of {name}: {reason}; erase again once it has let go, which returns when they are gone"
        )
        self.name = name
        self.subject = subject
        self.events = events
        self.reason = reason


class StoreNotEmptyError(StoreError):
    """
    A backup can only be restored into a store without events.

    Attributes:
        events: How many the store has.
    """

    code = "store-not-empty"

    def __init__(self, name: str, *, events: int) -> None:
        super().__init__(f"{name} has {events} events: restore into an empty store")
        self.events = events


class BackupInvalidError(StoreError, ValueError):
    """
    What is to be restored is no whole log of events. Nothing was restored.

    Attributes:
        index: Which item of the backup, from 0 on: which event, unless records that are no events come before it.

        problem: The fault, in words.
    """

    code = "backup-invalid"

    def __init__(self, problem: str, *, index: int) -> None:
        super().__init__(f"the backup cannot be restored: event {index} (counted from 0): {problem}")
        self.index = index
        self.problem = problem


class NotSupportedError(StoreError):
    """
    The store has no such ability.
    """

    code = "not-supported"


class SchemaExistsError(StoreError):
    """
    The event type has a schema already, and it stays.

    Attributes:
        event_type: The type.
    """

    code = "schema-exists"

    def __init__(self, event_type: str) -> None:
        super().__init__(
            f"event type {shortened(event_type)!r} has a schema already: data of another form is another event type"
        )
        self.event_type = event_type


class InvalidSchemaError(StoreError, ValueError):
    """
    A schema cannot be used.

    Attributes:
        event_type: The type it is for.

        reason: The fault, in words.
    """

    code = "invalid-schema"

    def __init__(self, event_type: str, reason: str) -> None:
        super().__init__(f"no schema for event type {shortened(event_type)!r}: {reason}")
        self.event_type = event_type
        self.reason = reason


class IdempotencyKeyReusedError(StoreError):
    """
    Another commit was made with the same idempotency key. Nothing was written.

    It had other events or preconditions, or it cannot be compared any more because data of its
    events was erased.

    Attributes:
        idempotency_key: The key.
    """

    code = "idempotency-key-reused"

    def __init__(self, idempotency_key: str) -> None:
        super().__init__(
            f"another commit was made with idempotency key {idempotency_key!r}: a key names one commit for ever"
        )
        self.idempotency_key = idempotency_key
