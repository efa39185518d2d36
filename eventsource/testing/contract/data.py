"""
What events may carry: every value comes back as it was given, or is refused before it is written.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from eventsource import NewEvent, SubjectIsNew
from eventsource.errors import EventTooLargeError, InvalidSubjectError, PreconditionFailedError, UnstorableDataError
from eventsource.events.canonical_json import MAX_DEPTH
from eventsource.testing.contract.kinds import Capability, needs
from eventsource.testing.contract.samples import NOTED, commit_each, is_intact, noted, read

if TYPE_CHECKING:
    from eventsource import EventStore, RecordedEvent


def nested(depth: int) -> dict[str, Any]:
    """
    An object that is *depth* levels deep.
    """
    data: dict[str, Any] = {}
    for _ in range(depth - 1):
        data = {"in": data}
    return data


KEPT: dict[str, dict[str, Any]] = {
    "nothing": {},
    "null and booleans": {"a": None, "b": True, "c": False},
    "integers beyond 64 bits": {"a": 2**63, "b": -(2**63) - 1, "c": 2**53 + 1},
    "integers of 400 digits": {"a": 10**400 + 7, "b": -(10**400) - 7},
    "floats": {"a": 0.1, "b": 1e308, "c": 5e-324, "d": -1.5, "e": 1e22},
    "negative zero": {"a": -0.0},
    "text in many scripts": {"name": "Zoë Ångström 東京 😀 \u202e \ufeff", "é": "e\u0301"},
    "control characters but NUL": {"text": "".join(map(chr, range(1, 32))) + "\x7f\x85\u2028"},
    "quotes and backslashes": {'"': "'\"\\/\n", "\\u0041": "%_*?;--"},
    "SQL": {"name": "'); DROP TABLE events; --"},
    "lists": {"list": [1, [2, [3, []]], {"a": [None]}]},
    "keys out of order": {"b": 1, "a": 2, "": 3},
    "the deepest": nested(MAX_DEPTH),
}

REFUSED: dict[str, dict[str, Any]] = {
    "NaN": {"a": math.nan},
    "infinity": {"a": [1, math.inf]},
    "negative infinity": {"a": {"b": -math.inf}},
    "lone surrogate": {"a": "\ud800"},
    "lone surrogate in a key": {"\udfff": 1},
    "NUL": {"a": "b\0c"},
    "NUL in a key": {"a\0b": 1},
    "too deep": nested(MAX_DEPTH + 1),
    "far too deep": nested(50_000),
    "bytes": {"a": b"1"},
    "a set": {"a": {1}},
    "a number as key": {"a": {1: 2}},
    "an integer nobody can print": {"a": 10**5_000},
}


@pytest.mark.parametrize("data", KEPT.values(), ids=list(KEPT))
async def test_data_comes_back_as_it_was(store: EventStore, data: dict[str, Any]) -> None:
    """
    Data is the same after being written and read, of the same types, and the log stays intact.
    """
    await store.commit([noted("/a", data=data)])

    (event,) = await read(store.stream())

    # As text, since 1 == 1.0 == True and 0.0 == -0.0.
    assert repr(sorted(event.data.items())) == repr(sorted(data.items()))
    assert await is_intact(store)


@pytest.mark.parametrize("data", REFUSED.values(), ids=list(REFUSED))
def test_data_that_json_cannot_carry_never_reaches_a_store(data: dict[str, Any]) -> None:
    """
    There is no new event with such data, so no store can be given one.
    """
    with pytest.raises(UnstorableDataError):
        NewEvent(subject="/a", type=NOTED, data=data)


def line_of(event: RecordedEvent) -> bytes:
    """
    The event as one line of NDJSON.
    """
    return json.dumps(event.to_cloud_event(), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


# One character and the bytes it takes in JSON.
FILLINGS = {
    "ascii": ("x", 1),
    "two bytes": ("ë", 2),
    "four bytes": ("😀", 4),
    "escaped": ('"', 2),
    "control": ("\1", 6),
}
SOURCE = 'https://example.com/"quoted"?né'
TYPE = 'io.example."quoted"\\é'


async def largest(store: EventStore, character: str, width: int) -> str:
    """
    The longest text of *character* that an event can carry, told from the line of an event with none.
    """
    (empty,) = await store.commit([noted("/probe/ë", type=TYPE, source=SOURCE, data={"text": ""})])
    room = 65_535 - len(line_of(empty))
    return character * (room // width) + "x" * (room % width)


@pytest.mark.parametrize("filling", FILLINGS.values(), ids=list(FILLINGS))
@needs(Capability.WHOLE)
async def test_an_event_of_just_the_largest_size_is_written(store: EventStore, filling: tuple[str, int]) -> None:
    """
    An event whose line of NDJSON takes 65,535 bytes is taken and comes back whole.
    """
    text = await largest(store, *filling)

    (recorded,) = await store.commit([noted("/probe/ë", type=TYPE, source=SOURCE, data={"text": text})])

    assert len(line_of(recorded)) == 65_535
    assert (await read(store.stream()))[-1].data == {"text": text}


@pytest.mark.parametrize("filling", FILLINGS.values(), ids=list(FILLINGS))
@needs(Capability.WHOLE)
async def test_an_event_one_byte_larger_is_refused(store: EventStore, filling: tuple[str, int]) -> None:
    """
    An event of 65,536 bytes is refused with its size, and nothing of its commit is written.
    """
    text = await largest(store, *filling)
    before = await store.count()

    with pytest.raises(EventTooLargeError) as failure:
        await store.commit([noted("/a"), noted("/probe/ë", type=TYPE, source=SOURCE, data={"text": text + "x"})])

    error = failure.value
    assert (error.event_type, error.subject) == (TYPE, "/probe/ë")
    assert (error.size_bytes, error.limit_bytes) == (65_536, 65_536)
    assert await store.count() == before


@needs(Capability.WHOLE)
async def test_the_stores_own_source_counts_for_the_size(store: EventStore) -> None:
    """
    An event without a source is measured with the one it will get.
    """
    (empty,) = await store.commit([noted("/a", data={"text": ""})])
    text = "x" * (65_535 - len(line_of(empty)))

    (recorded,) = await store.commit([noted("/a", data={"text": text})])

    assert len(line_of(recorded)) == 65_535
    with pytest.raises(EventTooLargeError):
        await store.commit([noted("/a", data={"text": text + "x"})])


TWINS = {
    "composed and decomposed": ("/zo\u00eb", "/zoe\u0308"),
    "upper and lower case": ("/Zoe", "/zoe"),
    "LIKE's wildcard for one character": ("/a_b", "/axb"),
    "LIKE's wildcard for any text": ("/user/12%", "/user/123"),
    "percent-encoding": ("/a%2Fb", "/a/b"),
    "GLOB's wildcards": ("/[a]*?", "/a12"),
    "trailing space": ("/a ", "/a"),
    "a zero-width character": ("/a\u200b", "/a"),
    "numbers as text": ("/01", "/1"),
}


@pytest.mark.parametrize("twins", TWINS.values(), ids=list(TWINS))
async def test_subjects_that_look_alike_are_two(store: EventStore, twins: tuple[str, str]) -> None:
    """
    Subjects are compared character by character: what is written to one is not seen at the other, or below it.
    """
    one, other = twins
    await commit_each(store, [one, f"{one}/below"])

    (recorded,) = await store.commit([noted(other)], [SubjectIsNew(other)])

    assert await read(store.stream(other)) == [recorded]
    assert await read(store.stream(other, recursive=False)) == [recorded]
    assert [event.subject for event in await read(store.stream(one))] == [one, f"{one}/below"]
    assert await store.count(other) == 1
    assert await store.count(one) == 2
    with pytest.raises(PreconditionFailedError):
        await store.commit([noted(other)], [SubjectIsNew(one)])


@pytest.mark.parametrize(
    "subject", ["", "a", "/", "/a/", "//", "/a//b", "/.", "/..", "/a/../b", "/a\0", "/a\n", "/\ud800"]
)
def test_what_is_no_subject_cannot_be_written_to(subject: str) -> None:
    """
    There is no new event at what is no subject, nor at ``/`` itself.
    """
    with pytest.raises(InvalidSubjectError):
        noted(subject)


@needs(Capability.WHOLE)
async def test_a_long_and_deep_subject_lies_under_each_of_its_ancestors(store: EventStore) -> None:
    """
    A subject of 32 segments and 1,024 bytes is found from every level above it.
    """
    segments = ["é" * 15 + "x"] * 31 + ["y" * (1_024 - 31 * 32 - 1)]
    subject = "/" + "/".join(segments)
    assert len(subject.encode()) == 1_024

    (recorded,) = await store.commit([noted(subject)])

    for depth in range(33):
        assert await read(store.stream("/" + "/".join(segments[:depth]))) == [recorded]
