"""
Saving what a store holds when the files at its path are not its own any more.

Its open connection still reads them, deleted or not. All of it is copied into a new file, page by page, and
the end of the copy is checked as at each opening.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from eventsource.log import get_logger
from eventsource.private_files import beside, create, sync_folder
from eventsource.root_error import StoreError
from eventsource.store.embedded.failures import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eventsource.store.embedded.files import StoreFiles

log = get_logger(__name__)

_PAGES_AT_A_TIME = 10_000
_MAX_COPIES = 1_000


def save_copy(
    connection: apsw.Connection, files: StoreFiles, check: Callable[[apsw.Connection, Path], None]
) -> tuple[Path | None, str | None]:
    """
    Copy all that *connection* reads into a new file.

    It is made beside the path, else where the file was moved to, else where temporary files are.

    Args:
        check: Raises a `StoreError` if the copy is no whole store.

    Returns:
        The file, and None; or None and what was in the way, in words.
    """
    obstacle = "there is no directory to write to"
    for folder in _folders(files):
        try:
            with translated(files.path):
                copy = _copy(connection, folder, files.path.name, check)
        except (OSError, StoreError) as error:
            obstacle = str(error)
        else:
            return copy, None
    return None, obstacle


def _folders(files: StoreFiles) -> Iterator[Path]:
    yield files.path.parent
    if now := files.whereabouts:
        yield now.parent
    # Others may write there, so it is a folder of its own, under a name that cannot be guessed.
    folder = Path(tempfile.mkdtemp(prefix=f"{files.path.name}-saved-"))
    try:
        yield folder
    finally:
        with suppress(OSError):
            # Where there is no copy in it.
            folder.rmdir()


def _copy(source: apsw.Connection, folder: Path, name: str, check: Callable[[apsw.Connection, Path], None]) -> Path:
    path = _new_file(folder, name)
    try:
        target = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            with target.backup("main", source, "main") as backup:
                while not backup.done:
                    backup.step(_PAGES_AT_A_TIME)
            check(target, path)
        finally:
            target.close()
    except StoreError:
        # Something is better than nothing, and a person may read it.
        raise
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return path


def _new_file(folder: Path, name: str) -> Path:
    for number in range(1, _MAX_COPIES):
        path = folder / f"{name}-saved-{number}"
        if any(map(os.path.lexists, beside(path))):
            # A journal that was planted would be played back into the copy.
            continue
        try:
            os.close(create(path))
        except FileExistsError:
            continue
        return path
    msg = f"there are {_MAX_COPIES} saved copies already"
    raise OSError(msg)
