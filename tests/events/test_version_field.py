"""
Fields and values named as the metadata is: they are data, and what the metadata says is still seen.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventsource import Aggregate, Event, handles
from eventsource.errors import EventError
from eventsource.events.decoding import is_surely_plain
from eventsource.testing.golden.record import recorded_event

WORDS = st.sampled_from(["version", "held", "_meta", "a_b", "}", '"', "\\", "actor", "\u00e9", "", "x"])
SCALARS = WORDS | st.integers(0, 3) | st.none()
METADATA = st.dictionaries(WORDS, SCALARS | st.dictionaries(WORDS, SCALARS, max_size=2), max_size=4)
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | METADATA
MEMBERS = st.lists(st.tuples(WORDS, VALUES) | st.tuples(st.just("_meta"), METADATA), max_size=4)


def printed(members: list[tuple[str, Any]], *, escapes: bool, gap: str) -> str:
    """
    An object as JSON in the given order, a key maybe twice, letters maybe escaped.
    """

    def key(name: str) -> str:
        escaped = "".join(f"\\u{ord(letter):04x}" for letter in name)
        return f'"{escaped}"' if escapes else json.dumps(name)

    pairs = [f"{key(name)}:{gap}{json.dumps(value, separators=(',', ':' + gap))}" for name, value in members]
    return "{" + ",".join(pairs) + "}"


class ReleaseMade(Event, type="io.example.test.version.release-made"):
    """
    An event with a field that metadata has, too.
    """

    version: str


class Product(Aggregate, subject="/products/{id}"):
    """
    Knows its last version.
    """

    last: str = ""

    @handles
    def _made(self, event: ReleaseMade) -> None:
        self.last = event.version


@given(members=MEMBERS, escapes=st.booleans(), gap=st.sampled_from(["", " "]))
def test_text_is_judged_as_parsing_would(members: list[tuple[str, Any]], *, escapes: bool, gap: str) -> None:
    """
    Data whose parsed metadata has a version or the mark of erasable data is never taken for plain by its text.
    """
    text = printed(members, escapes=escapes and any(name == "version" for name, _ in members), gap=gap)
    metadata = json.loads(text).get("_meta")

    if isinstance(metadata, dict) and {"version", "held"} & metadata.keys():
        assert not is_surely_plain(text)


@pytest.mark.parametrize(
    "data",
    [
        {"version": "1.0", "note": "a_b"},
        {"_meta": {"actor": "ada", "commandId": "7"}, "version": "1.0"},
        {"_meta": {"actor": "a}b"}, "version": "held"},
        {"_meta": {}, "held": "yes", "version": "2"},
    ],
    ids=str,
)
def test_field_named_version_is_plain_data(data: dict[str, Any]) -> None:
    """
    A field of that name takes the short way, and is folded as any other.
    """
    text = json.dumps(data, separators=(",", ":"))
    product = Product("1")

    product.fold([recorded_event(ReleaseMade.event_type, data)])

    assert is_surely_plain(text)
    assert product.last == data["version"]


def test_newer_version_in_the_metadata_is_refused() -> None:
    """
    An event that a newer program wrote is told from one that has a field named version.
    """
    data = {"_meta": {"actor": "a}b", "version": 2}, "version": "1.0"}

    with pytest.raises(EventError):
        Product("1").fold([recorded_event(ReleaseMade.event_type, data)])
