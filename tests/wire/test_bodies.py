"""
The bodies of requests: what is accepted, what is refused and where, and how a commit is printed.
"""

import json
from typing import Any

import pytest

from eventsource import NewEvent, Precondition, QueryHolds, Subject, SubjectExists, SubjectIsAtVersion, SubjectIsNew
from eventsource.errors import (
    InvalidJsonError,
    InvalidRequestError,
    InvalidSubjectError,
    QuerySyntaxError,
    UnstorableDataError,
)
from eventsource.wire.bodies import (
    Body,
    CommitBody,
    EraseBody,
    IndexBody,
    ObserveBody,
    QueryBody,
    SchemaBody,
    StreamBody,
    precondition_type,
    print_commit,
    read_body,
)

EVENT = {"source": "io.example", "subject": "/a/1", "type": "io.example.opened", "data": {"b": 1, "a": [2]}}


def commit(*events: dict[str, Any], **more: Any) -> CommitBody:
    """
    A commit body of these events.
    """
    return read_body(CommitBody, json.dumps({"events": events, **more}).encode())


def test_commit_becomes_new_events() -> None:
    """
    Data is made canonical.
    """
    (event,) = commit(EVENT).to_new_events()

    assert event == NewEvent(subject="/a/1", type="io.example.opened", data={"a": [2], "b": 1}, source="io.example")
    assert event.data_json == '{"a":[2],"b":1}'


def test_what_go_and_swift_send_beside_it_is_ignored() -> None:
    """
    They set members that the server decides; members nobody knows are ignored as well.
    """
    more = {"id": 7, "time": "yesterday", "datacontenttype": "x", "specversion": "0.3", "metadata": {}}

    assert commit({**EVENT, **more}, whatever=1).to_new_events() == commit(EVENT).to_new_events()


@pytest.mark.parametrize("options", [None, {}, {"storeDataAsReference": None}, {"storeDataAsReference": False}])
def test_options_may_be_null_or_empty(options: object) -> None:
    """
    That is as if they were not there.
    """
    assert commit({**EVENT, "options": options}).to_new_events() == commit(EVENT).to_new_events()


@pytest.mark.parametrize("event", [{"options": {"storeDataAsReference": True}}, {"data": None, "ref": EVENT["data"]}])
def test_data_may_be_stored_by_reference(event: dict[str, Any]) -> None:
    """
    As an option, or by its older name.
    """
    (found,) = commit({**EVENT, **event}).to_new_events()

    assert found.store_data_as_reference is True
    assert found.data_json == '{"a":[2],"b":1}'


@pytest.mark.parametrize(
    ("event", "place"),
    [
        ({**EVENT, "source": ""}, "events[0].source"),
        ({**EVENT, "subject": ""}, "events[0].subject"),
        ({**EVENT, "type": ""}, "events[0].type"),
        ({**EVENT, "type": 1}, "events[0].type"),
        ({**EVENT, "type": "with space"}, "events[0]"),
        ({**EVENT, "data": None}, "events[0]"),
        ({**EVENT, "data": [1]}, "events[0].data"),
        ({**EVENT, "data": "text"}, "events[0].data"),
        ({**EVENT, "ref": {}}, "events[0]"),
        ({**EVENT, "options": {"storeDataAsReference": "yes"}}, "events[0].options.storeDataAsReference"),
        ({"subject": "/a", "type": "t", "data": {}}, "events[0].source"),
        ({**EVENT, "options": [1]}, "events[0].options"),
    ],
)
def test_refused_event_names_its_place(event: dict[str, Any], place: str) -> None:
    """
    The place is the one in the body.
    """
    with pytest.raises(InvalidRequestError) as caught:
        commit(event).to_new_events()

    assert caught.value.place == place


def test_later_event_is_named_by_its_index() -> None:
    """
    The first is fine, the second is not.
    """
    with pytest.raises(InvalidRequestError, match=r"events\[1\]"):
        commit(EVENT, {**EVENT, "type": "a b"}).to_new_events()


@pytest.mark.parametrize("subject", ["a", "/", "/a/", "/a//b", "/a/../b", "/a\n"])
def test_subject_that_no_event_can_have_is_refused(subject: str) -> None:
    """
    With the error that subjects have everywhere.
    """
    with pytest.raises(InvalidSubjectError):
        commit({**EVENT, "subject": subject}).to_new_events()


def test_data_that_cannot_be_stored_is_refused() -> None:
    """
    With the error that data has everywhere.
    """
    with pytest.raises(UnstorableDataError):
        commit({**EVENT, "data": {"a": "\0"}}).to_new_events()


@pytest.mark.parametrize(
    "body", ["[]", "1", '"text"', "null", "{}", '{"events":[]}', '{"events":{}}', '{"events":[1]}']
)
def test_body_of_another_form_is_refused(body: str) -> None:
    """
    It is JSON, but no commit.
    """
    with pytest.raises(InvalidRequestError):
        read_body(CommitBody, body.encode())


def test_body_that_is_no_json_is_refused() -> None:
    """
    With an error of its own.
    """
    with pytest.raises(InvalidJsonError):
        read_body(CommitBody, b"{")


def test_refusal_quotes_no_value() -> None:
    """
    A value may be personal.
    """
    with pytest.raises(InvalidRequestError) as caught:
        commit({**EVENT, "data": "ada@example.com"})

    assert "ada" not in str(caught.value)


