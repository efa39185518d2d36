"""
What SQLite reports, as errors of this package.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import apsw

from eventsource.errors import NotAStoreError, StoreCorruptedError, StoreError, StoreFullError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


def translate(error: apsw.Error, path: Path) -> StoreError:
    """
    The error to raise for one of SQLite's.
    """
    name = str(path)
    match error:
        case apsw.FullError():
            return StoreFullError(name)
        case apsw.NotADBError():
            return NotAStoreError(path, "it is no SQLite database")
        case apsw.CorruptError():
            return StoreCorruptedError(name, str(error))
        case _:
            return StoreUnavailableError(name, f"{type(error).__name__}: {error}")


@contextmanager
def translated(path: Path) -> Generator[None]:
    """
    Raise SQLite's errors as those of this package.
    """
    try:
        yield
    except apsw.Error as error:
        raise translate(error, path) from error
    except UnicodeDecodeError as error:
        raise StoreCorruptedError(str(path), f"a text in it is not UTF-8: {error.reason}") from None
