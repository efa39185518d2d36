"""
One table for both sides: an error crosses HTTP and is the same error again.
"""

import json
from pathlib import Path

import pytest

from eventsource import (
    NewEvent,
    Precondition,
    QueryHolds,
    SubjectExists,
    SubjectIsAtVersion,
    SubjectIsNew,
    connect,
    errors,
)
from eventsource.errors import EventSourceError, PreconditionFailedError
from eventsource.wire.failures import read_failure, to_failure

CROSSING = [
    (errors.InvalidSubjectError("a", "it must start with '/'"), 400),
    (errors.UnstorableDataError(path="$.a", reason="a NUL character"), 400),
    (errors.EventTooLargeError(event_type="t", subject="/a", size_bytes=70_000, limit_bytes=65_536), 400),
    (errors.MalformedEventError("it has no id"), 400),
    (errors.QuerySyntaxError("expected a clause", query="STREAM e FROM events X", offset=21), 400),
    (errors.QueryLimitError("depth", maximum=64), 400),
    (errors.QueryBudgetError("time", limit=0.25, during="precondition"), 422),
    (errors.EventNotFoundError("e-1"), 404),
    (errors.SchemaBudgetError(event_index=1, event_type="t", work=2, limit=1), 422),
    (errors.SchemaViolationError(event_index=1, event_type="t", subject="/a", path="$.a", rule="type"), 400),
    (errors.InvalidSchemaError("t", "no object"), 400),
    (errors.SchemaExistsError("t"), 409),
    (errors.IdempotencyKeyReusedError("k-1"), 422),
    (errors.MissingExtraError("schemas", purpose="a schema"), 501),
    (errors.SubjectNotFoundError("/a"), 404),
    (errors.BackupInvalidError("it has no id", index=3), 400),
    (errors.InvalidJsonError("a member named twice"), 400),
    (errors.InvalidRequestError("a text is wanted", place="events[0].type"), 400),
    (errors.InvalidRequestError("a text is wanted"), 400),
    (errors.RequestTooLargeError(1024), 413),
    (errors.UnauthenticatedError(), 401),
    (errors.ForbiddenError("write"), 403),
    (errors.RequestRefusedError("no such place", status=404, refusal="not-found"), 404),
    (errors.NotSupportedError("it cannot do that"), 501),
]


