"""
``eventsource erase``: it asks, tells what it would do, does it, and waits for the projectors.
"""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from eventsource import NewEvent, ReadModelDatabase, connect
from eventsource.aggregates import Snapshot, SqlSnapshotStore
from tests.cli.shop import Command, Shop, Terminal, wait_until

PLANTED = "Zebulon Quackenbush"
PROJECTOR = ("--projector", "person_projectors:Names")


@pytest.fixture
def people(shop: Shop) -> Shop:
    """
    A shop that knows two people.
    """
    shutil.copy(Path(__file__).with_name("person_projectors.py"), shop.directory)
    shop.commit(
        [
            _named("/people/1", "Ada"),
            _named("/people/2", PLANTED),
            NewEvent(subject="/people/2", type="io.example.shop.joined", data={"year": 2020}),
            _named("/people/2/relatives/1", "Byron"),
        ]
    )
    return shop


def _named(subject: str, name: str) -> NewEvent:
    data = {"name": name, "_meta": {"held": "yes"}}
    return NewEvent(subject=subject, type="io.example.shop.named", data=data, store_data_as_reference=True)


def _holders(shop: Shop) -> list[str]:
    return [path.name for path in shop.directory.glob("*.db*") if PLANTED.encode() in path.read_bytes()]


def test_a_dry_run_tells_and_changes_nothing(people: Shop, command: Command) -> None:
    """
    How many events of which type, what stays, and what projectors would do.
    """
    told = command("erase", "/people/2", *PROJECTOR, "--dry-run")
    as_json = command("erase", "/people/2", *PROJECTOR, "--dry-run", "--json")

    assert told.exit_code == as_json.exit_code == 0
    assert told.output.splitlines() == [
        "/people/2: 1 event to be erased, 1 to be kept",
        "  1 io.example.shop.named",
        "  not known whether personal: io.example.shop.joined (see --events)",
        "  not touched: /people/2/relatives/1",
        "  names lets go of it",
    ]
    assert json.loads(as_json.output) == {
        "subject": "/people/2",
        "events": {"io.example.shop.named": 1},
        "kept": 1,
        "remaining": {},
        "unknown": ["io.example.shop.joined"],
        "unrecorded": 0,
        "ignored": 0,
        "below": ["/people/2/relatives/1"],
        "projectors": {"names": "lets go"},
    }
    assert _holders(people) != []


def test_it_erases_and_records_who_did(people: Shop, command: Command) -> None:
    """
    The data is gone from the file, and the event below the subject tells of it.
    """
    result = command("erase", "/people/2", "--by", "officer-7", "--yes", "--json")

    assert result.exit_code == 0, result.errors
    told = json.loads(result.output)
    assert (told["subject"], told["emptied"]) == ("/people/2", 1)
    assert _holders(people) == []
    (record,) = command("stream", "/people/2/_erasures").output.splitlines()
    assert json.loads(record)["id"] == told["recorded"][0]
    assert json.loads(record)["data"]["_meta"] == {"actor": "officer-7"}
    again = command("erase", "/people/2", "--yes")
    assert (again.exit_code, again.output) == (0, "/people/2: 0 events erased\n")


def test_personal_data_that_is_left_is_a_finding(people: Shop, command: Command) -> None:
    """
    A name that was not stored by reference is known by its class, planned for, left and named; then included.
    """
    people.commit([NewEvent(subject="/people/2", type="io.example.shop.named", data={"name": f"{PLANTED} I"})])
    modules = ("--events", "person_projectors")

    planned = command("erase", "/people/2", *modules, "--dry-run")
    left = command("erase", "/people/2", *modules, "--yes")
    assert "  personal data would be left: 1 io.example.shop.named (see --including)" in planned.output.splitlines()
    assert left.exit_code == 1
    assert "1 of type 'io.example.shop.named'" in left.errors
    assert PLANTED not in left.errors
    assert _holders(people) != []

    done = command("erase", "/people/2", *modules, "--including", "io.example.shop.named", "--yes")
    assert done.exit_code == 0, done.errors
    assert done.output.startswith("/people/2: 1 event erased")
    assert _holders(people) == []


