"""
Stored forms: what a store can be asked about events that upcasters read as others.

The store evaluates a guard over the data as it is stored, and runs no upcaster. So a rule over a class
that was stored differently before is refused where its answer could differ from what the class says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

from eventsource.domain.event_type import event_types
from eventsource.errors import GuardError
from eventsource.gdbql import Path, walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from eventsource.domain.event import Event
    from eventsource.domain.evolution.reading import OlderForm
    from eventsource.gdbql import Expression


def stored_types(event_classes: tuple[type[Event], ...]) -> tuple[str, ...]:
    """
    The type names that events of these classes may be stored with, in order.
    """
    return tuple(sorted({name for event_class in event_classes for name in event_types.stored_types_of(event_class)}))


def check_members(event_classes: Iterable[type[Event]], nodes: Iterable[Expression]) -> None:
    """
    Refuse to ask for members that events stored in an older form may not have.

    Raises:
        GuardError: An upcaster does not say that it keeps one.
    """
    forms = list(_older_forms(event_classes))
    if not forms:
        return
    members = dict.fromkeys(str(part.steps[1]) for node in nodes for part in walk(node) if _is_member(part))
    for event_class, form in forms:
        for member in members:
            if member not in form.keeps:
                msg = (
                    f"{event_class.__name__} is also read from version {form.version} of {form.stored_type!r}, and the "
                    f"upcaster {form.upcaster} does not say that it keeps {member!r}, so the store may not find it "
                    f"there: declare keeps=[{member!r}] on it if name and meaning are the same, decide by a state "
                    "that is read, or say .as_stored() first, where the rule is not about such events"
                )
                raise GuardError(msg)


def check_each_is_one(event_classes: Iterable[type[Event]]) -> None:
    """
    Refuse to count what an older event may be none, one or several of.

    Raises:
        GuardError: An upcaster gives pairs, so that only running it tells.
    """
    for event_class, form in _older_forms(event_classes):
        if not form.is_one:
            msg = (
                f"version {form.version} of {form.stored_type!r} is read by {form.upcaster} as {event_class.__name__} "
                "or as others, which the store cannot tell: decide by a state that is read, or say .as_stored() "
                "where the rule is not about such events"
            )
            raise GuardError(msg)


def _older_forms(event_classes: Iterable[type[Event]]) -> Iterator[tuple[type[Event], OlderForm]]:
    for event_class in event_classes:
        for form in event_types.older_forms(event_class):
            yield event_class, form


def _is_member(part: Expression) -> TypeGuard[Path]:
    return isinstance(part, Path) and len(part.steps) > 1 and part.steps[0] == "data"
