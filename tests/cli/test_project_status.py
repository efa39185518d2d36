"""
`eventsource project status`: where projectors stand, asked from outside.
"""

import json
import signal
import sqlite3

from tests.cli.shop import PATIENCE_S, Command, Shop, paid, wait_until

BALANCES = "shop_projectors:Balances"
SALES = "shop_projectors:Sales"


def _states(command: Command, *projectors: str) -> list[str]:
    result = command("project", "status", "--json", *projectors)
    assert result.exit_code == 0, result.errors
    return [status["state"] for status in json.loads(result.output)]


def _change(shop: Shop, sql: str) -> None:
    with sqlite3.connect(shop.directory / "read.db") as connection:
        connection.execute(sql)
    connection.close()


def test_table_has_a_line_for_each_projector(shop: Shop, command: Command) -> None:
    """
    For people: name, state, events finished and behind, position and last event in columns.
    """
    last = shop.commit([paid(5), paid(7)])[-1]
    command("project", "run", "--once", BALANCES)

    result = command("project", "status", BALANCES, SALES)

    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "projector  state        events  behind  position  last event",
        f"balances   caught up         2       0         2  {last.id}",
        "sales      not started       0       2         0  -",
    ]


def test_json_is_a_list_of_objects(shop: Shop, command: Command) -> None:
    """
    For programs: the same facts, with what is not there as null.
    """
    shop.commit([paid(5), paid(7)])

    result = command("project", "status", "--json", BALANCES)

    assert json.loads(result.output) == [
        {"projector": "balances", "state": "new", "events": 0, "behind": 2, "position": 0, "event_id": None}
    ]


def test_asking_creates_no_database(shop: Shop, command: Command) -> None:
    """
    A read-model database that is not there yet is not made by looking for it.
    """
    command("project", "status", BALANCES)

    assert not (shop.directory / "read.db").exists()


def test_projector_with_events_to_do_is_behind(shop: Shop, command: Command) -> None:
    """
    Events committed after the last run are counted as behind; those of other subjects are not.
    """
    shop.commit([paid(5)])
    command("project", "run", "--once", BALANCES)
    shop.commit([paid(7), paid(8), paid(9, "/elsewhere/1")])

    [status] = json.loads(command("project", "status", "--json", BALANCES).output)

    assert (status["state"], status["events"], status["behind"]) == ("behind", 1, 2)


def test_rows_without_a_checkpoint_are_told(shop: Shop, command: Command) -> None:
    """
    A read model whose checkpoint is gone needs a rebuild, and status says so.
    """
    shop.commit([paid(5)])
    command("project", "run", "--once", BALANCES)
    _change(shop, "DELETE FROM eventsource_checkpoints")

    assert _states(command, BALANCES) == ["checkpoint_missing"]


def test_checkpoint_of_another_store_is_told(shop: Shop, command: Command) -> None:
    """
    A checkpoint whose event this store does not have fits no number of events behind.
    """
    shop.commit([paid(5)])
    command("project", "run", "--once", BALANCES)
    _change(shop, "UPDATE eventsource_checkpoints SET event_id = 'of another store'")

    [status] = json.loads(command("project", "status", "--json", BALANCES).output)

    assert (status["state"], status["behind"]) == ("checkpoint_mismatch", None)


def test_lost_table_is_told(shop: Shop, command: Command) -> None:
    """
    A table that was dropped beside its checkpoint is not taken for an empty read model.
    """
    shop.commit([paid(5)])
    command("project", "run", "--once", BALANCES)
    _change(shop, "DROP TABLE balances")

    assert _states(command, BALANCES) == ["tables_missing"]


def test_database_of_something_else_does_not_answer(shop: Shop, command: Command) -> None:
    """
    Where another program has a table of checkpoints, status ends with 3 and a worker's projector fails.
    """
    shop.commit([paid(5)])
    _change(shop, "CREATE TABLE eventsource_checkpoints (listener TEXT, something_else TEXT)")

    asked = command("project", "status", BALANCES)
    ran = command("project", "run", "--once", BALANCES)

    assert asked.exit_code == 3
    assert asked.errors.startswith("eventsource: the read-model database does not answer: OperationalError: no such")
    assert ran.exit_code == 1
    assert "its table eventsource_checkpoints is another program's" in ran.errors


def test_database_in_memory_is_refused(command: Command) -> None:
    """
    A database that is no file holds nothing of any projector, so it is a usage error.
    """
    result = command("project", "status", BALANCES, "--database", "sqlite://")

    assert result.exit_code == 2
    assert "a SQLite database in memory is empty after each start" in result.errors


def test_answers_while_a_worker_runs(shop: Shop, command: Command) -> None:
    """
    Status reads beside a worker that writes to the same database.
    """
    shop.commit([paid(5)])
    worker = shop.start("project", "run", BALANCES)
    wait_until(lambda: bool(shop.balances()))

    states = _states(command, BALANCES)

    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=PATIENCE_S)
    assert states == ["caught_up"]
