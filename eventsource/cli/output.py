"""
Standard output, which carries results, and standard error, which carries everything else.
"""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from pydantic import BaseModel

from eventsource.cli.failures import OutputError
from eventsource.printable import printable, printable_lines
from eventsource.private_files import replace

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path

# Short names: nearly every line of these commands goes through one of them.
escape = printable
escape_lines = printable_lines


def to_json(value: object) -> str:
    """
    *value* as one line of JSON that is safe to show.
    """
    return escape(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


class ReaderLeftError(Exception):
    """
    Nobody reads standard output any more, as in ``eventsource stream / | head``.
    """


def write_lines(lines: Iterable[str], *, as_they_are: bool = False) -> None:
    """
    Write lines to standard output, in UTF-8 or what the terminal understands, and send them off.

    Each is escaped here, whatever it holds: a text of data brings no line of its own, and moves no cursor.

    Args:
        as_they_are: Do not: for lines whose data is escaped already and that have colours, and for what another
            program reads as it is.

    Raises:
        ReaderLeftError: Nobody reads any more.
        OutputError: It cannot be written to: the disk is full, for example.
    """
    if _is_closed(sys.stdout):
        msg = "cannot write to standard output: it is closed"
        raise OutputError(msg)
    # A terminal that lacks a character gets its escape; a pipe or a file always gets UTF-8, as NDJSON demands.
    encoding = sys.stdout.encoding if sys.stdout.isatty() else "utf-8"
    try:
        for line in lines if as_they_are else map(escape, lines):
            sys.stdout.buffer.write(f"{line}\n".encode(encoding, "backslashreplace"))
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        _discard(sys.stdout)
        raise ReaderLeftError from error
    except OSError as error:
        _discard(sys.stdout)
        msg = f"cannot write to standard output: {error.strerror}"
        raise OutputError(msg) from error


def write_json(result: BaseModel | Sequence[BaseModel]) -> None:
    """
    Write a result to standard output as one line of JSON.
    """
    write_lines([to_json(_to_python(result))])


def write_error(text: str) -> None:
    """
    Write lines to standard error. A command does its work also where nobody can be told of it.
    """
    if _is_closed(sys.stderr):
        return
    try:
        sys.stderr.write(f"{escape_lines(text)}\n")
        sys.stderr.flush()
    except OSError:
        # The terminal was closed, the reader of the pipe has left, or the disk is full.
        _discard(sys.stderr)


def write_file(path: Path, text: str) -> None:
    """
    Write a file that is its owner's alone; readers of an older one find one of the two whole.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        replace(path, text.encode())
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror}"
        raise OutputError(msg) from error


def hold_standard_files() -> None:
    """
    Let no file that is opened later take the number of a closed standard input, output or error.

    Whatever writes to standard error would otherwise write into that file, which may be an event store.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # The system gives the lowest number that is free.
            os.open(os.devnull, os.O_RDWR)


def is_terminal() -> bool:
    """
    True if a person may see standard error redrawn.
    """
    # Not rich's idea of it: FORCE_COLOR would bring progress bars into log files.
    return not _is_closed(sys.stderr) and sys.stderr.isatty() and os.environ.get("TERM") not in {"dumb", "unknown"}


@contextmanager
def noticing_closed_pipe() -> Generator[None]:
    """
    Raise ReaderLeftError in the current task as soon as nobody reads standard output any more.

    Without it a command that waits for something to write would notice only then.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    # Only a pipe can lose its reader; a file cannot be waited on at all.
    if task is None or _is_closed(sys.stdout) or not stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode):
        yield
        return
    is_closed = False

    def on_closed() -> None:
        nonlocal is_closed
        is_closed = True
        loop.remove_reader(sys.stdout)
        task.cancel()

    # The writing end of a pipe becomes "readable" when the reading end is closed, and at no other time.
    loop.add_reader(sys.stdout, on_closed)
    try:
        yield
    except asyncio.CancelledError:
        if is_closed:
            raise ReaderLeftError from None
        raise
    finally:
        loop.remove_reader(sys.stdout)


def _is_closed(stream: TextIO | None) -> bool:
    # Python has None for what was closed when it started.
    return stream is None or stream.closed


def _discard(stream: TextIO) -> None:
    # The interpreter would try once more at its end to write what is left, and complain.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _to_python(result: BaseModel | Sequence[BaseModel]) -> object:
    if isinstance(result, BaseModel):
        return result.model_dump(mode="json", exclude_defaults=True)
    return [_to_python(one) for one in result]
