"""
An event with all that a log keeps of it, which is what an audit and a backup need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, final, runtime_checkable

from eventsource.wire.backup import DECLARATIONS, DECLARATIONS_MEMBER, RECORD_MEMBER

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable

    from eventsource.events.data_reference import DataReference
    from eventsource.events.event import RecordedEvent
    from eventsource.wire.backup import CommitKey, Declarations


# What a backup has beside the members of an event, for data stored by reference. CloudEvents allows such names.
DIGEST_MEMBER = "datadigest"
SALT_MEMBER = "datasalt"


@final
class LogEntry(NamedTuple):
    """
    An event and what belongs to it.

    Attributes:
        event: The event.

        reference: Ties the event to its data, if that is stored by reference.

        imported_time: Only of an event that was restored and whose hash we cannot compute: its time as
            the backup had it.
    """

    event: RecordedEvent
    reference: DataReference | None = None
    imported_time: str | None = None

    def to_backup(self) -> dict[str, Any]:
        """
        The event as a backup has it.

        That is ``to_cloud_event`` and, of data stored by reference, ``datadigest`` and, while the data
        lives, ``datasalt``.
        """
        members = self.event.to_cloud_event()
        # Plain text: what takes it apart elsewhere knows no `Subject`.
        members["subject"] = str(members["subject"])
        if self.imported_time is not None:
            members["time"] = self.imported_time
        if self.reference is not None:
            members[DIGEST_MEMBER] = self.reference.digest
            if self.reference.salt is not None:
                members[SALT_MEMBER] = self.reference.salt
        return members


@runtime_checkable
class KeepsEntries(Protocol):
    """
    A store in this process, which can tell all that it keeps of an event.
    """

    async def read_entries(self, *, after: int) -> list[LogEntry]:
        """
        The entries behind a position, in the order of the log, at most a page of them; empty at the end.
        """
        ...


async def backup_items(
    entries: AsyncIterable[tuple[LogEntry, CommitKey | None]], declarations: Declarations
) -> AsyncGenerator[dict[str, Any]]:
    """
    The items of a backup: an event each, and records for declarations that find no event to go with.
    """
    parts = declarations.parts()
    async for entry, key in entries:
        members = entry.to_backup()
        if key is not None:
            members |= key.members()
        part = next(parts, None)
        if part is not None:
            members[DECLARATIONS_MEMBER] = part
        yield members
    for part in parts:
        yield {RECORD_MEMBER: DECLARATIONS, DECLARATIONS_MEMBER: part}
