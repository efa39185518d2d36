"""
Event data: what JSON can carry, in one canonical form.

Canonical means: members sorted by key, no white space, UTF-8 without needless escapes, integers
exact at any size. Equal data has equal text, so the text can be hashed.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final, cast

import pydantic_core

from eventsource.events.errors import UnstorableDataError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEPTH = 64
# CPython refuses to print longer integers by default; so do most other readers.
MAX_INTEGER_DIGITS = 4300
_LARGEST_INTEGER = 10**MAX_INTEGER_DIGITS - 1
# One that needs no second look, and is compared in one step.
_LARGE_INTEGER = 2**63

_encoder: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), check_circular=False
)


def to_canonical_json(data: object) -> str:
    """
    Print *data* as canonical JSON.

    Args:
        data: Null, booleans, numbers, texts, and lists and string-keyed mappings of such.

    Raises:
        UnstorableDataError: Something else is in it: NaN or an infinity, a lone surrogate or a NUL
            character, a key that is no text, another type; or it is nested deeper than 64 levels.
    """
    _check(data, "$", 1)
    return _print(data)


def parse_json(text: str) -> Any:
    """
    Read stored event data. Integers are exact at any size.
    """
    return pydantic_core.from_json(text, allow_inf_nan=False)


def quote_json(text: str) -> str:
    """
    Print *text* as a JSON string, the way `to_canonical_json` does.
    """
    return json.encoder.encode_basestring(text)


def _printer() -> Callable[[object], str]:
    """
    Prints as `_encoder` does. `JSONEncoder.encode` makes its C encoder anew at each call, which takes most of the time.
    """
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    strings, separators = json.encoder.encode_basestring, (_encoder.key_separator, _encoder.item_separator)
    flags = (_encoder.sort_keys, _encoder.skipkeys, _encoder.allow_nan)
    try:
        print_parts = make(None, _encoder.default, strings, None, *separators, *flags)
    except TypeError:
        # This Python has none, or makes it of something else.
        return _encoder.encode
    return lambda data: "".join(print_parts(data, 0))


_print: Final = _printer()


def _check(value: object, path: str, depth: int) -> None:
    kind = type(value)
    if kind is str:
        _check_text(cast("str", value), path)
    elif kind is int:
        _check_integer(cast("int", value), path)
    elif kind is float:
        if not math.isfinite(cast("float", value)):
            raise UnstorableDataError(path=path, reason=f"the number {value}")
    elif kind is dict:
        _check_members(cast("dict[object, object]", value), path, depth)
    elif kind is list or kind is tuple:
        _check_depth(path, depth)
        for index, item in enumerate(cast("list[object]", value)):
            _check(item, f"{path}[{index}]", depth + 1)
    elif value is not None and kind is not bool:
        raise UnstorableDataError(path=path, reason=f"a value of type {kind.__name__}")


def _check_members(members: dict[object, object], path: str, depth: int) -> None:
    _check_depth(path, depth)
    for key, member in members.items():
        if type(key) is not str:
            raise UnstorableDataError(path=path, reason=f"a key of type {type(key).__name__}")
        _check_text(key, path)
        # Most members, before their path is made.
        kind = type(member)
        if kind is str:
            text = cast("str", member)
            if text.isascii() and "\0" not in text:
                continue
        elif kind is int:
            if -_LARGE_INTEGER < cast("int", member) < _LARGE_INTEGER:
                continue
        elif member is None or kind is bool:
            continue
        _check(member, f"{path}.{key}", depth + 1)


def _check_text(text: str, path: str) -> None:
    if text.isascii() and "\0" not in text:
        return
    if "\0" in text:
        # SQLite's text functions stop at a NUL, so a query would see another value than a reader.
        raise UnstorableDataError(path=path, reason="a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UnstorableDataError(path=path, reason="a lone surrogate") from None


def _check_integer(number: int, path: str) -> None:
    if abs(number) > _LARGEST_INTEGER:
        raise UnstorableDataError(path=path, reason=f"an integer of more than {MAX_INTEGER_DIGITS} digits")


def _check_depth(path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        # The path itself would be very long here.
        raise UnstorableDataError(path=path[:80] + "…", reason=f"nesting deeper than {MAX_DEPTH} levels")
