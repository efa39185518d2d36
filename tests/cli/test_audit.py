"""
`eventsource audit` and `eventsource ping`.
"""

import json
import sqlite3

from tests.cli.shop import Command, Shop, Terminal, paid


def _tamper(shop: Shop, sql: str) -> None:
    with sqlite3.connect(shop.directory / "shop.db") as connection:
        connection.execute(sql)
    connection.close()


def test_intact_store_is_told_with_its_head(shop: Shop, command: Command) -> None:
    """
    An audit of an untouched store prints events, head hash and "intact", and exits with 0.
    """
    last = shop.commit([paid(5), paid(7)])[-1]

    result = command("audit")

    assert result.exit_code == 0
    assert result.output.splitlines() == ["events  2", f"head    {last.hash}", "intact"]


def test_changed_event_is_told_with_its_place(shop: Shop, command: Command) -> None:
    """
    A changed amount is a problem with position and event id, and the exit code is 1.
    """
    changed = shop.commit([paid(5), paid(7), paid(9)])[1]
    _tamper(shop, """UPDATE events SET data = '{"cents":700}' WHERE position = 2""")

    result = command("audit")

    assert result.exit_code == 1
    assert result.output.splitlines()[2:] == [
        f"position 2, event {changed.id}: its hash does not fit its content: it was changed after it was committed",
        "1 problem",
    ]


def test_json_has_each_problem(shop: Shop, command: Command) -> None:
    """
    With --json problems are objects with position, event id and what is wrong.
    """
    missing_before = shop.commit([paid(5), paid(7), paid(9)])[2]
    _tamper(shop, "DELETE FROM events WHERE position = 2")

    result = command("audit", "--json")

    audit = json.loads(result.output)
    assert result.exit_code == 1
    assert (audit["intact"], audit["events"], audit["head"]) == (False, 2, missing_before.hash)
    assert audit["problems"][0] == {
        "position": 3,
        "event_id": missing_before.id,
        "what": "follows position 1: events in between are missing",
    }


def test_page_that_cannot_be_read_is_a_problem(shop: Shop, command: Command) -> None:
    """
    A damaged page of the file is a finding, not a crash: exit code 1.
    """
    shop.commit(paid(number) for number in range(2_000))
    path = shop.directory / "shop.db"
    content = bytearray(path.read_bytes())
    content[40 * 4096 : 44 * 4096] = b"\xff" * (4 * 4096)
    path.write_bytes(content)

    result = command("audit")

    assert result.exit_code == 1
    assert result.output.splitlines()[-1].endswith("problem") or result.output.splitlines()[-1].endswith("problems")


def test_file_that_is_no_store_cannot_be_opened(shop: Shop, command: Command) -> None:
    """
    Another kind of file ends the command with 3 and a sentence that names it.
    """
    path = shop.directory / "notes.txt"
    path.write_text("These are notes, and no database. " * 100)

    result = command("audit", "--store", f"sqlite:{path}")

    assert result.exit_code == 3
    assert result.errors == f"eventsource: {path} is not an event store: it is no SQLite database\n"


def test_audit_creates_no_store(shop: Shop, command: Command) -> None:
    """
    A store that is not there is not made by looking for it.
    """
    path = shop.directory / "elsewhere.db"

    result = command("audit", "--json", "--store", f"sqlite:{path}")

    assert result.exit_code == 3
    assert json.loads(result.errors)["error"]["code"] == "not-a-store"
    assert not path.exists()


def test_terminal_shows_that_it_is_at_work(shop: Shop) -> None:
    """
    In a terminal a line says how many events are being audited, and is gone when the result is there.
    """
    shop.commit([paid(5)])

    terminal = Terminal(shop, "audit")
    output = terminal.finish()

    assert "auditing 1 events" in output
    assert output.endswith("intact\r\n")


def test_ping_answers_with_the_number_of_events(shop: Shop, command: Command) -> None:
    """
    A store that can be read answers, for people and for programs.
    """
    shop.commit([paid(5)])

    in_words = command("ping")
    as_json = json.loads(command("ping", "--json").output)

    assert in_words.exit_code == 0
    assert in_words.output.startswith("answers: 1 events, ")
    assert as_json["events"] == 1
    assert as_json["seconds"] >= 0
