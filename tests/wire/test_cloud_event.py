"""
Events as lines of NDJSON, and back.
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventsource import RecordedEvent
from eventsource.errors import MalformedEventError
from eventsource.events.canonical_json import to_canonical_json
from eventsource.events.hash_chain import line_bytes
from eventsource.wire.cloud_event import from_line, from_members, to_json, to_lines

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
data = st.dictionaries(texts, st.none() | st.integers() | texts | st.lists(texts), max_size=4)
events = st.builds(
    RecordedEvent,
    position=st.integers(1, 10**9),
    id=st.uuids(version=4).map(str),
    time_ns=st.integers(0, 10**19 // 5),
    source=texts,
    subject=texts.map(lambda text: "/" + text),
    type=texts,
    data_json=data.map(to_canonical_json),
    predecessor_hash=st.just("0" * 64),
    hash=st.just("ab" * 32),
)

SAMPLE = RecordedEvent(
    7,
    "ac138b87-ea2c-4790-ae35-b726052c6117",
    1_748_878_801_157_792_875,
    "io.genesisdb.app",
    "/role/1",
    "io.genesisdb.app.role-added",
    '{"name":"Administrator"}',
    "0" * 64,
    "80" * 32,
)


def test_members_stand_in_genesis_dbs_order() -> None:
    """
    The line is the documented one, byte for byte.
    """
    assert to_lines([SAMPLE]).decode() == (
        '{"source":"io.genesisdb.app","subject":"/role/1","type":"io.genesisdb.app.role-added","specversion":"1.0",'
        '"id":"ac138b87-ea2c-4790-ae35-b726052c6117","time":"2025-06-02T15:40:01.157792875Z",'
        f'"datacontenttype":"application/json","predecessorhash":"{"0" * 64}",'
        f'"data":{{"name":"Administrator"}},"hash":"{"80" * 32}"}}\n'
    )


@given(events)
def test_line_says_the_same_as_the_cloud_event(event: RecordedEvent) -> None:
    """
    Printing by hand gives what printing the mapping gives, and as many bytes as were counted at the commit.
    """
    line = to_lines([event])

    assert json.loads(line) == event.to_cloud_event()
    assert list(json.loads(line)) == list(event.to_cloud_event())
    assert len(line) == line_bytes(
        source=event.source, subject=event.subject, type=event.type, data_json=event.data_json
    )


@given(events)
def test_event_is_read_back_as_it_was(event: RecordedEvent) -> None:
    """
    All nine fields, the text of the data included; the place is given by the reader.
    """
    assert from_line(to_json(event), position=event.position) == event
    assert from_line(to_lines([event]), position=event.position) == event


@given(events, st.randoms())
def test_order_and_spaces_do_not_matter(event: RecordedEvent, random: object) -> None:
    """
    Another server may print its lines in another way.
    """
    members = list(event.to_cloud_event().items())
    random.shuffle(members)  # type: ignore[attr-defined]  # Hypothesis' own Random

    line = json.dumps(dict(members), ensure_ascii=False).encode()

    assert from_line(line, position=event.position) == event


def test_data_that_looks_like_the_frame_is_data() -> None:
    """
    Texts with the very marks that the reader looks for are told from them.
    """
    event = SAMPLE._replace(
        subject='/a","data":{}',
        data_json=to_canonical_json(
            {"data": {"hash": "x"}, "hash": '","data":,"hash":"', "z": {"data": 1, "hash": "h"}}
        ),
    )

    assert from_line(to_json(event), position=7) == event


def test_no_events_are_no_bytes() -> None:
    """
    An empty answer has an empty body, and each line has its newline.
    """
    assert to_lines([]) == b""
    assert to_lines([SAMPLE, SAMPLE]).count(b"\n") == 2


@pytest.mark.parametrize(
    ("time", "time_ns"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01T00:00:00.5Z", 5 * 10**8),
        ("1970-01-01T01:00:00.000000001+01:00", 1),
    ],
)
def test_time_may_have_any_number_of_digits(time: str, time_ns: int) -> None:
    """
    Go prints no zeros at the end of a fraction.
    """
    assert from_members({**SAMPLE.to_cloud_event(), "time": time}, position=1).time_ns == time_ns


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b'{"id":"1"}',
        to_lines([SAMPLE])[:-3],
        to_lines([SAMPLE]).replace(b"2025-06-02T", b"2025-06-02_"),
        to_lines([SAMPLE]).replace(b'"/role/1"', b"1"),
        to_lines([SAMPLE]).replace(b'"data"', b'"date"'),
        to_lines([SAMPLE]).replace(b'"Administrator"', b"NaN"),
        to_lines([SAMPLE]).replace(b'"Administrator"', b'"\xff"'),
        to_lines([SAMPLE]).replace(b'{"name":"Administrator"}', b'1,"data":2}'),
    ],
)
def test_damaged_line_is_an_error_without_its_text(line: bytes) -> None:
    """
    Never skipped, never half an event, and nothing of it is quoted.
    """
    with pytest.raises(MalformedEventError) as caught:
        from_line(line, position=1)

    assert "Administrator" not in str(caught.value)


@given(events, st.data())
def test_cut_line_is_an_error(event: RecordedEvent, chance: st.DataObject) -> None:
    """
    Wherever a line is cut, it is no event.
    """
    line = to_json(event).encode()

    with pytest.raises(MalformedEventError):
        from_line(line[: chance.draw(st.integers(0, len(line) - 1))], position=1)
