"""
The write-ahead log stays small, whoever reads.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING, ClassVar

import apsw
import pytest

from eventsource.store import EmbeddedEventStore
from eventsource.testing.contract.samples import noted
from tests.store.wal import size_bytes

if TYPE_CHECKING:
    from pathlib import Path

MEBIBYTE = 2**20
TEXT = "x" * 60_000


async def write(store: EmbeddedEventStore, mebibytes: int) -> None:
    """
    Commit that much, in commits of about 1 MiB.
    """
    for _ in range(mebibytes):
        await store.commit([noted("/a", data={"text": TEXT})] * 17)


async def test_the_log_stays_bounded_with_an_idle_observer_and_a_slow_reader(tmp_path: Path) -> None:
    """
    While an observer rests and a stream is read a page at a time, the log stays below 64 MiB.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await store.commit([noted("/a", data={"text": "x" * 100})] * 4_000)
        observer, stream = store.observe(), store.stream()
        await anext(observer.pages())
        sizes = []

        for _ in range(3):
            await anext(stream.pages())
            for _ in range(8):
                await write(store, 4)
                sizes.append(size_bytes(path))

        await observer.aclose()
        await stream.aclose()
        assert await store.count() == 4_000 + 96 * 17
    assert max(sizes) < 64 * MEBIBYTE


async def test_the_log_shrinks_once_a_reader_lets_go(tmp_path: Path) -> None:
    """
    A foreign reader that holds a transaction open lets the log grow; once it is gone, the log is cut again.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await write(store, 1)
        foreign = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        foreign.execute("BEGIN")
        foreign.execute("SELECT count(*) FROM events").fetchall()
        await write(store, 70)
        grown = size_bytes(path)

        foreign.close()
        await write(store, 2)
        # The log is cut after the commits were answered.
        async with asyncio.timeout(30):
            while size_bytes(path) >= 16 * MEBIBYTE:  # noqa: ASYNC110  nothing tells when
                await asyncio.sleep(0.01)

        assert grown > 64 * MEBIBYTE
        assert (await store.audit()).events == 73 * 17


class AskedConnection(apsw.Connection):
    """
    A connection that notes when SQLite would wait for others, and goes on without.
    """

    waits: ClassVar[list[str]] = []

    def set_busy_timeout(self, milliseconds: int, /) -> None:
        """
        Note in place of waiting so long.
        """

        def ask(_: int) -> bool:
            self.waits.append(f"would wait for {milliseconds} ms")
            return False

        self.set_busy_handler(ask if milliseconds else None)


@pytest.mark.parametrize("truncate_pages", [5, 10**9], ids=["log to be cut", "log to be moved"])
async def test_no_commit_waits_for_a_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, truncate_pages: int
) -> None:
    """
    While a reader holds a transaction, commits are answered and the log is to be emptied: never is it waited for.
    """
    path = tmp_path / "store.db"
    monkeypatch.setattr("eventsource.store.embedded.writer._CHECKPOINT_PAGES", 3)
    monkeypatch.setattr("eventsource.store.embedded.writer._TRUNCATE_PAGES", truncate_pages)
    monkeypatch.setattr(AskedConnection, "waits", [])
    with monkeypatch.context() as patch:
        patch.setattr(apsw, "Connection", AskedConnection)
        store = EmbeddedEventStore(path)
        await store.__aenter__()
    await write(store, 1)
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events").fetchall()

        # Alone and together, so that both ways to a transaction are taken.
        for number in range(20):
            await store.commit([noted("/a", data={"text": TEXT})])
            await asyncio.gather(*(store.commit([noted(f"/{number}")]) for _ in range(3)))
        # All that commits have left to be done is done before this is.
        await store.create_index("any", "data.any")

        assert AskedConnection.waits == []
        assert size_bytes(path) > 20 * len(TEXT)
    await store.aclose()


async def test_closing_leaves_one_file(tmp_path: Path) -> None:
    """
    A closed store is whole in its one file: it can be copied, and the log is gone.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await store.commit([noted("/a")] * 100)

    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())

    assert not path.with_name("store.db-wal").exists()
    async with EmbeddedEventStore(copy) as store:
        assert await store.count() == 100
        assert (await store.audit()).is_intact
