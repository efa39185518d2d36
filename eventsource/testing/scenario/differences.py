"""
Events as people compare them.
"""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING

from eventsource.events.canonical_json import parse_json
from eventsource.events.event_types import event_types
from eventsource.events.metadata import METADATA_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsource.events.event import NewEvent, RecordedEvent


def describe(event: NewEvent | RecordedEvent) -> list[str]:
    """
    One event in lines: its class and subject, then a line for each field, metadata left out.
    """
    known = event_types.find(event.type)
    data = {name: value for name, value in parse_json(event.data_json).items() if name != METADATA_KEY}
    head = f"{known.__name__ if known else event.type} at {event.subject}"
    return [head, *(f"    {name} = {json.dumps(value, ensure_ascii=False)}" for name, value in sorted(data.items()))]


def differences(
    expected: Sequence[NewEvent | RecordedEvent], found: Sequence[NewEvent | RecordedEvent]
) -> list[str] | None:
    """
    What tells the two apart, line by line; None where they are the same.

    Subject, type and data count; ids, times and metadata do not.
    """
    one, other = ([line for event in events for line in describe(event)] for events in (expected, found))
    if one == other:
        return None
    if not one or not other:
        return [*(f"- {line}" for line in one), *(f"+ {line}" for line in other)]
    lines = difflib.unified_diff(one, other, "expected", "happened", n=max(len(one), len(other)), lineterm="")
    return [line for line in lines if not line.startswith("@@")]
