"""
Every error of the package.

    EventSourceError
    ├── InvalidSubjectError (ValueError)
    ├── DeclarationError (TypeError)
    ├── MissingExtraError (ImportError)
    ├── EventError
    │   ├── UnknownEventTypeError
    │   ├── UnstorableDataError (ValueError)
    │   ├── EventTooLargeError (ValueError)
    │   ├── MalformedEventError (ValueError)
    │   ├── SchemaViolationError (ValueError)
    │   ├── EventDecodingError
    │   ├── NewerEventError
    │   ├── UpcastingError
    │   └── NotOneEventError
    ├── QueryError
    │   ├── QuerySyntaxError (ValueError)
    │   ├── QueryStructureError (ValueError)
    │   ├── QueryValueError (ValueError)
    │   ├── QueryLimitError
    │   ├── QueryBudgetError
    │   └── GuardError (ValueError)
    ├── StoreError
    │   ├── InvalidStoreUrlError (ValueError)
    │   ├── NotAStoreError
    │   ├── StoreFormatError
    │   ├── StoreLockedError
    │   ├── StoreReadOnlyError
    │   ├── StoreClosedError
    │   ├── StoreFullError
    │   ├── StoreUnavailableError
    │   ├── StoreCorruptedError
    │   ├── CommitOutcomeUnknownError
    │   ├── DamagedLineError
    │   ├── AnswerTooLargeError
    │   ├── EventNotFoundError (LookupError)
    │   ├── SubjectNotFoundError (LookupError)
    │   ├── ErasureUnfinishedError
    │   ├── StoreNotEmptyError
    │   ├── BackupInvalidError (ValueError)
    │   ├── NotSupportedError
    │   ├── SchemaExistsError
    │   ├── InvalidSchemaError (ValueError)
    │   ├── SchemaMismatchError
    │   ├── IdempotencyKeyReusedError
    │   └── PreconditionFailedError
    │       ├── AggregateExistsError
    │       ├── RuleBrokenError
    │       └── ConflictError
    ├── RequestError
    │   ├── InvalidJsonError (ValueError)
    │   ├── InvalidRequestError (ValueError)
    │   ├── RequestTooLargeError (ValueError)
    │   ├── UnauthenticatedError
    │   ├── ForbiddenError
    │   └── RequestRefusedError
    ├── CommandError
    │   ├── CommandNotHandledError (LookupError)
    │   ├── CommandLeavesNoTraceError
    │   └── ResultNotSeenError
    ├── AddressUnavailableError
    ├── AggregateNotFoundError (LookupError)
    ├── AggregateReadOnlyError
    ├── PeriodClosedError
    ├── UnstorableStateError (TypeError)
    ├── NotAReadModelDatabaseError
    ├── ImmudbError
    │   ├── InvalidImmudbUrlError (ValueError)
    │   ├── NotBytesError (TypeError)
    │   ├── ImmudbLimitError (ValueError)
    │   ├── PasswordPolicyError (ValueError)
    │   ├── ImmudbClosedError
    │   ├── ImmudbUnavailableError
    │   ├── ImmudbLoginError
    │   ├── ImmudbPermissionError
    │   ├── ImmudbNotFoundError (LookupError)
    │   ├── ImmudbExistsError
    │   ├── ImmudbKeyNotFoundError (LookupError)
    │   ├── ImmudbKeyExistsError
    │   ├── ImmudbRefusedError
    │   ├── ImmudbOutcomeUnknownError
    │   ├── TrustMissingError
    │   ├── TrustUnreadableError
    │   └── VerificationError
    │       ├── RollbackError
    │       ├── StateSignatureError
    │       └── ServerDamagedError
    ├── ProjectionError
    │   ├── ProjectorFailedError
    │   ├── ProjectorSupersededError
    │   ├── ProjectorNotRunningError
    │   ├── CheckpointMismatchError
    │   ├── CheckpointMissingError
    │   ├── ReadModelIncompleteError
    │   ├── ErasedDataRemainsError
    │   └── NotSeenError (TimeoutError)
    ├── ProcessError
    │   ├── UndeclaredCommandError
    │   ├── ProcessNotStartedError
    │   ├── ProcessCompletedError
    │   ├── RefusalUnansweredError
    │   ├── ProcessNotFoundError (LookupError)
    │   ├── ProcessNotParkedError
    │   └── ProcessManagerFailedError
    └── NotaryError
        ├── InvalidLedgerUrlError (ValueError)
        ├── NotALedgerError
        ├── LedgerLockedError
        ├── LedgerClosedError
        ├── LedgerReadOnlyError
        ├── LedgerUnavailableError
        ├── AlreadyNotarisedError
        ├── TamperedError
        ├── SignedHeadError (ValueError)
        ├── NotaryBookError
        ├── NotaryNotRunningError
        └── NotNotarisedError (TimeoutError)

Each has a stable `code` and its facts as attributes; the message is built from the facts.
None carries event data: it may be personal. An application's own refusals live beside its
aggregates and need not derive from anything here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from eventsource.domain.event import RecordedEvent


class EventSourceError(Exception):
    """
    The root: whatever this package raises on purpose derives from it.
    """

    code: ClassVar[str] = "eventsource"

    def __reduce__(self) -> tuple[object, ...]:
        """
        Let it pass between processes: the default would call the class with the message alone.
        """
        return _restore, (type(self), self.args), self.__dict__


def _restore(cls: type[EventSourceError], args: tuple[object, ...]) -> EventSourceError:
    error = cls.__new__(cls)
    error.args = args
    return error


class InvalidSubjectError(EventSourceError, ValueError):
    """
    A text is not a subject.

    Attributes:
        text: The text as given.

        reason: What is wrong with it.
    """

    code = "invalid-subject"

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"not a subject: {text!r}: {reason}")
        self.text = text
        self.reason = reason


class DeclarationError(EventSourceError, TypeError):
    """
    A class of yours is declared in a way that could only fail later, so it is not made.
    """

    code = "declaration"


class MissingExtraError(EventSourceError, ImportError):
    """
    Something is used that needs packages which are not installed.

    Attributes:
        extra: The extra that brings them.

        purpose: What needs them, in words.
    """

    code = "missing-extra"

    def __init__(self, extra: str, *, purpose: str) -> None:
        super().__init__(f"{purpose} needs more packages: pip install 'eventsource-genesisdb[{extra}]'")
        self.extra = extra
        self.purpose = purpose


class EventError(EventSourceError):
    """
    Something is wrong with an event.
    """

    code = "event"


class UnknownEventTypeError(EventError):
    """
    The log holds an event whose type nobody declared.

    Attributes:
        event_type: The stored type.

        event_id: Which event.

        subject: Where it stands.

        reader: Who wanted to read it, such as "aggregate Account".
    """

    code = "unknown-event-type"

    def __init__(self, *, event_type: str, event_id: str, subject: str, reader: str) -> None:
        super().__init__(
            f"event {event_id} of {subject} has type {event_type!r}, unknown to {reader}: declare an event "
            "class with that type name and a handler for it"
        )
        self.event_type = event_type
        self.event_id = event_id
        self.subject = subject
        self.reader = reader


class UnstorableDataError(EventError, ValueError):
    """
    Event data holds a value that JSON cannot carry.

    Attributes:
        path: Where in the data, such as ``$.lines[2].amount``.

        reason: What stands there.
    """

    code = "unstorable-data"

    def __init__(self, *, path: str, reason: str) -> None:
        super().__init__(f"event data cannot be stored: {reason} at {path}")
        self.path = path
        self.reason = reason


class EventTooLargeError(EventError, ValueError):
    """
    An event is larger than a Genesis DB takes.

    Attributes:
        event_type: The type of the event.

        subject: Where it was to be written.

        size_bytes: Its size as one line of NDJSON.

        limit_bytes: The size it must stay below.
    """

    code = "event-too-large"

    def __init__(self, *, event_type: str, subject: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"event {event_type!r} for {subject} takes {size_bytes} bytes as stored, the limit is {limit_bytes}: "
            "split it, or keep the large part elsewhere and store a reference"
        )
        self.event_type = event_type
        self.subject = subject
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class MalformedEventError(EventError, ValueError):
    """
    A JSON text is not an event as Genesis DB writes it.

    Attributes:
        reason: What is missing or wrong, in words; no values, they may be personal.
    """

    code = "malformed-event"

    def __init__(self, reason: str) -> None:
        super().__init__(f"not an event: {reason}")
        self.reason = reason


class SchemaViolationError(EventError, ValueError):
    """
    The data of an event breaks the schema of its type. Nothing of the commit was written.

    Attributes:
        event_index: Which event of the commit, from 0 on.

        event_type: Its type.

        subject: Where it was to be written.

        path: Where in the data, such as ``$.lines[2].amount``. A name that the schema does not
            have may be personal, so it is written as ``…``.

        rule: What of the schema it breaks: "required", "type", "additionalProperties" and so on,
            as JSON Schema names it.
    """

    code = "schema-violation"

    def __init__(self, *, event_index: int, event_type: str, subject: str, path: str, rule: str) -> None:
        super().__init__(
            f"event {event_index} of the commit, {event_type!r} for {subject}, breaks its schema: {rule!r} at {path}"
        )
        self.event_index = event_index
        self.event_type = event_type
        self.subject = subject
        self.path = path
        self.rule = rule


class EventDecodingError(EventError):
    """
    Stored data does not fit the event class declared for its type.

    Attributes:
        event_type: The stored type.

        event_id: Which event.

        subject: Where it stands.

        problems: One text a misfit, such as ``cents: Field required``; no values, they may be personal.
    """

    code = "event-decoding"

    def __init__(self, *, event_type: str, event_id: str, subject: str, problems: tuple[str, ...]) -> None:
        super().__init__(f"event {event_id} of {subject} ({event_type}) does not fit its class: {'; '.join(problems)}")
        self.event_type = event_type
        self.event_id = event_id
        self.subject = subject
        self.problems = problems


class NewerEventError(EventError):
    """
    An event was written by a newer version of the program than this one, in a form it does not know.

    Attributes:
        event_type: The stored type.

        event_id: Which event.

        subject: Where it stands.

        version: The version it was stored with.

        known: The highest version of its type that is known here.
    """

    code = "newer-event"

    def __init__(self, *, event_type: str, event_id: str, subject: str, version: int, known: int) -> None:
        super().__init__(
            f"event {event_id} of {subject} ({event_type}) is of version {version}, known here is up to {known}: "
            "a newer version of the program wrote it; update this one"
        )
        self.event_type = event_type
        self.event_id = event_id
        self.subject = subject
        self.version = version
        self.known = known


class UpcastingError(EventError):
    """
    An upcaster fails on stored data, or gives what it must not.

    Attributes:
        problem: What it did, in words; no values, they may be personal.

        upcaster: Its module and name.

        version: The version that it takes.

        event_type: The stored type of the event.

        event_id: Which event.

        subject: Where it stands.
    """

    code = "upcasting"

    def __init__(
        self, problem: str, *, upcaster: str, version: int, event_type: str, event_id: str, subject: str
    ) -> None:
        super().__init__(f"event {event_id} of {subject} ({event_type}): upcaster {upcaster} {problem}")
        self.problem = problem
        self.upcaster = upcaster
        self.version = version
        self.event_type = event_type
        self.event_id = event_id
        self.subject = subject


class NotOneEventError(EventError):
    """
    A recorded event was to be read as one event, and is none, several, or erased.

    Attributes:
        event_type: The stored type.

        event_id: Which event.

        subject: Where it stands.

        count: How many events it is read as.

        is_erased: Whether its data was erased.
    """

    code = "not-one-event"

    def __init__(self, *, event_type: str, event_id: str, subject: str, count: int, is_erased: bool) -> None:
        what = "is erased" if is_erased else f"is read as {count or 'no'} events"
        super().__init__(f"event {event_id} of {subject} ({event_type}) {what}: read it with decode_all()")
        self.event_type = event_type
        self.event_id = event_id
        self.subject = subject
        self.count = count
        self.is_erased = is_erased


class QueryError(EventSourceError):
    """
    A query cannot be read, printed or answered.
    """

    code = "query"


class QuerySyntaxError(QueryError, ValueError):
    """
    A text is not a query. Found before the first event is looked at.

    Attributes:
        reason: What was expected there, and what stands there instead, in words.

        query: The text as given.

        offset: Where in the text, in characters; 0 is the first.

        line: The same place as a line, counted from 1.

        column: And as a column of that line, in characters, counted from 1.
    """

    code = "query-syntax"

    def __init__(self, reason: str, *, query: str, offset: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.query = query
        self.offset = offset
        self.line = query.count("\n", 0, offset) + 1
        self.column = offset - (query.rfind("\n", 0, offset) + 1) + 1

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.reason}\n{self.excerpt()}"

    def __reduce__(self) -> tuple[object, ...]:
        # Errors travel between processes; the default would forget the keywords.
        return _restore_syntax_error, (self.reason, self.query, self.offset)

    def excerpt(self) -> str:
        """
        The line the error is on, and a caret under the place; two lines of text.
        """
        # 60 characters to either side: with the dots it fits in 128 columns.
        start = self.offset - self.column + 1
        line = self.query[start:].split("\n", 1)[0]
        first = max(0, self.column - 1 - 60)
        last = min(len(line), self.column - 1 + 60)
        before = ("..." if first else "") + line[first : self.column - 1]
        after = line[self.column - 1 : last] + ("..." if last < len(line) else "")
        # A tab stays a tab, or the caret would not stand under its place.
        indent = "".join("\t" if character == "\t" else " " for character in before)
        return f"{before}{after}\n{indent}^"


class QueryStructureError(QueryError, ValueError):
    """
    Parts that are right by themselves do not go together: `SUM` in a `WHERE`, `UPPER` of two texts.

    Only trees built in code raise it; for a text the parser turns it into a QuerySyntaxError.

    Attributes:
        reason: What does not fit, in words.

        part: The tree node at fault, or None if it was never made.
    """

    code = "query-structure"

    def __init__(self, reason: str, *, part: object = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.part = part


class QueryValueError(QueryError, ValueError):
    """
    A value cannot be written in a query.

    Such are texts with a NUL or half of a surrogate pair, NaN, the infinities, and whatever is
    no text, number, boolean or null.

    Attributes:
        reason: Which of them, in words. The value itself is left out: it may be personal.
    """

    code = "query-value"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class QueryLimitError(QueryError):
    """
    A query, or a value it computes, is larger than the language allows.

    Attributes:
        limit: Which limit: "text bytes", "depth", "items", "digits" or "value characters".

        maximum: The largest size allowed.

        query: The text, if a text was read; else None.

        offset: Where in the text the limit was passed, in characters; None without a text.
    """

    code = "query-limit"

    def __init__(self, limit: str, *, maximum: int, query: str | None = None, offset: int | None = None) -> None:
        place = "" if offset is None else f" at offset {offset}"
        super().__init__(f"too large: at most {maximum} {limit} are allowed{place}")
        self.limit = limit
        self.maximum = maximum
        self.query = query
        self.offset = offset

    def __reduce__(self) -> tuple[object, ...]:
        return _restore_limit_error, (self.limit, self.maximum, self.query, self.offset)


class QueryBudgetError(QueryError):
    """
    A query used up what it may use, and was ended. Nothing was written on its account.

    Attributes:
        budget: Which one: "time", "rows" or "bytes".

        limit: How much there was of it: seconds, rows or bytes.

        during: What the query was for: "query" or "precondition".
    """

    code = "query-budget"

    def __init__(self, budget: str, *, limit: float, during: str = "query") -> None:
        unit = "s of time" if budget == "time" else budget
        super().__init__(
            f"the {during} used up its {limit:g} {unit}: narrow it to a subject, a type or a time, declare an index "
            "on the data it asks for, or ask for less"
        )
        self.budget = budget
        self.limit = limit
        self.during = during

    def __reduce__(self) -> tuple[object, ...]:
        return _restore_budget_error, (self.budget, self.limit, self.during)


class GuardError(QueryError, ValueError):
    """
    A rule over events cannot be written as one query, or could never hold, so it is not made.

    A field that the event class does not have, a text compared with a number, two different choices
    of events in one rule. The message never quotes a value: it may be personal.
    """

    code = "guard"


class StoreError(EventSourceError):
    """
    An event store cannot do what was asked.
    """

    code = "store"


class InvalidStoreUrlError(StoreError, ValueError):
    """
    A store URL is not understood.

    Attributes:
        url: The URL as given, without a password.
    """

    code = "invalid-store-url"

    def __init__(self, url: str, reason: str) -> None:
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

    Attributes:
        reason: What was found, in words.

        attempt: What was sent, for ``resolve``; None where there is nothing more to find out by it.
    """

    code = "commit-outcome-unknown"

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
        super().__init__(f"no event with id {event_id!r} in this store")
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
        index: Which event of the backup, from 0 on.

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
        super().__init__(f"event type {event_type!r} has a schema already: data of another form is another event type")
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
        super().__init__(f"no schema for event type {event_type!r}: {reason}")
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