@pytest.mark.usefixtures("people")
def test_types_that_nobody_knows_are_named(command: Command) -> None:
    """
    Without their classes it cannot be told what is personal, and that is said.
    """
    result = command("erase", "/people/2", "--yes")

    assert result.exit_code == 0, result.errors
    assert "io.example.shop.joined" in result.errors
    assert "--events" in result.errors


def test_it_does_not_erase_unasked(people: Shop, command: Command) -> None:
    """
    Where nobody can answer it is refused.
    """
    result = command("erase", "/people/2")

    assert result.exit_code == 2
    assert "--yes" in result.errors
    assert _holders(people) != []


@pytest.mark.parametrize(("answer", "is_erased"), [("y", True), ("n", False)])
def test_it_asks_in_a_terminal(people: Shop, answer: str, is_erased: bool) -> None:  # noqa: FBT001  two cases
    """
    The plan is shown before the question.
    """
    terminal = Terminal(people, "erase", "/people/2")
    assert "1 event to be erased" in terminal.read_until("Erase for good?")

    terminal.type(f"{answer}\n")
    terminal.finish()

    assert terminal.process.returncode == (0 if is_erased else 1)
    assert (_holders(people) == []) is is_erased


def test_it_waits_for_a_projector_of_another_process(people: Shop) -> None:
    """
    The worker that runs meanwhile sees the record, lets go and cleans its file; the command returns then.
    """
    with people.start("project", "run", "person_projectors:Names", "--json") as worker:
        try:
            wait_until(lambda: (people.directory / "read.db").exists() and "read.db" in _files_with(people, "Byron"))

            result = people.run("erase", "/people/2", *PROJECTOR, "--yes")

            assert result.returncode == 0, result.stderr
            assert result.stdout.splitlines()[1:] == ["  names: has let go"]
            assert _holders(people) == []
        finally:
            worker.terminate()
            worker.communicate(timeout=30)


def _files_with(shop: Shop, text: str) -> set[str]:
    return {
        path.name.removesuffix("-wal") for path in shop.directory.glob("read.db*") if text.encode() in path.read_bytes()
    }


def test_a_projector_that_does_not_run_is_told_of(people: Shop, command: Command) -> None:
    """
    The data is erased all the same; the exit code says that something is left to do, and what to run.
    """
    assert command("project", "run", "person_projectors:Names", "--once").exit_code == 0

    result = command("erase", "/people/2", *PROJECTOR, "--yes", "--wait", "0")

    assert result.exit_code == 1
    assert "names: has not let go yet" in result.output
    assert command("project", "run", "person_projectors:Names", "--once").exit_code == 0
    assert _holders(people) == []
    assert command("erase", "/people/2", *PROJECTOR, "--yes", "--wait", "0").exit_code == 0


def test_snapshots_in_the_database_are_purged(people: Shop, command: Command) -> None:
    """
    They are found by their table, and the file is cleaned.
    """

    async def keep() -> None:
        async with ReadModelDatabase(people.database) as database:
            snapshots = SqlSnapshotStore(database)
            snapshot = Snapshot(
                subject="/people/2",
                aggregate="Person",
                fingerprint="f",
                version=1,
                passed_over=0,
                last_event_id="1",
                last_event_hash="0",
                state=f'{{"name":"{PLANTED}"}}',
            )
            await snapshots.put(snapshot, purges=0)

    asyncio.run(keep())
    assert any(name.startswith("read.db") for name in _holders(people))

    result = command("erase", "/people/2", "--yes")

    assert (result.exit_code, result.output.splitlines()[1:]) == (0, ["  snapshots purged: 1"])
    assert _holders(people) == []


def test_what_is_not_there_is_not_erased(people: Shop, command: Command) -> None:
    """
    A subject without events, no subject, a projector without a database.
    """
    for arguments in (["/people/9", "--yes"], ["people", "--yes"]):
        assert command("erase", *arguments).exit_code == 2
    missing = people.run("erase", "/people/2", *PROJECTOR, "--dry-run", EVENTSOURCE_DATABASE="")
    assert missing.returncode == 2
    assert "--database" in missing.stderr


def test_a_store_in_use_is_left_alone(people: Shop) -> None:
    """
    Another process writes to it: the way is through that, or through a server.
    """

    async def while_open() -> int:
        async with connect(people.store):
            return await asyncio.to_thread(lambda: people.run("erase", "/people/2", "--yes").returncode)

    assert asyncio.run(while_open()) == 3
