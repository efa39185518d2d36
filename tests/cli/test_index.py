"""
`eventsource index`: declaring, listing and removing indexes on the data of events.
"""

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.cli.shop import PATIENCE_S, Command, Process, Shop, Terminal, paid, wait_until

PAID = "io.example.shop.paid"
ON_CENTS = ("--type", PAID, "--path", "data.cents")
FIND = f"STREAM e FROM events WHERE e.type == '{PAID}' AND e.data.cents == 7 MAP e.subject"

# Batches of a usual size are done before a signal comes.
SMALL_BATCHES = """
from eventsource.store.embedded.query import data_index
data_index.BATCH_EVENTS = 5
"""


def start_slow_build(shop: Shop) -> Process:
    """
    Start to build an index on a log of 20,000 events, which takes 4,000 transactions; returns when some are done.
    """
    shop.commit(paid(number) for number in range(20_000))
    building = shop.start_changed(SMALL_BATCHES, "index", "create", *ON_CENTS)
    wait_until(lambda: progress_of(shop) > 0)
    return building


def progress_of(shop: Shop) -> float:
    """
    The share of the log that the only index covers; 0 without one.
    """
    connection = sqlite3.connect(shop.directory / "shop.db")
    try:
        found = connection.execute("SELECT built_to * 1.0 / built_until FROM data_indexes").fetchall()
    finally:
        connection.close()
    return float(found[0][0]) if found else 0.0


@pytest.fixture
def other_writer(shop: Shop) -> Generator[Process]:
    """
    Another process that has the store open for writing.
    """
    writer = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("shopper.py")), shop.store, "1000", "0.05"], text=True
    )
    wait_until(lambda: shop.run("query", "STREAM e FROM events MAP COUNT()").stdout != "0\n")
    yield writer
    writer.kill()
    writer.wait()


def test_created_index_makes_a_condition_a_search(shop: Shop, command: Command) -> None:
    """
    It covers the log there was, and queries use it at once.
    """
    shop.commit([paid(5), paid(7, "/accounts/2")])

    created = command("index", "create", *ON_CENTS)

    assert (created.exit_code, created.output, created.errors) == (0, f"ready: {PAID} (data.cents)\n", "")
    assert command("query", FIND).output == '"/accounts/2"\n'
    assert f"{PAID} (data.cents)" in command("query", FIND, "--explain").output


def test_created_index_in_json(shop: Shop, command: Command) -> None:
    """
    For a program: type, path in its one spelling, state and progress.
    """
    shop.commit([paid(5)])

    result = command("index", "create", "--type", PAID, "--path", "data['cents']", "--json")

    assert json.loads(result.output) == {"type": PAID, "path": "data.cents", "state": "ready", "progress": 1.0}


def test_list_is_a_table(shop: Shop, command: Command) -> None:
    """
    In the order they were declared, with what each covers.
    """
    shop.commit([paid(5)])
    command("index", "create", *ON_CENTS)
    command("index", "create", "--type", "a", "--path", "data['b c']")

    result = command("index", "list")

    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "type                  path         state  progress",
        "io.example.shop.paid  data.cents   ready  100 %",
        "a                     data['b c']  ready  100 %",
    ]


def test_empty_list(shop: Shop, command: Command) -> None:
    """
    Without an index a person is told so, and a program gets an empty list.
    """
    shop.commit([])

    in_words, in_json = command("index", "list"), command("index", "list", "--json")

    assert (in_words.exit_code, in_words.output, in_words.errors) == (0, "", "no indexes\n")
    assert in_json.output == "[]\n"


def test_terminal_shows_how_far_it_is(shop: Shop) -> None:
    """
    In a terminal a bar is drawn, and gone when the index is ready.
    """
    shop.commit(paid(number) for number in range(5_000))

    output = Terminal(shop, "index", "create", *ON_CENTS, COLUMNS="100").finish()

    assert f"indexing data.cents of {PAID}" in output
    assert "100%" in output
    assert output.endswith(f"ready: {PAID} (data.cents)\r\n")


def test_interrupted_build_goes_on_with_the_same_command(shop: Shop, command: Command) -> None:
    """
    Ctrl-C ends it with 130 and says what to do; what is done by then is kept.
    """
    building = start_slow_build(shop)

    building.send_signal(signal.SIGINT)
    output, errors = building.communicate(timeout=PATIENCE_S)
    left = progress_of(shop)
    [listed] = json.loads(command("index", "list", "--json").output)
    again = command("index", "create", *ON_CENTS)

    assert (building.returncode, output) == (130, "")
    assert errors.startswith("eventsource: interrupted; the same command goes on where it was")
    assert 0 < left < 1
    assert (listed["state"], listed["progress"]) == ("building", left)
    assert (again.exit_code, again.output) == (0, f"ready: {PAID} (data.cents)\n")
    assert command("query", FIND).output == '"/accounts/1"\n'


def test_build_is_watched_from_another_process(shop: Shop, command: Command) -> None:
    """
    `list` works beside the builder; a second `create` says that the index is being built there.
    """
    building = start_slow_build(shop)

    listed = command("index", "list").output.splitlines()[1]
    second = command("index", "create", *ON_CENTS)

    building.send_signal(signal.SIGINT)
    building.communicate(timeout=PATIENCE_S)
    assert listed.split()[2] == "building"
    assert second.exit_code == 3
    assert 'it builds this index itself, and "eventsource index list" tells how far it is' in second.errors


