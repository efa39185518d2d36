"""
Erased data is gone from the files: looked for as bytes, as somebody with the disk would.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from eventsource import NewEvent
from eventsource.errors import ErasureUnfinishedError, StoreReadOnlyError
from eventsource.store import EmbeddedEventStore
from eventsource.store.embedded import erasure
from eventsource.testing.contract.chance import rounds, seeded_random
from eventsource.testing.contract.samples import NOTED, noted, read
from tests.store.older_files import make_older

if TYPE_CHECKING:
    from pathlib import Path

ADA = "Ada Augusta King-Noel, Countess of Lovelace"


def personal(subject: str, **members: object) -> NewEvent:
    """
    A new event whose data can be erased.
    """
    return NewEvent(subject=subject, type=NOTED, data=members, store_data_as_reference=True)


def found(folder: Path, *texts: str) -> list[str]:
    """
    Which of *texts* stand in any file of a folder.
    """
    content = b"".join(file.read_bytes() for file in folder.iterdir())
    return [text for text in texts if text.encode() in content]


def living_in(folder: Path) -> set[str]:
    """
    All twelve digits in angle brackets that stand in any file of a folder.
    """
    return {text.decode() for file in folder.iterdir() for text in re.findall(rb"<\d{12}>", file.read_bytes())}


def salts(path: Path) -> list[str | None]:
    """
    The salts in a store file.
    """
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    rows: list[Any] = connection.execute("SELECT salt FROM data_references ORDER BY position").fetchall()
    connection.close()
    return [row[0] for row in rows]


@pytest.mark.parametrize("repeated", [1, 1_000], ids=["short", "over several pages"])
async def test_no_byte_is_left_of_erased_data(tmp_path: Path, repeated: int) -> None:
    """
    Data and salt are gone from all files when the erase returns, and stay so when the store is closed.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await store.commit([personal("/people/1", name=ADA * repeated), personal("/people/2", name="kept")])
        erased_salt, kept_salt = salts(path)
        assert erased_salt
        assert kept_salt
        assert found(tmp_path, ADA, erased_salt) == [ADA, erased_salt]

        await store.erase("/people/1")

        assert found(tmp_path, ADA, erased_salt, kept_salt) == [kept_salt]
        await store.commit([noted("/a")] * 300)
    assert found(tmp_path, ADA, erased_salt) == []
    assert salts(path) == [None, kept_salt]


async def test_no_byte_is_left_of_indexed_data(tmp_path: Path) -> None:
    """
    Entries of declared indexes go too, also of one that is being built and of one that was dropped.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await store.create_index(NOTED, "data.name")
        await store.commit([personal(f"/people/{number}", name=f"{number} {ADA}") for number in range(500)])
    connection = apsw.Connection(str(path))
    connection.execute("UPDATE data_indexes SET built_to = 0, built_until = 400")
    # As a crash leaves the entries of an index that was being dropped.
    connection.execute("INSERT INTO data_index_entries SELECT 0 + 7, value, position FROM data_index_entries")
    connection.close()

    async with EmbeddedEventStore(path) as store:
        assert found(tmp_path, f"250 {ADA}") != []
        await store.erase("/people/250")

        assert found(tmp_path, f"250 {ADA}") == []
        assert found(tmp_path, f"251 {ADA}") != []


@pytest.mark.parametrize("round_number", range(rounds(3, 60)))
async def test_no_byte_is_left_whatever_happened_before(tmp_path: Path, round_number: int) -> None:
    """
    Commits and erases in any order, texts of any length in an index: what was erased is nowhere.

    Pages of an index split and join all the time, and SQLite leaves copies in their unused space.
    """
    rng = seeded_random()
    gone: list[str] = []
    living: dict[str, list[str]] = {}
    async with EmbeddedEventStore(tmp_path / "store.db") as store:
        await store.create_index(NOTED, "data.mail")
        for _ in range(50):
            events = []
            for _ in range(rng.randrange(1, 60)):
                subject = f"/people/{rng.randrange(80)}"
                secret = f"<{rng.randrange(10**12):012d}>"
                living.setdefault(subject, []).append(secret)
                mail, text = secret + "@" * rng.randrange(120), secret * rng.choice([1, 3, 900])
                events.append(personal(subject, mail=mail, text=text))
            await store.commit(events)
            if rng.random() < 0.2:
                subject = rng.choice(sorted(living))
                gone += living[subject]
                assert await store.erase(subject) == len(living.pop(subject))
                assert not living_in(tmp_path) & set(gone)
        assert (await store.audit()).is_intact
    assert not living_in(tmp_path) & set(gone)
    assert living_in(tmp_path)
    assert round_number >= 0


async def split_pages(store: EmbeddedEventStore) -> None:
    """
    Commit, at /people/1, what leaves copies in the unused space of an index's pages; and something beside it.
    """
    await store.create_index(NOTED, "data.mail")
    numbers = [number * 7919 % 10_000 for number in range(3_000)]
    for start in range(0, 3_000, 100):
        await store.commit(
            [
                personal(f"/people/{number % 2}", mail=f"<{number:04d}-{number % 2}{'.' * (number % 90)}>")
                for number in numbers[start : start + 100]
            ]
        )


def left_in(folder: Path) -> list[bytes]:
    """
    What stands in any file of a folder of the events at /people/1.
    """
    return [text for file in folder.iterdir() for text in re.findall(rb"<\d{4}-1", file.read_bytes())]


async def test_unused_space_is_what_has_to_be_cleaned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without cleaning pages something would be found: SQLite's ``secure_delete`` is not enough.
    """
    monkeypatch.setattr(erasure, "_clean_pages", lambda _: None)
    async with EmbeddedEventStore(tmp_path / "store.db") as store:
        await split_pages(store)

        await store.erase("/people/1")

        assert left_in(tmp_path) != []


