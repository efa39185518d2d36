"""
`eventsource query`: answers for people and for programs.
"""

import io
import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from eventsource import NewEvent
from tests.cli.shop import PATIENCE_S, Command, Process, Shop, Terminal, paid, wait_until

CENTS = "STREAM e FROM events MAP { account: e.subject, cents: e.data.cents }"
# Takes 50 ms for an event with a long note.
SLOW = (
    "STREAM e FROM events WHERE "
    + " OR ".join(f"LENGTH(REPLACE(e.data.text, 'x', 'y{number}')) == 1" for number in range(60))
    + " MAP e.id"
)


def noted(text: str) -> NewEvent:
    """
    A note.
    """
    return NewEvent(subject="/notes/1", type="io.example.shop.noted", data={"text": text})


TELL_STATEMENTS = """
from eventsource.store.embedded.query.run import QueryRun
select = QueryRun.select
def tell_and_select(*arguments):
    print("at work", file=sys.stderr, flush=True)
    return select(*arguments)
QueryRun.select = tell_and_select
"""


@pytest.fixture
def slow_query(shop: Shop) -> Process:
    """
    A process that has begun to answer the slow query, which takes it half a minute.
    """
    shop.commit([noted("x" * 60_000)] * 600)
    asking = shop.start_changed(TELL_STATEMENTS, "query", SLOW, "--max-time", "600")
    assert asking.stderr is not None
    assert asking.stderr.readline() == "at work\n"
    return asking


def test_pipe_gets_one_line_of_json_a_row(shop: Shop, command: Command) -> None:
    """
    Where standard output is no terminal, each row is a JSON value on its own line.
    """
    shop.commit([paid(5), paid(7, "/accounts/2")])

    objects = command("query", CENTS)
    scalars = command("query", "STREAM e FROM events MAP e.data.cents / 2")

    assert objects.exit_code == 0
    assert objects.output == '{"account":"/accounts/1","cents":5}\n{"account":"/accounts/2","cents":7}\n'
    assert scalars.output == "2.5\n3.5\n"


def test_rows_without_map_are_events(shop: Shop, command: Command) -> None:
    """
    Whole events are written as `stream` writes them.
    """
    shop.commit([paid(5), paid(7)])

    result = command("query", "STREAM e FROM events")

    assert [json.loads(line) for line in result.output.splitlines()] == [
        json.loads(line) for line in command("stream", "/").output.splitlines()
    ]


def test_text_is_a_table(shop: Shop, command: Command) -> None:
    """
    With --text the members of the rows are columns: numbers to the right, as they are.
    """
    shop.commit([paid(5), paid(1200, "/accounts/23")])

    result = command("query", CENTS, "--text")

    assert result.output.splitlines() == [
        "account       cents",
        "/accounts/1       5",
        "/accounts/23   1200",
    ]


def test_no_rows_are_told_to_a_person_only(shop: Shop, command: Command) -> None:
    """
    An empty table says so on standard error; for a program there is nothing.
    """
    shop.commit([])

    in_words, in_json = command("query", CENTS, "--text"), command("query", CENTS)

    assert (in_words.exit_code, in_words.output, in_words.errors) == (0, "", "no rows\n")
    assert (in_json.exit_code, in_json.output, in_json.errors) == (0, "", "")


def test_terminal_gets_a_table(shop: Shop) -> None:
    """
    In a terminal the answer is for people.
    """
    shop.commit([paid(5)])

    output = Terminal(shop, "query", CENTS).finish()

    assert output.splitlines() == ["account      cents", "/accounts/1      5"]


def test_control_characters_never_reach_a_terminal(shop: Shop) -> None:
    """
    Neither names nor values have what a terminal would act upon, nor does an error that quotes the query.
    """
    shop.commit([noted("\x1b]0;owned\x07 \x9b31m \u202e\x7f\r\n")])
    map_all = r"""STREAM e FROM events MAP { "\u001b[2J": e.data.text, list: [e.data.text] }"""

    table = Terminal(shop, "query", map_all).finish()
    plan = Terminal(shop, "query", map_all, "--explain").finish()
    error = Terminal(shop, "query", "STREAM e FROM events \x1b[2J").finish()

    assert r"\u001b[2J" in table
    assert r"\u001b]0;owned\u0007 \u009b31m \u202e\u007f" in table
    acting = set("\x1b\x07\x9b\u202e\x7f\t")
    assert [set(output) & acting for output in (table, plan, error)] == [set(), set(), set()]


