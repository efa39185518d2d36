"""
Snapshots: the state of an aggregate at a version, saved so that the events up to there need not be folded again.
"""

from __future__ import annotations

import hashlib
from typing import final

import attrs


@final
@attrs.frozen(kw_only=True)
class Snapshot:
    """
    A saved state. It is a cache: whatever is wrong with one, the events are still there.

    Attributes:
        subject: Where the aggregate's events are.

        aggregate: The name of its class.

        fingerprint: The fingerprint of the fold that made the state: other code never meets it.

        version: How many events are in the state.

        passed_over: How many of these the class has no handler for.

        last_event_id: The last of them.

        last_event_hash: That event's hash, by which a store is known to have the same events still: each
            hash is over the one before.

        state: The state as JSON text.

        checksum: A digest of all the others, 64 hex digits; given only when one is read back.
    """

    subject: str
    aggregate: str
    fingerprint: str
    version: int
    passed_over: int
    last_event_id: str
    last_event_hash: str
    state: str
    checksum: str = attrs.field(default=attrs.Factory(lambda made: _checksum_of(made), takes_self=True))  # noqa: PLW0108  it comes later

    @property
    def is_intact(self) -> bool:
        """
        Whether nothing of it was changed since it was made.
        """
        return self.checksum == _checksum_of(self)


def _checksum_of(snapshot: Snapshot) -> str:
    return digest(
        snapshot.subject,
        snapshot.aggregate,
        snapshot.fingerprint,
        str(snapshot.version),
        str(snapshot.passed_over),
        snapshot.last_event_id,
        snapshot.last_event_hash,
        snapshot.state,
    )


def digest(*parts: str) -> str:
    """
    One short text for several, in their order.
    """
    summary = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "backslashreplace")
        summary.update(b"%d:" % len(data))
        summary.update(data)
    return summary.hexdigest()
