"""
Snapshots and digests of read models in the ledger: proved, or not there.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import attrs
import pytest

from eventsource.errors import AlreadyNotarisedError
from eventsource.notary import EmbeddedLedger, Finding, KeptStates, NotaryBook
from eventsource.notary.kept_states import MAX_CONTENT_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path


@attrs.frozen
class Archive:
    """
    Kept states, what was told about them, and the file they are in.
    """

    states: KeptStates
    told: list[Finding]
    path: Path

    def tamper(self, sql: str) -> None:
        """
        Change the log with SQL.
        """
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(sql)


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncGenerator[Archive]:
    """
    An empty one.
    """
    told: list[Finding] = []
    path = tmp_path / "notary.db"
    async with EmbeddedLedger(path) as ledger, NotaryBook(tmp_path / "book") as book:
        yield Archive(KeptStates(ledger, book, name="bank", on_finding=told.append), told, path)


async def test_what_is_kept_is_read_back(archive: Archive) -> None:
    """
    A snapshot is found by name and position; what was never kept is not there, and nothing is told of it.
    """
    await archive.states.keep("Account/42", 7, b"seven")
    await archive.states.keep("Account/42", 9, b"nine")

    assert await archive.states.read("Account/42", 7) == b"seven"
    assert await archive.states.read("Account/42", 9) == b"nine"
    assert await archive.states.read("Account/42", 8) is None
    assert await archive.states.read("Account/4", 7) is None
    assert archive.told == []


async def test_what_was_changed_is_not_there_and_told(archive: Archive) -> None:
    """
    A snapshot that somebody changed in the log is built anew, and a finding says so.
    """
    await archive.states.keep("Account/42", 7, b"seven")
    archive.tamper("UPDATE leaves SET value = x'01046e696e6500'")

    assert await archive.states.read("Account/42", 7) is None
    assert not await archive.states.fits("Account/42", 7, b"nine\0")
    assert [finding.kind for finding in archive.told] == ["edited", "edited"]


async def test_a_digest_shows_what_a_read_model_was(archive: Archive) -> None:
    """
    A read model fits its digest until a byte of it is changed; the digest has nothing of it.
    """
    await archive.states.keep_digest("balances", 12, b"42: 500")

    assert await archive.states.fits("balances", 12, b"42: 500")
    assert not await archive.states.fits("balances", 12, b"42: 501")
    assert not await archive.states.fits("balances", 13, b"42: 500")
    assert [(finding.kind, finding.place) for finding in archive.told] == [("edited", "store")]
    assert await archive.states.read("balances", 12) is None


async def test_nothing_is_kept_twice(archive: Archive) -> None:
    """
    The same again is no second one; another one for the same position is refused.
    """
    first = await archive.states.keep("Account/42", 7, b"seven")
    again = await archive.states.keep("Account/42", 7, b"seven")

    assert again.position == first.position
    with pytest.raises(AlreadyNotarisedError):
        await archive.states.keep("Account/42", 7, b"other")
    with pytest.raises(AlreadyNotarisedError):
        await archive.states.keep_digest("Account/42", 7, b"seven")


@pytest.mark.parametrize(
    ("name", "position", "content"),
    [
        ("", 1, b""),
        ("with space", 1, b""),
        ("x" * 201, 1, b""),
        ("x", -1, b""),
        ("x", 1, bytes(MAX_CONTENT_BYTES + 1)),
    ],
)
async def test_what_cannot_be_kept_is_refused(archive: Archive, name: str, position: int, content: bytes) -> None:
    """
    A name that is none, a position before the first event, or too much.
    """
    with pytest.raises(ValueError, match="what is kept has"):
        await archive.states.keep(name, position, content)


async def test_the_largest_can_be_kept(archive: Archive) -> None:
    """
    What is as large as allowed is kept and proved.
    """
    content = bytes(MAX_CONTENT_BYTES)

    await archive.states.keep("x", 0, content)

    assert await archive.states.read("x", 0) == content
