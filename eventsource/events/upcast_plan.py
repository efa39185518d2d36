"""
Upcasters, and what the versions of one stored type become by them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeAlias, final

import attrs

from eventsource.events.canonical_json import to_canonical_json
from eventsource.events.metadata import Metadata
from eventsource.events.personal_data import HELD, HELD_KEY
from eventsource.events.plain_call import name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from eventsource.events.event import Event


# Event data as it was stored: camelCase members, without metadata.
Data: TypeAlias = dict[str, Any]


@final
@attrs.frozen
class Upcaster:
    """
    How data of one version of one stored type is read.

    Attributes:
        stored_type: The type name that is stored.

        version: The version of that type which it takes.

        function: The pure function that makes it.

        places: The type names and versions that the data it gives may be of.

        gives_pairs: Whether the function gives pairs of class and data; otherwise data alone, or None.

        keeps: The members of the data that have the same name and meaning before and after.
    """

    stored_type: str
    version: int
    function: Callable[[Data], Any]
    places: tuple[tuple[str, int], ...]
    gives_pairs: bool = False
    keeps: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """
        What messages call it.
        """
        return f"{self.function.__module__}.{name_of(self.function)}"


if TYPE_CHECKING:
    Classes = Mapping[str, type[Event]]
    Upcasters = Mapping[str, Mapping[int, Upcaster]]


@final
@attrs.frozen
class UpcastPlan:
    """
    How events stored with one type name are read.

    Attributes:
        stored_type: The name.

        event_class: The class of that name; None if only upcasters know it.

        upcasters: By the version that they take.

        latest: The highest version that is known.

        gives: The type names of the classes that its events may be read as; none if they are all dropped.

        classes: These classes, in the order of their names: what an erased event was.

        is_personal: Whether one of them is personal.

        is_plain: Whether there is one form only, which is that of the class: the common case.

        current_text: How the metadata ends of an event that is of today's version, and not erased.
    """

    stored_type: str
    event_class: type[Event] | None
    upcasters: Mapping[int, Upcaster]
    latest: int
    gives: frozenset[str]
    classes: tuple[type[Event], ...]
    is_personal: bool
    is_plain: bool
    current_text: str

    @classmethod
    def of(cls, name: str, classes: Classes, upcasters: Upcasters) -> Self:
        """
        The reading of a name whose upcasters are known to be complete.
        """
        event_class = classes.get(name)
        own = upcasters.get(name, {})
        gives = frozenset(_given_by(name, classes, upcasters))
        given = tuple(classes[each] for each in sorted(gives))
        is_personal = any(each.event_is_personal for each in given)
        is_plain = event_class is not None and not (own or event_class.event_is_personal)
        latest = _latest(name, classes, upcasters)
        text = _current_text(event_class, latest)
        return cls(name, event_class, own, latest, gives, given, is_personal, is_plain, text)


@final
@attrs.frozen
class OlderForm:
    """
    A form that events of a class may be stored in, which is not that of today.

    Attributes:
        stored_type: The type name it is stored with.

        version: The version of that type.

        is_one: Whether each event of that form is read as one of the class, if it is not dropped.

        keeps: The members of the data that have the same name and meaning as today.

        upcaster: The name of the upcaster that takes it.
    """

    stored_type: str
    version: int
    is_one: bool
    keeps: frozenset[str]
    upcaster: str


def older_forms(event_class: type[Event], upcasters: Upcasters) -> tuple[OlderForm, ...]:
    """
    The forms that upcasters make into *event_class*, in order; the upcasters are known to be complete.
    """
    today = (event_class.event_type, event_class.event_version)
    places = sorted((name, version) for name, own in upcasters.items() for version in own)
    forms = [_form_of(place, today, upcasters) for place in places]
    return tuple(form for form in forms if form is not None)


def _form_of(place: tuple[str, int], today: tuple[str, int], upcasters: Upcasters) -> OlderForm | None:
    stored_type, version = place
    known = upcasters.get(stored_type, {}).get(version)
    if known is None:
        return None
    is_one, keeps, leads_there = not known.gives_pairs, known.keeps, False
    for after in known.places:
        if after == today:
            leads_there = True
        elif (form := _form_of(after, today, upcasters)) is not None:
            leads_there = True
            is_one, keeps = is_one and form.is_one, keeps & form.keeps
    return OlderForm(stored_type, version, is_one, keeps, known.name) if leads_there else None


def _current_text(event_class: type[Event] | None, latest: int) -> str:
    if event_class is None:
        # There is no such version; no text ends like this.
        return "\0"
    stored: dict[str, Any] = attrs.evolve(Metadata(), version=latest).to_data()
    if event_class.event_is_personal:
        stored[HELD_KEY] = HELD
    return to_canonical_json(stored).removeprefix("{")


def find_problems(name: str, classes: Classes, upcasters: Upcasters) -> list[str]:
    """
    What is wrong with the upcasters that events stored with *name* go through, each in a sentence.
    """
    places = _places_from(_versions(name, classes, upcasters), upcasters)
    problems = [problem for place in places for problem in _problems_at(place, classes, upcasters)]
    for place in places:
        if place in _places_from(_places_after(place, upcasters), upcasters):
            stored_type, version = place
            problems.append(f"upcasters lead from version {version} of {stored_type!r} back to it")
    return problems


def _problems_at(place: tuple[str, int], classes: Classes, upcasters: Upcasters) -> Iterator[str]:
    name, version = place
    event_class = classes.get(name)
    known = upcasters.get(name, {}).get(version)
    declare = f"declare @upcaster({name!r}, version={version}, …), in a module that is imported"
    if event_class is None:
        if known is None:
            yield f"version {version} of {name!r} is read by nobody: {declare}, or a class of that type"
    elif known is None and version < event_class.event_version:
        latest = event_class.event_version
        yield f"{event_class.__qualname__} has version {latest}, and version {version} of it no upcaster: {declare}"
    elif known is not None and version >= event_class.event_version:
        yield (
            f"{known.name} takes version {version} of {name!r}, which is what {event_class.__qualname__} is of: raise "
            "the version of the class, or take the class away if its events move to another"
        )


def _given_by(name: str, classes: Classes, upcasters: Upcasters) -> set[str]:
    places = _places_from(_versions(name, classes, upcasters), upcasters)
    return {stored_type for stored_type, version in places if version not in upcasters.get(stored_type, {})}


def _latest(name: str, classes: Classes, upcasters: Upcasters) -> int:
    own = classes[name].event_version if name in classes else 1
    return max(own, *upcasters.get(name, {}), 1)


def _versions(name: str, classes: Classes, upcasters: Upcasters) -> list[tuple[str, int]]:
    return [(name, version + 1) for version in range(_latest(name, classes, upcasters))]


def _places_after(place: tuple[str, int], upcasters: Upcasters) -> list[tuple[str, int]]:
    stored_type, version = place
    known = upcasters.get(stored_type, {}).get(version)
    return [] if known is None else list(known.places)


def _places_from(starts: list[tuple[str, int]], upcasters: Upcasters) -> list[tuple[str, int]]:
    """
    These versions of these types, and those that upcasters lead to, each once.
    """
    found = dict.fromkeys(starts)
    waiting = list(starts)
    while waiting:
        after = [place for place in _places_after(waiting.pop(), upcasters) if place not in found]
        found |= dict.fromkeys(after)
        waiting += after
    return list(found)
