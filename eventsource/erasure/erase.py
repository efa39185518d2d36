"""
Erasing a subject, with all that was made of it that can be reached from here.
"""

from __future__ import annotations

import inspect
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

from eventsource.aggregates.context import current_metadata
from eventsource.erasure.erasable_events import read_erasable_events, stored_types
from eventsource.events.event import NewEvent
from eventsource.events.reserved import written_by_library
from eventsource.events.subject import Subject
from eventsource.events.subject_erased import SubjectErased, erasures_of
from eventsource.guards.errors import PreconditionFailedError
from eventsource.guards.preconditions import SubjectIsAtVersion
from eventsource.log import get_logger
from eventsource.store.errors import PersonalDataRemainsError
from eventsource.store.scope import place_of
from eventsource.wire.errors import ErasureUnfinishedError, NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection, Mapping, Sequence

    from eventsource.erasure.erasable_events import ErasableEvents
    from eventsource.events.event import Event, RecordedEvent
    from eventsource.projections.projector import Projector
    from eventsource.store.interface import EventStore

log = get_logger(__name__)

# An event has room for some 1,600 ids as our stores make them.
_MAX_IDS: Final = 1000


class Purgeable(Protocol):
    """
    Keeps states of aggregates, such as a snapshot store or a cache, and can throw away those of one subject.
    """

    def purge(self, subject: str) -> Awaitable[Any] | Any:
        """
        Throw them away; a number it returns, awaited or not, is how many there were.

        Args:
            subject: What the whole store calls it, also where it is erased through a part of that.
        """
        ...


class Cleanable(Protocol):
    """
    Keeps deleted data in its files until it is asked not to, such as a `ReadModelDatabase`.
    """

    async def clean(self) -> bool:
        """
        Remove it; False if somebody is in the way.
        """
        ...


@attrs.frozen
class Erasure:
    """
    What became of a subject.

    Attributes:
        subject: The subject.

        emptied: The number of events that were emptied by this call.

        recorded: The `SubjectErased` that this call wrote, one for every 1,000 events; none if all was said before.

        snapshots_purged: The number of snapshots that were thrown away by this call.
    """

    subject: Subject
    emptied: int
    recorded: tuple[RecordedEvent, ...]
    snapshots_purged: int

    @property
    def event_ids(self) -> tuple[str, ...]:
        """
        The events that were emptied, by this call or by one that did not come to its end.
        """
        return tuple(event_id for record in self.recorded for event_id in SubjectErased.from_recorded(record).event_ids)


async def erase_subject(
    store: EventStore,
    subject: str,
    *,
    purge: Sequence[Purgeable] = (),
    clean: Sequence[Cleanable] = (),
    wait_for: Sequence[Projector] = (),
    timeout_s: float = 30.0,
    including: Collection[str | type[Event]] = (),
) -> Erasure:
    """
    Erase the data of *subject*, purge what was kept of its states, and record it for projectors and for the books.

    What is recorded is a `SubjectErased` directly below the subject, with the actor of the metadata in force. The
    projectors that have handled the emptied events see it, wherever they run and as soon as they run, and let go of
    what they made of them.

    Whatever interrupts it, calling it again finishes it: each step can be done twice, and each emptied event is
    recorded once.

    Args:
        store: Where the events are.

        subject: Exactly this one; not what lies below.

        purge: Snapshot stores and caches. Caches of other processes are reached by `purging` there.

        clean: The databases of these snapshot stores. Those of read models are cleaned by their projectors.

        wait_for: Projectors that run or are watched here: it returns once they have let go.

        timeout_s: The time that it waits for each of them, in seconds.

        including: Event classes or stored types whose data is erased though it was not stored by reference, with
            its metadata. The audit then checks the links of these events only, see `EventStore.erase`.

    Raises:
        PersonalDataRemainsError: All is done as described, and events of the subject still hold personal data that
            was not stored by reference: say so in *including*. Only events whose classes are imported are known.
        NotSupportedError: All is done, but that the server cannot erase the types in *including*.
        SubjectNotFoundError: The subject has no events.
        ErasureUnfinishedError: Nobody can read the data any more and all the rest is done, but bytes of it are left
            in a file. Call it again to finish it.
        NotSeenError: All is done but that a projector has not let go yet.
        InvalidSubjectError: *subject* is none, or leaves no room for a segment below it.
        StoreError, ProjectionError: Whatever the store and the projectors raise; call it again.
    """
    subject = Subject(subject)
    place = erasures_of(subject)
    types = stored_types(including)
    # A record that names an event which still holds its data is a lie, and must not stand in for ours.
    before = await read_erasable_events(store, subject)
    unfinished: ErasureUnfinishedError | NotSupportedError | None = None
    try:
        emptied = await (store.erase(subject, including=types) if types else store.erase(subject))
    except ErasureUnfinishedError as error:
        # The data is gone for every reader. What was made of it is not, and must not wait for a file.
        unfinished, emptied = error, error.events
    except NotSupportedError as error:
        if not types:
            raise
        # What was stored by reference is gone.
        unfinished, emptied = error, 0
    purged = sum([await purge_one(each, store, subject) for each in purge])
    for database in clean:
        if not await database.clean():
            unfinished = unfinished or ErasureUnfinishedError(
                repr(database), subject=subject, events=emptied, reason="somebody is reading from it or writing to it"
            )
    recorded, remaining = await _record(store, subject, purged, before)
    log.info("subject.erased", subject=subject, events=emptied, recorded=len(recorded), snapshots=purged)
    if wait_for and (last := await store.last_event(place, recursive=False)):
        for projector in wait_for:
            await projector.seen(last.id, timeout_s)
    if unfinished is not None:
        raise unfinished
    if remaining:
        raise PersonalDataRemainsError(subject, types=remaining, emptied=emptied)
    return Erasure(subject, emptied, recorded, purged)


async def purge_one(holder: Purgeable, store: EventStore, subject: Subject) -> int:
    """
    Purge *subject* of *store* from one holder of states, which calls it what the whole store does.

    Returns:
        How many there were, as far as it says.
    """
    _, place = place_of(store, subject)
    purged: Any = holder.purge(place)
    if inspect.isawaitable(purged):
        purged = await purged
    return purged if isinstance(purged, int) else 0


async def _record(
    store: EventStore, subject: Subject, purged: int, before: ErasableEvents
) -> tuple[tuple[RecordedEvent, ...], Mapping[str, int]]:
    """
    Record which events were emptied.

    Returns:
        The records, and how many events still hold personal data, by stored type.
    """
    place = erasures_of(subject)
    metadata = current_metadata()
    while True:
        traces = await read_erasable_events(store, subject, before=before)
        remaining = dict(sorted(Counter(event.type for event in traces.personal).items()))
        ids = traces.unrecorded
        if not ids:
            return (), remaining
        events = [
            written_by_library(
                NewEvent.of(
                    SubjectErased(event_ids=ids[start : start + _MAX_IDS], snapshots_purged=0 if start else purged),
                    subject=place,
                    metadata=metadata,
                )
            )
            for start in range(0, len(ids), _MAX_IDS)
        ]
        try:
            return await store.commit(events, [SubjectIsAtVersion(place, traces.records)]), remaining
        except PreconditionFailedError:
            # Somebody erases the same subject: what they have recorded is not to be recorded twice.
            continue
