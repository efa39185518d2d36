"""
Arrays that come in parts: the parts decide nothing, and tiny ones cost no more than large ones.
"""

import json
from collections.abc import AsyncGenerator

import pytest

from eventsource.errors import InvalidJsonError
from eventsource.wire import json_array
from eventsource.wire.json_array import read_array, read_numbered_array

ITEMS = [{"a": "é" * 50}, {"b": [1, 2, {"c": None}]}, [], "text", {"d": 'a "quoted" \\ text'}]
ARRAY = json.dumps(ITEMS, ensure_ascii=False, indent=1).encode()


async def in_parts(data: bytes, size: int) -> AsyncGenerator[bytes]:
    """
    Yields *data* in parts of *size* bytes.
    """
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, len(ARRAY)])
async def test_the_parts_decide_nothing(size: int) -> None:
    """
    Every split gives the same items, each with the line that it begins on.
    """
    found = [numbered async for numbered in read_numbered_array(in_parts(ARRAY, size))]

    assert [item for _, item in found] == ITEMS
    lines = ARRAY.decode().split("\n")
    assert [lines[line - 1].lstrip()[0] for line, _ in found] == ["{", "{", "[", '"', "{"]


async def items_before_the_end(data: bytes, size: int) -> list[object]:
    """
    Returns the items of an array that must turn out to be cut.
    """
    found: list[object] = []

    async def read() -> None:
        found.extend([item async for item in read_array(in_parts(data, size))])

    with pytest.raises(InvalidJsonError):
        await read()
    return found


@pytest.mark.parametrize("size", [1, 5, 1_000])
async def test_a_cut_array_is_no_whole_one(size: int) -> None:
    """
    An array that ends before its bracket is an error, wherever it is cut.
    """
    for length in range(len(ARRAY)):
        assert await items_before_the_end(ARRAY[:length], size) == []


async def test_tiny_parts_are_not_read_again_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A large item that comes byte by byte is tried a few dozen times, not once for each byte.
    """
    tries: list[int] = []

    def counted(text: str, start: int) -> tuple[object, int]:
        tries.append(len(text))
        return json.JSONDecoder().raw_decode(text, start)

    monkeypatch.setattr(json_array, "_scan", counted)
    data = b'[{"a":"' + b"x" * 100_000 + b'"}]'

    assert [item async for item in read_array(in_parts(data, 1))] == [{"a": "x" * 100_000}]
    assert len(tries) < 40
