"""
Event types: which event class a stored type name stands for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource.errors import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventsource.domain.event import Event


class EventTypes:
    """
    A registry: type name to event class, one to one.

    Names are given by the user and never derived from import paths, so renaming or moving a class
    changes no stored data, and stored data never decides what is imported.
    """

    def __init__(self) -> None:
        self._classes: dict[str, type[Event]] = {}

    def register(self, event_class: type[Event]) -> None:
        """
        Enter a class under its type name.

        Raises:
            DeclarationError: Another class has that name.
        """
        name = event_class.event_type
        known = self._classes.get(name)
        # The same definition run again (a reloaded module, a notebook cell) takes the place of the old one.
        if known is not None and _definition(known) != _definition(event_class):
            msg = (
                f"event type {name!r} is declared twice: by {known.__module__}.{known.__qualname__} "
                f"and by {event_class.__module__}.{event_class.__qualname__}"
            )
            raise DeclarationError(msg)
        self._classes[name] = event_class

    def find(self, name: str) -> type[Event] | None:
        """
        The class declared with *name*, or None.
        """
        return self._classes.get(name)

    def __iter__(self) -> Iterator[type[Event]]:
        return iter(self._classes.values())


def _definition(event_class: type[Event]) -> tuple[str, str]:
    return event_class.__module__, event_class.__qualname__


# Filled by the class statements of `Event` subclasses.
event_types = EventTypes()
