"""
`eventsource stream`: events as lines, for people and for programs.
"""

import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from eventsource import NewEvent
from tests.cli.shop import PATIENCE_S, Command, Shop, Terminal, paid


def _cents(lines: str) -> list[int]:
    return [json.loads(line)["data"]["cents"] for line in lines.splitlines()]


def test_pipe_gets_one_cloud_event_a_line(shop: Shop, command: Command) -> None:
    """
    Where standard output is no terminal, each line is the event as Genesis DB writes it.
    """
    recorded = shop.commit([paid(5), paid(7, "/accounts/2")])

    result = command("stream", "/")

    assert result.exit_code == 0
    assert [json.loads(line) for line in result.output.splitlines()] == [event.to_cloud_event() for event in recorded]


def test_text_is_one_line_an_event_without_colours_in_a_pipe(shop: Shop, command: Command) -> None:
    """
    With --text a line has time, subject, type and data, and no escape sequences outside a terminal.
    """
    [recorded] = shop.commit([paid(5)])

    result = command("stream", "/accounts/1", "--text")

    at = recorded.to_cloud_event()["time"][:23]
    assert result.output == f'{at}Z  /accounts/1  io.example.shop.paid  {{"cents":5}}\n'


def test_terminal_gets_lines_to_read_with_colours(shop: Shop) -> None:
    """
    In a terminal the lines are for people.
    """
    shop.commit([paid(5)])

    output = Terminal(shop, "stream", "/").finish()

    assert "\x1b[36m/accounts/1\x1b[0m" in output
    assert output.endswith('{"cents":5}\r\n')


def test_control_characters_never_reach_a_terminal(shop: Shop) -> None:
    """
    What a terminal would act upon is shown as JSON escapes.
    """
    text = "\x1b]0;owned\x07 \x9b31m \u202e\x7f\r\n"
    shop.commit([NewEvent(subject="/accounts/1", type="io.example.shop.noted", data={"text": text})])

    output = Terminal(shop, "stream", "/", NO_COLOR="1").finish()

    assert r'{"text":"\u001b]0;owned\u0007 \u009b31m \u202e\u007f\r\n"}' in output
    assert not set(output.removesuffix("\r\n")) & set("\x1b\x07\x9b\u202e\x7f\r\n")


def test_escapes_are_the_same_json(shop: Shop, command: Command) -> None:
    """
    A program reads back exactly what was stored, and neither form has what a terminal would act upon.
    """
    data = {"text": "\x1b \x9b \u202e \u2028 \x7f é 😀"}
    shop.commit([NewEvent(subject="/accounts/1", type="io.example.shop.noted", data=data)])

    line = command("stream", "/", "--json").output

    assert json.loads(line)["data"] == data
    assert r'{"text":"\u001b \u009b \u202e \u2028 \u007f é 😀"}' in line


def test_only_the_subject_itself_unless_recursive(shop: Shop, command: Command) -> None:
    """
    By default what lies below a subject belongs to it; --no-recursive leaves it out.
    """
    shop.commit([paid(1, "/accounts"), paid(2, "/accounts/1"), paid(3, "/accounts/1/cards"), paid(4, "/accountants")])

    recursive = command("stream", "/accounts")
    alone = command("stream", "/accounts", "--no-recursive")

    assert _cents(recursive.output) == [1, 2, 3]
    assert _cents(alone.output) == [1]


def test_bounds_leave_out_their_events_unless_included(shop: Shop, command: Command) -> None:
    """
    --lower-bound starts behind its event and --upper-bound ends before its event; both can be included.
    """
    ids = [event.id for event in shop.commit([paid(number) for number in range(5)])]
    bounds = ("stream", "/", "--lower-bound", ids[1], "--upper-bound", ids[3])

    assert _cents(command(*bounds).output) == [2]
    assert _cents(command(*bounds, "--include-lower-bound", "--include-upper-bound").output) == [1, 2, 3]


def test_latest_by_type_is_one_event_a_subject(shop: Shop, command: Command) -> None:
    """
    --latest-by-type prints of each subject its last event of that type.
    """
    shop.commit([paid(1), paid(2), paid(3, "/accounts/2")])

    result = command("stream", "/accounts", "--latest-by-type", "io.example.shop.paid")

    assert _cents(result.output) == [2, 3]


def test_limit_ends_after_so_many_events(shop: Shop, command: Command) -> None:
    """
    --limit cuts within a page and across pages.
    """
    shop.commit(paid(number) for number in range(2_500))

    assert _cents(command("stream", "/", "--limit", "2").output) == [0, 1]
    assert len(command("stream", "/", "--limit", "2001").output.splitlines()) == 2001