async def test_what_was_cleaned_is_not_written_again(tmp_path: Path) -> None:
    """
    The writer's memory held the same pages before they were cleaned; later commits do not bring that back.
    """
    async with EmbeddedEventStore(tmp_path / "store.db") as store:
        await split_pages(store)
        await store.erase("/people/1")
        assert left_in(tmp_path) == []

        # A little into every page of the index.
        await store.commit([personal("/people/2", mail=f"<{number:04d}") for number in range(0, 10_000, 50)])

        assert left_in(tmp_path) == []
    assert left_in(tmp_path) == []


async def test_readers_of_the_store_do_not_keep_an_erase_waiting(tmp_path: Path) -> None:
    """
    Streams and observers under way hold nothing that would be in the way.
    """
    async with EmbeddedEventStore(tmp_path / "store.db") as store:
        await store.commit([personal("/people/1", name=ADA)] * 3_000)
        stream, observer = store.stream(), store.observe()
        await anext(stream.pages())
        await anext(observer.pages())
        reading = asyncio.gather(*(read(store.stream()) for _ in range(4)))

        await store.erase("/people/1")

        assert found(tmp_path, ADA) == []
        await reading
        await stream.aclose()
        await observer.aclose()


async def test_a_reader_in_the_way_is_told_and_the_erase_is_finished_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A foreign program that holds a transaction open: the data is erased for all readers, the bytes go when it lets go.
    """
    monkeypatch.setattr("eventsource.store.embedded.store._ERASE_PATIENCE_S", 0.2)
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await store.commit([personal("/people/1", name=ADA)])
        foreign = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        foreign.execute("BEGIN")
        foreign.execute("SELECT count(*) FROM events").fetchall()

        with pytest.raises(ErasureUnfinishedError) as unfinished:
            await store.erase("/people/1")

        assert (unfinished.value.subject, unfinished.value.events) == ("/people/1", 1)
        assert [event.data for event in await read(store.stream())] == [{"name": ""}]
        assert found(tmp_path, ADA) != []
        await store.commit([noted("/a")])
        foreign.close()
        assert await store.erase("/people/1") == 0
        assert found(tmp_path, ADA) == []
        assert (await store.audit()).is_intact


async def test_a_reader_that_lets_go_in_time_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The erase returns once the reader has gone, and the bytes with it.
    """
    clean, obstacles = erasure.clean, list[str | None]()

    def noting(connection: apsw.Connection) -> str | None:
        obstacles.append(clean(connection))
        return obstacles[-1]

    monkeypatch.setattr(erasure, "clean", noting)
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await store.commit([personal("/people/1", name=ADA)])
        foreign = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        foreign.execute("BEGIN")
        foreign.execute("SELECT count(*) FROM events").fetchall()
        erasing = asyncio.create_task(store.erase("/people/1"))
        # It has met the reader, and tries again.
        while len(obstacles) < 2:  # noqa: ASYNC110  the writer's thread wakes nobody here
            await asyncio.sleep(0.005)
        assert None not in obstacles
        assert not erasing.done()

        foreign.close()

        assert await erasing == 1
        assert found(tmp_path, ADA) == []


