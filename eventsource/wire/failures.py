"""
Errors as they cross HTTP: one table for both sides.

The body is ``{"error": TEXT, "code": CODE}``, for a failed precondition with ``"precondition":
{"index", "type"}``, and with ``"details"``: the facts that the other side needs to raise the same
error again. A Genesis DB sends none of it; then the status tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import attrs
import pydantic_core

from eventsource.events.errors import (
    EventTooLargeError,
    MalformedEventError,
    ReservedNameError,
    SchemaBudgetError,
    SchemaViolationError,
    UnstorableDataError,
)
from eventsource.gdbql.errors import QueryBudgetError, QueryLimitError, QuerySyntaxError
from eventsource.gdbql.limits import MAX_TEXT_BYTES
from eventsource.guards.errors import PreconditionFailedError
from eventsource.guards.preconditions import Precondition, QueryHolds, SubjectIsAtVersion, failed_index
from eventsource.root_error import EventSourceError, InvalidSubjectError, MissingExtraError
from eventsource.wire.bodies import precondition_type
from eventsource.wire.errors import (
    BackupInvalidError,
    CommitOutcomeUnknownError,
    ErasureUnfinishedError,
    EventNotFoundError,
    IdempotencyKeyReusedError,
    InvalidSchemaError,
    NotSupportedError,
    SchemaExistsError,
    StoreClosedError,
    StoreCorruptedError,
    StoreFullError,
    StoreNotEmptyError,
    StoreReadOnlyError,
    StoreUnavailableError,
    SubjectNotFoundError,
)
from eventsource.wire.request_errors import (
    ForbiddenError,
    InvalidJsonError,
    InvalidRequestError,
    RequestRefusedError,
    RequestTooLargeError,
    UnauthenticatedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@attrs.frozen
class Failure:
    """
    A refusal of a request.

    Attributes:
        status: The HTTP status.

        body: The JSON object.
    """

    status: int
    body: dict[str, Any]


@attrs.frozen
class _Row:
    """
    The form in which one class of errors crosses.

    Attributes:
        error_class: The class.

        status: Its HTTP status.

        facts: Which of its attributes go along, by the names of its parameters.

        named: The class is made with the name of a store: each side has its own.

        fixed: Parameters whose facts stay on the server, since they tell of its files and its disk.
    """

    error_class: type[EventSourceError]
    status: int
    facts: tuple[str, ...] = ()
    named: bool = False
    fixed: Mapping[str, str] = attrs.field(factory=dict[str, str])


_LOG = "its own log says why"

_ROWS = [
    _Row(InvalidSubjectError, 400, ("text", "reason")),
    _Row(UnstorableDataError, 400, ("path", "reason")),
    _Row(EventTooLargeError, 400, ("event_type", "subject", "size_bytes", "limit_bytes")),
    _Row(ReservedNameError, 403, ("name", "kind")),
    _Row(MalformedEventError, 400, ("reason",)),
    _Row(QuerySyntaxError, 400, ("reason", "query", "offset")),
    _Row(QueryLimitError, 400, ("limit", "maximum", "query", "offset")),
    _Row(QueryBudgetError, 422, ("budget", "limit", "during")),
    _Row(EventNotFoundError, 404, ("event_id",)),
    _Row(SchemaBudgetError, 422, ("event_index", "event_type", "work", "limit")),
    _Row(SchemaViolationError, 400, ("event_index", "event_type", "subject", "path", "rule")),
    _Row(InvalidSchemaError, 400, ("event_type", "reason")),
    _Row(SchemaExistsError, 409, ("event_type",)),
    _Row(IdempotencyKeyReusedError, 422, ("idempotency_key",)),
    _Row(MissingExtraError, 501, ("extra", "purpose")),
    _Row(SubjectNotFoundError, 404, ("subject",)),
    _Row(ErasureUnfinishedError, 503, ("subject", "events"), named=True, fixed={"reason": _LOG}),
    _Row(StoreNotEmptyError, 409, ("events",), named=True),
    _Row(BackupInvalidError, 400, ("problem", "index")),
    _Row(InvalidJsonError, 400, ("reason",)),
    _Row(InvalidRequestError, 400, ("reason", "place")),
    _Row(RequestTooLargeError, 413, ("limit_bytes",)),
    _Row(UnauthenticatedError, 401),
    _Row(ForbiddenError, 403, ("role",)),
    _Row(StoreReadOnlyError, 403, named=True),
    _Row(StoreFullError, 507, named=True),
    _Row(StoreClosedError, 503, named=True),
    _Row(StoreUnavailableError, 503, named=True, fixed={"reason": _LOG}),
    _Row(StoreCorruptedError, 500, named=True, fixed={"problem": _LOG}),
    _Row(CommitOutcomeUnknownError, 503, named=True, fixed={"reason": _LOG}),
]
_BY_CLASS = {row.error_class: row for row in _ROWS}
_BY_CODE = {row.error_class.code: row for row in _ROWS}

# What a status means by itself, for servers that send no code.
_BY_STATUS: dict[int, Callable[[str], EventSourceError]] = {
    401: lambda text: UnauthenticatedError(text=text),
    403: lambda text: ForbiddenError(text=text),
    413: lambda text: RequestTooLargeError(text=text),
}

# As much of an answer as is worth reading, and of a text as is worth showing.
_MAX_BYTES = 16_384
_MAX_TEXT = 1_000
# The facts of an error: a query is as long as a server takes them.
_MAX_FACT = 4096
_MAX_QUERY = 64 * 1024
_MAX_NUMBER = 2**63
_MAX_CODE = 100


def to_failure(error: BaseException, preconditions: Sequence[Precondition] = ()) -> Failure:
    """
    The server's answer to *error*. An error outside the table tells nothing but "internal error".

    Args:
        preconditions: Those of the commit, to find the one that failed.
    """
    if isinstance(error, PreconditionFailedError):
        return _precondition_failure(error, preconditions)
    if isinstance(error, RequestRefusedError):
        return Failure(error.status, {"error": _cut(error.text, _MAX_TEXT), "code": error.refusal or error.code})
    row = next((_BY_CLASS[each] for each in type(error).__mro__ if each in _BY_CLASS), None)
    if row is None:
        if isinstance(error, NotSupportedError):
            return Failure(501, {"error": _cut(str(error), _MAX_TEXT), "code": error.code})
        return Failure(500, {"error": "internal error", "code": "internal"})
    facts = {name: _bounded(name, getattr(error, name)) for name in row.facts}
    if row.named:
        error = cast("Any", row.error_class)("the server's store", **row.fixed, **facts)
    body: dict[str, Any] = {"error": _cut(str(error), _MAX_TEXT), "code": row.error_class.code}
    if facts:
        body["details"] = facts
    return Failure(row.status, body)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _bounded(name: str, value: Any) -> Any:
    """
    A fact that goes along: the caller knows what it sent, and the beginning of it is enough.
    """
    if not isinstance(value, str):
        return value
    # The place of an error counts from the beginning of a query, and there is no right one that is longer.
    return _cut(value, MAX_TEXT_BYTES if name == "query" else _MAX_TEXT)


def read_failure(
    status: int,
    body: bytes,
    *,
    server: str,
    preconditions: Sequence[Precondition | str] = (),
    hide: Callable[[str], str] = str,
) -> EventSourceError:
    """
    The error that an answer means.

    Args:
        server: Name of the server in messages, without secrets.

        preconditions: Those that were sent, if it was a commit; of one that is not known its type.

        hide: Takes secrets out of a text: a server may send back what it was sent.
    """
    members = _without_secrets(_read_object(body), hide)
    code, text = members.get("code"), members.get("error")
    if not isinstance(text, str):
        text = hide(body[:_MAX_BYTES].decode(errors="replace"))
    text = to_one_line(text)
    if status == _PRECONDITION_FAILED:
        return _read_precondition_failure(members, text, preconditions)
    row = _BY_CODE.get(code) if isinstance(code, str) else None
    if row is not None:
        try:
            return _rebuild(row, members.get("details"), server)
        except (TypeError, ValueError, AttributeError):
            # Another version with other facts: what it says is still worth reading.
            pass
    if row is None and status in _BY_STATUS:
        return _BY_STATUS[status](text)
    if code == NotSupportedError.code and text:
        return NotSupportedError(text)
    refusal = to_one_line(code, _MAX_CODE) if isinstance(code, str) else ""
    return RequestRefusedError(text or "no explanation", status=status, refusal=refusal)


def _without_secrets(value: Any, hide: Callable[[str], str]) -> Any:
    """
    A JSON value with secrets taken out of each text.
    """
    match value:
        case str():
            return hide(value)
        case dict():
            return {hide(name): _without_secrets(each, hide) for name, each in cast("dict[str, Any]", value).items()}
        case list():
            return [_without_secrets(each, hide) for each in value]  # pyright: ignore[reportUnknownVariableType]  # mypy knows it
        case _:
            return value


def to_one_line(text: str, most: int = _MAX_TEXT) -> str:
    r"""
    What a server said, fit for a message: on one line, of bounded length, and nothing that a terminal would obey.

    >>> to_one_line("not so" + chr(10) + "fast" + chr(27))
    'not so\\nfast\\x1b'
    """
    line = _escaped(text.strip()[: most + 1])
    return line if len(line) <= most else line[: most - 1] + "…"


def _escaped(text: str, kept: str = "") -> str:
    """
    A text without control characters, marks that turn its direction, and half characters.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in kept else each.encode("unicode_escape").decode("ascii") for each in text
    )


