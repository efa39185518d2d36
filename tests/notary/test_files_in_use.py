"""
The notary's files while they are open: what looks at them takes nothing from them, and a file that is gone is noticed.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest

from eventsource.errors import LedgerUnavailableError, NotALedgerError
from eventsource.notary import EmbeddedLedger, NotaryBook
from eventsource.notary.ledger import Entry
from eventsource.store import EmbeddedEventStore
from tests.store.programs import run_program

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.skipif(sys.platform != "linux", reason="locks of open file descriptions are Linux's")
async def test_confirmed_entries_outlive_a_look_at_the_file_and_a_kill(tmp_path: Path) -> None:
    """
    The process looks at the log with Python's sqlite3 and is killed: each entry that was confirmed is there.
    """
    await asyncio.to_thread(
        run_program,
        """
        import asyncio, os, signal, sqlite3
        from eventsource.notary import EmbeddedLedger
        from eventsource.notary.ledger import Entry
        async def main():
            async with EmbeddedLedger("notary.db") as ledger:
                for number in range(20):
                    if number == 10:
                        reader = sqlite3.connect("notary.db")
                        reader.execute("SELECT count(*) FROM leaves").fetchall()
                        reader.close()
                    await ledger.append([Entry(b"%d" % number, bytes(32))])
                os.kill(os.getpid(), signal.SIGKILL)
        asyncio.run(main())
        """,
        tmp_path,
    )

    async with EmbeddedLedger(tmp_path / "notary.db") as ledger:
        assert (await ledger.head()).size == 20
        assert await ledger.audit() == []


async def test_entries_of_a_log_that_is_gone_are_not_confirmed(tmp_path: Path) -> None:
    """
    Where the file was deleted or replaced, nothing is appended to it, and the error says why.
    """
    path = tmp_path / "notary.db"
    async with EmbeddedLedger(path) as ledger:
        await ledger.append([Entry(b"1", bytes(32))])
        path.unlink()

        for _ in range(2):
            with pytest.raises(LedgerUnavailableError, match="was deleted"):
                await ledger.append([Entry(b"2", bytes(32))])


async def test_an_event_store_is_no_file_of_the_notary(tmp_path: Path) -> None:
    """
    The file of an open store is refused as a log and as a book, and the store goes on.
    """
    async with EmbeddedEventStore(tmp_path / "store.db") as store:
        for wrong in (EmbeddedLedger(tmp_path / "store.db"), NotaryBook(tmp_path / "store.db")):
            with pytest.raises(NotALedgerError, match="it is an event store"):
                async with wrong:
                    pass
        await store.ping()


def test_a_forked_process_is_refused(tmp_path: Path) -> None:
    """
    The log and the book belong to the process that opened them: a child is told so at once, and they go on.
    """
    told = run_program(
        """
        import asyncio, json, os
        from eventsource.errors import StoreForkedError
        from eventsource.notary import EmbeddedLedger, NotaryBook
        ledger, book = EmbeddedLedger("notary.db"), NotaryBook("book.db")
        def attempt(call):
            async def main():
                try:
                    await call()
                except StoreForkedError:
                    return "refused"
                return "done"
            return asyncio.run(main())
        asyncio.run(ledger.__aenter__())
        asyncio.run(book.__aenter__())
        calls = [ledger.head, ledger.aclose, lambda: book.seals(["e-1"]), book.aclose]
        if os.fork() == 0:
            print(json.dumps([attempt(call) for call in calls]), flush=True)
            os._exit(0)
        os.wait()
        print(json.dumps([attempt(call) for call in calls]))
        """,
        tmp_path,
    )

    assert told == [["refused"] * 4, ["done"] * 4]