class PreconditionFailedError(StoreError):
    """
    A precondition did not hold when the commit came to its place in the log. Nothing was written.

    Attributes:
        subject: The subject the precondition speaks of; None for a rule over several.

        precondition: The precondition as text.

        expected: What it demands, in words.

        found: What was there, in words.

        name: What the rule is called, if it has a name.

        query: The GDBQL text of the rule, if it is a query; may hold values that were given to it.

        asked: The part of the query that did not hold, such as ``SUM(e.data.delta) >= 500``.
    """

    code = "precondition-failed"

    def __init__(
        self,
        *,
        subject: str | None,
        precondition: str,
        expected: str,
        found: str,
        name: str | None = None,
        query: str | None = None,
        asked: str | None = None,
    ) -> None:
        where = f"{subject}: " if subject else ""
        super().__init__(f"precondition failed: {where}expected {expected}, found {found}")
        self.subject = subject
        self.precondition = precondition
        self.expected = expected
        self.found = found
        self.name = name
        self.query = query
        self.asked = asked


class AggregateExistsError(PreconditionFailedError):
    """
    An aggregate was to be created where there is one already.
    """

    code = "aggregate-exists"


class RuleBrokenError(PreconditionFailedError):
    """
    A rule of the application did not hold when the commit came to its place in the log: `name` says which.

    The store has decided, so trying the same again is of no use.
    """

    code = "rule-broken"