def _readable(name: str, value: Any) -> Any:
    """
    A fact of an error, its text fit for a message. Line breaks stay in queries alone.

    Raises:
        TypeError: It is larger than such a fact is, or of another kind.
    """
    is_query = name == "query"
    match value:
        case str() if len(value) <= (_MAX_QUERY if is_query else _MAX_FACT):
            return _escaped(value, "\n\t" if is_query else "")
        case bool() | None:
            return value
        case int() | float() if abs(value) <= _MAX_NUMBER:
            return value
        case _:
            message = "no fact of an error"
            raise TypeError(message)


_PRECONDITION_FAILED = 412


def _rebuild(row: _Row, details: Any, server: str) -> EventSourceError:
    given = cast("dict[str, Any]", details) if isinstance(details, dict) else {}
    facts = {name: _readable(name, given[name]) for name in row.facts if name in given}
    make = cast("Any", row.error_class)
    error = cast("EventSourceError", make(server, **row.fixed, **facts) if row.named else make(**facts))
    # A fact of the wrong kind may show only in the text.
    str(error)
    return error


def _precondition_failure(error: PreconditionFailedError, preconditions: Sequence[Precondition]) -> Failure:
    body: dict[str, Any] = {"error": _cut(str(error), _MAX_TEXT), "code": PreconditionFailedError.code}
    index = failed_index(error, preconditions)
    if index is not None:
        body["precondition"] = {"index": index, "type": precondition_type(preconditions[index])}
    body["details"] = {name: _bounded(name, getattr(error, name)) for name in ("subject", "expected", "found", "asked")}
    return Failure(_PRECONDITION_FAILED, body)


