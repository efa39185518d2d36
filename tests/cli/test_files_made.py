"""
The files that commands make: for their owner alone, and only where a file of ours may be.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli.shop import EVENTSOURCE, Command, Shop, paid

if TYPE_CHECKING:
    from pathlib import Path

RUN = ("notary", "run", "--once", "--key", "notary.key", "--head", "head", "--ledger", "sqlite:notary.db")
PROJECT = ("project", "run", "--once", "shop_projectors:Balances")
# As root every file can be read and written, so tests of owners need another user.
OTHER_USER = 65534


def run(shop: Shop, umask: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """
    Run a command under a umask.
    """
    return subprocess.run(
        [*EVENTSOURCE, *arguments],
        cwd=shop.directory, env=shop.environment, umask=umask, capture_output=True, text=True, check=False,
    )  # fmt: skip


def modes(folder: Path) -> dict[str, int]:
    """
    The mode of each file, by its name.
    """
    return {path.name: stat.S_IMODE(path.lstat().st_mode) for path in folder.iterdir() if path.is_file()}


def made(shop: Shop) -> dict[str, int]:
    """
    The modes of what the commands made; the module with projectors is no such file.
    """
    return {name: mode for name, mode in modes(shop.directory).items() if not name.endswith(".py")}


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_every_file_is_its_owners_alone(shop: Shop, umask: int) -> None:
    """
    Stores, read models, backups, ledger, book, key and heads have mode 0600, whatever the umask.
    """
    shop.commit([paid(5), paid(7)])
    for path in shop.directory.glob("shop.db*"):
        path.unlink()
    steps = [
        ("restore", "backup.json", "--store", "sqlite:second.db"),
        PROJECT,
        RUN,
        ("notary", "export", "--ledger", "sqlite:notary.db", "--output", "exported"),
    ]
    shop.commit([paid(5), paid(7)])

    results = [run(shop, umask, "backup", "backup.json"), *(run(shop, umask, *step) for step in steps)]

    assert [result.returncode for result in results] == [0] * 5, results
    names = {
        "shop.db",
        "second.db",
        "read.db",
        "backup.json",
        "notary.db",
        "notary.db-book",
        "notary.key",
        "head",
        "exported",
    }
    assert names <= made(shop).keys()
    assert made(shop) == dict.fromkeys(made(shop), 0o600)


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_files_of_a_running_program_are_its_owners_alone(shop: Shop, umask: int) -> None:
    """
    The write-ahead logs, their indexes and the locks are closed to others while programs run, too.
    """
    shop.commit([paid(5)])
    started = [
        subprocess.Popen(
            [*EVENTSOURCE, *arguments, "--json"],
            cwd=shop.directory, env=shop.environment | {"GENESISDB_AUTH_TOKEN": "of-a-test-1234567890"},
            umask=umask, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for arguments in (
            ("serve", "--store", "sqlite:served.db", "--port", "0"),
            ("project", "run", "shop_projectors:Balances"),
            ("notary", "run", "--ledger", "sqlite:notary.db"),
        )
    ]  # fmt: skip
    try:
        for process, word in zip(started, ("address", "caught_up", "caught_up"), strict=True):
            assert process.stdout
            assert any(word in line for line in process.stdout)
        found = made(shop)
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
            process.communicate()

    for name in ("served.db", "read.db", "notary.db"):
        assert {name, f"{name}-wal", f"{name}-shm"} <= found.keys()
    assert found == dict.fromkeys(found, 0o600)


def test_files_of_an_older_version_are_tightened(shop: Shop, command: Command) -> None:
    """
    What others could read is closed to them when a command writes to it, and standard error tells.
    """
    shop.commit([paid(5)])
    assert [command(*step).exit_code for step in (PROJECT, RUN)] == [0, 0]
    loose = ["read.db", "notary.db", "notary.db-book", "notary.key", "head"]
    # What an interrupted program left behind, too.
    (shop.directory / "read.db-shm").touch()
    for name in (*loose, "read.db-shm", "notary.db-writer.lock"):
        (shop.directory / name).chmod(0o666)

    # The command sets up logging in a process of its own only.
    errors = shop.run(*PROJECT).stderr
    assert command(*RUN).exit_code == 0

    assert made(shop) == dict.fromkeys(made(shop), 0o600)
    assert "file.made_private" in errors
    assert "mode=0666" in errors


def planted_link(path: Path, victim: Path) -> None:
    """
    A symbolic link to somebody's file.
    """
    path.symlink_to(victim)


def planted_dangling_link(path: Path, victim: Path) -> None:
    """
    A symbolic link to where there is no file yet.
    """
    path.symlink_to(victim.with_name("not-there-yet"))


def planted_second_name(path: Path, victim: Path) -> None:
    """
    A hard link of somebody's file.
    """
    path.hardlink_to(victim)


def planted_fifo(path: Path, victim: Path) -> None:  # noqa: ARG001  one signature for all
    """
    A FIFO, which opening would wait at.
    """
    os.mkfifo(path)


def planted_folder(path: Path, victim: Path) -> None:  # noqa: ARG001  one signature for all
    """
    A folder.
    """
    path.mkdir()


PLANTED = [planted_link, planted_dangling_link, planted_second_name, planted_fifo, planted_folder]
PLACES: dict[str, tuple[str, ...]] = {
    "read.db": PROJECT,
    "read.db-wal": PROJECT,
    "read.db-shm": PROJECT,
    "read.db-journal": PROJECT,
    "notary.db": RUN,
    "notary.db-wal": RUN,
    "notary.db-writer.lock": RUN,
    "notary.db-book": RUN,
    "notary.db-book-journal": RUN,
    "notary.key": RUN,
    "backup.json": ("backup", "backup.json", "--overwrite"),
    "exported": ("notary", "export", "--ledger", "sqlite:other.db", "--output", "exported"),
    "second.db": ("restore", "given.json", "--store", "sqlite:second.db"),
    "second.db-wal": ("restore", "given.json", "--store", "sqlite:second.db"),
    "second.db-shm": ("restore", "given.json", "--store", "sqlite:second.db"),
    "second.db-journal": ("restore", "given.json", "--store", "sqlite:second.db"),
    "second.db-writer.lock": ("restore", "given.json", "--store", "sqlite:second.db"),
}


@pytest.mark.parametrize("name", PLACES)
def test_what_is_planted_at_a_path_is_refused(shop: Shop, command: Command, name: str) -> None:
    """
    A link, a second name, a FIFO or a folder in the place of a file is refused with words, and not written to.
    """
    shop.commit([paid(5)])
    (shop.directory / "elsewhere").mkdir()
    (victim := shop.directory / "elsewhere" / "victim").write_text("[]")
    victim.chmod(0o644)
    assert command("backup", "given.json").exit_code == 0
    if name == "exported":
        assert command(*RUN[:-1], "sqlite:other.db").exit_code == 0
    before = {path.name for path in shop.directory.iterdir()}
    for plant in PLANTED:
        plant(shop.directory / name, victim)

        result = command(*PLACES[name])

        assert result.exit_code in {2, 3}, (plant, result)
        assert "Traceback" not in result.errors, (plant, result)
        assert "eventsource: " in result.errors
        assert victim.read_text() == "[]"
        assert stat.S_IMODE(victim.stat().st_mode) == 0o644
        assert [path.name for path in victim.parent.iterdir()] == ["victim"]
        for path in shop.directory.iterdir():
            if path.name == name and path.is_dir() and not path.is_symlink():
                path.rmdir()
            elif path.name not in before:
                path.unlink()


def test_a_file_that_is_something_else_keeps_its_mode(shop: Shop, command: Command) -> None:
    """
    A path that was given by mistake names no file of ours: it is refused, and is as readable as before.
    """
    shop.commit([paid(5)])
    assert command("backup", "given.json").exit_code == 0
    (other := shop.directory / "letter.txt").write_text("Dear Ada, this is no database, and others may read it. " * 9)
    other.chmod(0o644)

    results = [
        command(*PROJECT, "--database", "sqlite:///letter.txt"),
        command("notary", "run", "--once", "--ledger", "sqlite:letter.txt", "--book", "a-book"),
        command("notary", "run", "--once", "--ledger", "sqlite:notary.db", "--book", "letter.txt"),
        command("notary", "run", "--once", "--ledger", "sqlite:notary.db", "--key", "letter.txt"),
        command("restore", "given.json", "--store", "sqlite:letter.txt"),
    ]

    assert all(result.exit_code in {1, 2, 3} for result in results), results
    assert stat.S_IMODE(other.stat().st_mode) == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_a_file_that_another_user_has_put_there_is_refused(shop: Shop, command: Command) -> None:
    """
    In a folder where everybody may write, a file of another user is not used: he could go on reading it.
    """
    shop.commit([paid(5)])
    shop.directory.chmod(0o1777)
    (planted := shop.directory / "read.db").touch(0o600)
    os.chown(planted, OTHER_USER, OTHER_USER)

    result = command(*PROJECT)

    assert result.exit_code == 3
    assert "another user has put it there" in result.errors
    assert planted.stat().st_size == 0
