"""
JSON that means the same to every reader, or is refused.
"""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventsource.errors import InvalidJsonError
from eventsource.wire.strict_json import MAX_DEPTH, read_json

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_what_python_writes_is_read_back(value: object) -> None:
    """
    Every JSON value comes back equal, escaped or not.
    """
    assert read_json(json.dumps(value).encode()) == value
    assert read_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a":1,"a":2}', "twice"),
        (b'[{"b":{"a":1,"\\u0061":1}}]', "twice"),
        (b"NaN", "NaN"),
        (b"[-Infinity]", "-Infinity"),
        (b"1e400", "larger than a double"),
        (b'"\\ud800"', "surrogate"),
        (b'{"\\udc00":1}', "surrogate"),
        (b'"\xff"', "UTF-8"),
        (b'"\xed\xa0\x80"', "UTF-8"),
        (b"\xef\xbb\xbf{}", "line 1, column 1"),
        (b"", "line 1, column 1"),
        (b"{} {}", "Extra data"),
        (b'{"a":1,}', "line 1"),
        (b"[1,]", "line 1"),
        (b"01", "Extra data"),
        (b"+1", "line 1"),
        (b"'a'", "line 1"),
        (b'"\n"', "control character"),
        (b"1" * 5000, "too many digits"),
    ],
)
def test_what_readers_differ_on_is_refused(text: bytes, reason: str) -> None:
    """
    The reason says which of them it was.
    """
    with pytest.raises(InvalidJsonError) as caught:
        read_json(text)

    assert reason in str(caught.value)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 200, 10_000, 100_000])
@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")], ids=["lists", "objects"])
def test_deep_nesting_is_refused(depth: int, brackets: tuple[bytes, bytes]) -> None:
    """
    Whatever the depth, it is the same error.
    """
    opening, closing = brackets

    with pytest.raises(InvalidJsonError, match=f"deeper than {MAX_DEPTH} levels"):
        read_json(opening * depth + b"1" + closing * depth)


def test_depth_up_to_the_limit_is_read() -> None:
    """
    The limit counts nesting, not brackets.
    """
    assert read_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert read_json(b"[" + b"[]," * 10_000 + b"[]]")
    with pytest.raises(InvalidJsonError):
        read_json(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))


def test_reason_quotes_no_value() -> None:
    """
    What stands in a refused text may be personal.
    """
    with pytest.raises(InvalidJsonError) as caught:
        read_json(b'{"email": "ada@example.com", "email": "ada@example.com"}')

    assert "ada" not in str(caught.value)


@given(st.binary(max_size=40))
def test_garbage_is_an_error_of_its_own_kind(text: bytes) -> None:
    """
    No bytes lead to any other error.
    """
    with contextlib.suppress(InvalidJsonError):
        read_json(text)