class ConflictError(PreconditionFailedError):
    """
    Others committed to what was read. Read it again and decide again.

    Attributes:
        events: What came between: the recorded events of what was read that were not read, oldest
            first. They are read when the error is made, so they may be more than what was in the way;
            empty if that could not be done.
    """

    code = "conflict"

    def __init__(
        self,
        *,
        subject: str | None,
        precondition: str,
        expected: str,
        found: str,
        name: str | None = None,
        query: str | None = None,
        asked: str | None = None,
        events: tuple[RecordedEvent, ...] = (),
    ) -> None:
        super().__init__(
            subject=subject,
            precondition=precondition,
            expected=expected,
            found=found,
            name=name,
            query=query,
            asked=asked,
        )
        self.events = events


class RequestError(EventSourceError):
    """
    A request over HTTP is refused as such, whatever is stored.
    """

    code = "request"


class InvalidJsonError(RequestError, ValueError):
    """
    Bytes are not JSON that means the same to every reader.

    Beside malformed text that is a member named twice, NaN or an infinity, half of a surrogate pair,
    bytes that are no UTF-8, and deep nesting.

    Attributes:
        reason: What was found, in words; no values, they may be personal.
    """

    code = "invalid-json"

    def __init__(self, reason: str) -> None:
        super().__init__(f"not JSON: {reason}")
        self.reason = reason


