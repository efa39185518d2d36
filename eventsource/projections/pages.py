"""
Pages of events as a projector takes them: their parts, and where they lead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from eventsource.events.subject_erased import is_erasure
from eventsource.store.interface import Page
from eventsource.subscriptions.checkpoint import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventsource.events.event import RecordedEvent


def parts_of(page: Page) -> Iterator[Page]:
    """
    The page as it is, or in parts where erasures are told of: each of those is a part of its own.
    """
    start = 0
    for index, event in enumerate(page.events):
        if is_erasure(event):
            if index > start:
                yield Page(page.events[start:index], page.events[index - 1].position, caught_up=False)
            start = index + 1
            is_last = start == len(page.events)
            yield Page((event,), page.position if is_last else event.position, page.caught_up and is_last)
    if start < len(page.events) or not page.events:
        yield attrs.evolve(page, events=page.events[start:]) if start else page


def part_before(event: RecordedEvent, page: Page) -> Page:
    """
    What of *page* comes before one of its events.
    """
    return Page(page.events[: page.events.index(event)], event.position - 1, caught_up=False)


def checkpoint_after(before: Checkpoint, page: Page) -> Checkpoint:
    """
    The checkpoint behind *page*, which follows the one given.
    """
    if not page.events:
        return attrs.evolve(before, position=max(before.position, page.position))
    last = page.events[-1]
    return Checkpoint(
        event_id=last.id,
        event_hash=last.hash,
        position=max(page.position, last.position),
        events=before.events + len(page.events),
    )
