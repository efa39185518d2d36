"""
`eventsource project run`: real processes, real files, real signals.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from eventsource import NewEvent
from tests.cli.shop import PATIENCE_S, Command, Shop, Terminal, paid, refused, wait_until

BALANCES = "shop_projectors:Balances"
SALES = "shop_projectors:Sales"


def test_once_brings_read_models_up_to_date_and_ends(shop: Shop) -> None:
    """
    With --once several projectors catch up in one process, which then exits with 0.
    """
    shop.commit([paid(5), paid(7, "/accounts/2"), paid(1)])

    result = shop.run("project", "run", "--once", BALANCES, SALES)

    assert result.returncode == 0, result.stderr
    assert shop.balances() == {"/accounts/1": 6, "/accounts/2": 7}
    assert shop.sales() == [(1, 5), (2, 7), (3, 1)]


def test_outside_a_terminal_it_logs_changes_of_state_to_standard_error(shop: Shop) -> None:
    """
    Log lines of key=value pairs tell start, caught up and stop; standard output stays empty.
    """
    shop.commit([paid(5), paid(7)])

    result = shop.run("project", "run", "--once", BALANCES)

    lines = [line.split(" ", 1)[1] for line in result.stderr.splitlines()]
    assert lines == [
        "level=info event=projector.started projector=balances finished=0 behind=2",
        "level=info event=projector.caught_up projector=balances finished=2",
        "level=info event=projector.stopped projector=balances finished=2",
    ]
    assert result.stdout == ""


def test_json_prints_one_object_for_each_change_of_state(shop: Shop, command: Command) -> None:
    """
    With --json standard output has started, caught_up and stopped, and standard error nothing.
    """
    last = shop.commit([paid(5), paid(7)])[-1]

    result = command("project", "run", "--once", "--json", BALANCES)

    changes = [json.loads(line) for line in result.output.splitlines()]
    assert [change["state"] for change in changes] == ["started", "caught_up", "stopped"]
    assert changes[-1] == {
        "projector": "balances",
        "state": "stopped",
        "events": 2,
        "behind": 0,
        "position": 2,
        "event_id": last.id,
    }
    assert result.errors == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it_cleanly(shop: Shop, number: signal.Signals) -> None:
    """
    SIGINT and SIGTERM end a following worker with exit code 0, without a traceback.
    """
    shop.commit([paid(5)])
    worker = shop.start("project", "run", BALANCES)
    wait_until(lambda: shop.balances() == {"/accounts/1": 5})

    worker.send_signal(number)
    _, errors = worker.communicate(timeout=PATIENCE_S)

    assert worker.returncode == 0
    assert errors.splitlines()[-1].endswith("event=projector.stopped projector=balances finished=1")
    assert "Traceback" not in errors


def test_second_signal_ends_a_worker_whose_handler_hangs(shop: Shop) -> None:
    """
    A clean stop waits for the batch under way; a second signal does not.
    """
    shop.commit([paid(5)])
    worker = shop.start("project", "run", "shop_projectors:Stuck")
    assert worker.stdout is not None
    assert worker.stdout.readline() == "stuck\n"

    worker.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(0.5)
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=PATIENCE_S)

    assert worker.returncode == -signal.SIGTERM


def test_killed_while_catching_up_it_resumes_exactly(shop: Shop) -> None:
    """
    After kill -9 in the middle of catching up, the next run applies each remaining event once.
    """
    shop.commit(paid(cents) for cents in range(2_500))
    worker = shop.start("project", "run", BALANCES, SHOP_PAUSE_S="0.0006")
    wait_until(lambda: bool(shop.balances()))

    worker.kill()
    worker.communicate(timeout=PATIENCE_S)
    half_done = shop.balances()["/accounts/1"]
    result = shop.run("project", "run", "--once", BALANCES)

    assert half_done < sum(range(2_500))
    assert result.returncode == 0, result.stderr
    assert shop.balances() == {"/accounts/1": sum(range(2_500))}


def test_follows_what_another_process_commits(shop: Shop) -> None:
    """
    While one process writes to the file, a worker in another keeps the read model up to date.
    """
    worker = shop.start("project", "run", "--json", BALANCES)
    assert worker.stdout is not None
    states = [json.loads(worker.stdout.readline())["state"] for _ in range(2)]

    writer = subprocess.Popen([sys.executable, str(Path(__file__).with_name("shopper.py")), shop.store, "20", "0.02"])
    wait_until(lambda: shop.balances() == {"/accounts/1": 20})

    worker.send_signal(signal.SIGTERM)
    output, _ = worker.communicate(timeout=PATIENCE_S)
    assert writer.wait(PATIENCE_S) == 0
    assert states == ["started", "caught_up"]
    assert json.loads(output)["events"] == 20


def test_failing_handler_is_reported_and_the_others_go_on(shop: Shop, command: Command) -> None:
    """
    The report names projector, event, type and subject and shows the handler's traceback; exit code 1.
    """
    failing = shop.commit([paid(5), refused(), paid(7)])[1]

    result = command("project", "run", "--once", SALES, BALANCES)

    assert result.exit_code == 1
    assert (
        f"projector 'sales': stopped before event {failing.id} of /orders/7 (io.example.shop.refused)" in result.errors
    )
    assert "ValueError: cannot book a refund" in result.errors
    assert shop.sales() == [(1, 5)]
    assert shop.balances() == {"/accounts/1": 12}


def test_report_of_a_failing_handler_starts_at_the_handler(shop: Shop, command: Command) -> None:
    """
    The traceback has the handler's lines and none of the library's.
    """
    shop.commit([refused()])

    errors = command("project", "run", "--once", SALES).errors

    trace = errors[errors.index("Traceback") : errors.index("ValueError")]
    assert trace.count('File "') == 1
    assert "in _refused" in trace


def test_worker_lives_on_after_one_projector_has_failed(shop: Shop) -> None:
    """
    Without --once the other projectors follow until the signal; then the exit code is 1.
    """
    shop.commit([refused()])
    worker = shop.start("project", "run", "--json", SALES, BALANCES)
    assert worker.stdout is not None
    while json.loads(worker.stdout.readline())["state"] != "failed":
        pass

    shop.commit([paid(9)])
    wait_until(lambda: shop.balances() == {"/accounts/1": 9})
    worker.send_signal(signal.SIGTERM)
    output, _ = worker.communicate(timeout=PATIENCE_S)

    assert worker.returncode == 1
    assert [json.loads(line)["projector"] for line in output.splitlines()[-1:]] == ["balances"]


def test_failure_in_json_has_its_facts(shop: Shop, command: Command) -> None:
    """
    With --json the failure is a line on standard output, with the traceback as a text in it.
    """
    failing = shop.commit([paid(5), refused()])[1]

    result = command("project", "run", "--json", SALES)

    change = json.loads(result.output.splitlines()[-1])
    assert result.exit_code == 1
    assert (change["state"], change["events"]) == ("failed", 1)
    error = change["error"]
    assert error["code"] == "projector-failed"
    assert (error["event_id"], error["type"], error["subject"]) == (failing.id, "io.example.shop.refused", "/orders/7")
    assert error["cause"].endswith("ValueError: cannot book a refund")
    assert result.errors == ""


def test_event_that_does_not_fit_is_told_without_a_traceback(shop: Shop, command: Command) -> None:
    """
    For an event that its class refuses, the report names the field and shows no lines of the library.
    """
    shop.commit([NewEvent(subject="/accounts/1", type="io.example.shop.paid", data={})])

    errors = command("project", "run", "--once", BALANCES).errors

    assert "does not fit its class: cents: Field required" in errors
    assert "Traceback" not in errors


def test_control_characters_in_an_error_are_escaped(shop: Shop, command: Command) -> None:
    """
    What a handler quotes from an event cannot steer the terminal.
    """
    shop.commit([refused("\x1b[31mred\x07")])

    errors = command("project", "run", "--once", SALES).errors

    assert "cannot book \\u001b[31mred\\u0007" in errors
    assert "\x1b" not in errors


def test_terminal_shows_a_bar_with_speed_and_time_left(shop: Shop) -> None:
    """
    While catching up, each projector has a line with a bar, events done and to do, events/s and time left.
    """
    shop.commit(paid(1) for _ in range(3_000))

    terminal = Terminal(shop, "project", "run", "--once", BALANCES, SALES, SHOP_PAUSE_S="0.0003")
    terminal.read_until("left")
    output = terminal.finish()

    assert terminal.process.returncode == 0
    assert "━" in output
    assert "/3,000" in output
    assert " events/s" in output


def test_terminal_is_quiet_once_it_has_caught_up(shop: Shop) -> None:
    """
    A live projector is one line that is not drawn again until an event comes.
    """
    last = shop.commit([paid(5), paid(6)])[-1]
    terminal = Terminal(shop, "project", "run", BALANCES)
    terminal.read_until("live")
    terminal.read_until(last.id)

    quiet = terminal.read_for(0.5)
    newer = shop.commit([paid(7)])[-1]
    terminal.read_until(newer.id)

    terminal.process.send_signal(signal.SIGINT)
    output = terminal.finish()
    assert quiet == ""
    assert terminal.process.returncode == 0
    assert "3 events" in output


def test_terminal_shows_a_failure_above_the_bars(shop: Shop) -> None:
    """
    The report of a failed projector is printed once, and its line says so.
    """
    shop.commit([refused()])

    output = Terminal(shop, "project", "run", SALES).finish()

    assert output.count("ValueError: cannot book a refund") == 1
    assert "failed" in output


def test_event_store_is_refused_as_a_read_model_database(shop: Shop, command: Command) -> None:
    """
    Read models are never written into the file of a store.
    """
    path = shop.directory / "shop.db"

    result = command("project", "run", "--once", BALANCES, "--database", f"sqlite:///{path}")

    assert result.exit_code == 2
    assert "is an event store: read models need a file of their own" in result.errors


def test_database_that_cannot_be_opened_is_told(command: Command) -> None:
    """
    A database in a directory that does not exist ends the command with 3 before anything runs.
    """
    result = command("project", "run", BALANCES, "--database", "sqlite:////no/such/directory/read.db")

    assert result.exit_code == 3
    assert result.errors.startswith("eventsource: the read-model database sqlite:////no/such/directory/read.db does")
    assert "Traceback" not in result.errors


def test_closed_pipe_ends_it_quietly(shop: Shop) -> None:
    """
    When nobody reads the changes of state any more, the worker ends without a word.
    """
    shop.commit([paid(1)])
    worker = shop.start("project", "run", "--once", "--json", BALANCES)
    assert worker.stdout is not None
    worker.stdout.close()
    assert worker.stderr is not None

    errors = worker.stderr.read()

    worker.stderr.close()
    assert worker.wait(PATIENCE_S) == 0
    assert errors == ""