class InvalidRequestError(RequestError, ValueError):
    """
    A request does not have the form that its endpoint takes.

    Attributes:
        place: Where in the body, such as ``events[0].subject``; empty for the whole.

        reason: What is wrong there, in words; no values, they may be personal.
    """

    code = "invalid-request"

    def __init__(self, reason: str, *, place: str = "") -> None:
        super().__init__(f"{place}: {reason}" if place else reason)
        self.place = place
        self.reason = reason


class RequestTooLargeError(RequestError, ValueError):
    """
    A request has a larger body than the server takes.

    Attributes:
        limit_bytes: The largest it takes; None where the server did not say.
    """

    code = "request-too-large"

    def __init__(self, limit_bytes: int | None = None) -> None:
        limit = "what the server takes" if limit_bytes is None else f"{limit_bytes} bytes"
        super().__init__(f"the body is larger than {limit}")
        self.limit_bytes = limit_bytes


class UnauthenticatedError(RequestError):
    """
    A request carries no token, or one that the server does not know.
    """

    code = "unauthenticated"

    def __init__(self) -> None:
        super().__init__("no token, or not one that is known here: send 'Authorization: Bearer TOKEN'")


class ForbiddenError(RequestError):
    """
    The token of a request is known, but it does not allow this.

    Attributes:
        role: What it would take: "read", "write" or "administrator"; None where the server did not say.
    """

    code = "forbidden"

    def __init__(self, role: str | None = None) -> None:
        super().__init__("this token does not allow it" + (f": it takes the {role} token" if role else ""))
        self.role = role


class RequestRefusedError(RequestError):
    """
    A server refused for a reason of its own, which no other class here stands for.

    Attributes:
        status: The HTTP status.

        refusal: The server's word for it, such as "not-found"; empty if it sent none.

        text: What it said.
    """

    code = "request-refused"

    def __init__(self, text: str, *, status: int, refusal: str = "") -> None:
        super().__init__(f"HTTP {status}: {text}")
        self.status = status
        self.refusal = refusal
        self.text = text


class AddressUnavailableError(EventSourceError):
    """
    A server cannot listen at an address: another program does, or the address is none of this machine.

    Attributes:
        host: The address.

        port: The port.

        reason: What the system said.
    """

    code = "address-unavailable"

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"cannot listen at {host} port {port}: {reason}; choose another port, or 0 for a free one")
        self.host = host
        self.port = port
        self.reason = reason


class CommandError(EventSourceError):
    """
    Something is wrong with a command or its handler.

    Attributes:
        command: The name of the command's class.
    """

    code = "command"

    def __init__(self, command: str, message: str) -> None:
        super().__init__(message)
        self.command = command


class CommandNotHandledError(CommandError, LookupError):
    """
    A command was dispatched for which the dispatcher has no handler.
    """

    code = "command-not-handled"

    def __init__(self, command: str) -> None:
        super().__init__(command, f"no handler for {command}: register one with this dispatcher first")