@pytest.mark.usefixtures("other_writer")
def test_store_in_use_is_told_with_what_to_do(shop: Shop, command: Command) -> None:
    """
    While another process has the store open for writing, nothing is done; exit code 3.
    """
    in_words = command("index", "create", *ON_CENTS)
    in_json = command("index", "create", *ON_CENTS, "--json")

    assert in_words.exit_code == 3
    assert in_words.errors.startswith(f"eventsource: another process has {shop.directory / 'shop.db'} open for writing")
    assert "stop it, run this command, and start it again" in in_words.errors
    assert json.loads(in_json.errors)["error"]["code"] == "store-locked"
    assert command("index", "list", "--json").output == "[]\n"


def test_index_that_is_there_needs_no_writer(shop: Shop, command: Command, request: pytest.FixtureRequest) -> None:
    """
    To declare it once more changes nothing, so it succeeds also while another process writes; removing does not.
    """
    shop.commit([paid(5)])
    command("index", "create", *ON_CENTS)
    request.getfixturevalue("other_writer")

    again = command("index", "create", *ON_CENTS)
    dropped = command("index", "drop", *ON_CENTS)

    assert (again.exit_code, again.output) == (0, f"ready: {PAID} (data.cents)\n")
    assert dropped.exit_code == 3
    assert "stop it, run this command" in dropped.errors


def test_dropped_index_is_gone(shop: Shop, command: Command) -> None:
    """
    Queries give the same rows without it; to drop it once more is a usage error.
    """
    shop.commit([paid(7)])
    command("index", "create", *ON_CENTS)

    dropped = command("index", "drop", *ON_CENTS)
    again = command("index", "drop", *ON_CENTS)

    assert (dropped.exit_code, dropped.output) == (0, f"dropped: {PAID} (data.cents)\n")
    assert (again.exit_code, again.errors) == (2, f"eventsource: there is no index on data.cents of '{PAID}'\n")
    assert command("query", FIND).output == '"/accounts/1"\n'


def test_dropped_index_in_json(shop: Shop, command: Command) -> None:
    """
    For a program: which one, and an error object if there is none.
    """
    shop.commit([paid(7)])
    command("index", "create", *ON_CENTS)

    dropped = command("index", "drop", *ON_CENTS, "--json")
    again = command("index", "drop", *ON_CENTS, "--json")

    assert json.loads(dropped.output) == {"type": PAID, "path": "data.cents", "dropped": True}
    assert json.loads(again.errors)["error"]["code"] == "index-not-found"


@pytest.mark.parametrize(("event_type", "path"), [(PAID, "data.cent"), ("io.example.shop.payed", "data.cents")])
def test_index_on_nothing_is_made_with_a_question(shop: Shop, command: Command, event_type: str, path: str) -> None:
    """
    A name that no event has may come yet, or is misspelt: a person is asked.
    """
    shop.commit([paid(5)])

    result = command("index", "create", "--type", event_type, "--path", path)

    assert (result.exit_code, result.output) == (0, f"ready: {event_type} ({path})\n")
    assert result.errors == f"eventsource: no event of type '{event_type}' has {path} yet; is it spelt like that?\n"


@pytest.mark.parametrize("name", ["create", "drop"])
def test_path_outside_the_data_is_a_usage_error(shop: Shop, command: Command, name: str) -> None:
    """
    What is no path below the data is refused before the store is opened.
    """
    shop.commit([paid(5)])

    result = command("index", name, "--type", PAID, "--path", "subject")

    assert result.exit_code == 2
    assert result.errors == "eventsource: --path 'subject': expected a path below data, such as data.email\n"


@pytest.mark.parametrize("typed", [("create", *ON_CENTS), ("drop", *ON_CENTS), ("list",)], ids=lambda typed: typed[0])
def test_store_that_is_not_there_is_not_made(shop: Shop, command: Command, typed: tuple[str, ...]) -> None:
    """
    A misspelt file is an error, and stays missing.
    """
    result = command("index", *typed, "--store", f"sqlite:{shop.directory / 'ship.db'}")

    assert result.exit_code == 3
    assert not (shop.directory / "ship.db").exists()


def test_damaged_data_ends_the_build(shop: Shop, command: Command) -> None:
    """
    Data that is no JSON any more is told as damage, exit code 3; the index stays unfinished.
    """
    shop.commit(paid(number) for number in range(200))
    with sqlite3.connect(shop.directory / "shop.db") as connection:
        connection.execute("UPDATE events SET data = '{' WHERE position = 2")
    connection.close()

    result = command("index", "create", *ON_CENTS)

    assert result.exit_code == 3
    assert "is damaged: the data of an event is no JSON" in result.errors
    assert '"state":"building"' in command("index", "list", "--json").output


def test_without_a_command_the_commands_are_shown(command: Command) -> None:
    """
    `eventsource index` alone tells what it can do.
    """
    result = command("index")

    assert result.exit_code == 2
    assert "\n  create " in result.errors
