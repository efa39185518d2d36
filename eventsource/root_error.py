"""
The root of all errors, and what is wrong with a declaration or an installation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from os import PathLike


# From the slashes, or the beginning, to the last @ of the text: a password may hold any character, also a slash.
_LOGIN = re.compile(r"(//|^(?!.*//)).*@", re.DOTALL)
_PARAMETERS = re.compile(r"\?.*", re.DOTALL)


_SHOWN = 200


class EventSourceError(Exception):
    """
    The root: whatever this package raises on purpose derives from it.
    """

    code: ClassVar[str] = "eventsource"

    def __reduce__(self) -> tuple[object, ...]:
        """
        Let it pass between processes: the default would call the class with the message alone.
        """
        return _restore, (type(self), self.args), self.__dict__


def without_secrets(url: str) -> str:
    """
    A URL as it may be shown: without user, password and parameters, which can hold either.

    It need not be a URL that anything understands.

    >>> without_secrets("postgresql://ada:se/cr@t@db.example.com/bank?password=secret")
    'postgresql://…@db.example.com/bank?…'
    >>> without_secrets("sqlite:bank.db")
    'sqlite:bank.db'
    """
    return _LOGIN.sub(r"\1…@", _PARAMETERS.sub("?…", url))


def shortened(text: str) -> str:
    """
    A text from elsewhere as a message shows it: what is long loses its end.

    >>> len(shortened("a" * 10_000))
    200
    """
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


class InvalidSubjectError(EventSourceError, ValueError):
    """
    A text is not a subject.

    Attributes:
        text: The text as given.

        reason: What is wrong with it.
    """

    code = "invalid-subject"

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"not a subject: {shortened(text)!r}: {reason}")
        self.text = text
        self.reason = reason


class DeclarationError(EventSourceError, TypeError):
    """
    A class of yours is declared in a way that could only fail later, so it is not made.
    """

    code = "declaration"


class MissingExtraError(EventSourceError, ImportError):
    """
    Something is used that needs packages which are not installed.

    Attributes:
        extra: The extra that brings them.

        purpose: What needs them, in words.
    """

    code = "missing-extra"

    def __init__(self, extra: str, *, purpose: str) -> None:
        super().__init__(f"{purpose} needs more packages: pip install 'eventsource-genesisdb[{extra}]'")
        self.extra = extra
        self.purpose = purpose


class UnsafeFileError(EventSourceError, OSError):
    """
    A file is not used, because others may read or write it, or because it is not the file that its path names.

    Every file that the package makes is its owner's alone. Nothing was changed, and nothing was written.

    Attributes:
        path: Where it is.

        reason: What is wrong with it, and what to do.
    """

    code = "unsafe-file"

    def __init__(self, path: PathLike[str], reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    @property
    def strerror(self) -> str:  # type: ignore[override]  # what a message about any OSError quotes
        """
        The reason.
        """
        return self.reason


def _restore(cls: type[EventSourceError], args: tuple[object, ...]) -> EventSourceError:
    error = cls.__new__(cls)
    error.args = args
    return error


class StoreError(EventSourceError):
    """
    An event store cannot do what was asked.
    """

    code = "store"
