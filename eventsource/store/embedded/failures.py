"""
What SQLite reports, as errors of this package.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import apsw

from eventsource.events.canonical_json import parse_json
from eventsource.store.errors import NotAStoreError
from eventsource.wire.errors import StoreCorruptedError, StoreFullError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from eventsource.root_error import StoreError

_NO_JSON: Final = "the data of an event is no JSON (an audit tells which)"


class DamagedDataError(ValueError):
    """
    The data of a stored event cannot be read. It leaves the store as a `StoreCorruptedError`.
    """


def read_data(text: str) -> Any:
    """
    Read the data of a stored event.

    Raises:
        DamagedDataError: It is no JSON.
    """
    try:
        return parse_json(text)
    except ValueError as error:
        raise DamagedDataError(_NO_JSON) from error


def translate(error: apsw.Error, path: Path) -> StoreError:
    """
    The error to raise for one of SQLite's.
    """
    name = str(path)
    match error:
        case apsw.FullError():
            return StoreFullError(name)
        # What SQLite says of data that a statement looks into.
        case apsw.SQLError() if "malformed JSON" in str(error):
            return StoreCorruptedError(name, _NO_JSON)
        case apsw.NotADBError():
            return NotAStoreError(path, "it is no SQLite database")
        case apsw.CorruptError():
            return StoreCorruptedError(name, str(error))
        case _:
            return StoreUnavailableError(name, f"{type(error).__name__}: {error}")


def translate_damage(error: DamagedDataError | UnicodeDecodeError, path: Path) -> StoreCorruptedError:
    """
    The error to raise for what was read and cannot be what was written.
    """
    problem = f"a text in it is not UTF-8: {error.reason}" if isinstance(error, UnicodeDecodeError) else str(error)
    return StoreCorruptedError(str(path), problem)


@contextmanager
def translated(path: Path) -> Generator[None]:
    """
    Raise SQLite's errors as those of this package.
    """
    try:
        yield
    except apsw.Error as error:
        raise translate(error, path) from error
    except (DamagedDataError, UnicodeDecodeError) as error:
        raise translate_damage(error, path) from None
