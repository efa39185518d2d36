"""
Opening stores by their URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eventsource import connect
from eventsource.errors import InvalidStoreUrlError, NotAStoreError, StoreReadOnlyError
from eventsource.server import ServerSettings, Tokens, serve
from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from eventsource.testing.contract.samples import commit_each, noted

if TYPE_CHECKING:
    from pathlib import Path


async def test_memory_is_a_new_store_each_time() -> None:
    """
    ``memory:`` names no store in particular: two of them share nothing.
    """
    async with connect("memory:") as one, connect("memory:") as other:
        await commit_each(one, ["/a"])

        assert isinstance(one, InMemoryEventStore)
        assert await other.count() == 0


@pytest.mark.parametrize("url", ["sqlite:bank.db", "sqlite:///bank.db", "sqlite:{}/bank.db", "sqlite:///{}/bank.db"])
async def test_sqlite_names_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """
    ``sqlite:`` takes a relative or absolute path, also with the slashes of SQLAlchemy.
    """
    monkeypatch.chdir(tmp_path)

    async with connect(url.format(tmp_path)) as store:
        assert isinstance(store, EmbeddedEventStore)
        assert (tmp_path / "bank.db").exists()


@pytest.mark.parametrize(
    "url",
    [
        "sqlite::memory:",
        "sqlite:///:memory:",
        "SQLITE::MEMORY:",
        "sqlite:file:bank.db?mode=ro",
        "sqlite:file::memory:?cache=shared",
        "sqlite:///file:bank.db?mode=ro&uri=true",
        "sqlite:bank.db?mode=ro",
        "sqlite:bank.db?",
        "sqlite://host/bank.db",
        "sqlite://ada:secret@host/bank.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:",
        "sqlite: ",
        "sqlite:data/",
        "sqlite:bank\0.db",
    ],
)
@pytest.mark.parametrize("read_only", [False, True], ids=["writing", "reading"])
def test_what_sqlite_understands_and_a_store_does_not_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    read_only: bool,  # noqa: FBT001  a parameter
) -> None:
    """
    URLs of SQLite's own dialect are refused when they are given, without a password, and make no file.
    """
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InvalidStoreUrlError) as refused:
        connect(url, read_only=read_only)

    assert "secret" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["", "bank\0.db"])
def test_a_path_that_is_no_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """
    The embedded store itself takes a path, whatever it means to SQLite, but not an empty one.
    """
    monkeypatch.chdir(tmp_path)

    with pytest.raises(NotAStoreError):
        EmbeddedEventStore(path)


async def test_source_is_passed_on(tmp_path: Path) -> None:
    """
    Events of a store that was opened by URL have the source that was given with it.
    """
    for url in ("memory:", f"sqlite:{tmp_path}/bank.db"):
        async with connect(url, source="io.example.bank") as store:
            (event,) = await commit_each(store, ["/a"])

        assert event.source == "io.example.bank"


async def test_a_store_for_reading_refuses_commits(tmp_path: Path) -> None:
    """
    With `read_only` the store can be read, and not committed to.
    """
    url = f"sqlite:{tmp_path}/bank.db"
    async with connect(url) as writer, connect(url, read_only=True) as reader:
        await commit_each(writer, ["/a"])

        assert await reader.count() == 1
        with pytest.raises(StoreReadOnlyError):
            await reader.commit([noted("/a")])


async def test_a_servers_store_for_reading_refuses_commits() -> None:
    """
    Over HTTP likewise, though the token would allow them.
    """
    async with InMemoryEventStore() as behind, serve(behind, ServerSettings(Tokens("a-token-of-tests"))) as url:
        await commit_each(behind, ["/a"])
        async with connect(url, read_only=True, token="a-token-of-tests") as reader:  # noqa: S106  nobody's
            assert await reader.count() == 1
            for write in (
                reader.commit([noted("/a")]),
                reader.erase("/a"),
                reader.create_index("io.example.noted", "data.number"),
                reader.drop_index("io.example.noted", "data.number"),
                reader.register_schema("io.example.noted", {}),
                reader.restore([]),
            ):
                with pytest.raises(StoreReadOnlyError):
                    await write
        assert await behind.count() == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "bank.db",
        "memory",
        "memory:x",
        "sqlite:",
        "sqlite:///",
        "postgresql://host/db",
        "http:",
        ":",
        "sqlite://host/x",
    ],
)
def test_what_is_no_url_of_a_store_is_refused(url: str) -> None:
    """
    A text that names no store raises and is quoted.
    """
    with pytest.raises(InvalidStoreUrlError) as failure:
        connect(url)

    assert failure.value.url == url


def test_a_store_in_memory_cannot_be_for_reading_only() -> None:
    """
    Nobody else writes to a store in memory, so opening one for reading is a mistake.
    """
    with pytest.raises(InvalidStoreUrlError):
        connect("memory:", read_only=True)


def test_a_password_is_not_quoted() -> None:
    """
    The error for a URL of another system hides the password that it may carry.
    """
    with pytest.raises(InvalidStoreUrlError) as failure:
        connect("postgresql://ada:secret@host/db")

    assert "secret" not in str(failure.value)
    assert "secret" not in failure.value.url