@pytest.mark.parametrize(("error", "status"), CROSSING, ids=str)
def test_error_is_the_same_on_the_other_side(error: EventSourceError, status: int) -> None:
    """
    Its class, its text and its facts.
    """
    failure = to_failure(error)
    again = read_failure(failure.status, json.dumps(failure.body).encode(), server="http://a")

    assert failure.status == status
    assert failure.body["error"]
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.StoreReadOnlyError("/srv/bank.db"), 403),
        (errors.StoreFullError("/srv/bank.db"), 507),
        (errors.StoreClosedError("/srv/bank.db"), 503),
        (errors.StoreUnavailableError("/srv/bank.db", "OSError: /srv/bank.db"), 503),
        (errors.StoreCorruptedError("/srv/bank.db", "event 7"), 500),
        (errors.CommitOutcomeUnknownError("/srv/bank.db", "IOError"), 503),
        (errors.StoreNotEmptyError("/srv/bank.db", events=3), 409),
        (errors.ErasureUnfinishedError("/srv/bank.db", subject="/a", events=3, reason="/srv: a reader"), 503),
    ],
    ids=lambda value: type(value).__name__,
)
def test_servers_files_stay_its_own(error: EventSourceError, status: int) -> None:
    """
    The client hears what it means for it, under the name it has for the server.
    """
    failure = to_failure(error)
    text = json.dumps(failure.body)
    again = read_failure(failure.status, text.encode(), server="http://a:8080")

    assert failure.status == status
    assert "/srv" not in text
    assert "IOError" not in text
    assert type(again) is type(error)
    assert "http://a:8080" in str(again)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("secret"),
        KeyError("secret"),
        errors.StoreLockedError(Path("/secret")),
        errors.ProjectionError("secret", "secret"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_errors_tell_nothing(error: Exception) -> None:
    """
    What the server did not expect may hold anything.
    """
    failure = to_failure(error)

    assert failure.status == 500
    assert failure.body == {"error": "internal error", "code": "internal"}


COUNT = "STREAM e FROM events WHERE e.type == 't' MAP COUNT() == 0"
PRECONDITIONS: list[Precondition] = [
    SubjectIsNew("/a"),
    SubjectExists("/b"),
    SubjectIsAtVersion("/a", 2),
    SubjectIsAtVersion("/a", 1),
    QueryHolds(COUNT),
    QueryHolds(COUNT, name="none yet"),
]


@pytest.mark.parametrize("precondition", [p for p in PRECONDITIONS if p != SubjectIsAtVersion("/a", 1)], ids=str)
async def test_failed_precondition_is_the_same_on_the_other_side(precondition: Precondition) -> None:
    """
    What a store raises here is what comes out there, though a version and a name do not travel.
    """
    async with connect("memory:") as store:
        await store.commit([NewEvent(subject="/a", type="t", data={})])
        event = NewEvent(subject="/c", type="t", data={})
        sent: list[Precondition] = [SubjectIsNew("/new"), precondition]
        received: list[Precondition] = [SubjectIsNew("/new"), precondition]
        if isinstance(precondition, SubjectIsAtVersion | QueryHolds):
            received[1] = QueryHolds(precondition.query)
        with pytest.raises(PreconditionFailedError) as local:
            await store.commit([event], sent)
        with pytest.raises(PreconditionFailedError) as remote:
            await store.commit([event], received)

    failure = to_failure(remote.value, received)
    again = read_failure(failure.status, json.dumps(failure.body).encode(), server="x", preconditions=sent)

    assert failure.status == 412
    assert failure.body["precondition"]["index"] == 1
    assert isinstance(again, PreconditionFailedError)
    assert (again.index, again.type) == (1, failure.body["precondition"]["type"])
    assert again.text == failure.body["error"]
    of_the_wire = dict.fromkeys(("index", "type", "text"))
    assert vars(again) | of_the_wire == vars(local.value) | of_the_wire
    assert str(again) == f"{local.value} (precondition 1, counted from 0, {again.type})"


def test_first_of_two_equal_preconditions_is_named() -> None:
    """
    The later one was never looked at.
    """
    error = PreconditionFailedError(subject="/a", precondition="SubjectIsNew", expected="no events", found="1 event")

    failure = to_failure(error, [SubjectExists("/a"), SubjectIsNew("/b"), SubjectIsNew("/a"), SubjectIsNew("/a")])

    assert failure.body["precondition"] == {"index": 2, "type": "isSubjectNew"}


@pytest.mark.parametrize(
    "body", [b"", b"precondition failed", b'{"error":"x"}', b"[]", b'{"precondition":{"index":9}}']
)
def test_server_that_does_not_say_which_failed(body: bytes) -> None:
    """
    If one was sent it was that one; of several, nobody knows.
    """
    alone = read_failure(412, body, server="x", preconditions=[SubjectIsNew("/a")])
    several = read_failure(412, body, server="x", preconditions=PRECONDITIONS)

    assert isinstance(alone, PreconditionFailedError)
    assert (alone.precondition, alone.subject) == ("SubjectIsNew", "/a")
    assert isinstance(several, PreconditionFailedError)
    assert several.subject is None
    assert several.index is None


@pytest.mark.parametrize(
    ("status", "error_class"),
    [
        (400, errors.RequestRefusedError),
        (401, errors.UnauthenticatedError),
        (403, errors.ForbiddenError),
        (404, errors.RequestRefusedError),
        (409, errors.RequestRefusedError),
        (412, PreconditionFailedError),
        (413, errors.RequestTooLargeError),
        (422, errors.RequestRefusedError),
        (429, errors.RequestRefusedError),
        (502, errors.RequestRefusedError),
    ],
)
@pytest.mark.parametrize(
    "form", ["{}", '{{"error": "{}"}}', "<p>{}"], ids=["plain text", "a JSON object", "a page of a proxy"]
)
def test_words_of_a_server_are_kept(status: int, error_class: type[EventSourceError], form: str) -> None:
    """
    They are in the message, on one line, shortened, without secrets and without what a terminal would obey.
    """
    escape = r"\u001b" if "error" in form else "\x1b"
    body = form.format(f"no room for t0ken, {escape}[31m sorry ")
    more = "" if "error" in form else "x" * 50_000
    error = read_failure(
        status,
        (body + more).encode(),
        server="x",
        preconditions=["a", "b"],
        hide=lambda text: text.replace("t0ken", "…"),
    )

    assert type(error) is error_class
    assert "no room for …, " in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 2_000
    assert vars(error)["text"] in str(error)


@pytest.mark.parametrize(
    ("status", "body", "error_class"),
    [
        (401, b"Unauthorized", errors.UnauthenticatedError),
        (403, b"", errors.ForbiddenError),
        (413, b"<html>", errors.RequestTooLargeError),
        (400, b"bad query", errors.RequestRefusedError),
        (500, b"", errors.RequestRefusedError),
        (418, b'{"error":"teapot","code":"teapot"}', errors.RequestRefusedError),
        (400, b'{"error":"x","code":"query-syntax"}', errors.RequestRefusedError),
        (400, b'{"error":"x","code":"invalid-subject","details":[1]}', errors.RequestRefusedError),
        (400, b'{"error":1,"code":2}', errors.RequestRefusedError),
        (400, b'{"error":"x","code":"query-syntax","details":{"reason":1}}', errors.RequestRefusedError),
    ],
)
def test_answer_of_another_server_is_an_error_too(
    status: int, body: bytes, error_class: type[EventSourceError]
) -> None:
    """
    Whatever it says, its status and its text are kept.
    """
    error = read_failure(status, body, server="x")

    assert type(error) is error_class
    if isinstance(error, errors.RequestRefusedError):
        assert error.status == status
        assert error.text
