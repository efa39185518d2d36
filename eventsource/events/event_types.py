"""
Event types: which event class a stored type name stands for, and how older forms of it are read.
"""

from __future__ import annotations

import itertools
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from eventsource.events.process_note import NOTE_PREFIX, is_note
from eventsource.events.reserved import RESERVED_TYPES, is_library_class, is_reserved_type
from eventsource.events.upcast_plan import UpcastPlan, find_problems, older_forms
from eventsource.root_error import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator

    from eventsource.events.event import Event
    from eventsource.events.upcast_plan import OlderForm, Upcaster


_NUMBERS: Final = itertools.count()


class _Declared:
    """
    What is declared in one scope, and what is known there with the scopes around it.
    """

    def __init__(self, around: _Declared | None) -> None:
        self.around = around
        self.own_classes: dict[str, type[Event]] = {}
        self.own_upcasters: dict[str, dict[int, Upcaster]] = {}
        self.upcasters_declared = next(_NUMBERS)
        self.edition = -1
        self.classes: dict[str, type[Event]] = {}
        self.upcasters: dict[str, dict[int, Upcaster]] = {}
        # Found when they are first asked for.
        self.readings: dict[str, UpcastPlan] = {}
        self.older_forms: dict[str, tuple[OlderForm, ...]] = {}

    def update(self, edition: int) -> None:
        """
        Look again at what is declared, here and around.
        """
        classes: dict[str, type[Event]] = {}
        upcasters: dict[str, dict[int, Upcaster]] = {}
        for each in reversed(self.chain()):
            # A type that is declared anew in a scope has the older forms that are declared there.
            upcasters = {name: known for name, known in upcasters.items() if name not in each.own_classes}
            upcasters |= {name: upcasters.get(name, {}) | own for name, own in each.own_upcasters.items()}
            classes |= each.own_classes
        self.classes, self.upcasters = classes, upcasters
        self.readings, self.older_forms = {}, {}
        # Last of all: another thread may be reading.
        self.edition = edition

    def chain(self) -> list[_Declared]:
        """
        This scope and those around it, the innermost first.
        """
        found: list[_Declared] = [self]
        while (around := found[-1].around) is not None:
            found.append(around)
        return found


