"""
JSON that means the same to every reader, or is refused.

Readers differ on a member named twice (Python takes the last, SQLite the first), on NaN, on numbers
beyond a double and on half a surrogate pair: what a precondition saw could be another value than
what is read back.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn, cast

from eventsource.wire.request_errors import InvalidJsonError

# Event data may be nested 64 levels deep; a body and its lists stand around it.
MAX_DEPTH = 72


def read_json(text: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """
    Read a JSON value. Integers are exact at any size.

    Args:
        text: UTF-8, without a byte order mark.

        max_depth: How deep lists and objects may be nested.

    Raises:
        InvalidJsonError: It is none.
    """
    try:
        value = _decode(text.decode())
    except InvalidJsonError:
        raise
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} is no UTF-8"
        raise InvalidJsonError(reason) from None
    except json.JSONDecodeError as error:
        # Its message quotes nothing of the text.
        reason = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise InvalidJsonError(reason) from None
    except RecursionError:
        raise _too_deep(max_depth) from None
    except ValueError:
        # CPython converts no longer integers.
        reason = "a number of too many digits"
        raise InvalidJsonError(reason) from None
    # Most texts have fewer brackets than that, so nothing in them is nested deeper.
    if text.count(b"{") + text.count(b"[") > max_depth:
        _check_depth(value, max_depth)
    # Only an escape can make half a surrogate pair: UTF-8 has none.
    if b"\\u" in text:
        _check_surrogates(value)
    return value


def _to_object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        reason = "an object has a member twice"
        raise InvalidJsonError(reason)
    return found


def _to_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        reason = "a number is larger than a double"
        raise InvalidJsonError(reason)
    return number


def _refuse_constant(name: str) -> NoReturn:
    reason = f"{name} is no JSON value"
    raise InvalidJsonError(reason)


_decode = json.JSONDecoder(object_pairs_hook=_to_object, parse_float=_to_float, parse_constant=_refuse_constant).decode


def _check_depth(value: Any, max_depth: int) -> None:
    level = [value]
    for _ in range(max_depth + 1):
        level = [member for container in level for member in _members(container)]
        if not level:
            return
    raise _too_deep(max_depth)


def _members(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(cast("dict[str, Any]", value).values()) or [None]
    if isinstance(value, list):
        items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]  # mypy knows it
        return items or [None]
    return []


def _too_deep(max_depth: int) -> InvalidJsonError:
    return InvalidJsonError(f"nested deeper than {max_depth} levels")


def _check_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False, check_circular=False).encode()
    except UnicodeEncodeError:
        reason = "a text has half of a surrogate pair"
        raise InvalidJsonError(reason) from None