def test_closed_pipe_ends_quietly(shop: Shop) -> None:
    """
    `eventsource stream / | head -n 1` prints one event and nothing else.
    """
    shop.commit(paid(number) for number in range(5_000))
    streaming = shop.start("stream", "/")
    assert streaming.stdout is not None
    assert streaming.stderr is not None

    first = streaming.stdout.readline()
    streaming.stdout.close()
    errors = streaming.stderr.read()

    streaming.stderr.close()
    assert streaming.wait(PATIENCE_S) == 0
    assert _cents(first) == [0]
    assert errors == ""


def test_follow_prints_what_another_process_commits(shop: Shop) -> None:
    """
    --follow prints the history and then each new event, until a signal ends it with 0.
    """
    shop.commit([paid(5)])
    following = shop.start("stream", "/accounts/1", "--follow")
    assert following.stdout is not None
    history = following.stdout.readline()

    shopper = subprocess.Popen([sys.executable, str(Path(__file__).with_name("shopper.py")), shop.store, "3", "0.05"])
    live = "".join(following.stdout.readline() for _ in range(3))

    shopper.wait(PATIENCE_S)
    following.send_signal(signal.SIGTERM)
    _, errors = following.communicate(timeout=PATIENCE_S)
    assert following.returncode == 0
    assert _cents(history + live) == [5, 1, 1, 1]
    assert errors == ""


def test_follow_notices_that_its_reader_has_left(shop: Shop) -> None:
    """
    `eventsource stream / --follow | head -n 1` ends although no further event comes.
    """
    shop.commit([paid(5)])
    following = shop.start("stream", "/", "--follow")
    assert following.stdout is not None
    assert following.stderr is not None

    following.stdout.readline()
    following.stdout.close()

    assert following.wait(PATIENCE_S) == 0
    assert following.stderr.read() == ""
    following.stderr.close()


def test_follow_ends_at_its_limit(shop: Shop, command: Command) -> None:
    """
    --follow with --limit is a way to wait for so many events.
    """
    shop.commit([paid(5), paid(6)])

    result = command("stream", "/", "--follow", "--limit", "2")

    assert _cents(result.output) == [5, 6]


def test_signal_ends_a_stream_that_waits_for_its_reader(shop: Shop) -> None:
    """
    Ctrl-C works although the pipe is full and nobody reads it.
    """
    shop.commit(paid(number) for number in range(5_000))
    streaming = shop.start("stream", "/")
    assert streaming.stdout is not None
    streaming.stdout.readline()
    with pytest.raises(subprocess.TimeoutExpired):
        streaming.wait(0.5)

    streaming.send_signal(signal.SIGINT)

    assert streaming.wait(PATIENCE_S) == 130
    _, errors = streaming.communicate()
    assert errors == ""


@pytest.mark.parametrize("option", ["--upper-bound", "--latest-by-type"])
def test_follow_goes_with_no_end(command: Command, option: str) -> None:
    """
    An option that ends a stream contradicts --follow, and the command says so.
    """
    result = command("stream", "/", "--follow", option, "x")

    assert result.exit_code == 2
    assert result.errors == f"eventsource: --follow does not end, so it goes with no {option}\n"


def test_bound_that_is_not_there_is_a_usage_error(command: Command) -> None:
    """
    An event id that the store does not have ends the command with 2.
    """
    result = command("stream", "/", "--lower-bound", "nowhere")

    assert result.exit_code == 2
    assert result.errors == "eventsource: no event with id 'nowhere' in this store\n"


@pytest.mark.parametrize("damage", ["data = '{'", "data = '{\"cents\":NaN}'"])
def test_event_that_cannot_be_read_ends_it_with_its_place(shop: Shop, command: Command, damage: str) -> None:
    """
    In a damaged file events before the damage are printed, then the place is told; exit code 3.
    """
    damaged = shop.commit([paid(5), paid(7)])[1]
    with sqlite3.connect(shop.directory / "shop.db") as connection:
        connection.execute(f"UPDATE events SET {damage} WHERE position = 2")  # noqa: S608  constants
    connection.close()

    result = command("stream", "/")

    assert result.exit_code == 3
    assert _cents(result.output) == [5]
    assert f"event '{damaged.id}' at position 2 cannot be read" in result.errors


def test_memory_does_not_grow_with_the_events(shop: Shop) -> None:
    """
    Printing 12 MiB more of events takes less than 4 MiB more of memory.
    """
    note = NewEvent(subject="/notes/1", type="io.example.shop.noted", data={"text": "x" * 4096})
    shop.commit([note] * 4_000)
    measure = (
        "import resource, sys; from eventsource.cli import main; main(); "
        "sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))"
    )

    def peak_kib(limit: int) -> int:
        command = [sys.executable, "-c", measure, "stream", "/", "--limit", str(limit)]
        errors = subprocess.run(
            command, env=shop.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True
        ).stderr
        # Kibibytes on Linux, bytes on macOS.
        return int(errors) // (1024 if sys.platform == "darwin" else 1)

    assert peak_kib(4_000) - peak_kib(1_000) < 4 * 1024
