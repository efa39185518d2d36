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

from eventsource import errors
from eventsource.domain.precondition import Precondition, QueryIsTrue, SubjectIsAtVersion, failed_index
from eventsource.errors import EventSourceError, PreconditionFailedError, RequestRefusedError
from eventsource.wire.bodies import precondition_type

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@attrs.frozen
class Failure:
    """
    How a request was refused.

    Attributes:
        status: The HTTP status.

        body: The JSON object.
    """

    status: int
    body: dict[str, Any]


@attrs.frozen
class _Row:
    """
    How one class of errors crosses.

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
    _Row(errors.InvalidSubjectError, 400, ("text", "reason")),
    _Row(errors.UnstorableDataError, 400, ("path", "reason")),
    _Row(errors.EventTooLargeError, 400, ("event_type", "subject", "size_bytes", "limit_bytes")),
    _Row(errors.MalformedEventError, 400, ("reason",)),
    _Row(errors.QuerySyntaxError, 400, ("reason", "query", "offset")),
    _Row(errors.QueryLimitError, 400, ("limit", "maximum", "query", "offset")),
    _Row(errors.QueryBudgetError, 422, ("budget", "limit", "during")),
    _Row(errors.EventNotFoundError, 404, ("event_id",)),
    _Row(errors.SchemaViolationError, 400, ("event_index", "event_type", "subject", "path", "rule")),
    _Row(errors.InvalidSchemaError, 400, ("event_type", "reason")),
    _Row(errors.SchemaExistsError, 409, ("event_type",)),
    _Row(errors.IdempotencyKeyReusedError, 422, ("idempotency_key",)),
    _Row(errors.MissingExtraError, 501, ("extra", "purpose")),
    _Row(errors.SubjectNotFoundError, 404, ("subject",)),
    _Row(errors.ErasureUnfinishedError, 503, ("subject", "events"), named=True, fixed={"reason": _LOG}),
    _Row(errors.StoreNotEmptyError, 409, ("events",), named=True),
    _Row(errors.BackupInvalidError, 400, ("problem", "index")),
    _Row(errors.InvalidJsonError, 400, ("reason",)),
    _Row(errors.InvalidRequestError, 400, ("reason", "place")),
    _Row(errors.RequestTooLargeError, 413, ("limit_bytes",)),
    _Row(errors.UnauthenticatedError, 401),
    _Row(errors.ForbiddenError, 403, ("role",)),
    _Row(errors.StoreReadOnlyError, 403, named=True),
    _Row(errors.StoreFullError, 507, named=True),
    _Row(errors.StoreClosedError, 503, named=True),
    _Row(errors.StoreUnavailableError, 503, named=True, fixed={"reason": _LOG}),
    _Row(errors.StoreCorruptedError, 500, named=True, fixed={"problem": _LOG}),
    _Row(errors.CommitOutcomeUnknownError, 503, named=True, fixed={"reason": _LOG}),
]
_BY_CLASS = {row.error_class: row for row in _ROWS}
_BY_CODE = {row.error_class.code: row for row in _ROWS}

# What a status means by itself, for servers that send no code.
_BY_STATUS: dict[int, type[EventSourceError]] = {
    401: errors.UnauthenticatedError,
    403: errors.ForbiddenError,
    413: errors.RequestTooLargeError,
}

# As much of a text as is worth showing.
_MAX_TEXT = 4096


def to_failure(error: BaseException, preconditions: Sequence[Precondition] = ()) -> Failure:
    """
    How the server answers *error*. Whatever is not in the table tells nothing but "internal error".

    Args:
        preconditions: Those of the commit, to find the one that failed.
    """
    if isinstance(error, PreconditionFailedError):
        return _precondition_failure(error, preconditions)
    if isinstance(error, RequestRefusedError):
        return Failure(error.status, {"error": error.text, "code": error.refusal or error.code})
    row = next((_BY_CLASS[each] for each in type(error).__mro__ if each in _BY_CLASS), None)
    if row is None:
        if isinstance(error, errors.NotSupportedError):
            return Failure(501, {"error": str(error), "code": error.code})
        return Failure(500, {"error": "internal error", "code": "internal"})
    facts = {name: getattr(error, name) for name in row.facts}
    if row.named:
        error = cast("Any", row.error_class)("the server's store", **row.fixed, **facts)
    body: dict[str, Any] = {"error": str(error), "code": row.error_class.code}
    if facts:
        body["details"] = facts
    return Failure(row.status, body)


def read_failure(
    status: int, body: bytes, *, server: str, preconditions: Sequence[Precondition] = ()
) -> EventSourceError:
    """
    The error that an answer stands for.

    Args:
        server: What to call the server in messages, without secrets.

        preconditions: Those that were sent, if it was a commit.
    """
    members = _read_object(body)
    code, text = members.get("code"), members.get("error")
    if status == _PRECONDITION_FAILED:
        return _read_precondition_failure(members, preconditions)
    row = _BY_CODE.get(code) if isinstance(code, str) else None
    if row is not None:
        try:
            return _rebuild(row, members.get("details"), server)
        except (TypeError, ValueError):
            # Another version with other facts: what it says is still worth reading.
            pass
    if row is None and status in _BY_STATUS:
        return _BY_STATUS[status]()
    if code == errors.NotSupportedError.code and isinstance(text, str):
        return errors.NotSupportedError(text)
    if not isinstance(text, str):
        text = body[:_MAX_TEXT].decode(errors="replace").strip() or "no explanation"
    return RequestRefusedError(text, status=status, refusal=code if isinstance(code, str) else "")


_PRECONDITION_FAILED = 412


def _rebuild(row: _Row, details: Any, server: str) -> EventSourceError:
    given = cast("dict[str, Any]", details) if isinstance(details, dict) else {}
    facts = {name: given[name] for name in row.facts if name in given}
    make = cast("Any", row.error_class)
    return cast("EventSourceError", make(server, **row.fixed, **facts) if row.named else make(**facts))


def _precondition_failure(error: PreconditionFailedError, preconditions: Sequence[Precondition]) -> Failure:
    body: dict[str, Any] = {"error": str(error), "code": PreconditionFailedError.code}
    index = failed_index(error, preconditions)
    if index is not None:
        body["precondition"] = {"index": index, "type": precondition_type(preconditions[index])}
    body["details"] = {name: getattr(error, name) for name in ("subject", "expected", "found", "asked")}
    return Failure(_PRECONDITION_FAILED, body)


def _read_precondition_failure(
    members: dict[str, Any], preconditions: Sequence[Precondition]
) -> PreconditionFailedError:
    failed = _named_precondition(members.get("precondition"), preconditions)
    details: Any = members.get("details")
    facts = cast("dict[str, Any]", details) if isinstance(details, dict) else {}

    def fact(name: str) -> str | None:
        value = facts.get(name)
        return value if isinstance(value, str) else None

    subject, expected = fact("subject"), fact("expected") or "it to hold"
    query = name = None
    match failed:
        case QueryIsTrue():
            query, name = failed.query, failed.name
            expected = f"rule {name!r} to hold" if name else expected
        case SubjectIsAtVersion():
            counted = "1 event" if failed.version == 1 else f"{failed.version or 'no'} events"
            subject, expected = failed.subject, counted
        case None:
            pass
        case _:
            subject = failed.subject
    return PreconditionFailedError(
        subject=subject,
        precondition=type(failed).__name__ if failed is not None else "one of several",
        expected=expected,
        found=fact("found") or "that it does not",
        name=name,
        query=query,
        asked=fact("asked") if query else None,
    )


def _named_precondition(named: Any, preconditions: Sequence[Precondition]) -> Precondition | None:
    if isinstance(named, dict):
        index: Any = cast("dict[str, Any]", named).get("index")
        if isinstance(index, int) and 0 <= index < len(preconditions):
            return preconditions[index]
    # A Genesis DB may not say which, but if there was one only it was that one.
    return preconditions[0] if len(preconditions) == 1 else None


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        found: Any = pydantic_core.from_json(body)
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
