"""
Errors of events: types that are unknown, data that does not decode or cannot be stored.
"""

from __future__ import annotations

from eventsource.root_error import EventSourceError


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

        subject: The event's subject.

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
        path: The place in the data, such as ``$.lines[2].amount``.

        reason: What stands there.
    """

    code = "unstorable-data"

    def __init__(self, *, path: str, reason: str) -> None:
        super().__init__(f"event data cannot be stored: {reason} at {path}")
        self.path = path
        self.reason = reason


class UnstorableEventError(EventError, ValueError):
    """
    An event would come back from the store as another one than was emitted, or not at all. It was not stored.

    Attributes:
        event_class: The name of its class.

        field: The place in the event, such as ``lines[2].amount``; empty if it cannot be told.

        reason: What became of it; no values, they may be personal.
    """

    code = "unstorable-event"

    def __init__(self, *, event_class: str, field: str, reason: str) -> None:
        what = f"its field {field}" if field else "it"
        super().__init__(
            f"{event_class} cannot be stored: {what} {reason}. Declare the field with a type that says all that the "
            "value says, or give it a serializer and a validator that are each other's inverse"
        )
        self.event_class = event_class
        self.field = field
        self.reason = reason


class EventTooLargeError(EventError, ValueError):
    """
    An event is larger than a Genesis DB takes.

    Attributes:
        event_type: The type of the event.

        subject: The subject it was meant for.

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


class ReservedNameError(EventError, ValueError):
    """
    An event was to be committed under a name that only the library writes to. Nothing was committed.

    Attributes:
        name: The reserved type or subject.

        kind: "event type" or "subject".
    """

    code = "reserved-name"

    def __init__(self, name: str, *, kind: str) -> None:
        super().__init__(
            f"the {kind} {name!r} is reserved for records of the library, and no event of yours can have it: "
            "give the event a name of your own; over HTTP, erasing needs the administrator token"
        )
        self.name = name
        self.kind = kind


class NotAnEventError(EventError, TypeError):
    """
    Something was to be emitted or committed that is no event, or an event that has no subject yet.

    Attributes:
        found: The name of its type.
    """

    code = "not-an-event"

    def __init__(self, found: str, advice: str) -> None:
        super().__init__(f"a value of type {found} cannot be stored here: {advice}")
        self.found = found


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


class SchemaBudgetError(EventError):
    """
    To check the data of an event against the schema of its type could take too long, so nothing was checked or written.

    Attributes:
        event_index: The place of the event in the commit; 0 is the first.

        event_type: Its type.

        work: The bytes of the commit that have a schema, each counted as often as its schema may look at it.

        limit: How much of that one commit may cost.
    """

    code = "schema-budget"

    def __init__(self, *, event_index: int, event_type: str, work: int, limit: int) -> None:
        super().__init__(
            f"event {event_index} of the commit, {event_type!r}, could take too long to check against its schema "
            f"({work} of {limit}): commit fewer or smaller events at a time, or give the type a simpler schema"
        )
        self.event_index = event_index
        self.event_type = event_type
        self.work = work
        self.limit = limit


class SchemaViolationError(EventError, ValueError):
    """
    The data of an event breaks the schema of its type. Nothing of the commit was written.

    Attributes:
        event_index: Which event of the commit, from 0 on.

        event_type: Its type.

        subject: The subject it was meant for.

        path: The place in the data, such as ``$.lines[2].amount``. A name that the schema does not have may be
            personal, so it is written as ``…``.

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

        subject: The event's subject.

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

        subject: The event's subject.

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

        subject: The event's subject.
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

        subject: The event's subject.

        count: The number of events it is read as.

        is_erased: True if its data was erased.
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