def _read_precondition_failure(
    members: dict[str, Any], text: str, preconditions: Sequence[Precondition | str]
) -> PreconditionFailedError:
    index, kind = _told_precondition(members.get("precondition"), preconditions)
    failed = preconditions[index] if index is not None and index < len(preconditions) else None
    details: Any = members.get("details")
    facts = cast("dict[str, Any]", details) if isinstance(details, dict) else {}

    def fact(name: str) -> str | None:
        value = facts.get(name)
        return to_one_line(value) if isinstance(value, str) else None

    subject, expected = fact("subject"), fact("expected") or "it to hold"
    query = name = None
    match failed:
        case QueryHolds():
            query, name = failed.query, failed.name
            expected = f"rule {name!r} to hold" if name else expected
        case SubjectIsAtVersion():
            counted = "1 event" if failed.version == 1 else f"{failed.version or 'no'} events"
            subject, expected = failed.subject, counted
        case None | str():
            pass
        case _:
            subject = failed.subject
    if failed is not None and not isinstance(failed, str):
        kind = precondition_type(failed)
    refusal = PreconditionFailedError(
        subject=subject,
        precondition=_shown(failed),
        expected=expected,
        found=fact("found") or "that it does not",
        name=name,
        query=query,
        asked=fact("asked") if query else None,
        index=index,
        type=kind,
        # The text of our own servers says the facts, which are in the message already.
        text="" if "found" in facts else text,
    )
    refusal.text = text
    return refusal


def _shown(failed: Precondition | str | None) -> str:
    if failed is None:
        return "one of several"
    return failed if isinstance(failed, str) else type(failed).__name__


def _told_precondition(told: Any, preconditions: Sequence[Precondition | str]) -> tuple[int | None, str | None]:
    """
    The place and the type of the precondition that a server names.
    """
    named = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
    index, kind = named.get("index"), named.get("type")
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(preconditions):
        # A Genesis DB may not say which, but if there was one only it was that one.
        index = 0 if len(preconditions) == 1 else None
    return index, to_one_line(kind, _MAX_CODE) if isinstance(kind, str) else None


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        found: Any = pydantic_core.from_json(body)
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
