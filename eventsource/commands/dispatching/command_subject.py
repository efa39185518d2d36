"""
Subjects made of the fields of a command.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final, Self

import attrs

from eventsource.domain.subject import Subject
from eventsource.errors import DeclarationError, InvalidSubjectError

if TYPE_CHECKING:
    from collections.abc import Collection

_KINDS: Final = (str, int, uuid.UUID)


@attrs.frozen
class SubjectTemplate:
    """
    A subject in which some segments are fields: ``/accounts/{account}``.

    Attributes:
        text: As it was written.

        segments: The segments in order, and whether each is the name of a field.
    """

    text: str
    segments: tuple[tuple[str, bool], ...]

    @classmethod
    def of(cls, text: str, *, fields: Collection[str], owner: str) -> Self:
        """
        Read a template.

        Args:
            fields: The names that may stand in braces.

            owner: Whose subject it is, for the error.

        Raises:
            DeclarationError: It is none.
        """
        segments = tuple(
            (segment[1:-1], True) if segment[:1] == "{" and segment[-1:] == "}" else (segment, False)
            for segment in text.split("/")[1:]
        )
        for name, is_field in segments:
            if is_field and name not in fields:
                msg = f"{owner}: the subject {text!r} names {name!r}, which is no field"
                raise DeclarationError(msg)
            if not is_field and ("{" in name or "}" in name):
                msg = f"{owner}: in the subject {text!r} a field is a whole segment, such as /accounts/{{account}}"
                raise DeclarationError(msg)
        try:
            example = Subject("/".join(("", *("x" if is_field else name for name, is_field in segments))))
        except InvalidSubjectError as error:
            msg = f"{owner}: {error}"
            raise DeclarationError(msg) from None
        if not text.startswith("/") or example.is_root:
            msg = f"{owner}: the subject {text!r} must be one that an event can have, such as /accounts/{{account}}"
            raise DeclarationError(msg)
        return cls(text, segments)

    def filled(self, owner: object) -> Subject:
        """
        The subject with the fields of *owner* in their places.

        Raises:
            InvalidSubjectError: A field cannot be one segment of a subject.
        """
        return Subject("".join(f"/{_segment(owner, name) if is_field else name}" for name, is_field in self.segments))


def _segment(owner: object, name: str) -> str:
    value: object = getattr(owner, name)
    if isinstance(value, bool) or not isinstance(value, _KINDS):
        place = f"{{{name}}}"
        raise InvalidSubjectError(place, "a field in a subject is a text, an integer or a UUID")
    text = str(value)
    if not text or "/" in text:
        raise InvalidSubjectError(text, f"{name} must be one segment of a subject")
    return text
