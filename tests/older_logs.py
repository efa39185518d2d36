"""
Events as only a log of before, a foreign server or an attacker has them: the library takes them from no user today.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventsource import NewEvent
from eventsource.events.canonical_json import to_canonical_json
from eventsource.events.reserved import written_by_library

if TYPE_CHECKING:
    from collections.abc import Mapping


def forged(subject: str, type: str, data: Mapping[str, Any], *, by_reference: bool = False) -> NewEvent:
    """
    An event that every store takes, with any name and any data.

    Its data is not looked at, and it is marked as if the library had written it.
    """
    event = NewEvent(subject=subject, type=type, data={}, store_data_as_reference=by_reference)
    object.__setattr__(event, "data_json", to_canonical_json(data))
    return written_by_library(event)


def erasure(subject: str, *event_ids: str, **members: Any) -> NewEvent:
    """
    A record that events were erased, which nobody erased.

    Args:
        subject: Where it stands.

        members: Of its data, beside or in place of the usual.
    """
    data = {"eventIds": list(event_ids), "snapshotsPurged": 0} | members
    return forged(subject, "io.eventsource.subject-erased", data)