class CommandLeavesNoTraceError(CommandError):
    """
    A handler emitted events, but none that would tell a repeat of the command. Nothing was committed.

    What tells it is an event at the command's subject or below it that carries the command's id. Personal
    events carry none.

    Attributes:
        subject: The subject of the command.
    """

    code = "command-leaves-no-trace"

    def __init__(self, command: str, *, subject: str) -> None:
        super().__init__(
            command,
            f"{command} emitted events, but none at or under {subject} that carries its id, so a repeat could not be "
            "told: emit one there that is not personal, or give the command the subject that it writes to",
        )
        self.subject = subject


class ResultNotSeenError(CommandError):
    """
    A command is carried out, its events are committed; but a read model did not show them when asked to wait for it.

    Why is the ``__cause__``. Wait for the read model again, or go on without it. Dispatching the command
    again does no harm: it commits nothing, and waits again.

    Attributes:
        result: The `CommandResult` all the same.

        reason: The code of the error that waiting ended with, such as "not-seen".
    """

    code = "result-not-seen"

    def __init__(self, command: str, *, result: Any, reason: str) -> None:
        super().__init__(
            command,
            f"{command} is carried out and committed, but a read model did not show it ({reason}): "
            "wait for it again, or dispatch the same command again, which commits nothing",
        )
        self.result = result
        self.reason = reason


class AggregateNotFoundError(EventSourceError, LookupError):
    """
    A subject has no events.

    Attributes:
        subject: The subject.

        aggregate: The name of the aggregate class.
    """

    code = "aggregate-not-found"

    def __init__(self, *, subject: str, aggregate: str) -> None:
        super().__init__(f"no {aggregate} at {subject}: it has no events")
        self.subject = subject
        self.aggregate = aggregate


class AggregateReadOnlyError(EventSourceError):
    """
    An aggregate that was loaded as of a past moment was to emit an event or to be saved.

    Attributes:
        subject: Where its events are.

        aggregate: The name of the aggregate class.

        version: How many events it had at that moment.
    """

    code = "aggregate-read-only"

    def __init__(self, *, subject: str, aggregate: str, version: int) -> None:
        super().__init__(
            f"{aggregate} {subject} is as it was at version {version}, and the past is read only: "
            "load it without `at` to change it"
        )
        self.subject = subject
        self.aggregate = aggregate
        self.version = version


class PeriodClosedError(EventSourceError):
    """
    An event was to be emitted in a period whose books are closed.

    Attributes:
        subject: The period.
    """

    code = "period-closed"

    def __init__(self, *, subject: str) -> None:
        super().__init__(f"the books of {subject} are closed: load it again to go on in the period that follows")
        self.subject = subject


class UnstorableStateError(EventSourceError, TypeError):
    """
    The state of an aggregate would not come out of a snapshot as it went in, so none is taken.

    Attributes:
        aggregate: The name of the aggregate class.

        attribute: Which attribute is to blame; None for the class as a whole.

        reason: What is wrong with it.
    """

    code = "unstorable-state"

    def __init__(self, *, aggregate: str, attribute: str | None, reason: str) -> None:
        place = f"{aggregate}.{attribute}" if attribute else aggregate
        super().__init__(f"no snapshots of {aggregate}: {place}: {reason}")
        self.aggregate = aggregate
        self.attribute = attribute
        self.reason = reason


class NotAReadModelDatabaseError(EventSourceError):
    """
    The file named as read-model database is an event store.
    """

    code = "not-a-read-model-database"

    def __init__(self, database: str) -> None:
        super().__init__(f"{database} is an event store: read models need a file of their own")


class ImmudbError(EventSourceError):
    """
    An immudb cannot do what was asked, or what it says cannot be believed.
    """

    code = "immudb"


class InvalidImmudbUrlError(ImmudbError, ValueError):
    """
    The address of an immudb is not understood.

    Attributes:
        url: As given, without user and password.

        reason: What is wrong with it.
    """

    code = "invalid-immudb-url"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"not the address of an immudb: {url!r}: {reason}; write 'immudb://USER:PASSWORD@HOST:PORT/DATABASE', "
            "with 'immudbs' for TLS, or 'HOST:PORT'"
        )
        self.url = url
        self.reason = reason


class NotBytesError(ImmudbError, TypeError):
    """
    An immudb keeps bytes, and something else was given: encode text first.

    Attributes:
        argument: Which argument: "key" and so on.

        found: The name of the type that was given.
    """

    code = "not-bytes"

    def __init__(self, argument: str, *, found: str) -> None:
        hint = f": encode it first, {argument}.encode()" if found == "str" else ""
        super().__init__(f"the {argument} must be bytes, not {found}{hint}")
        self.argument = argument
        self.found = found


class ImmudbLimitError(ImmudbError, ValueError):
    """
    A request is larger or smaller than an immudb takes, or names a key twice; or an answer is too large to be read.

    Nothing was sent, unless it is an answer.

    Attributes:
        limit: Which limit, in words, such as "entries of one transaction".

        found: How much was given; None where the server did not say.

        smallest: The least it takes.

        largest: The most it takes.
    """

    code = "immudb-limit"

    def __init__(self, limit: str, *, largest: int, found: int | None = None, smallest: int = 0) -> None:
        given = "" if found is None else f", not {found}"
        least = f"from {smallest} " if smallest else ""
        super().__init__(f"{limit}: {least}up to {largest} are allowed{given}")
        self.limit = limit
        self.found = found
        self.smallest = smallest
        self.largest = largest


class PasswordPolicyError(ImmudbError, ValueError):
    """
    A new password is too weak for an immudb. Nothing was sent.

    Attributes:
        missing: What it lacks, in words. The password itself is in no error.
    """

    code = "password-policy"

    def __init__(self, missing: tuple[str, ...]) -> None:
        super().__init__(
            f"the password lacks {', '.join(missing)}: it takes 8 to 32 characters with at least one upper-case "
            "letter, one digit and one symbol"
        )
        self.missing = missing


