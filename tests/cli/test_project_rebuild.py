"""
`eventsource project rebuild`: tables filled again from the first event.
"""

import json
import signal
import sqlite3

from tests.cli.shop import PATIENCE_S, Command, Shop, Terminal, paid, refused, wait_until

BALANCES = "shop_projectors:Balances"
SALES = "shop_projectors:Sales"


def test_rebuild_replaces_what_was_there(shop: Shop, command: Command) -> None:
    """
    Rows that no event stands for are gone afterwards, and the result is printed.
    """
    shop.commit([paid(5), paid(7)])
    command("project", "run", "--once", BALANCES)
    with sqlite3.connect(shop.directory / "read.db") as connection:
        connection.execute("UPDATE balances SET cents = 1000000")
    connection.close()

    result = command("project", "rebuild", BALANCES, SALES)

    assert result.exit_code == 0
    assert shop.balances() == {"/accounts/1": 12}
    lines = result.output.splitlines()
    assert [line.partition(" in ")[0] for line in lines] == [
        "balances: rebuilt from 2 events",
        "sales: rebuilt from 2 events",
    ]


def test_json_is_one_object_for_each_projector(shop: Shop, command: Command) -> None:
    """
    With --json the result has the number of events, the seconds and where it ended.
    """
    last = shop.commit([paid(5), paid(7)])[-1]

    rebuilt = json.loads(command("project", "rebuild", "--json", BALANCES).output)

    assert rebuilt.pop("seconds") > 0
    assert rebuilt == {"projector": "balances", "events": 2, "position": 2, "event_id": last.id}


def test_failing_handler_ends_it_with_a_report(shop: Shop, command: Command) -> None:
    """
    The report shows the handler's traceback and what to do; what came before the event is kept.
    """
    shop.commit([paid(5), refused(), paid(7)])

    result = command("project", "rebuild", SALES)

    assert result.exit_code == 1
    assert "ValueError: cannot book a refund\nprojector 'sales': stopped before event" in result.errors
    assert shop.sales() == [(1, 5)]


def test_terminal_shows_a_bar_and_then_the_result(shop: Shop) -> None:
    """
    In a terminal there is a bar with events/s while it runs, and the result below it.
    """
    shop.commit(paid(1) for _ in range(4_000))

    terminal = Terminal(shop, "project", "rebuild", BALANCES, SHOP_PAUSE_S="0.0001")
    output = terminal.finish()

    assert terminal.process.returncode == 0
    assert "━" in output
    assert " events/s" in output
    assert "balances: rebuilt from 4,000 events in " in output


def test_interrupted_rebuild_is_finished_by_the_next_run(shop: Shop) -> None:
    """
    Ctrl-C ends it with 130 and says so; a run then goes on where it was.
    """
    shop.commit(paid(1) for _ in range(2_500))
    rebuilding = shop.start("project", "rebuild", BALANCES, SHOP_PAUSE_S="0.0006")
    wait_until(lambda: bool(shop.balances()))

    rebuilding.send_signal(signal.SIGINT)
    _, errors = rebuilding.communicate(timeout=PATIENCE_S)
    half_done = shop.balances()["/accounts/1"]
    shop.run("project", "run", "--once", BALANCES)

    assert rebuilding.returncode == 130
    assert errors.splitlines()[-1].startswith("eventsource: interrupted")
    assert half_done < 2_500
    assert shop.balances() == {"/accounts/1": 2_500}