def test_syntax_error_is_shown_with_its_place(shop: Shop, command: Command) -> None:
    """
    Line, column, the line itself and a caret under the place; exit code 2, nothing on standard output.
    """
    shop.commit([paid(5)])

    result = command("query", "STREAM e FROM events\nWHERE e.subjct == '/accounts/1'")

    assert result.exit_code == 2
    assert result.output == ""
    first, line, caret = result.errors.splitlines()
    assert first.startswith("eventsource: line 2, column 7: expected a field of events, found 'subjct'")
    assert (line, caret) == ("WHERE e.subjct == '/accounts/1'", "      ^")


def test_syntax_error_in_json_has_its_place(shop: Shop, command: Command) -> None:
    """
    With --json line and column are members of the error.
    """
    shop.commit([paid(5)])

    error = json.loads(command("query", "STREAM e FROM events\nWHERE", "--json").errors)["error"]

    assert (error["code"], error["line"], error["column"]) == ("query-syntax", 2, 6)


@pytest.mark.parametrize(
    ("option", "limit", "rows"),
    [("--max-rows", "3", 3), ("--max-bytes", "100", 2), ("--max-time", "0.001", 0)],
)
def test_used_up_limit_is_told_with_the_option_that_raises_it(
    shop: Shop, command: Command, option: str, limit: str, rows: int
) -> None:
    """
    The rows within the limit are printed; then the error names the option, and the exit code is 1.
    """
    shop.commit(paid(number) for number in range(10_000))
    sorting = " ORDER BY LENGTH(e.subject)" if option == "--max-time" else ""

    result = command("query", CENTS + sorting, option, limit)

    assert result.exit_code == 1
    assert len(result.output.splitlines()) == rows
    assert result.errors.startswith("eventsource: the query used up its ")
    assert result.errors.endswith(f"; {option} allows more\n")


def test_limits_in_json_have_a_code(shop: Shop, command: Command) -> None:
    """
    With --json a used-up limit is an error object.
    """
    shop.commit([paid(5), paid(7)])

    result = command("query", CENTS, "--max-rows", "1", "--json")

    assert json.loads(result.errors)["error"]["code"] == "query-budget"


@pytest.mark.parametrize(("option", "limit"), [("--max-time", "nan"), ("--max-time", "0"), ("--max-rows", "0")])
def test_limit_that_is_none_is_refused(shop: Shop, command: Command, option: str, limit: str) -> None:
    """
    Limits are numbers above 0.
    """
    shop.commit([paid(5)])

    result = command("query", CENTS, option, limit)

    assert result.exit_code == 2
    assert option in result.errors


def test_query_comes_from_a_file(shop: Shop, command: Command) -> None:
    """
    --file reads it, whatever editor wrote it: with a byte order mark, CRLF and a comment.
    """
    shop.commit([paid(5)])
    (shop.directory / "cents.gdbql").write_bytes("\ufeff// é\r\nSTREAM e FROM events\r\nMAP e.data.cents;\r\n".encode())

    assert command("query", "--file", "cents.gdbql").output == "5\n"


@pytest.mark.parametrize("typed", [("-",), ("--file", "-")])
def test_query_comes_from_standard_input(
    shop: Shop, command: Command, monkeypatch: pytest.MonkeyPatch, typed: tuple[str, ...]
) -> None:
    """
    A dash is standard input.
    """
    shop.commit([paid(5)])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"STREAM e FROM events MAP e.data.cents\n")))

    assert command("query", *typed).output == "5\n"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ((), "write the query behind the command"),
        ((CENTS, "--file", "cents.gdbql"), "write the query behind the command"),
        (("--file", "nowhere.gdbql"), "cannot read the query from nowhere.gdbql: No such file or directory"),
        (("--file", "latin1.gdbql"), "the query is not UTF-8: byte 4 is not"),
        (("--file", "long.gdbql"), "too large: at most 16384 bytes of text are allowed"),
    ],
    ids=["none", "two", "missing", "latin1", "long"],
)
def test_query_that_cannot_be_read_is_a_usage_error(
    shop: Shop, command: Command, typed: tuple[str, ...], told: str
) -> None:
    """
    There is exactly one text, and it is one; exit code 2.
    """
    (shop.directory / "latin1.gdbql").write_bytes("// é".encode("latin-1"))
    (shop.directory / "long.gdbql").write_bytes("é".encode() * 50_000)

    result = command("query", *typed)

    assert result.exit_code == 2
    assert told in result.errors