@pytest.mark.parametrize("how", ["closing", "committing", "opening"])
async def test_an_unfinished_erase_is_finished_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """
    Nobody has to ask again: a later commit, closing the store or opening it removes what was left.
    """
    monkeypatch.setattr("eventsource.store.embedded.store._ERASE_PATIENCE_S", 0.0)
    monkeypatch.setattr("eventsource.store.embedded.writer._CLEANING_PAUSE_S", 0.0)
    # Closing waits as long for the reader.
    monkeypatch.setattr("eventsource.store.embedded.writer.BUSY_TIMEOUT_MS", 10)
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await store.commit([personal("/people/1", name=ADA)])
        foreign = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        foreign.execute("BEGIN")
        foreign.execute("SELECT count(*) FROM events").fetchall()
        with pytest.raises(ErasureUnfinishedError):
            await store.erase("/people/1")
        if how != "opening":
            foreign.close()
        if how == "committing":
            await store.commit([noted("/a")])
            # It is done after the commit was answered; so is whatever is asked next.
            await store.drop_index(NOTED, "data.nothing")
            assert found(tmp_path, ADA) == []
    if how == "opening":
        assert found(tmp_path, ADA) != []
        foreign.close()
        async with EmbeddedEventStore(path):
            assert found(tmp_path, ADA) == []
    assert found(tmp_path, ADA) == []


async def test_a_store_opened_for_reading_neither_erases_nor_restores(tmp_path: Path) -> None:
    """
    Both are refused like a commit; a backup is only read.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await store.commit([personal("/people/1", name=ADA)])

    async with EmbeddedEventStore(path, read_only=True) as reader:
        with pytest.raises(StoreReadOnlyError):
            await reader.erase("/people/1")
        with pytest.raises(StoreReadOnlyError):
            await reader.restore([])
        assert [event["data"] async for event in reader.backup()] == [{"name": ADA}]


async def test_salts_come_from_whoever_opens_the_store(tmp_path: Path) -> None:
    """
    Like ids and times, so that a test can know them.
    """
    async with EmbeddedEventStore(tmp_path / "store.db", new_salt=lambda: "5a" * 32) as store:
        await store.commit([personal("/people/1", name="Ada")])

        (event,) = [event async for event in store.backup()]

    assert event["datasalt"] == "5a" * 32


@pytest.mark.parametrize(
    "statement",
    [
        'UPDATE events SET data = \'{"name":"Bob"}\' WHERE position = 1',
        'UPDATE events SET data = \'{"name":"Bob"}\' WHERE position = 2',
        "UPDATE events SET data = 'no JSON' WHERE position = 2",
        "UPDATE data_references SET salt = 'abc'",
        "UPDATE data_references SET digest = 'abc'",
        "DELETE FROM data_references",
        "INSERT INTO data_references SELECT 3, NULL, digest FROM data_references WHERE position = 1",
    ],
)
async def test_changes_to_data_by_reference_are_found(tmp_path: Path, statement: str) -> None:
    """
    The audit sees when somebody edits data, salt or digest, before erasing and after.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await store.commit([personal("/people/1", name=ADA), personal("/people/2", name=ADA), noted("/a")])
        await store.commit([noted("/a")] * 100)
        await store.erase("/people/2")
    connection = apsw.Connection(str(path))
    connection.execute(statement)
    connection.close()

    async with EmbeddedEventStore(path) as store:
        assert not (await store.audit()).is_intact


async def test_an_older_file_is_brought_up_to_date_and_can_be_erased_from(tmp_path: Path) -> None:
    """
    A file of format 2 keeps its events, is read without being changed, and takes data by reference from then on.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store:
        await store.commit([noted("/a", data={"name": "old"})] * 3)
    make_older(path, 2)

    async with EmbeddedEventStore(path, read_only=True) as reader:
        assert (await reader.audit()).is_intact
        assert len([event async for event in reader.backup()]) == 3
    async with EmbeddedEventStore(path) as store:
        await store.commit([personal("/people/1", name=ADA)])
        assert await store.erase("/people/1") == 1
        assert (await store.audit()).is_intact
    assert found(tmp_path, ADA) == []