class EventTypes:
    """
    A registry: type name to event class, one to one, and the upcasters of each stored type.

    Names are given by the user and never derived from import paths, so renaming or moving a class
    changes no stored data, and stored data never decides what is imported.
    """

    def __init__(self) -> None:
        self._process = _Declared(None)
        self._scope: ContextVar[_Declared | None] = ContextVar("event types", default=None)
        self._edition = 0

    @contextmanager
    def scope(self) -> Generator[None]:
        """
        Forget at the end of the block what is declared inside it: event classes and upcasters, for tests.

        Inside, all that was declared before is known, and a type may be declared anew: the class of the scope takes
        the place of the other, without its upcasters. Scopes may be nested. A scope is that of its thread, or of its
        asyncio task and the tasks that this one starts; others see nothing of it. A module that is imported inside
        declares for the whole process, since it is imported once.
        """
        before = self._scope.get()
        self._scope.set(_Declared(before or self._process))
        try:
            yield
        finally:
            self._scope.set(before)

    @property
    def _here(self) -> _Declared:
        here = self._scope.get() or self._process
        if here.edition != self._edition:
            here.update(self._edition)
        return here

    def _place_for(self, module: str) -> _Declared:
        return self._process if _is_being_imported(module) else self._scope.get() or self._process

    def register(self, event_class: type[Event]) -> None:
        """
        Enter a class under its type name.

        Raises:
            DeclarationError: Another class has that name, or it is reserved for records of the library.
        """
        name = event_class.event_type
        _check_is_free(name, event_class.__module__)
        place = self._place_for(event_class.__module__)
        known = place.own_classes.get(name)
        # The same definition run again (a reloaded module, a notebook cell) takes the place of the old one.
        if known is not None and _definition(known) != _definition(event_class):
            msg = (
                f"event type {name!r} is declared twice: by {known.__module__}.{known.__qualname__} "
                f"and by {event_class.__module__}.{event_class.__qualname__}"
            )
            raise DeclarationError(msg)
        place.own_classes[name] = event_class
        self._edition += 1

    def register_upcaster(self, upcaster: Upcaster) -> None:
        """
        Enter an upcaster under the type and version that it takes.

        Raises:
            DeclarationError: Another one takes these, or the type is reserved for records of the library.
        """
        _check_is_free(upcaster.stored_type, upcaster.function.__module__)
        place = self._place_for(upcaster.function.__module__)
        known = place.own_upcasters.get(upcaster.stored_type, {}).get(upcaster.version)
        if known is not None and _definition(known.function) != _definition(upcaster.function):
            msg = (
                f"version {upcaster.version} of {upcaster.stored_type!r} has two upcasters: "
                f"{known.name} and {upcaster.name}"
            )
            raise DeclarationError(msg)
        place.own_upcasters.setdefault(upcaster.stored_type, {})[upcaster.version] = upcaster
        place.upcasters_declared = next(_NUMBERS)
        self._edition += 1

    def find(self, name: str) -> type[Event] | None:
        """
        The class declared with *name*, or None.
        """
        return self._here.classes.get(name)

    def is_plain(self, name: str) -> bool:
        """
        Whether events stored with *name* have one form only, which is that of the class: the common case.
        """
        here = self._here
        event_class = here.classes.get(name)
        return (
            event_class is not None
            and event_class.event_version == 1
            and not event_class.event_is_personal
            and name not in here.upcasters
        )

    def reading(self, name: str) -> UpcastPlan | None:
        """
        How events stored with *name* are read; None if nobody declared it.

        Raises:
            DeclarationError: Its upcasters do not lead anywhere, or in a circle.
        """
        here = self._here
        found = here.readings.get(name)
        if found is not None:
            return found
        if name not in here.classes and name not in here.upcasters:
            return None
        if problems := find_problems(name, here.classes, here.upcasters):
            raise DeclarationError("; ".join(problems))
        found = here.readings[name] = UpcastPlan.of(name, here.classes, here.upcasters)
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
        here = self._here
        found = here.older_forms.get(name)
        if found is None:
            for other in (name, *here.upcasters):
                self.reading(other)
            found = here.older_forms[name] = older_forms(event_class, here.upcasters)
        return found

    def can_give(self, name: str, wanted: Collection[str]) -> bool:
        """
        Whether events stored with *name* may be read as one of the types in *wanted*.

        Raises:
            DeclarationError: Its upcasters do not lead anywhere, or in a circle.
        """
        if name not in self._here.upcasters:
            return name in wanted
        reading = self.reading(name)
        return reading is not None and not reading.gives.isdisjoint(wanted)

    def is_dropped(self, name: str) -> bool:
        """
        Whether upcasters drop all events stored with *name*: nothing is left of that type, and nobody misses it.
        """
        if name not in self._here.upcasters:
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
            for name, own in sorted(self._here.upcasters.items())
            if self.can_give(name, wanted)
            for _, upcaster in sorted(own.items())
        )

    @property
    def upcasters_declared(self) -> tuple[int, ...]:
        """
        Another value after each declaration of an upcaster, one anew included, and in each scope.
        """
        return tuple(each.upcasters_declared for each in self._here.chain())

    def stored_names(self) -> tuple[str, ...]:
        """
        Every stored type name that can be read, in order: of the classes, and those that only upcasters know.
        """
        return tuple(sorted({*self._here.classes, *self._here.upcasters}))

    def upcasters(self) -> Iterator[Upcaster]:
        """
        All upcasters there are.
        """
        for own in self._here.upcasters.values():
            yield from own.values()

    def check(self) -> None:
        """
        Check that each version of each stored type can be read. A test or the start of a program calls it.

        Raises:
            DeclarationError: A version has no upcaster, or upcasters lead in a circle. It names all of them.
        """
        here = self._here
        found = [
            problem for name in self.stored_names() for problem in find_problems(name, here.classes, here.upcasters)
        ]
        if found:
            raise DeclarationError("; ".join(dict.fromkeys(found)))

    def __iter__(self) -> Iterator[type[Event]]:
        return iter(self._here.classes.values())


def _is_being_imported(module: str) -> bool:
    spec = getattr(sys.modules.get(module), "__spec__", None)
    # What the import system itself asks when two threads import one module.
    return bool(getattr(spec, "_initializing", False))


def _check_is_free(name: str, module: str) -> None:
    if is_reserved_type(name) and not is_note(name) and not is_library_class(module):
        msg = f"{name!r} cannot be declared: types that begin with {RESERVED_TYPES!r} are records of the library"
        raise DeclarationError(msg)
    if is_note(name):
        msg = f"{name!r} cannot be declared: types that begin with {NOTE_PREFIX!r} are notes of process managers"
        raise DeclarationError(msg)


def _definition(declared: Any) -> tuple[str, str]:
    return declared.__module__, declared.__qualname__


# Filled by the class statements of `Event` subclasses, and by `upcaster`.
event_types = EventTypes()


def listed_types(types: Collection[str]) -> frozenset[str]:
    """
    The names of event types in *types*. A single text is one name: a text is a collection of its letters, too.
    """
    return frozenset([types]) if isinstance(types, str) else frozenset(types)


def stored_types_of(event_class: type[Event]) -> tuple[str, ...]:
    """
    Every stored type name that events of *event_class* may come from: its own, then older ones in order.

    What is narrowed to the events of a class (a guard, a projector) has to ask for all of them.
    """
    return event_types.stored_types_of(event_class)