class ImmudbClosedError(ImmudbError):
    """
    The client was closed: make another one.

    Attributes:
        server: Its address, ``host:port``.
    """

    code = "immudb-closed"

    def __init__(self, server: str) -> None:
        super().__init__(f"the client of immudb {server} is closed: make another one")
        self.server = server


class ImmudbUnavailableError(ImmudbError):
    """
    The immudb does not answer, or has too much to do. Nothing was written on this call's account.

    Attributes:
        server: Its address, ``host:port``.

        reason: What was found, in words.
    """

    code = "immudb-unavailable"

    def __init__(self, server: str, reason: str) -> None:
        super().__init__(f"immudb {server} is not available: {reason}")
        self.server = server
        self.reason = reason


class ImmudbLoginError(ImmudbError):
    """
    There is no session: no user was given, the server does not know user and password, or keeps ending sessions.

    Attributes:
        server: Its address, ``host:port``.

        reason: Which of these, in words.
    """

    code = "immudb-login"

    def __init__(self, server: str, reason: str) -> None:
        super().__init__(f"no session at immudb {server}: {reason}")
        self.server = server
        self.reason = reason


class ImmudbPermissionError(ImmudbError):
    """
    The user may not do that.

    Attributes:
        call: The name of the remote call.

        database: The database it was for.
    """

    code = "immudb-permission"

    def __init__(self, call: str, *, database: str) -> None:
        super().__init__(f"the user has no permission for {call} in database {database!r}")
        self.call = call
        self.database = database


class ImmudbNotFoundError(ImmudbError, LookupError):
    """
    There is no such database, user or transaction at the server, so it says.

    Attributes:
        kind: "database", "user" or "transaction".

        name: Its name or number.
    """

    code = "immudb-not-found"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"no {kind} {name!r} at this immudb")
        self.kind = kind
        self.name = name


class ImmudbExistsError(ImmudbError):
    """
    A database or user of that name is there already.

    Attributes:
        kind: "database" or "user".

        name: Its name.
    """

    code = "immudb-exists"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind} {name!r} exists already")
        self.kind = kind
        self.name = name


class ImmudbKeyNotFoundError(ImmudbError, LookupError):
    """
    A key is not there, says the server. That cannot be proved: a server that hides a key says the same.

    Attributes:
        database: The database that was asked.

        missing: How many of the keys asked for are not there.
    """

    code = "immudb-key-not-found"

    def __init__(self, database: str, *, missing: int = 1) -> None:
        keys = "the key is" if missing == 1 else f"{missing} of the keys are"
        super().__init__(f"{keys} not in database {database!r}, says the server; absence cannot be proved")
        self.database = database
        self.missing = missing


class ImmudbKeyExistsError(ImmudbError):
    """
    A key that may be written once has been written before. Nothing was written, also of the other keys.

    Read it back with verification and compare: the same value means that the write was made before.

    Attributes:
        database: The database.
    """

    code = "immudb-key-exists"

    def __init__(self, database: str) -> None:
        super().__init__(
            f"a key that may be written once is in database {database!r} already, and nothing was written: read the "
            "keys back with verification and compare"
        )
        self.database = database


class ImmudbRefusedError(ImmudbError):
    """
    An immudb refused for a reason of its own, which no other class here stands for. Nothing was written.

    Attributes:
        call: The name of the remote call.

        status: The gRPC status, such as "INVALID_ARGUMENT".

        text: What the server said.
    """

    code = "immudb-refused"

    def __init__(self, call: str, *, status: str, text: str) -> None:
        super().__init__(f"immudb refused {call}: {status}: {text}")
        self.call = call
        self.status = status
        self.text = text


class ImmudbOutcomeUnknownError(ImmudbError):
    """
    A write was sent and no answer came: it is committed, or not, or will be.

    Never send it again as it is: ``await client.resolve(error)`` reads entries back.

    Attributes:
        call: The name of the remote call.

        database: Where it was to be written.

        reason: What happened instead of an answer.

        request: What was sent, as bytes of the wire; holds keys and values. Empty if it had a password in it.

        trusted_tx: The newest transaction that was trusted when it was sent; 0 for none.
    """

    code = "immudb-outcome-unknown"

    def __init__(self, call: str, *, database: str, reason: str, request: bytes = b"", trusted_tx: int = 0) -> None:
        look = "read it back with client.resolve(error)" if "Set" in call else "look whether it is done"
        super().__init__(
            f"{call} in database {database!r} may be committed or not: {reason}; {look} before it is sent again"
        )
        self.call = call
        self.database = database
        self.reason = reason
        self.request = request
        self.trusted_tx = trusted_tx


class TrustMissingError(ImmudbError):
    """
    A verified call has nothing to compare with: no state of this ledger is trusted yet.

    Attributes:
        ledger: The name under which trust is kept.

        database: The database.
    """

    code = "trust-missing"

    def __init__(self, ledger: str, *, database: str) -> None:
        super().__init__(
            f"nothing is trusted yet for ledger {ledger!r}, database {database!r}: give the client a head that you "
            "know, pinned=Head(...), or accept what the server says first with trust_on_first_use=True"
        )
        self.ledger = ledger
        self.database = database


class TrustUnreadableError(ImmudbError):
    """
    The file with the trusted state is damaged. It is never made anew by itself: that would trust anything.

    Attributes:
        path: The file.

        reason: What is wrong with it.
    """

    code = "trust-unreadable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"the trusted state in {path} cannot be read: {reason}; restore it from a copy, or move it away and pin a "
            "head that you know from elsewhere"
        )
        self.path = path
        self.reason = reason


