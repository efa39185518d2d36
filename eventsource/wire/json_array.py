"""
A JSON array that is read item by item as it comes, however long it is.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING, Any, NoReturn

from eventsource.wire.request_errors import InvalidJsonError
from eventsource.wire.strict_json import read_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterator

_SPACES = re.compile(r"[ \t\n\r]*")
# An item is no larger than an event with all that may stand around its data.
_MAX_ITEM_CHARACTERS = 1024 * 1024

_scan = json.JSONDecoder().raw_decode


async def read_array(blocks: AsyncIterable[bytes]) -> AsyncIterator[Any]:
    """
    The items of a JSON array, each read as strictly as by `read_json`.

    Raises:
        InvalidJsonError: The text is not an array, or not to its end; the items before that have been given out.
    """
    async for _, item in read_numbered_array(blocks):
        yield item


async def read_numbered_array(blocks: AsyncIterable[bytes]) -> AsyncIterator[tuple[int, Any]]:
    """
    The same with the line that each item begins on, counted from 1.

    Raises:
        InvalidJsonError: As from `read_array`; its reason names the line.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    reader = _ArrayReader()
    try:
        async for block in blocks:
            for item in reader.read(_decoded(decoder, block)):
                yield item
        for item in reader.read(_decoded(decoder, b"", final=True), is_last=True):
            yield item
    except InvalidJsonError as error:
        reason = f"{error.reason} (line {reader.line})"
        raise InvalidJsonError(reason) from None


class _ArrayReader:
    """
    Reads an array from its parts.

    Attributes:
        line: The line that is read, counted from 1.
    """

    def __init__(self) -> None:
        self.line = 1
        self._text = ""
        # What may come next: the opening bracket, an item, or what stands between two items.
        self._awaited = "["
        # An item that was not complete is tried again when half as much has come once more: tiny parts cost no more.
        self._worth_trying = 0

    def read(self, part: str, *, is_last: bool = False) -> Iterator[tuple[int, Any]]:
        """
        Read the items that end in the text that has come, the last part of it now.
        """
        text, start = self._text + part, 0
        if is_last:
            self._worth_trying = 0
        while True:
            before, start = start, _skip_spaces(text, start)
            self.line += text.count("\n", before, start)
            if start == len(text):
                break
            if self._awaited in {"item", "first item"} and text[start] != "]":
                end = None if len(text) - start < self._worth_trying else _item_end(text, start)
                if end is None:
                    self._worth_trying = max(self._worth_trying, (len(text) - start) * 3 // 2)
                    break
                self._worth_trying = 0
                yield self.line, read_json(text[start:end].encode())
                self.line += text.count("\n", start, end)
                start, self._awaited = end, ","
            else:
                start, self._awaited = start + 1, self._behind(text[start])
        self._text = text[start:]
        if is_last and self._awaited != "end":
            _refuse("it ends too early")

    def _behind(self, sign: str) -> str:
        """
        What may come behind a bracket or a comma.
        """
        if self._awaited == "end":
            _refuse("more after its end")
        if self._awaited == "item":
            _refuse("an item is neither an object, nor a list, nor a text")
        if self._awaited == "[":
            _expect(sign, "[")
            return "first item"
        if self._awaited == ",":
            _expect(sign, ",]")
        return "item" if sign == "," else "end"


def _item_end(text: str, start: int) -> int | None:
    """
    The end of the item that begins at *start*; None if it has not come yet.
    """
    # Of a number nobody knows whether more digits come; no array of numbers is read here.
    if text[start] not in '{["':
        _refuse("an item is neither an object, nor a list, nor a text")
    try:
        return _scan(text, start)[1]
    except RecursionError:
        _refuse("nested too deep")
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError) and _may_be_cut(error, text, start):
            return None
        _refuse("an item is malformed")


def _may_be_cut(error: json.JSONDecodeError, text: str, start: int) -> bool:
    if len(text) - start > _MAX_ITEM_CHARACTERS:
        return False
    # An unfinished text is reported where it begins; all else where the input ends, give or take a cut literal.
    return error.msg.startswith("Unterminated string") or error.pos >= len(text) - len("-Infinity")


def _skip_spaces(text: str, start: int) -> int:
    match = _SPACES.match(text, start)
    return match.end() if match else start


def _expect(found: str, allowed: str) -> None:
    if found not in allowed:
        _refuse(f"expected {' or '.join(allowed)}")


def _decoded(decoder: codecs.IncrementalDecoder, block: bytes, *, final: bool = False) -> str:
    try:
        return decoder.decode(block, final)
    except UnicodeDecodeError:
        _refuse("bytes that are no UTF-8")


def _refuse(reason: str) -> NoReturn:
    raise InvalidJsonError(reason)
