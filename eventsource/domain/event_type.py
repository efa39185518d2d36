"""
Event types: which event class a stored type name stands for, and how older forms of it are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventsource.domain.reading import Reading, find_problems
from eventsource.errors import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventsource.domain.event import Event
    from eventsource.domain.upcaster import Upcaster


class EventTypes:
    """
    A registry: type name to event class, one to one, and the upcasters of each stored type.

    Names are given by the user and never derived from import paths, so renaming or moving a class
    changes no stored data, and stored data never decides what is imported.
    """

    def __init__(self) -> None:
        self._classes: dict[str, type[Event]] = {}
        self._upcasters: dict[str, dict[int, Upcaster]] = {}
        # Found when they are first asked for, and forgotten with each declaration.
        self._readings: dict[str, Reading] = {}

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
        self._readings.clear()

    def register_upcaster(self, upcaster: Upcaster) -> None:
        """
        Enter an upcaster under the type and version that it takes.

        Raises:
            DeclarationError: Another one takes these.
        """
        known = self._upcasters.get(upcaster.stored_type, {}).get(upcaster.version)
        if known is not None and _definition(known.function) != _definition(upcaster.function):
            msg = (
                f"version {upcaster.version} of {upcaster.stored_type!r} has two upcasters: "
                f"{known.name} and {upcaster.name}"
            )
            raise DeclarationError(msg)
        self._upcasters.setdefault(upcaster.stored_type, {})[upcaster.version] = upcaster
        self._readings.clear()

    def find(self, name: str) -> type[Event] | None:
        """
        The class declared with *name*, or None.
        """
        return self._classes.get(name)

    def is_plain(self, name: str) -> bool:
        """
        Whether events stored with *name* have one form only, which is that of the class: the common case.
        """
        event_class = self._classes.get(name)
        return (
            event_class is not None
            and event_class.event_version == 1
            and not event_class.event_is_personal
            and name not in self._upcasters
        )

    def reading(self, name: str) -> Reading | None:
        """
        How events stored with *name* are read; None if nobody declared it.

        Raises:
            DeclarationError: Its upcasters do not lead anywhere, or in a circle.
        """
        found = self._readings.get(name)
        if found is not None:
            return found
        if name not in self._classes and name not in self._upcasters:
            return None
        if problems := find_problems(name, self._classes, self._upcasters):
            raise DeclarationError("; ".join(problems))
        found = self._readings[name] = Reading.of(name, self._classes, self._upcasters)
        return found

    def stored_types_of(self, event_class: type[Event]) -> tuple[str, ...]:
        """
        Every stored type name that events of *event_class* may come from: its own, then older ones in order.
        """
        own = event_class.event_type
        older = sorted(
            name
            for name in self._upcasters
            if name != own and (reading := self.reading(name)) is not None and own in reading.gives
        )
        return (own, *older)

    def can_give(self, name: str, wanted: Any) -> bool:
        """
        Whether events stored with *name* may be read as one of the types in *wanted*, a mapping or set of names.

        Raises:
            DeclarationError: Its upcasters do not lead anywhere, or in a circle.
        """
        if name not in self._upcasters:
            return name in wanted
        reading = self.reading(name)
        return reading is not None and any(given in wanted for given in reading.gives)

    def stored_names(self) -> tuple[str, ...]:
        """
        Every stored type name that can be read, in order: of the classes, and those that only upcasters know.
        """
        return tuple(sorted({*self._classes, *self._upcasters}))

    def check(self) -> None:
        """
        Check that each version of each stored type can be read. A test or the start of a program calls it.

        Raises:
            DeclarationError: A version has no upcaster, or upcasters lead in a circle. It names all of them.
        """
        found = [
            problem for name in self.stored_names() for problem in find_problems(name, self._classes, self._upcasters)
        ]
        if found:
            raise DeclarationError("; ".join(dict.fromkeys(found)))

    def __iter__(self) -> Iterator[type[Event]]:
        return iter(self._classes.values())


def _definition(declared: Any) -> tuple[str, str]:
    return declared.__module__, declared.__qualname__


# Filled by the class statements of `Event` subclasses, and by `upcaster`.
event_types = EventTypes()


def stored_types_of(event_class: type[Event]) -> tuple[str, ...]:
    """
    Every stored type name that events of *event_class* may come from: its own, then older ones in order.

    What is narrowed to the events of a class (a guard, a projector) has to ask for all of them.
    """
    return event_types.stored_types_of(event_class)
