"""
Names that the library reserves: types, subjects and the member for metadata.

Records of the library (an erasure, a note of a process manager) change what others do, so only the library writes
them. Every store refuses them from a user, see `check_reserved`, and readers check that a record fits before they act
on it: a foreign server refuses nothing, and an old log may hold anything.

In process the library marks its own records with `written_by_library`. The mark is no data: it is not stored, it does
not cross HTTP, and neither metadata nor the subject nor the prefix of a scope sets it. Over HTTP the token decides.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from eventsource.events.errors import ReservedNameError, UnstorableDataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from eventsource.events.event import NewEvent

AnyNewEvent = TypeVar("AnyNewEvent", bound="NewEvent")

RESERVED_TYPES: Final = "io.eventsource."
ERASURES_SEGMENT: Final = "_erasures"

_PROCESSES: Final = "/process/"
_OWN_PACKAGE: Final = __name__.partition(".")[0]

# The members of metadata that the library reads. Others are free, and hold one value each.
_TEXTS: Final = frozenset(
    ("commandId", "commandSubject", "commandDigest", "correlationId", "causationId", "actor", "traceparent")
)
_VERSION: Final = "version"
_LARGEST_VERSION: Final = 2**31 - 1
_HELD: Final = "held"
_HELD_VALUES: Final = ("yes", "")


def is_reserved_type(name: str) -> bool:
    """
    Whether events of this type are records of the library.

    >>> is_reserved_type("io.eventsource.subject-erased"), is_reserved_type("io.example.erased")
    (True, False)
    """
    return name.startswith(RESERVED_TYPES)


def is_reserved_subject(subject: str) -> bool:
    """
    Whether only the library writes to this subject: one of a process, or of records.

    >>> [is_reserved_subject(each) for each in ("/process/loan/7", "/customers/7/_erasures", "/_any", "/process/7")]
    [True, True, True, False]
    """
    if subject.startswith(_PROCESSES):
        return subject.count("/") == 3 or _is_of_records(subject)  # noqa: PLR2004  /process/<name>/<id>
    return "/_" in subject and _is_of_records(subject)


def _is_of_records(subject: str) -> bool:
    return subject.startswith("/_") or f"/{ERASURES_SEGMENT}/" in f"{subject}/"


def is_library_class(module: str) -> bool:
    """
    Whether a class of this module may declare a reserved type.
    """
    return module.partition(".")[0] == _OWN_PACKAGE


def written_by_library(event: AnyNewEvent) -> AnyNewEvent:
    """
    The same event, marked as a record of the library: stores take reserved names from it.
    """
    marked = copy.copy(event)
    object.__setattr__(marked, "_is_record", True)
    return marked


def is_written_by_library(event: NewEvent) -> bool:
    """
    Whether the library made this event.
    """
    return event._is_record  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  kept for this module


def check_reserved(events: Iterable[NewEvent]) -> None:
    """
    Refuse events of users that name what is reserved.

    Raises:
        ReservedNameError: The type or the subject of one is reserved.
    """
    for event in events:
        subject = event.subject
        # Each commit pays this, and nearly none goes on.
        if not (event.type.startswith(RESERVED_TYPES) or "/_" in subject or subject.startswith(_PROCESSES)):
            continue
        if (is_reserved_type(event.type) or is_reserved_subject(subject)) and not is_written_by_library(event):
            raise reserved_name_error(event)


def reserved_name_error(event: NewEvent) -> ReservedNameError:
    """
    The refusal of an event that names what is reserved.
    """
    if is_reserved_type(event.type):
        return ReservedNameError(event.type, kind="event type")
    return ReservedNameError(event.subject, kind="subject")


def check_given_metadata(stored: object) -> Mapping[str, Any]:
    """
    Check metadata that a user put into the data of an event: readers rely on its shape.

    Returns:
        The metadata.

    Raises:
        UnstorableDataError: It has another shape than the metadata that the library writes.
    """
    if not isinstance(stored, dict):
        raise UnstorableDataError(path="$._meta", reason="metadata that is no object")
    members = cast("Mapping[str, Any]", stored)
    for name, value in members.items():
        if name in _TEXTS:
            is_right, wanted = value is None or isinstance(value, str), "a text"
        elif name == _VERSION:
            is_right, wanted = type(value) is int and 0 <= value <= _LARGEST_VERSION, "a version, a whole number"
        elif name == _HELD:
            is_right, wanted = value in _HELD_VALUES, "the mark of data stored by reference"
        else:
            is_right, wanted = not isinstance(value, (dict, list, tuple)), "a single value"
        if not is_right:
            known = name if name in _TEXTS or name in {_VERSION, _HELD} else "…"
            raise UnstorableDataError(path=f"$._meta.{known}", reason=f"metadata that is not {wanted}")
    return members
