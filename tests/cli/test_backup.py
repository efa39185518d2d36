"""
`eventsource backup` and `eventsource restore`.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from eventsource import connect
from eventsource.errors import IdempotencyKeyReusedError
from eventsource.server import ServerSettings, Tokens, serve
from eventsource.store import EmbeddedEventStore
from eventsource.store.delegating import DelegatingEventStore
from tests.cli.shop import EVENTSOURCE, PATIENCE_S, Command, Shop, paid

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

TOKEN = "shop-token-of-tests"  # noqa: S105  of a server on this machine, for a test


async def fill(path: Path, events: int = 3) -> None:
    """
    A store with keys, a schema and a declared index.
    """
    async with connect(f"sqlite:{path}") as store:
        await store.commit([paid(cents) for cents in range(1, events + 1)], idempotency_key="first")
        await store.register_schema("io.example.shop.paid", {"properties": {"cents": {"type": "number"}}})
        await store.create_index("io.example.shop.paid", "data.cents")


async def items_of(path: Path) -> list[dict[str, Any]]:
    """
    What a store has, as a backup tells it.
    """
    async with connect(f"sqlite:{path}", read_only=True) as store:
        return [item async for item in store.backup()]


@pytest.fixture
def full(shop: Shop) -> Path:
    """
    The shop's store, with something in it.
    """
    path = shop.directory / "shop.db"
    asyncio.run(fill(path))
    return path


def test_a_backup_goes_to_a_file_and_back(shop: Shop, full: Path, command: Command) -> None:
    """
    The restored store has all that the first has, and both commands tell how many events and the last hash.
    """
    backed_up = command("backup", "shop.backup")
    restored = command("restore", "--store", "sqlite:other.db", "shop.backup")

    items = asyncio.run(items_of(full))
    head = items[-1]["hash"]
    assert (backed_up.exit_code, backed_up.output) == (0, f"backed up 3 events, head {head}\n")
    assert (restored.exit_code, restored.output) == (0, f"restored 3 events, head {head}\nintact\n")
    assert asyncio.run(items_of(shop.directory / "other.db")) == items
    file = shop.directory / "shop.backup"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in shop.directory.glob("*.part")] == []


def test_a_backup_goes_through_pipes(shop: Shop, full: Path) -> None:
    """
    Standard output carries the backup alone, and standard input takes it; an empty pipe is no backup.
    """
    written = subprocess.run(
        [*EVENTSOURCE, "backup", "--json", "--store", f"sqlite:{full}"], capture_output=True, check=True
    )
    restored = subprocess.run(
        [*EVENTSOURCE, "restore", "--json", "--store", f"sqlite:{shop.directory / 'other.db'}"],
        input=written.stdout,
        capture_output=True,
        check=True,
    )
    nothing = subprocess.run(
        [*EVENTSOURCE, "restore", "--store", f"sqlite:{shop.directory / 'third.db'}"],
        input=b"",
        capture_output=True,
        check=False,
    )

    assert json.loads(restored.stdout) == json.loads(written.stderr)
    lines = [json.loads(line) for line in written.stdout.splitlines()]
    assert [line.get("backup") for line in lines] == ["begin", None, None, None, "end"]
    assert (nothing.returncode, b"no backup" in nothing.stderr) == (1, True)


def test_what_is_there_is_not_replaced_unasked(shop: Shop, full: Path, command: Command) -> None:
    """
    A backup is replaced when that is asked for; a store, a folder and any other file never are.
    """
    (shop.directory / "shop.backup").write_text("{}")
    (shop.directory / "letter.txt").write_text("Dear Ada")
    (shop.directory / "folder").mkdir()
    before = full.read_bytes()

    assert command("backup", "shop.backup").exit_code == 2
    assert (shop.directory / "shop.backup").read_text() == "{}"
    for name in ("shop.db", "letter.txt", "folder"):
        assert command("backup", "--overwrite", name).exit_code == 2
    assert full.read_bytes() == before
    assert (shop.directory / "letter.txt").read_text() == "Dear Ada"
    assert command("backup", "--overwrite", "shop.backup").exit_code == 0
    assert command("restore", "--store", "sqlite:other.db", "shop.backup").exit_code == 0


def test_only_an_empty_store_is_restored(full: Path, command: Command) -> None:
    """
    Events are never mixed: the exit code is 2, and the store has what it had.
    """
    before = asyncio.run(items_of(full))
    command("backup", "shop.backup")

    result = command("restore", "--json", "shop.backup")

    assert result.exit_code == 2
    assert json.loads(result.errors)["error"]["code"] == "store-not-empty"
    assert asyncio.run(items_of(full)) == before


def _cut(lines: list[bytes]) -> bytes:
    return b"".join(lines[:-1])


def _cut_within(lines: list[bytes]) -> bytes:
    return b"".join(lines)[:-150]


def _without_third(lines: list[bytes]) -> bytes:
    return b"".join(lines[:2] + lines[3:])


def _other_amount(lines: list[bytes]) -> bytes:
    return b"".join(lines).replace(b'"cents":2', b'"cents":9')


def _other_key(lines: list[bytes]) -> bytes:
    return b"".join(lines).replace(b'"first"', b'"fires"')


def _twice(lines: list[bytes]) -> bytes:
    return b"".join(lines * 2)


def _torn(lines: list[bytes]) -> bytes:
    return b"".join([*lines[:2], b"\0" * 80, b"\n", *lines[3:]])


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (_cut, 5),
        (_cut_within, 4),
        (_without_third, 3),
        (_other_amount, 3),
        (_other_key, 2),
        (_twice, 6),
        (_torn, 3),
        (lambda lines: b"\n\n" + _other_amount(lines), 5),
    ],
)
@pytest.mark.usefixtures("full")
def test_damage_is_found_with_its_line(shop: Shop, command: Command, damage: Any, line: int) -> None:
    """
    A backup that was cut or changed is refused as a whole with the number of the line, and nothing is written.
    """
    command("backup", "shop.backup")
    file = shop.directory / "shop.backup"
    file.write_bytes(damage(file.read_bytes().splitlines(keepends=True)))

    result = command("restore", "--store", "sqlite:other.db", "shop.backup")

    assert result.exit_code == 1
    assert f"shop.backup, line {line}: " in result.errors
    assert "nothing was restored" in result.errors
    assert asyncio.run(items_of(shop.directory / "other.db")) == []


def test_what_is_no_backup_is_told(shop: Shop, command: Command) -> None:
    """
    A compressed file, another file and one that is not there end with what to do.
    """
    (shop.directory / "shop.gz").write_bytes(gzip.compress(b"{}"))
    (shop.directory / "letter.txt").write_text("Dear Ada")

    compressed = command("restore", "shop.gz")
    letter = command("restore", "letter.txt")
    missing = command("restore", "missing")

    assert (compressed.exit_code, "gunzip" in compressed.errors) == (1, True)
    assert (letter.exit_code, "letter.txt, line 1: " in letter.errors) == (1, True)
    assert (missing.exit_code, "cannot read missing" in missing.errors) == (2, True)


@pytest.mark.parametrize("indent", [None, 2])
def test_a_plain_array_of_events_is_restored(shop: Shop, full: Path, command: Command, indent: int | None) -> None:
    """
    The JSON array that a Genesis DB gives is taken as it is, and damage in it is found by its line, too.
    """
    items = asyncio.run(items_of(full))
    plain = [{name: value for name, value in item.items() if "commit" not in name} for item in items]
    (shop.directory / "plain.json").write_text(json.dumps(plain, indent=indent))
    plain[2]["predecessorhash"] = "0" * 64
    text = json.dumps(plain, indent=indent)
    (shop.directory / "wrong.json").write_text(text)
    line = next(number for number, part in enumerate(text.splitlines(), start=1) if '"cents": 3' in part)

    assert command("restore", "--store", "sqlite:wrong.db", "wrong.json").exit_code == 1
    wrong = command("restore", "--store", "sqlite:wrong.db", "wrong.json")
    assert command("restore", "--store", "sqlite:other.db", "plain.json").exit_code == 0

    begins = 1 if indent is None else line - [part.strip() for part in text.splitlines()[:line]][::-1].index("{")
    assert f"wrong.json, line {begins}: its predecessorhash" in wrong.errors
    assert len(asyncio.run(items_of(shop.directory / "other.db"))) == 3


def test_a_disk_that_is_full_leaves_no_file(shop: Shop, full: Path) -> None:
    """
    A backup that cannot be written to its end has no name, and a copy that was there stays.
    """
    asyncio.run(_more(full))
    file = shop.directory / "shop.backup"
    file.write_text("{}")

    # The shell limits the size of files to 64 KiB, so that the next write fails.
    limited = 'ulimit -f 64; trap "" XFSZ; exec "$@"'
    result = subprocess.run(
        [
            "/bin/bash",
            "-c",
            limited,
            "-",
            *EVENTSOURCE,
            "backup",
            "--overwrite",
            "--store",
            f"sqlite:{full}",
            str(file),
        ],
        capture_output=True,
        check=False,
    )

    assert result.returncode == 3
    assert b"cannot write the backup" in result.stderr
    assert file.read_text() == "{}"
    assert list(shop.directory.glob(".*.part")) == []


async def _more(path: Path) -> None:
    async with connect(f"sqlite:{path}") as store:
        await store.commit([paid(cents) for cents in range(400)])


def test_a_reader_that_leaves_is_a_backup_that_failed(full: Path) -> None:
    """
    What came out of the pipe is not complete, so the exit code is not 0.
    """
    asyncio.run(_more(full))
    reading, writing = os.pipe()
    os.close(reading)

    result = subprocess.run(
        [*EVENTSOURCE, "backup", "--store", f"sqlite:{full}"], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)

    assert result.returncode == 3
    assert b"not complete" in result.stderr


class StandingStill(DelegatingEventStore):
    """
    A store whose backup stops in the middle.
    """

    def __init__(self, inner: EmbeddedEventStore) -> None:
        super().__init__(inner)
        self.is_standing = threading.Event()

    async def backup(self) -> AsyncGenerator[dict[str, Any]]:
        """
        Give out what is before the middle, and no more.
        """
        async for number, item in _numbered(super().backup()):
            if number == 300:
                self.is_standing.set()
                await asyncio.Event().wait()
            yield item


async def _numbered(items: AsyncGenerator[dict[str, Any]]) -> AsyncGenerator[tuple[int, dict[str, Any]]]:
    number = 0
    async for item in items:
        yield number, item
        number += 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_a_backup_that_is_killed_leaves_no_file_of_that_name(tmp_path: Path, number: signal.Signals) -> None:
    """
    Half a backup never stands under the name of a whole one; a clean stop leaves nothing at all.
    """
    file = tmp_path / "shop.backup"
    async with EmbeddedEventStore(tmp_path / "shop.db") as inner:
        await inner.commit([paid(cents) for cents in range(600)])
        store = StandingStill(inner)
        async with serve(store, ServerSettings(Tokens(TOKEN)), grace_s=0.1) as url:
            process = await asyncio.create_subprocess_exec(
                *EVENTSOURCE, "backup", "--store", url, str(file), env={**os.environ, "GENESISDB_AUTH_TOKEN": TOKEN}
            )
            assert await asyncio.to_thread(store.is_standing.wait, PATIENCE_S)
            process.send_signal(number)
            await process.wait()

    assert not file.exists()
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert list(tmp_path.glob(".*.part")) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_restore_that_is_killed_leaves_the_store_empty(
    shop: Shop, full: Path, command: Command, number: signal.Signals
) -> None:
    """
    It is all or nothing: the store is as empty as before, and takes the whole backup then.
    """
    asyncio.run(_more(full))
    command("backup", "shop.backup")
    backup = (shop.directory / "shop.backup").read_bytes()
    other = shop.directory / "other.db"
    process = subprocess.Popen([*EVENTSOURCE, "restore", "--store", f"sqlite:{other}"], stdin=subprocess.PIPE)
    assert process.stdin is not None
    # More than a pipe holds, so the process has begun to read when this is written. Then it waits for more.
    process.stdin.write(backup[:80_000])
    process.stdin.flush()
    process.send_signal(number)

    # Its input stays open until it has ended.
    assert process.wait(PATIENCE_S) in {-number, 128 + number}
    process.stdin.close()
    assert asyncio.run(items_of(other)) == []
    assert command("restore", "--store", f"sqlite:{other}", "shop.backup").exit_code == 0
    assert len(asyncio.run(items_of(other))) == 403


async def test_a_backup_made_while_commits_run_is_of_one_moment(tmp_path: Path) -> None:
    """
    It has a whole number of commits, each with its key, and nothing of what came later.
    """
    path, file = tmp_path / "shop.db", tmp_path / "shop.backup"
    async with connect(f"sqlite:{path}") as store:
        await store.commit([paid(1), paid(2)], idempotency_key="k-0")
        process = await asyncio.create_subprocess_exec(*EVENTSOURCE, "backup", "--store", f"sqlite:{path}", str(file))
        ending = asyncio.create_task(process.wait())
        commits = 1
        while not ending.done():
            await store.commit([paid(1), paid(2)], idempotency_key=f"k-{commits}")
            commits += 1

        assert await ending == 0
        async with connect("memory:") as other:
            lines = [json.loads(line) for line in file.read_text().splitlines()]
            events = await other.restore(lines)
            assert events % 2 == 0
            kept = events // 2
            for number in range(kept):
                await other.commit([paid(1), paid(2)], idempotency_key=f"k-{number}")
            assert await other.count() == events
            with pytest.raises(IdempotencyKeyReusedError):
                await other.commit([paid(3)], idempotency_key=f"k-{kept - 1}")
            await other.commit([paid(3)], idempotency_key=f"k-{kept}")


async def test_a_server_is_backed_up_and_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Over HTTP the commands do the same.
    """
    monkeypatch.setenv("GENESISDB_AUTH_TOKEN", TOKEN)
    await fill(tmp_path / "shop.db", 700)
    async with connect(f"sqlite:{tmp_path / 'shop.db'}") as one, connect("memory:") as other:
        async with serve(one, ServerSettings(Tokens(TOKEN))) as of, serve(other, ServerSettings(Tokens(TOKEN))) as into:
            for arguments in (("backup", "--store", of), ("restore", "--store", into)):
                process = await asyncio.create_subprocess_exec(*EVENTSOURCE, *arguments, str(tmp_path / "shop.backup"))
                assert await process.wait() == 0
        assert [item async for item in other.backup()] == [item async for item in one.backup()]
