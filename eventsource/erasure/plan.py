"""
What erasing a subject would do, before it is done.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

import attrs

from eventsource.erasure.erasable_events import is_personal, read_erasable_events, stored_types
from eventsource.events.data_reference import emptied
from eventsource.events.personal_data import is_held
from eventsource.events.subject import Subject
from eventsource.wire.errors import SubjectNotFoundError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from eventsource.events.event import Event, RecordedEvent
    from eventsource.projections.projector import Projector
    from eventsource.store.interface import EventStore

Consequence = Literal["nothing", "lets go", "starts over", "stops"]
"""
What a projector does once a subject is erased: it has handled none of the events; it has handlers for erased
ones; it fills its tables again; or it cannot do either.
"""


@attrs.frozen
class PlannedEvent:
    """
    An event that would be emptied.

    Attributes:
        id: Which one.

        type: Its type.

        time_ns: When it was committed, in nanoseconds since 1970 UTC.
    """

    id: str
    type: str
    time_ns: int


@attrs.frozen
class ErasurePlan:
    """
    What erasing a subject would do. No data of any event is in it.

    Attributes:
        subject: The subject.

        events: What would be emptied, oldest first. Where the hashes of a store follow another formula than ours,
            data that is not personal and was not stored by reference counts, too.

        kept: How many other events the subject has; their data stays.

        remaining: The number of these that hold personal data all the same, by stored type: they were not stored by
            reference. `erase_subject` fails by name unless it is told to include these types.

        unknown: The types of these that no class here is declared for, so it cannot be told whether they are
            personal.

        unrecorded: The number of events that were erased before, and nobody has said so: that is made good.

        ignored: The number of events that stand where erasures are recorded, and are no records that the library wrote:
            every reader ignores them.

        below: The subjects below that have data to be erased, or personal data; it stays unless they are erased, too.

        projectors: What each projector would do, by name.
    """

    subject: Subject
    events: tuple[PlannedEvent, ...]
    kept: int
    remaining: Mapping[str, int]
    unknown: tuple[str, ...]
    unrecorded: int
    ignored: int
    below: tuple[str, ...]
    projectors: Mapping[str, Consequence]


async def plan_erasure(
    store: EventStore,
    subject: str,
    *,
    projectors: Sequence[Projector] = (),
    including: Collection[str | type[Event]] = (),
) -> ErasurePlan:
    """
    Find out what `erase_subject` would do.

    Args:
        store, subject: As there.

        projectors: Those whose consequences are asked for.

        including: As there.

    Raises:
        SubjectNotFoundError: The subject has no events.
        InvalidSubjectError: *subject* is none.
    """
    subject = Subject(subject)
    traces = await read_erasable_events(store, subject)
    if not traces.count:
        raise SubjectNotFoundError(subject)
    below = {
        event.subject
        async for event in store.stream(subject)
        if event.subject != subject and (is_held(event) or is_personal(event))
    }
    types = stored_types(including)
    held = traces.held
    if types:
        held_ids = {event.id for event in held}
        gone = {*traces.gone}
        held = tuple(
            [
                event
                async for event in store.stream(subject, recursive=False)
                if event.id in held_ids or (event.type in types and event.id not in gone and event.data_json != "{}")
            ]
        )
    emptied_ids = {event.id for event in held}
    remaining = Counter(event.type for event in traces.personal if event.id not in emptied_ids)
    return ErasurePlan(
        subject=subject,
        events=tuple(PlannedEvent(event.id, event.type, event.time_ns) for event in held),
        kept=traces.count - len(held),
        remaining=dict(sorted(remaining.items())),
        unknown=tuple(sorted(traces.unknown - types)),
        unrecorded=len(traces.unrecorded),
        ignored=traces.unfit,
        below=tuple(sorted(below)),
        projectors={projector.name: _consequence(projector, subject, held) for projector in projectors},
    )


def _consequence(projector: Projector, subject: Subject, held: Sequence[RecordedEvent]) -> Consequence:
    if subject != projector.subject and not subject.is_under(projector.subject):
        return "nothing"
    emptied_events = [_as_emptied(event) for event in held]
    wanted = [event for event in emptied_events if projector.wants(event)]
    if not wanted:
        return "nothing"
    if all(map(projector.lets_go, wanted)):
        return "lets go"
    return "starts over" if projector.tables else "stops"


def _as_emptied(event: RecordedEvent) -> RecordedEvent:
    return event._replace(data_json=emptied(event.data_json))