class VerificationError(ImmudbError):
    """
    What the server answered does not follow from what is trusted: it was changed, or another history is shown.

    The trusted state stays as it was. The error is the evidence: keep it.

    Attributes:
        call: The name of the remote call.

        database: The database.

        check: Which check failed, a stable word such as "entry-inclusion"; see `eventsource.immudb.Check`.

        problem: What is wrong, in words.

        request: What was asked, as bytes of the wire; holds keys, and the values of a write.

        answer: What was answered, as bytes of the wire; may hold values.

        trusted_tx: The transaction up to which the server was trusted; 0 for none.

        trusted_alh: Its accumulated hash; empty for none.

        was_write: Whether it was a write. If so, it has usually been committed all the same.
    """

    code = "verification"

    def __init__(
        self,
        call: str,
        *,
        database: str,
        check: str,
        problem: str,
        request: bytes = b"",
        answer: bytes = b"",
        trusted_tx: int = 0,
        trusted_alh: bytes = b"",
        was_write: bool = False,
    ) -> None:
        outcome = (
            "; the write may be committed all the same: read it back with client.resolve(error)" if was_write else ""
        )
        known = f"trusted up to transaction {trusted_tx}" if trusted_tx else "nothing was trusted before"
        super().__init__(f"{call} in database {database!r} failed verification ({check}): {problem}; {known}{outcome}")
        self.call = call
        self.database = database
        self.check = check
        self.problem = problem
        self.request = request
        self.answer = answer
        self.trusted_tx = trusted_tx
        self.trusted_alh = trusted_alh
        self.was_write = was_write


class RollbackError(VerificationError):
    """
    The server has fewer transactions than it had: it was rolled back, or restored from an older copy.
    """

    code = "rollback"


class StateSignatureError(VerificationError):
    """
    The server did not sign its state with the key that it is known by.
    """

    code = "state-signature"


class ServerDamagedError(VerificationError):
    """
    The server itself finds that its files were changed.
    """

    code = "server-damaged"


class ProjectionError(EventSourceError):
    """
    A projector cannot go on.

    Attributes:
        projector: The name of the projector.
    """

    code = "projection"

    def __init__(self, projector: str, message: str) -> None:
        super().__init__(f"projector {projector!r}: {message}")
        self.projector = projector


class ProjectorFailedError(ProjectionError):
    """
    A handler raised, or an event could not be decoded.

    The projector stopped before that event: what came earlier is applied, nothing is skipped.
    What was raised is the ``__cause__``.

    Attributes:
        event_id: The event it stopped at.

        event_type: Its type.

        subject: Its subject.
    """

    code = "projector-failed"

    def __init__(self, projector: str, *, event_id: str, event_type: str, subject: str, cause: Exception) -> None:
        # The cause's text may quote event data, its class does not.
        super().__init__(
            projector,
            f"stopped before event {event_id} of {subject} ({event_type}): the handler raised "
            f"{type(cause).__name__}; correct the handler and start again, it resumes there",
        )
        self.event_id = event_id
        self.event_type = event_type
        self.subject = subject


class ProjectorSupersededError(ProjectionError):
    """
    Another worker moved the checkpoint of this projector. This one stopped; nothing was applied twice.
    """

    code = "projector-superseded"

    def __init__(self, projector: str) -> None:
        super().__init__(projector, "another worker runs it on the same database; this one stopped")


class ProjectorNotRunningError(ProjectionError):
    """
    Somebody waits for a projector that no worker has started.
    """

    code = "projector-not-running"

    def __init__(self, projector: str) -> None:
        super().__init__(projector, "no worker runs it: start a Worker with it first")


class CheckpointMismatchError(ProjectionError):
    """
    The checkpoint names an event that this store does not have.

    It belongs to another store, or the store was restored from an older copy.

    Attributes:
        event_id: The event the checkpoint names.
    """

    code = "checkpoint-mismatch"

    def __init__(self, projector: str, *, event_id: str) -> None:
        super().__init__(
            projector,
            f"its checkpoint names event {event_id}, which this store does not have: wrong store, or the store "
            "was restored from an older copy; rebuild the projector if this is the right store",
        )
        self.event_id = event_id


class CheckpointMissingError(ProjectionError):
    """
    The read model has rows but no checkpoint, so nobody can tell which events are in it.

    Attributes:
        table: A table that has rows.
    """

    code = "checkpoint-missing"

    def __init__(self, projector: str, *, table: str) -> None:
        super().__init__(projector, f"table {table!r} has rows, but there is no checkpoint: rebuild the projector")
        self.table = table


class ReadModelIncompleteError(ProjectionError):
    """
    A table of the read model, or a column, is not there, though its checkpoint says that events are in it.

    It was dropped, or the projector was given another table or column after it had run.

    Attributes:
        table: The table.

        column: Which of its columns is not there; None if all of it is not.
    """

    code = "read-model-incomplete"

    def __init__(self, projector: str, *, table: str, column: str | None = None) -> None:
        what = f"table {table!r}" if column is None else f"column {column!r} of table {table!r}"
        super().__init__(projector, f"{what} is not there, but its checkpoint is: rebuild the projector")
        self.table = table
        self.column = column


class ErasedDataRemainsError(ProjectionError):
    """
    Data was erased that the projector has handled, and it does not say how to let go of what it made of it.

    It stopped before the event that tells of the erasure, so that this is not passed over.

    Attributes:
        event_id: The event that tells of the erasure.

        subject: The subject that was erased.
    """

    code = "erased-data-remains"

    def __init__(self, projector: str, *, event_id: str, subject: str) -> None:
        super().__init__(
            projector,
            f"events of {subject} that it has handled were erased (event {event_id}): give it handlers of these events "
            "annotated with Erased[...], or name its tables in the class statement, so that they can be filled again",
        )
        self.event_id = event_id
        self.subject = subject


