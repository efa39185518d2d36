"""
The hash chain: fixed values, computed here in another way, so that it never changes by accident.
"""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventsource import NewEvent, RecordedEvent
from eventsource.events.canonical_json import to_canonical_json
from eventsource.events.hash_chain import CHAIN_VERSION, GENESIS_HASH, MAX_LINE_BYTES, event_hash, line_bytes
from eventsource.store import InMemoryEventStore

FIRST: dict[str, Any] = {
    "id": "0c5d1c1e-6a3c-4c83-9d53-0d6d1f1b5a77",
    "time_ns": 1_748_878_801_157_792_875,
    "source": "io.example.bank",
    "subject": "/accounts/42",
    "type": "io.example.bank.account-opened",
    "data_json": '{"owner":"Ada"}',
    "predecessor_hash": GENESIS_HASH,
}
# What changes an event in one place, and the hash that it then has.
VECTORS: list[tuple[dict[str, Any], str]] = [
    ({}, "7147fcf019172b97e719a039a7feb377f32be307ec250024a8195e72acdaa5a4"),
    ({"data_json": "{}"}, "ca9c9d792f8d43fd0e5f06426c6c363176c73119c151c6962958b72171390289"),
    ({"subject": "/kunden/Müller"}, "69073eafac331153faa4e598afd2e51e001fc4c4b248f09ac286b172d094abb5"),
    ({"source": 'a"b'}, "19e7dbdfd14ca06fddf80cd3aaa58aa387a5c9fc552e381d3b3ea36ef6be7cef"),
    (
        {"data_json": '{"text":"é\\"\\\\\\n\U0001f600"}'},
        "9e8277eba7282b00e11c9960ab8b3feb05a2a5ba35a3098f27a62d550890fe43",
    ),
    ({"time_ns": 0}, "1e633c7f6e7ec1534cda313d97ae9408cc560b867dc85fde0cb67a0cb62edc5d"),
]


def hash_as_documented(event: dict[str, Any]) -> str:
    """
    The formula of the module's docstring, by the standard library alone.
    """
    seconds, nanoseconds = divmod(event["time_ns"], 10**9)
    # 2025-06-02T15:40:01Z and 1970-01-01T00:00:00Z are the only seconds the vectors use.
    second = {1_748_878_801: "2025-06-02T15:40:01", 0: "1970-01-01T00:00:00"}[seconds]
    members = {
        "data": json.loads(event["data_json"]),
        "datacontenttype": "application/json",
        "id": event["id"],
        "predecessorhash": event["predecessor_hash"],
        "source": event["source"],
        "specversion": "1.0",
        "subject": event["subject"],
        "time": f"{second}.{nanoseconds:09d}Z",
        "type": event["type"],
    }
    text = json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


@pytest.mark.parametrize(("change", "expected"), VECTORS, ids=lambda value: str(value)[:40])
def test_hash_has_its_fixed_value(change: dict[str, Any], expected: str) -> None:
    """
    Stored hashes stay valid: the value is pinned, and the documented formula gives the same.
    """
    event = FIRST | change

    assert event_hash(**event) == expected
    assert hash_as_documented(event) == expected


@pytest.mark.parametrize("member", sorted(FIRST))
def test_every_member_counts(member: str) -> None:
    """
    Changing any member changes the hash.
    """
    other = {"time_ns": 1, "data_json": "{}"}.get(member, "other")

    changed = event_hash(**(FIRST | {member: other}))

    assert changed != event_hash(**FIRST)


async def test_events_are_chained_to_their_predecessors() -> None:
    """
    The first event follows 64 zeros, each other one the hash of the one before it in the store.
    """
    async with InMemoryEventStore() as store:
        first, second = await store.commit([NewEvent(subject="/a", type="t", data={}) for _ in range(2)])

    assert first.predecessor_hash == "0" * 64
    assert second.predecessor_hash == first.hash
    assert second.hash == event_hash(
        **{name: value for name, value in second._asdict().items() if name not in {"position", "hash"}}
    )


def test_version_is_pinned() -> None:
    """
    Changing the formula means a new version, and that old ones stay readable.
    """
    assert CHAIN_VERSION == 1


NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=20)


@given(source=NAMES, subject=NAMES.map("/{}".format), event_type=NAMES, data=st.dictionaries(NAMES, NAMES))
def test_line_bytes_is_the_length_of_the_line(source: str, subject: str, event_type: str, data: dict[str, str]) -> None:
    """
    The size is computed without building the line, and is the line's exactly.
    """
    data_json = to_canonical_json(data)
    recorded = RecordedEvent(
        1, "0c5d1c1e-6a3c-4c83-9d53-0d6d1f1b5a77", 0, source, subject, event_type, data_json, GENESIS_HASH, GENESIS_HASH
    )
    line = json.dumps(recorded.to_cloud_event(), separators=(",", ":"), ensure_ascii=False) + "\n"

    size = line_bytes(source=source, subject=subject, type=event_type, data_json=data_json)

    assert size == len(line.encode())


def test_limit_is_that_of_genesis_db() -> None:
    """
    A line must stay below 64 KiB.
    """
    assert MAX_LINE_BYTES == 64 * 1024 - 1
