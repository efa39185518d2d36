"""
The format, byte by byte: docs/notary-format.md has these vectors, and nothing may ever change them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from eventsource import RecordedEvent
from eventsource.errors import TamperedError
from eventsource.merkle import leaf_hash
from eventsource.notary import Entry
from eventsource.notary.fingerprint import DataForm, Salts, commit_to_data, fingerprint, secret_digest
from eventsource.notary.merkle_log import leaf_of
from eventsource.notary.records import (
    NO_EVENTS,
    BatchRecord,
    Charter,
    EventRecord,
    batch_key,
    charter_key,
    event_key,
    next_running,
)

PAGE = Path(__file__).parents[2] / "docs" / "notary-format.md"
SECRET = bytes(range(32))
EVENT = RecordedEvent(
    position=1,
    id="5f9b2d4e-6c1a-4b7e-9d3f-0a1b2c3d4e5f",
    time_ns=1_700_000_000_123_456_789,
    source="bank.example",
    subject="/accounts/42",
    type="com.example.money-deposited",
    data_json='{"cents":500,"note":"für Ada"}',
    predecessor_hash="0" * 64,
    hash="a" * 64,
)


def vectors() -> dict[str, Any]:
    """
    What the page says, from its JSON block.
    """
    found = re.search(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    vectors: dict[str, Any] = json.loads(found[1])
    return vectors


def computed() -> dict[str, Any]:
    """
    The same, computed by the package.
    """
    salts = Salts.of(SECRET, EVENT.id)
    seal, digest = bytes([7]) * 32, bytes([9]) * 32
    commitments = {
        DataForm.BY_VALUE: commit_to_data(EVENT.data_json, salts.data, DataForm.BY_VALUE),
        DataForm.BY_REFERENCE: digest,
        DataForm.SEALED: commit_to_data(EVENT.data_json, seal, DataForm.SEALED),
    }
    records = {
        form: fingerprint(EVENT, number=1, form=form, commitment=commitment, salts=salts)
        for form, commitment in commitments.items()
    }
    entry = Entry(event_key("bank", EVENT.id), records[DataForm.BY_VALUE].to_bytes())
    running = next_running(NO_EVENTS, *entry)
    batch = BatchRecord(1, 1, 1, 1, 1_700_000_001_000_000_000, running, EVENT.id)
    return {
        "secret": SECRET.hex(),
        "charter": {"key": charter_key("bank").decode(), "value": Charter(secret_digest(SECRET)).to_bytes().hex()},
        "event": {
            "id": EVENT.id,
            "time_ns": EVENT.time_ns,
            "source": EVENT.source,
            "subject": EVENT.subject,
            "type": EVENT.type,
            "data": EVENT.data_json,
            "predecessor_hash": EVENT.predecessor_hash,
            "hash": EVENT.hash,
            "number": 1,
        },
        "content_salt": salts.content.hex(),
        "chain_salt": salts.chain.hex(),
        "data_salt": salts.data.hex(),
        "by_value": {"value": records[DataForm.BY_VALUE].to_bytes().hex()},
        "by_reference": {"digest": digest.hex(), "value": records[DataForm.BY_REFERENCE].to_bytes().hex()},
        "sealed": {"seal": seal.hex(), "value": records[DataForm.SEALED].to_bytes().hex()},
        "key": entry.key.decode(),
        "running": running.hex(),
        "batch": {"key": batch_key("bank", 1).decode(), "value": batch.to_bytes().hex()},
        "leaf_hash": leaf_hash(leaf_of(entry)).hex(),
    }


@pytest.mark.parametrize("name", computed())
def test_vectors_on_the_page_are_what_is_computed(name: str) -> None:
    """
    Each value on the page is the package's.
    """
    assert vectors()[name] == computed()[name]


def test_the_page_has_no_others() -> None:
    """
    Nothing on the page goes unchecked.
    """
    assert vectors().keys() == computed().keys()


def test_records_read_back() -> None:
    """
    What is written is read as the same.
    """
    event = EventRecord(2, 7, b"c" * 32, b"h" * 32, b"d" * 32)
    batch = BatchRecord(3, 5, 9, 5, -1, b"r" * 32, "id é")

    assert EventRecord.from_bytes(event.to_bytes()) == event
    assert BatchRecord.from_bytes(batch.to_bytes()) == batch
    assert len(event.to_bytes()) == 107


@pytest.mark.parametrize(
    "kind",
    [
        EventRecord(1, 7, b"c" * 32, b"h" * 32, b"d" * 32),
        BatchRecord(3, 5, 9, 5, 1, b"r" * 32, "x"),
        Charter(b"s" * 32),
    ],
)
def test_what_is_no_record_is_told(kind: Any) -> None:
    """
    Cut, longer, of another version, of another kind: it was edited.
    """
    value = kind.to_bytes()
    for broken in (b"", value[:-1], value + b"x", b"\x02" + value[1:], value[:1] + b"\x09" + value[2:]):
        with pytest.raises(TamperedError, match="none of format 1"):
            type(kind).from_bytes(broken)


def test_a_batch_record_with_a_broken_text_is_told() -> None:
    """
    An id that is no UTF-8 was edited.
    """
    value = BatchRecord(3, 5, 9, 5, 1, b"r" * 32, "xy").to_bytes()

    with pytest.raises(TamperedError, match="none of format 1"):
        BatchRecord.from_bytes(value[:-1] + b"\xff")


def test_sealed_data_is_the_same_however_it_is_printed() -> None:
    """
    Another store may print its JSON otherwise tomorrow; what cannot be read is taken as it is.
    """
    seal = bytes(32)

    def commitment(text: str) -> bytes:
        return commit_to_data(text, seal, DataForm.SEALED)

    assert commitment('{"b": 1, "a": "\\u00e9"}') == commitment('{"a":"é","b":1}')
    assert commitment('{"b":1}') != commitment('{"b":2}')
    assert commitment("no json") == commitment("no json") != commitment("no jsOn")
