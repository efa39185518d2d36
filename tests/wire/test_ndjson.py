"""
Splitting NDJSON: the same lines however it arrives, and nothing lost in silence.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventsource.errors import DamagedLineError
from eventsource.wire.ndjson import LineSplitter, is_heartbeat, read_value

TEXTS = [
    "plain",
    "Zürich",
    "日本語",
    "😀 and more",
    "line\u2028separator",
    "next\u0085line",
    "\u000b\u000c\u001c",
    "a\nb\r\n",
]


def sample(size: int) -> tuple[list[dict[str, Any]], bytes]:
    """
    Objects, and about *size* bytes of NDJSON of them, with characters of one to four bytes.
    """
    values: list[dict[str, Any]] = []
    lines: list[bytes] = []
    while sum(map(len, lines)) < size:
        value = {"number": len(values), "text": TEXTS[len(values) % len(TEXTS)] * (1 + len(values) % 7)}
        values.append(value)
        lines.append(json.dumps(value, ensure_ascii=False).encode() + b"\n")
    return values, b"".join(lines)


VALUES, STREAM = sample(20_000)
LINES = STREAM.split(b"\n")[:-1]


def split(*parts: bytes, finishes: bool = True, skips_heartbeats: bool = False) -> list[Any]:
    """
    The values of all lines.
    """
    splitter = LineSplitter(skips_heartbeats=skips_heartbeats)
    values = [read_value(number, line) for part in parts for number, line in splitter.feed(part)]
    if finishes:
        splitter.finish()
    return values


def lines_of(*parts: bytes, finishes: bool = True) -> list[bytes]:
    """
    The lines alone, which is quicker.
    """
    splitter = LineSplitter()
    lines = [line for part in parts for _, line in splitter.feed(part)]
    if finishes:
        splitter.finish()
    return lines


def test_split_at_every_byte_it_gives_the_same_values() -> None:
    """
    Wherever an answer of 20 KB is split in two, within a character too, the values are the same.
    """
    for place in range(len(STREAM) + 1):
        assert lines_of(STREAM[:place], STREAM[place:]) == LINES
    assert split(STREAM) == VALUES


def test_one_byte_at_a_time_gives_the_same_values() -> None:
    """
    It does not matter how small the parts are.
    """
    assert split(*(STREAM[place : place + 1] for place in range(len(STREAM)))) == VALUES


def test_cut_at_every_byte_it_gives_a_true_beginning_or_an_error() -> None:
    """
    Cut anywhere, the complete lines are there, and the one that is not is named.
    """
    ends = [place + 1 for place, byte in enumerate(STREAM) if byte == ord("\n")]
    for place in range(len(STREAM) + 1):
        complete = sum(end <= place for end in ends)

        assert lines_of(STREAM[:place], finishes=False) == LINES[:complete]
        if place in {0, *ends}:
            lines_of(STREAM[:place])
        else:
            with pytest.raises(DamagedLineError) as failure:
                lines_of(STREAM[:place])
            assert failure.value.line == complete + 1


def test_a_damaged_line_is_told_with_its_number_and_without_its_text() -> None:
    """
    Blank lines and heartbeats count, so the number is that of the answer.
    """
    with pytest.raises(DamagedLineError) as failure:
        split(b'{"a":1}\n\n{"payload":""}\n{"secret": oops}\n', skips_heartbeats=True)

    assert failure.value.line == 4
    assert "secret" not in str(failure.value)


def test_a_prefix_and_line_ends_of_windows_are_taken_off() -> None:
    """
    Lines may be written as server-sent events, and may end in a carriage return.
    """
    assert split(b'data: {"a":1}\r\ndata:{"b":"data: x"}\n\r\n') == [{"a": 1}, {"b": "data: x"}]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"payload":""}', True),
        (b'{ "payload" : "" }', True),
        (b'{"payload":"x"}', False),
        (b'{"payload":""', False),
        (b'{"payload":"","a":1}', False),
        (b'{"a":"payload"}', False),
    ],
    ids=repr,
)
def test_a_heartbeat_is_an_object_with_an_empty_payload(line: bytes, expected: bool) -> None:  # noqa: FBT001
    """
    However it is spaced; and nothing else is one.
    """
    assert is_heartbeat(line) is expected
    assert bool(split(b'{"payload":""}\n', skips_heartbeats=False))


@pytest.mark.parametrize(
    "parts", [[b"x" * 101], [b"x" * 60, b"x" * 41], [b"x" * 101 + b"\n"]], ids=["one", "two", "complete"]
)
def test_a_line_without_an_end_is_given_up(parts: list[bytes]) -> None:
    """
    A line longer than the limit is an error before the memory is full.
    """
    splitter = LineSplitter(max_line_bytes=100)

    for part in parts[:-1]:
        splitter.feed(part)

    with pytest.raises(DamagedLineError, match="it is longer than 100 bytes") as failure:
        splitter.feed(parts[-1])
    assert failure.value.line == 1


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"-Infinity", b"{", b"\xff", b'"\\ud800'], ids=repr)
def test_what_is_no_json_is_damaged(text: bytes) -> None:
    """
    Python's readers would take NaN; here it is an error.
    """
    with pytest.raises(DamagedLineError):
        read_value(1, text)
