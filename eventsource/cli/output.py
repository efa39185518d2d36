"""
Standard output, which carries results, and standard error, which carries everything else.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from pydantic import BaseModel

from eventsource.cli.failures import OutputError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

# What a terminal acts upon instead of showing it: control characters (C0, DEL, C1), marks and overrides of the
# writing direction, line and paragraph separators. And lone surrogates, which no encoding has.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNPRINTABLE_IN_TEXT = re.compile(_UNPRINTABLE.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))


def escape(text: str) -> str:
    r"""
    Write what a terminal would act upon as JSON escapes such as ``\u001b``.

    In JSON text such characters stand inside strings only, so it stays the same JSON.
    """
    return _UNPRINTABLE.sub(_as_json_escape, text)


def escape_lines(text: str) -> str:
    """
    The same, but tabs and line feeds stay: for a text of several lines.
    """
    return _UNPRINTABLE_IN_TEXT.sub(_as_json_escape, text)


def to_json(value: object) -> str:
    """
    *value* as one line of JSON that is safe to show.
    """
    return escape(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


class ReaderLeftError(Exception):
    """
    Nobody reads standard output any more, as in ``eventsource stream / | head``.
    """


def write_lines(lines: Iterable[str]) -> None:
    """
    Write lines to standard output, in UTF-8 or what the terminal understands, and send them off.

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
        for line in lines:
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
    Whether a person may see standard error redrawn.
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


def _as_json_escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _to_python(result: BaseModel | Sequence[BaseModel]) -> object:
    if isinstance(result, BaseModel):
        return result.model_dump(mode="json", exclude_defaults=True)
    return [_to_python(one) for one in result]
