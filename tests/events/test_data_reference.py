"""
Data stored by reference: its digest, the hash over it, and what erasing leaves.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from eventsource.events.canonical_json import parse_json, to_canonical_json
from eventsource.events.data_reference import DataReference, emptied
from eventsource.events.hash_chain import GENESIS_HASH, referenced_event_hash

SALT = "5a" * 32
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)
DATA = st.dictionaries(TEXTS, VALUES, max_size=5)


def fits_shape(left: Any, before: Any) -> bool:
    """
    Whether *left* is *before* without its values, said in another way than the code says it.
    """
    if isinstance(before, dict):
        members = cast("dict[str, Any]", before)
        return left.keys() == members.keys() and all(fits_shape(left[key], members[key]) for key in members)
    if isinstance(before, list):
        items = cast("list[Any]", before)  # type: ignore[redundant-cast]  # pyright does not know it
        return len(left) == len(items) and all(map(fits_shape, left, items))
    return json.dumps(left) == {str: '""', bool: "false", int: "0", float: "0", type(None): "null"}[type(before)]


@given(DATA)
def test_emptying_leaves_the_shape_and_no_value(data: dict[str, Any]) -> None:
    """
    Keys, lengths and nulls stay; every text is "", every number 0, every boolean false.
    """
    left = emptied(to_canonical_json(data))

    assert fits_shape(parse_json(left), data)


@given(DATA)
def test_emptying_gives_canonical_json_and_changes_nothing_the_second_time(data: dict[str, Any]) -> None:
    """
    What is left is canonical, and emptying it again leaves it as it is.
    """
    left = emptied(to_canonical_json(data))

    assert to_canonical_json(parse_json(left)) == left
    assert emptied(left) == left


def test_digest_and_hash_have_their_fixed_values() -> None:
    """
    Both are pinned, and the documented formulas give the same, so stored hashes stay valid.
    """
    data_json = '{"name":"Zoë"}'
    members = {
        "datacontenttype": "application/json",
        "datadigest": hashlib.sha256((SALT + data_json).encode("utf-8")).hexdigest(),
        "id": "id-1",
        "predecessorhash": GENESIS_HASH,
        "source": 'a"b',
        "specversion": "1.0",
        "subject": "/kunden/Müller",
        "time": "2025-06-02T15:40:01.157792875Z",
        "type": "t",
    }
    text = json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    reference = DataReference.to_data(data_json, salt=SALT)
    digest = referenced_event_hash(
        id="id-1",
        time_ns=1_748_878_801_157_792_875,
        source='a"b',
        subject="/kunden/Müller",
        type="t",
        data_digest=reference.digest,
        predecessor_hash=GENESIS_HASH,
    )

    assert reference.digest == members["datadigest"]
    assert reference.digest == "c730c9be52eec47559f396ac1b8965fa5f9a8559ba52b731ed5b320540b00833"
    assert digest == hashlib.sha256(text.encode("utf-8")).hexdigest()
    assert digest == "1d752cd4dbb3825cc31f54cb67d3b014bdba1f600f77e043d8a6d45e30c01390"


def test_reference_knows_its_data_until_it_is_erased() -> None:
    """
    With the salt it fits the data alone; without it, only what erasing leaves.
    """
    reference = DataReference.to_data('{"name":"Ada"}', salt=SALT)

    assert reference.fits('{"name":"Ada"}')
    assert not reference.fits('{"name":"Bob"}')
    assert not reference.is_erased
    assert reference.erased().fits('{"name":""}')
    assert not reference.erased().fits('{"name":"Ada"}')
    assert reference.erased().is_erased