class NotSeenError(ProjectionError, TimeoutError):
    """
    A projector did not reach an event in the time given. It may still do so.

    Attributes:
        event_id: The event waited for.

        timeout_s: How long, in seconds.
    """

    code = "not-seen"

    def __init__(self, projector: str, *, event_id: str, timeout_s: float) -> None:
        super().__init__(projector, f"has not reached event {event_id} after {timeout_s} s")
        self.event_id = event_id
        self.timeout_s = timeout_s


class NotaryError(EventSourceError):
    """
    Something is wrong around the notary or its ledger.
    """

    code = "notary"


class InvalidLedgerUrlError(NotaryError, ValueError):
    """
    A text names no ledger.

    Attributes:
        url: The text as given, without a password.

        reason: What is wrong with it.
    """

    code = "invalid-ledger-url"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"not a ledger: {url!r}: {reason}; try 'sqlite:notary.db' or 'immudb://HOST:3322/DATABASE'")
        self.url = url
        self.reason = reason


class NotALedgerError(NotaryError):
    """
    A file cannot be used as a notary's log, or as its book.

    Attributes:
        path: The file.

        reason: What is wrong with it, in words.
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
        reason: What was found, in words.
    """

    code = "ledger-unavailable"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} is not available: {reason}")
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

        what: What was found, in words.

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

        timeout_s: How long, in seconds.
    """

    code = "not-notarised"

    def __init__(self, *, event_id: str, timeout_s: float) -> None:
        super().__init__(f"event {event_id} is not notarised after {timeout_s} s")
        self.event_id = event_id
        self.timeout_s = timeout_s


def _restore_syntax_error(reason: str, query: str, offset: int) -> QuerySyntaxError:
    return QuerySyntaxError(reason, query=query, offset=offset)


def _restore_limit_error(limit: str, maximum: int, query: str | None, offset: int | None) -> QueryLimitError:
    return QueryLimitError(limit, maximum=maximum, query=query, offset=offset)


def _restore_budget_error(budget: str, limit: float, during: str) -> QueryBudgetError:
    return QueryBudgetError(budget, limit=limit, during=during)


class ProcessError(EventSourceError):
    """
    A process cannot go on, or is not what somebody takes it for.

    Attributes:
        process: The name of its process manager.
    """

    code = "process"

    def __init__(self, message: str, *, process: str) -> None:
        super().__init__(message)
        self.process = process


class UndeclaredCommandError(ProcessError):
    """
    A process sends, or has sent, a command that its class does not declare.

    Attributes:
        command: The name of the command's class.
    """

    code = "undeclared-command"

    def __init__(self, process: str, *, command: str) -> None:
        super().__init__(f"process manager {process!r} does not declare {command}: add it to `sends`", process=process)
        self.command = command


class ProcessNotStartedError(ProcessError):
    """
    An event came for a process that has not begun, and does not begin one.

    Attributes:
        id: Which process.

        event_id: Which event.

        event_type: Its type.
    """

    code = "process-not-started"

    def __init__(self, process: str, *, id: str, event_id: str, event_type: str) -> None:
        super().__init__(
            f"event {event_id} of type {event_type!r} is for process {process}/{id}, which has not begun",
            process=process,
        )
        self.id = id
        self.event_id = event_id
        self.event_type = event_type


class ProcessCompletedError(ProcessError):
    """
    An event came for a process that is over.

    Attributes:
        id: Which process.

        event_id: Which event.

        event_type: Its type.
    """

    code = "process-completed"

    def __init__(self, process: str, *, id: str, event_id: str, event_type: str) -> None:
        super().__init__(
            f"event {event_id} of type {event_type!r} is for process {process}/{id}, which is over", process=process
        )
        self.id = id
        self.event_id = event_id
        self.event_type = event_type


class RefusalUnansweredError(ProcessError):
    """
    A command of a process was refused, and its class does not say what then.

    Attributes:
        id: Which process.

        command: The name of the command's class.

        refusal: The name of the error's class.
    """

    code = "refusal-unanswered"

    def __init__(self, process: str, *, id: str, command: str, refusal: str) -> None:
        super().__init__(
            f"{command} of process {process}/{id} was refused by {refusal}, which no reaction answers: add a method "
            f"marked @on_refusal with a parameter `command: {command}`",
            process=process,
        )
        self.id = id
        self.command = command
        self.refusal = refusal


class ProcessNotFoundError(ProcessError, LookupError):
    """
    There is no such process.

    Attributes:
        id: Which one was asked for.
    """

    code = "process-not-found"

    def __init__(self, process: str, *, id: str) -> None:
        super().__init__(f"there is no process {process}/{id}", process=process)
        self.id = id


class ProcessNotParkedError(ProcessError):
    """
    A process was to go on, and nothing keeps it from that.

    Attributes:
        id: Which one.
    """

    code = "process-not-parked"

    def __init__(self, process: str, *, id: str) -> None:
        super().__init__(f"process {process}/{id} is not parked", process=process)
        self.id = id


class ProcessManagerFailedError(ProcessError):
    """
    A process manager stopped before an event of which it cannot tell which process it is for.

    What it fails at is the `__cause__`.

    Attributes:
        event_id: Which event.

        event_type: Its type.

        subject: Its subject.
    """

    code = "process-manager-failed"

    def __init__(self, process: str, *, event_id: str, event_type: str, subject: str, cause: Exception) -> None:
        super().__init__(
            f"process manager {process!r} stopped before event {event_id} of type {event_type!r} at {subject}: "
            f"{type(cause).__name__} where it asks which process that is for; mend `by`, and start it again",
            process=process,
        )
        self.event_id = event_id
        self.event_type = event_type
        self.subject = subject
