"""
Subjects: the addresses events are written to.
"""

from __future__ import annotations

import re
import uuid
from typing import Self

from eventsource.root_error import InvalidSubjectError

MAX_SUBJECT_BYTES = 1024
MAX_SUBJECT_SEGMENTS = 32

# C0 and C1 control characters and lone surrogates: the first break logs and shells, the others cannot be UTF-8.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

# The subjects people use, told in one step, since each event and each precondition has one: short, plain, and no
# segment starts with a dot.
_PLAIN = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9_~.:@+-]{0,63}){1,8}")


class Subject(str):
    """
    An absolute, ``/``-separated path such as ``/accounts/42``; ``/`` alone is above all others.

    A subject is a ``str``, so it compares, hashes and prints as its path. Paths are compared
    code point by code point: no case folding, no Unicode normalisation.

    >>> Subject("/accounts/42").is_under("/accounts")
    True
    >>> Subject("/accounts2").is_under("/accounts")
    False

    Raises:
        InvalidSubjectError: The text does not start with a slash or ends with one; has an empty,
            ``.`` or ``..`` segment, a control character or a lone surrogate; or is longer than
            1,024 bytes or 32 segments.
    """

    __slots__ = ()

    def __new__(cls, path: str) -> Self:
        """
        Check *path*, once.
        """
        if type(path) is cls:
            return path
        _check(path)
        return super().__new__(cls, path)

    @property
    def segments(self) -> tuple[str, ...]:
        """
        The parts between the slashes; none for ``/``.
        """
        return tuple(self.split("/")[1:]) if self != "/" else ()

    @property
    def is_root(self) -> bool:
        """
        Whether this is ``/``, which every other subject lies under.
        """
        return self == "/"

    def child(self, segment: str) -> Subject:
        """
        The subject one level below.

        >>> Subject("/accounts").child("42")
        '/accounts/42'
        """
        if "/" in segment:
            raise InvalidSubjectError(segment, "a single segment has no slash")
        return Subject(f"{self.rstrip('/')}/{segment}")

    def is_under(self, ancestor: str) -> bool:
        """
        Whether this subject lies strictly below *ancestor*.
        """
        return self != ancestor and self.startswith(prefix_below(ancestor))


def prefix_below(subject: str) -> str:
    """
    What every subject strictly below *subject* starts with: its path and a slash.
    """
    # Without the slash /accounts2 would count as under /accounts.
    return subject if subject == "/" else subject + "/"


def check_segment(id: object, *, owner: str) -> None:
    """
    Check that *id* can be one segment of a subject.

    Args:
        owner: What it is the id of, for the error: "the id of Account".

    Raises:
        InvalidSubjectError: It is no text; it is empty, ``.`` or ``..``; or it has a slash, or white space at
            its beginning or end.
    """
    if not isinstance(id, str):
        is_plain = isinstance(id, (int, uuid.UUID)) and not isinstance(id, bool)
        advice = "; str(...) makes a text of it" if is_plain else ""
        reason = f"{owner} must be a text such as '42', and this is {described(id)}{advice}"
        raise InvalidSubjectError(shown(id), reason)
    if not id or id in {".", ".."} or "/" in id or id != id.strip():
        reason = (
            f"{owner} must be one segment of a subject: a text that is not empty, '.' or '..', "
            "without a slash and without white space around it"
        )
        raise InvalidSubjectError(id, reason)


def described(value: object) -> str:
    """
    What *value* is, without the value itself.
    """
    return "None" if value is None else f"a value of type {type(value).__name__}"


def shown(value: object) -> str:
    """
    What an error shows in place of a value that is no text.
    """
    return value if isinstance(value, str) else f"<{type(value).__name__}>"


def _check(path: object) -> None:
    if isinstance(path, str) and _PLAIN.fullmatch(path):
        return
    if not isinstance(path, str):
        reason = f"a subject is a text such as '/accounts/42', and this is {described(path)}"
        raise InvalidSubjectError(shown(path), reason)
    if not path.startswith("/"):
        raise InvalidSubjectError(path, "it must start with '/'")
    if path == "/":
        return
    if found := _FORBIDDEN.search(path):
        raise InvalidSubjectError(path, f"character U+{ord(found.group()):04X} is not allowed")
    segments = path.split("/")[1:]
    if any(segment in {"", ".", ".."} for segment in segments):
        raise InvalidSubjectError(path, "a segment is empty, '.' or '..'")
    if len(segments) > MAX_SUBJECT_SEGMENTS:
        raise InvalidSubjectError(path, f"it has more than {MAX_SUBJECT_SEGMENTS} segments")
    if len(path.encode()) > MAX_SUBJECT_BYTES:
        raise InvalidSubjectError(path, f"it is longer than {MAX_SUBJECT_BYTES} bytes")
