"""
``eventsource query``: questions in GDBQL, answered as a table for people or as lines for programs.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any

import attrs
import typer

from eventsource.cli.failures import CommandError, ExitCode, QueryEndedError
from eventsource.cli.options import StoreUrl
from eventsource.cli.output import escape, noticing_closed_pipe, to_json, write_error, write_lines
from eventsource.cli.rows import RowTable
from eventsource.cli.signals import run as run_async
from eventsource.cli.table import format_table
from eventsource.gdbql import Query, parse
from eventsource.gdbql.errors import QueryBudgetError
from eventsource.store.opening import connect
from eventsource.store.query import Explanation, QueryLimits

# A person waits longer than a program does, and ends it with Ctrl-C; rows go out as they come.
_TIME_S = 30.0
_ROWS = 1_000_000
_BYTES = 256 * 2**20

_OPTIONS = {"time": "--max-time", "rows": "--max-rows", "bytes": "--max-bytes"}

# A query has 16 KiB at most. More is read only to be refused with the parser's own words.
_MAX_CHARACTERS_READ = 64 * 2**10

_STANDARD_INPUT = "-"


def query(
    store: StoreUrl,
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="The query, in GDBQL; - reads it from standard input.")
    ] = None,
    *,
    file: Annotated[Path | None, typer.Option(metavar="FILE", help="Read the query from a file.")] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Do not run it, tell what is found by an index and what row by row.")
    ] = False,
    max_time: Annotated[
        float, typer.Option(min=0.001, metavar="SECONDS", help="End it after so much work; waiting does not count.")
    ] = _TIME_S,
    max_rows: Annotated[int, typer.Option(min=1, metavar="N", help="End it after so many rows.")] = _ROWS,
    max_bytes: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="End it after so many bytes of rows, or of what it holds to sort or group."
        ),
    ] = _BYTES,
    json: Annotated[
        bool | None,
        typer.Option("--json/--text", help="Rows in JSON or a table; in a terminal --text, else --json."),
    ] = None,
) -> int:
    """
    Answer a query in GDBQL, while others write or not.

    In a terminal: a table whose columns are the members of the first rows. Otherwise, or with --json, each row is a
    line of JSON (NDJSON). Control characters are written as JSON escapes either way. When the limits are used up, the
    rows before are printed, and the exit code is 1.
    """
    tree = parse(_read_text(text, file))
    as_json = not sys.stdout.isatty() if json is None else json
    if explain:
        run_async(_explain(store, tree, as_json=as_json))
        return ExitCode.DONE
    try:
        run_async(_print(store, tree, QueryLimits(max_time, max_rows, max_bytes), as_json=as_json))
    except QueryBudgetError as error:
        raise QueryEndedError(error, option=_OPTIONS[error.budget]) from error
    return ExitCode.DONE


def _read_text(text: str | None, file: Path | None) -> str:
    if (text is None) == (file is None):
        msg = "write the query behind the command, or - to read it from standard input, or --file FILE"
        raise CommandError(msg)
    if text is not None and text != _STANDARD_INPUT:
        return text
    try:
        if file is None or str(file) == _STANDARD_INPUT:
            # Whatever the terminal's own encoding may be, as for results.
            content = sys.stdin.buffer.read(_MAX_CHARACTERS_READ)
        else:
            with file.open("rb") as opened:
                content = opened.read(_MAX_CHARACTERS_READ)
        # What a limit cuts in the middle of a character is too long anyway.
        return content.decode("utf-8-sig", "strict" if len(content) < _MAX_CHARACTERS_READ else "replace")
    except OSError as error:
        msg = f"cannot read the query from {file}: {error.strerror}"
        raise CommandError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"the query is not UTF-8: byte {error.start + 1} is not"
        raise CommandError(msg) from error


async def _print(url: str, tree: Query, limits: QueryLimits, *, as_json: bool) -> None:
    is_empty = True
    to_lines: Callable[[Sequence[Any]], Iterable[str]] = _to_json_lines if as_json else RowTable().lines
    async with connect(url, read_only=True) as store:
        # A query may work for long before it has a row to write.
        with noticing_closed_pipe():
            async with aclosing(store.query(tree, limits=limits).pages()) as pages:
                async for page in pages:
                    is_empty = False
                    write_lines(to_lines(page))
    if is_empty and not as_json:
        write_error("no rows")


def _to_json_lines(page: Sequence[Any]) -> Iterable[str]:
    return map(to_json, page)


async def _explain(url: str, tree: Query, *, as_json: bool) -> None:
    async with connect(url, read_only=True) as store:
        explanation = await store.explain(tree)
    write_lines(_explained_in_json(explanation) if as_json else _explained_in_words(explanation))


def _explained_in_json(explanation: Explanation) -> list[str]:
    return [to_json(attrs.asdict(part)) for part in explanation.parts] + [
        to_json({"sqlite": line}) for line in explanation.sqlite
    ]


def _explained_in_words(explanation: Explanation) -> list[str]:
    parts = [(part.clause, part.text, part.how, part.index) for part in explanation.parts]
    lines = format_table(["clause", "part", "how", "index"], parts)
    if explanation.sqlite:
        lines += ["", *(f"SQLite: {escape(line)}" for line in explanation.sqlite)]
    return lines
