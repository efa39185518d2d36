"""
Stores that cannot be used, or do not do what was asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource.errors.root import EventSourceError, shortened, without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class StoreError(EventSourceError):
    """
    An event store cannot do what was asked.
    """

    code = "store"


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


class NotAStoreError(StoreError):
    """
    A file is there, but it is no event store.

    Attributes:
        path: The file.

        reason: What was found instead.
    """

    code = "not-a-store"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is not an event store: {reason}")
        self.path = path
        self.reason = reason


class StoreFormatError(StoreError):
    """
    A store file has a format that this version does not read.

    Attributes:
        path: The file.

        found: Its format.

        supported: The newest format this version reads.
    """

    code = "store-format"

    def __init__(self, path: Path, *, found: int, supported: int) -> None:
        super().__init__(
            f"{path} has store format {found}, this version of eventsource reads up to {supported}: "
            "open it with a newer eventsource"
        )
        self.path = path
        self.found = found
        self.supported = supported


class StoreLockedError(StoreError):
    """
    Another store object, here or in another process, already writes to the file.

    Attributes:
        path: The store file.
    """

    code = "store-locked"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is already open for writing: one writer at a time; stop the other one, or open this one "
            "with read_only=True"
        )
        self.path = path


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


class WrongEventLoopError(StoreError, RuntimeError):
    """
    Something is used in another event loop or process than the one it belongs to. Nothing was sent.

    Attributes:
        name: What it was to reach.

        kind: What is another one: "event loop" or "process".
    """

    code = "wrong-event-loop"

    def __init__(self, name: str, kind: str) -> None:
        super().__init__(
            f"what reaches {name} was first used in another {kind}, and its connections cannot leave that: make one "
            f"for each {kind}; a client without an httpx.AsyncClient of yours has connections of its own in each"
        )
        self.name = name
        self.kind = kind


class ClientSettingError(StoreError, ValueError):
    """
    A client cannot be made: one of its settings is missing or cannot be used.

    Attributes:
        setting: Which one, such as "auth_token".

        reason: What is wrong with it, in words; a token is not shown.
    """

    code = "client-setting"

    def __init__(self, setting: str, reason: str) -> None:
        super().__init__(f"{setting}: {reason}")
        self.setting = setting
        self.reason = reason


class StoreForkedError(StoreError):
    """
    A store was used in a process that was forked from the one that had opened it.

    Nothing was read or written, and the store goes on in its own process. The same holds for a read-model
    database, and for the files of the notary.

    Attributes:
        opened_by: The id of the process that it belongs to.
    """

    code = "store-forked"

    def __init__(self, name: str, *, opened_by: int) -> None:
        super().__init__(
            f"{name} belongs to process {opened_by}, which this process was forked from: open it after the fork, in "
            "the process that uses it, or start that process with 'spawn'"
        )
        self.opened_by = opened_by


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
        reason: What was found, in words.
    """

    code = "store-unavailable"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} is not available: {reason}")
        self.reason = reason


class StoreFileLostError(StoreUnavailableError):
    """
    The files at the path of a store are no longer those that the store has open.

    The store has stopped: it commits and reads nothing more until it is opened again.

    Attributes:
        path: The store file, as it was named.

        what: What became of the files, in words.

        saved: Where the store has saved all that it held; None if it could not, or did not write to the files.

        obstacle: What kept it from saving, in words; None if nothing did.
    """

    code = "store-file-lost"

    def __init__(self, path: Path, what: str, *, saved: Path | None = None, obstacle: str | None = None) -> None:
        super().__init__(
            str(path), f"{what} while the store was open, so the store has stopped; {_advice(saved, obstacle)}"
        )
        self.path = path
        self.what = what
        self.saved = saved
        self.obstacle = obstacle


def _advice(saved: Path | None, obstacle: str | None) -> str:
    if saved is not None:
        return (
            f"all that it held, its last commit included, is saved in {saved}: find out what touches the files, put "
            "that file in their place and open the store again"
        )
    if obstacle is not None:
        return f"what it held could not be saved ({obstacle}): restore a backup, and find out what touches the files"
    return "open it again to read the files that are there now"


class StoreCorruptedError(StoreError):
    """
    What is stored cannot be true: a page is damaged, or the hash chain does not hold.

    Attributes:
        problem: What is wrong, and where.
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
        reason: What was found, in words.

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

        reason: What is wrong with it, in words; nothing of it is quoted, it may be personal.
    """

    code = "damaged-line"

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line} of the answer is damaged: {reason}")
        self.line = line
        self.reason = reason


class AnswerTooLargeError(StoreError):
    """
    A server's answer is larger than what is accepted.

    Attributes:
        limit_bytes: The largest that is.
    """

    code = "answer-too-large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the answer is larger than {limit_bytes} bytes: ask for less, or allow more")
        self.limit_bytes = limit_bytes


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


class PersonalDataRemainsError(StoreError):
    """
    A subject was erased as far as it can be, and events of it still hold personal data.

    They were not stored by reference: their class became personal later, or another program wrote them so. Erasing
    with their types in ``including`` erases them, too.

    Attributes:
        subject: The subject.

        types: How many such events there are, by stored type.

        emptied: How many events were emptied.
    """

    code = "personal-data-remains"

    def __init__(self, subject: str, *, types: Mapping[str, int], emptied: int) -> None:
        counted = ", ".join(f"{count} of type {name!r}" for name, count in types.items())
        super().__init__(
            f"events at {subject} still hold personal data: {counted}; they were not stored by reference, so they were "
            f"left ({emptied} events were emptied): erase again and include these types, "
            f"erase_subject(store, {subject!r}, including={list(types)!r})"
        )
        self.subject = subject
        self.types = types
        self.emptied = emptied


class ErasureUnfinishedError(StoreError):
    """
    Data was erased for every reader, but bytes of it are still in the files: somebody else is in the way.

    The store tries again by itself with later commits, when it closes and when it is opened again for
    writing. To be told, erase again: that returns once the bytes are gone.

    Attributes:
        name: What the store is called.

        subject: The subject whose data was erased.

        events: How many events were emptied.

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

        problem: What is wrong with it, in words.
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

        reason: What is wrong with it, in words.
    """

    code = "invalid-schema"

    def __init__(self, event_type: str, reason: str) -> None:
        super().__init__(f"no schema for event type {shortened(event_type)!r}: {reason}")
        self.event_type = event_type
        self.reason = reason


class SchemaMismatchError(StoreError):
    """
    A registered schema may refuse what event classes write. Nothing was registered.

    Attributes:
        problems: By event type, each place in the data and what is wrong there.
    """

    code = "schema-mismatch"

    def __init__(self, problems: Mapping[str, tuple[str, ...]]) -> None:
        texts = [f"{event_type}: {', '.join(found)}" for event_type, found in problems.items()]
        super().__init__(
            f"registered schemas may refuse what is written ({'; '.join(texts)}): a schema stays as it is, so write "
            "what fits it, or give the new form a type name of its own"
        )
        self.problems = dict(problems)


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
