"""
The rule for files that the package makes, tried on real files.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from eventsource import private_files
from eventsource.errors import UnsafeFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@contextmanager
def umask(mask: int) -> Generator[None]:
    """
    Another umask in the block.
    """
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode_of(path: Path) -> int:
    """
    Who may do what with it.
    """
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o277, 0o777])
def test_the_umask_decides_nothing(tmp_path: Path, mask: int) -> None:
    """
    Files have mode 0600 and folders 0700, and what was made can be used.
    """
    folder = tmp_path / "a" / "b"
    with umask(mask):
        private_files.make_folder(folder)
        private_files.make(folder / "made")
        private_files.replace(folder / "replaced", b"old")
        private_files.replace(folder / "replaced", b"new")
        private_files.make_database(folder / "database", is_known=False)
        with private_files.lock(folder / "lock"):
            pass

    assert [mode_of(each) for each in (folder, folder.parent)] == [0o700, 0o700]
    assert {path.name: mode_of(path) for path in folder.iterdir()} == dict.fromkeys(
        ["made", "replaced", "database", "lock"], 0o600
    )
    assert (folder / "replaced").read_bytes() == b"new"


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o660, 0o604, 0o4600, 0o2640, 0o700])
def test_a_looser_mode_is_tightened(tmp_path: Path, mode: int) -> None:
    """
    What others may do with a file is taken from them, whichever of them it is; what is kept of it is kept.
    """
    (path := tmp_path / "file").write_bytes(b"content")
    path.chmod(mode)

    assert private_files.claim(path)

    assert mode_of(path) & 0o7077 == 0
    assert path.read_bytes() == b"content"


def test_a_stricter_mode_stays(tmp_path: Path) -> None:
    """
    A file that its owner has protected from himself stays so.
    """
    (path := tmp_path / "file").touch()
    path.chmod(0o400)

    assert private_files.claim(path)

    assert mode_of(path) == 0o400


WRITERS: dict[str, Callable[[Path], object]] = {
    "claim": private_files.claim,
    "make": private_files.make,
    "replace": lambda path: private_files.replace(path, b"ours"),
    "lock": private_files.lock,
    "database": lambda path: private_files.make_database(path, is_known=True),
    "another database": lambda path: private_files.make_database(path, is_known=False),
    "beside": lambda path: private_files.make_database(path.with_name(path.name.removesuffix("-wal")), is_known=False),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_what_is_no_file_of_ours_is_left_alone(tmp_path: Path, write: Callable[[Path], object]) -> None:
    """
    Links of both kinds, FIFOs, folders and devices are refused, each with words, and nothing changes.
    """
    (victim := tmp_path / "victim").write_bytes(b"theirs")
    victim.chmod(0o644)
    path = tmp_path / "file-wal"
    plants: list[Callable[[], object]] = [
        lambda: path.symlink_to(victim),
        lambda: path.symlink_to(tmp_path / "nowhere"),
        lambda: path.symlink_to(path),
        lambda: path.hardlink_to(victim),
        lambda: os.mkfifo(path),
        path.mkdir,
    ]
    for plant in plants:
        plant()
        before = path.lstat()

        with pytest.raises(UnsafeFileError) as refused:
            write(path)

        assert refused.value.path == path
        assert refused.value.strerror == refused.value.reason
        assert path.lstat() == before
        assert sorted(each.name for each in tmp_path.iterdir()) == ["file-wal", "victim"]
        assert (victim.read_bytes(), mode_of(victim)) == (b"theirs", 0o644)
        path.rmdir() if path.is_dir() else path.unlink()


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    """
    When writing fails, the old content stays and nothing is left beside it.
    """
    path = tmp_path / "file"
    private_files.replace(path, b"old")

    def fail(output: IO[bytes]) -> None:
        output.write(b"half")
        raise KeyError

    with pytest.raises(KeyError), private_files.replacing(path) as half:
        fail(half)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_comes_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    """
    Where a new file is wanted, one that another program has made meanwhile stays; a link that was planted, too.
    """
    path = tmp_path / "file"

    with pytest.raises(FileExistsError), private_files.replacing(path, overwrite=False):
        path.write_bytes(b"theirs")
    assert path.read_bytes() == b"theirs"

    path.unlink()
    with pytest.raises(UnsafeFileError), private_files.replacing(path):
        path.symlink_to(tmp_path / "elsewhere")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_looking_at_a_database_ends_no_lock_on_it(tmp_path: Path) -> None:
    """
    While a connection of this process holds a lock of SQLite's, tightening the file leaves it to the connection.
    """
    path = tmp_path / "database"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE numbers (number INTEGER)")
        connection.execute("BEGIN EXCLUSIVE")
        path.chmod(0o644)

        private_files.make_database(path, is_known=True)
        code = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('SELECT * FROM numbers')"
        other = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)

    assert "database is locked" in other.stderr
    assert mode_of(path) == 0o600


def test_a_mode_that_stays_loose_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    On a file system that keeps no modes a file is refused, for it would be open to others.
    """
    (path := tmp_path / "file").touch()
    path.chmod(0o644)
    monkeypatch.setattr(Path, "chmod", lambda *_, **__: None)

    with pytest.raises(UnsafeFileError, match="does not change that"):
        private_files.claim(path)
