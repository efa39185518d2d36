"""
Where the events of a scenario belong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs

from eventsource.events.event import Event, NewEvent
from eventsource.events.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@final
@attrs.frozen
class Placed:
    """
    Events of one subject; `at` makes it.
    """

    subject: Subject
    events: tuple[Event, ...]


def at(subject: str, *events: Event) -> Placed:
    """
    Place *events* at *subject*: ``given(at("/accounts/42", AccountOpened(owner="Ada")))``.

    Raises:
        InvalidSubjectError: *subject* is none.
    """
    return Placed(Subject(subject), events)


def place(given: Iterable[Event | Placed | NewEvent], *, default: Subject | None) -> Iterator[NewEvent]:
    """
    The events of a history as they are committed.

    Raises:
        ValueError: An event is not placed, and there is no *default*.
    """
    for one in given:
        match one:
            case NewEvent():
                yield one
            case Placed(subject, events):
                for event in events:
                    yield NewEvent.of(event, subject=subject)
            case Event() if default is not None:
                yield NewEvent.of(one, subject=default)
            case _:
                msg = f'{type(one).__name__} needs a place: at("/…", {type(one).__name__}(…))'
                raise ValueError(msg)
