"""
The port: whatever keeps snapshots is a `SnapshotStore`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from eventsource.domain.snapshots.snapshot import Snapshot


@attrs.frozen
class FoundSnapshot:
    """
    What a look into a snapshot store found.

    Attributes:
        snapshot: The snapshot; None if there is none, or one that cannot be read.

        purges: How often snapshots of the subject were purged.
    """

    snapshot: Snapshot | None
    purges: int


class SnapshotStore(Protocol):
    """
    Keeps the latest snapshot of each aggregate for each fingerprint of its fold.

    It may lose any of them at any time. It may not bring one back that was purged.
    """

    async def find(self, *, subject: str, aggregate: str, fingerprint: str) -> FoundSnapshot:
        """
        The snapshot of one aggregate, made by one fold.
        """
        ...

    async def put(self, snapshot: Snapshot, *, purges: int) -> bool:
        """
        Keep a snapshot in place of the one with the same subject, class and fingerprint.

        Args:
            snapshot: The snapshot.

            purges: What `find` said before its events were read. If the subject was purged since, the
                snapshot may hold what was erased, and is not kept.

        Returns:
            Whether it is kept.
        """
        ...

    async def discard(self, *, subject: str, aggregate: str, fingerprint: str) -> None:
        """
        Forget one snapshot, which turned out to be of no use.
        """
        ...

    async def purge(self, subject: str) -> int:
        """
        Forget every snapshot of *subject*, and refuse those that are on their way.

        Returns:
            How many there were.
        """
        ...


# Two programs may run at once while a new version is rolled out; snapshots of older ones are in nobody's use.
KEPT_FINGERPRINTS = 2


class InMemorySnapshotStore:
    """
    Keeps snapshots for as long as the process lives.
    """

    def __init__(self) -> None:
        # By subject and class, then by fingerprint, the latest last.
        self._snapshots: dict[tuple[str, str], dict[str, Snapshot]] = {}
        self._purges: dict[str, int] = {}

    async def find(self, *, subject: str, aggregate: str, fingerprint: str) -> FoundSnapshot:
        """
        See `SnapshotStore`.
        """
        found = self._snapshots.get((subject, aggregate), {}).get(fingerprint)
        return FoundSnapshot(found, self._purges.get(subject, 0))

    async def put(self, snapshot: Snapshot, *, purges: int) -> bool:
        """
        See `SnapshotStore`.
        """
        if self._purges.get(snapshot.subject, 0) != purges:
            return False
        kept = self._snapshots.setdefault((snapshot.subject, snapshot.aggregate), {})
        kept.pop(snapshot.fingerprint, None)
        kept[snapshot.fingerprint] = snapshot
        while len(kept) > KEPT_FINGERPRINTS:
            del kept[next(iter(kept))]
        return True

    async def discard(self, *, subject: str, aggregate: str, fingerprint: str) -> None:
        """
        See `SnapshotStore`.
        """
        self._snapshots.get((subject, aggregate), {}).pop(fingerprint, None)

    async def purge(self, subject: str) -> int:
        """
        See `SnapshotStore`.
        """
        self._purges[subject] = self._purges.get(subject, 0) + 1
        keys = [key for key in self._snapshots if key[0] == subject]
        return sum(len(self._snapshots.pop(key)) for key in keys)