def test_preconditions_become_ours() -> None:
    """
    All three types.
    """
    body = commit(
        EVENT,
        preconditions=[
            {"type": "isSubjectNew", "payload": {"subject": "/a"}},
            {"type": "isSubjectExisting", "payload": {"subject": "/b"}},
            {"type": "isQueryResultTrue", "payload": {"query": "STREAM e FROM events MAP COUNT() == 0"}},
        ],
    )

    assert body.to_preconditions() == [
        SubjectIsNew("/a"),
        SubjectExists("/b"),
        QueryHolds("STREAM e FROM events MAP COUNT() == 0"),
    ]


@pytest.mark.parametrize(
    "precondition",
    [
        {"type": "someFuturePrecondition", "payload": {}},
        {"type": "isSubjectNew"},
        {"type": "isSubjectNew", "payload": None},
        {"type": "isSubjectNew", "payload": {"subject": 1}},
        {"type": "isQueryResultTrue", "payload": {"subject": "/a"}},
        {"payload": {"subject": "/a"}},
        "isSubjectNew",
    ],
)
def test_unknown_or_incomplete_precondition_is_refused(precondition: object) -> None:
    """
    Never ignored: what cannot be checked must not pass.
    """
    with pytest.raises(InvalidRequestError, match=r"preconditions\[0\]"):
        commit(EVENT, preconditions=[precondition]).to_preconditions()


def test_malformed_query_of_a_precondition_is_a_syntax_error() -> None:
    """
    Not a precondition that failed.
    """
    body = commit(EVENT, preconditions=[{"type": "isQueryResultTrue", "payload": {"query": "INVALID"}}])

    with pytest.raises(QuerySyntaxError):
        body.to_preconditions()


def test_stream_options_are_camel_case_and_inside_options_or_beside_them() -> None:
    """
    Old PHP puts them at the top, where they mean the same.
    """
    body = read_body(
        StreamBody, b'{"subject":"/a","lowerBound":"x","options":{"upperBound":"u","includeUpperBoundEvent":true}}'
    )

    assert body.options.lower_bound == "x"
    assert body.options.upper_bound == "u"
    assert body.options.include_upper_bound_event is True


def test_an_option_that_says_nothing_gives_way_to_one_that_does() -> None:
    """
    Null and an empty text, inside and beside.
    """
    for text in (b'"lowerBound":"x","options":{"lowerBound":""}', b'"lowerBound":null,"options":{"lowerBound":"x"}'):
        assert read_body(StreamBody, b'{"subject":"/a",%b}' % text).options.lower_bound == "x"


@pytest.mark.parametrize(("given", "subject"), [("/a/", "/a"), ("/a//", "/a"), ("/", "/"), ("//", "/"), ("/a", "/a")])
def test_slashes_at_the_end_of_a_read_subject_are_dropped(given: str, subject: str) -> None:
    """
    A reader may write them, no event has them.
    """
    assert read_body(StreamBody, json.dumps({"subject": given}).encode()).to_subject() == subject


@pytest.mark.parametrize("subject", ["", "a", "a/"])
def test_read_subject_starts_with_a_slash(subject: str) -> None:
    """
    Nothing else is a subject.
    """
    with pytest.raises(InvalidSubjectError):
        read_body(StreamBody, json.dumps({"subject": subject}).encode()).to_subject()


def test_observe_has_an_option_of_ours() -> None:
    """
    It is off unless it is given.
    """
    assert read_body(ObserveBody, b'{"subject":"/"}').options.from_start is None
    assert read_body(ObserveBody, b'{"subject":"/","options":{"fromStart":true}}').options.from_start is True


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (QueryBody, {"query": "q"}),
        (EraseBody, {"subject": "/a"}),
        (SchemaBody, {"type": "t", "schema": {}}),
        (IndexBody, {"type": "t", "path": "data.a"}),
    ],
)
def test_other_bodies_need_all_their_members(form: type[Body], body: dict[str, Any]) -> None:
    """
    Complete they are read, without one of them they are refused.
    """
    read = read_body(form, json.dumps(body).encode())
    assert read.model_dump(by_alias=True, exclude_defaults=True) == body
    for name in body:
        with pytest.raises(InvalidRequestError, match=name):
            read_body(form, json.dumps({key: value for key, value in body.items() if key != name}).encode())


def test_printed_commit_is_read_back() -> None:
    """
    What the client prints is what the server reads; a version travels as the query that says the same.
    """
    events = [
        NewEvent(subject="/a/1", type="t", data={"ü": '"\\'}, source="own"),
        NewEvent(subject="/a/2", type="t", data={}, store_data_as_reference=True),
    ]
    preconditions: list[Precondition] = [
        SubjectIsNew("/a/1"),
        SubjectExists("/b"),
        SubjectIsAtVersion("/c'", 3),
        QueryHolds("STREAM e FROM events WHERE e.data.a == 'ü' MAP COUNT() == 0", name="unique"),
    ]

    body = read_body(CommitBody, print_commit(events, preconditions, source="io.example"))

    assert body.to_new_events() == [
        events[0],
        NewEvent(subject="/a/2", type="t", data={}, source="io.example", store_data_as_reference=True),
    ]
    assert body.to_preconditions() == [
        SubjectIsNew("/a/1"),
        SubjectExists("/b"),
        QueryHolds(SubjectIsAtVersion("/c'", 3).query),
        QueryHolds("STREAM e FROM events WHERE e.data.a == 'ü' MAP COUNT() == 0"),
    ]
    assert [precondition.type for precondition in body.preconditions or ()] == list(
        map(precondition_type, preconditions)
    )


def test_commit_without_preconditions_prints_none() -> None:
    """
    As the official SDKs do.
    """
    printed = json.loads(print_commit([NewEvent(subject=Subject("/a"), type="t", data={})], source="s"))

    assert printed == {"events": [{"source": "s", "subject": "/a", "type": "t", "data": {}}]}