def test_explain_tells_what_uses_which_index(shop: Shop, command: Command) -> None:
    """
    --explain runs nothing and prints a line for each part, then what SQLite says.
    """
    shop.commit([paid(5)])

    result = command(
        "query", "STREAM e FROM events WHERE e.subject == '/a' AND LENGTH(e.data.x) > 1 MAP e.id", "--explain", "--text"
    )

    assert result.exit_code == 0
    assert result.output.splitlines()[:6] == [
        "clause  part                  how         index",
        "WHERE   e.subject == '/a'     index       events_subject",
        "WHERE   LENGTH(e.data.x) > 1  row by row  -",
        "MAP     e.id                  row by row  -",
        "",
        "SQLite: SEARCH e USING INDEX events_subject (subject=? AND rowid>? AND rowid<?)",
    ]


def test_explanation_is_json_in_a_pipe(shop: Shop, command: Command) -> None:
    """
    For a program each part is an object on its own line.
    """
    shop.commit([paid(5)])

    result = command("query", "STREAM e FROM events WHERE e.subject == '/a' MAP e.id", "--explain")

    first, _, last = map(json.loads, result.output.splitlines())
    assert first == {"clause": "WHERE", "text": "e.subject == '/a'", "how": "index", "index": "events_subject"}
    assert last["sqlite"].startswith("SEARCH e USING INDEX events_subject")


def test_query_is_answered_while_another_process_writes(shop: Shop, command: Command) -> None:
    """
    It only reads, so the writer keeps its place, and goes on.
    """
    writer = subprocess.Popen([sys.executable, str(Path(__file__).with_name("shopper.py")), shop.store, "100", "0.02"])
    count = "STREAM e FROM events MAP COUNT()"

    wait_until(lambda: int(command("query", count).output) > 2)
    is_writing = writer.poll() is None

    assert writer.wait(PATIENCE_S) == 0
    assert is_writing
    assert command("query", count).output == "100\n"


def test_store_that_is_not_there_is_not_made(shop: Shop, command: Command) -> None:
    """
    A misspelt file is an error, and stays missing.
    """
    result = command("query", CENTS, "--store", f"sqlite:{shop.directory / 'ship.db'}")

    assert result.exit_code == 3
    assert not (shop.directory / "ship.db").exists()


def test_damaged_data_is_told(shop: Shop, command: Command) -> None:
    """
    Data that is no JSON any more ends it with 3 and a sentence.
    """
    shop.commit([paid(5), paid(7)])
    with sqlite3.connect(shop.directory / "shop.db") as connection:
        connection.execute("UPDATE events SET data = '{' WHERE position = 2")
    connection.close()

    results = [command("query", f"STREAM e FROM events {rest}") for rest in ("", "MAP SUM(e.data.cents)")]

    assert [result.exit_code for result in results] == [3, 3]
    assert all("is damaged: the data of an event is no JSON" in result.errors for result in results)


def test_closed_pipe_ends_quietly(shop: Shop) -> None:
    """
    `eventsource query ... | head -n 1` prints one row and nothing else.
    """
    shop.commit(paid(number) for number in range(20_000))
    asking = shop.start("query", CENTS)
    assert asking.stdout is not None
    assert asking.stderr is not None

    first = asking.stdout.readline()
    asking.stdout.close()
    errors = asking.stderr.read()

    asking.stderr.close()
    assert asking.wait(PATIENCE_S) == 0
    assert json.loads(first)["cents"] == 0
    assert errors == ""


def test_query_that_has_no_row_yet_notices_that_its_reader_has_left(slow_query: Process) -> None:
    """
    It does not work on for nobody.
    """
    assert slow_query.stdout is not None
    assert slow_query.stderr is not None

    slow_query.stdout.close()

    assert slow_query.wait(15) == 0
    assert slow_query.stderr.read() == ""
    slow_query.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_a_query_that_is_being_answered(slow_query: Process, number: signal.Signals) -> None:
    """
    Ctrl-C does not wait for the statement under way.
    """
    slow_query.send_signal(number)

    assert slow_query.wait(15) == 128 + number
    assert slow_query.communicate() == ("", "")


@pytest.mark.parametrize("form", ["--json", "--text"])
def test_memory_does_not_grow_with_the_rows(shop: Shop, form: str) -> None:
    """
    Printing 12 MiB more of rows takes less than 4 MiB more of memory.
    """
    shop.commit([noted("x" * 4096)] * 4_000)
    measure = (
        "import resource, sys; from eventsource.cli import main; main(); "
        "sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))"
    )

    def peak_kib(limit: int) -> int:
        command = [sys.executable, "-c", measure, "query", f"STREAM e FROM events LIMIT {limit}", form]
        errors = subprocess.run(
            command, env=shop.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True
        ).stderr
        # Kibibytes on Linux, bytes on macOS.
        return int(errors) // (1024 if sys.platform == "darwin" else 1)

    assert peak_kib(4_000) - peak_kib(1_000) < 4 * 1024
