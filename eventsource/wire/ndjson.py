"""
NDJSON, split as it arrives: over bytes, at newlines only.

U+2028 and U+0085 are legal inside JSON strings, and the text splitters of Python and httpx break
lines there; and a part of an answer may end within a character. Bytes have neither problem.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pydantic_core

from eventsource.wire.errors import DamagedLineError

if TYPE_CHECKING:
    from collections.abc import Iterator

# An event takes less than 64 KiB; the row of a query may be a list of many.
MAX_LINE_BYTES = 16 * 1024 * 1024

_WINDOW_BYTES = 64 * 1024

HEARTBEAT = b'{"payload":""}'


class LineSplitter:
    """
    Cuts what arrives into lines.

    Blank lines are left out, and so is the prefix ``data:`` that some servers put before each line.

    Args:
        skips_heartbeats: Leave out the lines that only say that the server is alive.

        max_line_bytes: The longest line that is believed.
    """

    def __init__(self, *, skips_heartbeats: bool = False, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._skips_heartbeats = skips_heartbeats
        self._max_line_bytes = max_line_bytes
        # The line that has begun.
        self._begun = bytearray()
        self._number = 0

    def feed(self, part: bytes) -> list[tuple[int, bytes]]:
        """
        The lines that *part* completes, each with its number, counted from 1 with those left out.

        Raises:
            DamagedLineError: A line is too long.
        """
        found: list[tuple[int, bytes]] = []
        # A window at a time: lists of the lines of a part that is all line breaks would be many times its size.
        for start in range(0, len(part), _WINDOW_BYTES):
            window = part if len(part) <= _WINDOW_BYTES else part[start : start + _WINDOW_BYTES]
            *complete, rest = window.split(b"\n")
            if complete:
                found += self._lines(complete)
            if rest:
                self._begun += rest
                self._check_length(len(self._begun), self._number + 1)
        return found

    @property
    def line_count(self) -> int:
        """
        How many lines were complete, those left out included.
        """
        return self._number

    def rest(self) -> tuple[int, bytes]:
        """
        The line that has begun and has no end, with its number.
        """
        return self._number + 1, _content(bytes(self._begun))

    def finish(self) -> None:
        """
        Say that nothing more comes.

        Raises:
            DamagedLineError: The last line has no end: it was cut.
        """
        if self._begun.strip():
            reason = "the answer ends within it"
            raise DamagedLineError(self._number + 1, reason)

    def _lines(self, complete: list[bytes]) -> Iterator[tuple[int, bytes]]:
        if self._begun:
            complete[0] = bytes(self._begun) + complete[0]
            self._begun.clear()
        for line in complete:
            self._number += 1
            self._check_length(len(line), self._number)
            content = _content(line)
            if content and not (self._skips_heartbeats and is_heartbeat(content)):
                yield self._number, content

    def _check_length(self, size: int, number: int) -> None:
        if size > self._max_line_bytes:
            reason = f"it is longer than {self._max_line_bytes} bytes"
            raise DamagedLineError(number, reason)


def _content(line: bytes) -> bytes:
    return line.removeprefix(b"data:").strip()


def is_heartbeat(line: bytes) -> bool:
    """
    Whether a line is an object whose only member, ``payload``, is empty.

    >>> is_heartbeat(b'{ "payload": "" }')
    True
    """
    if line == HEARTBEAT:
        return True
    # However it is spaced, it is short; the events of a stream are not.
    if len(line) > len(HEARTBEAT) + 16 or b'"payload"' not in line:
        return False
    try:
        value: object = pydantic_core.from_json(line)
    except ValueError:
        return False
    return value == {"payload": ""}


def read_value(number: int, line: bytes) -> Any:
    """
    The JSON value of a line.

    Raises:
        DamagedLineError: It is none.
    """
    try:
        return pydantic_core.from_json(line, allow_inf_nan=False)
    except ValueError:
        # The parser's own words quote the text.
        reason = "it is no JSON"
        raise DamagedLineError(number, reason) from None
