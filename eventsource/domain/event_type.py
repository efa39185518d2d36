"""
Event types: which event class a stored type name stands for, and how older forms of it are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventsource.domain.evolution.process_note import NOTE_PREFIX, is_note
from eventsource.domain.evolution.reading import Reading, find_problems, older_forms
from eventsource.errors import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from eventsource.domain.event import Event
    from eventsource.domain.evolution.reading import OlderForm
    from eventsource.domain.evolution.upcaster import Upcaster


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
        self._older_forms: dict[str, tuple[OlderForm, ...]] = {}
        self._upcasters_declared = 0

    def register(self, event_class: type[Event]) -> None:
        """
        Enter a class under its type name.

        Raises:
            DeclarationError: Another class has that name, or it is reserved for the notes of processes.
        """
        name = event_class.event_type
        _check_is_free(name)
        known = self._classes.get(name)
        # The same definition run again (a reloaded module, a notebook cell) takes the place of the old one.
        if known is not None and _definition(known) != _definition(event_class):
            msg = (
                f"event type {name!r} is declared twice: by {known.__module__}.{known.__qualname__} "
                f"and by {event_class.__module__}.{event_class.__qualname__}"
            )
            raise DeclarationError(msg)
        self._classes[name] = event_class
        self._forget_what_was_found()

    def register_upcaster(self, upcaster: Upcaster) -> None:
        """
        Enter an upcaster under the type and version that it takes.

        Raises:
            DeclarationError: Another one takes these, or the type is reserved for the notes of processes.
        """
        _check_is_free(upcaster.stored_type)
        known = self._upcasters.get(upcaster.stored_type, {}).get(upcaster.version)
        if known is not None and _definition(known.function) != _definition(upcaster.function):
            msg = (
                f"version {upcaster.version} of {upcaster.stored_type!r} has two upcasters: "
                f"{known.name} and {upcaster.name}"
            )
            raise DeclarationError(msg)
        self._upcasters.setdefault(upcaster.stored_type, {})[upcaster.version] = upcaster
        self._upcasters_declared += 1
        self._forget_what_was_found()

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

        Raises:
            DeclarationError: Upcasters do not lead anywhere, or in a circle.
        """
        older = (form.stored_type for form in self.older_forms(event_class))
        return tuple(dict.fromkeys((event_class.event_type, *older)))

    def older_forms(self, event_class: type[Event]) -> tuple[OlderForm, ...]:
        """
        The forms of before that events of *event_class* may be stored in.

        Raises:
            DeclarationError: Upcasters do not lead anywhere, or in a circle.
        """
        name = event_class.event_type
        found = self._older_forms.get(name)
        if found is None:
            for other in (name, *self._upcasters):
                self.reading(other)
            found = self._older_forms[name] = older_forms(event_class, self._upcasters)
        return found

    def can_give(self, name: str, wanted: Collection[str]) -> bool:
        """
        Whether events stored with *name* may be read as one of the types in *wanted*.

        Raises:
            DeclarationError: Its upcasters do not lead anywhere, or in a circle.
        """
        if name not in self._upcasters:
            return name in wanted
        reading = self.reading(name)
        return reading is not None and not reading.gives.isdisjoint(wanted)

    def is_dropped(self, name: str) -> bool:
        """
        Whether upcasters drop all events stored with *name*: nothing is left of that type, and nobody misses it.
        """
        if name not in self._upcasters:
            return False
        reading = self.reading(name)
        return reading is not None and not reading.gives

    def upcasters_to(self, wanted: Any) -> tuple[Upcaster, ...]:
        """
        Every upcaster on a way to one of the types in *wanted*, a mapping or set of names.

        Raises:
            DeclarationError: The upcasters of a type do not lead anywhere, or in a circle.
        """
        return tuple(
            upcaster
            for name in sorted(self._upcasters)
            if self.can_give(name, wanted)
            for _, upcaster in sorted(self._upcasters[name].items())
        )

    @property
    def upcasters_declared(self) -> int:
        """
        How often an upcaster was declared, one anew included: whoever keeps what it made of them can tell by it.
        """
        return self._upcasters_declared

    def stored_names(self) -> tuple[str, ...]:
        """
        Every stored type name that can be read, in order: of the classes, and those that only upcasters know.
        """
        return tuple(sorted({*self._classes, *self._upcasters}))

    def upcasters(self) -> Iterator[Upcaster]:
        """
        All upcasters there are.
        """
        for own in self._upcasters.values():
            yield from own.values()

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

    def _forget_what_was_found(self) -> None:
        self._readings.clear()
        self._older_forms.clear()

    def __iter__(self) -> Iterator[type[Event]]:
        return iter(self._classes.values())


def _check_is_free(name: str) -> None:
    if is_note(name):
        msg = f"{name!r} cannot be declared: types that begin with {NOTE_PREFIX!r} are notes of process managers"
        raise DeclarationError(msg)


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
