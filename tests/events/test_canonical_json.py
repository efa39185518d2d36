"""
Canonical JSON: what it can carry, and that equal data has equal text.
"""

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eventsource.errors import UnstorableDataError
from eventsource.events.canonical_json import MAX_DEPTH, parse_json, quote_json, to_canonical_json

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12
)
# Everything one may put into a field of type Any by mistake.
ANYTHING = st.recursive(
    SCALARS | st.floats() | st.text(st.characters()) | st.binary(max_size=3) | st.sampled_from([object(), {1}, 1j]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(st.characters()) | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


def with_members_reversed(value: Any) -> Any:
    """
    The same data, each dictionary filled in the opposite order.
    """
    match value:
        case dict():
            return {key: with_members_reversed(member) for key, member in reversed(value.items())}
        case list():
            return [with_members_reversed(item) for item in value]
        case _:
            return value


def types_of(value: Any) -> Any:
    """
    The kinds of all values inside, since 1, 1.0 and True compare as equal.
    """
    match value:
        case dict():
            return {key: types_of(member) for key, member in value.items()}
        case list():
            return [types_of(item) for item in value]
        case _:
            return type(value)


@given(VALUES)
@example(-0.0)
@example(10**4300 - 1)
@example(5e-324)
@example(1.7976931348623157e308)
@example("\u2028\x7f\ufeff\U0001f600")
def test_data_comes_back_exactly(data: Any) -> None:
    """
    Parsing what was printed gives the same values of the same kinds, integers of any size included.
    """
    parsed = parse_json(to_canonical_json(data))

    assert parsed == data
    assert types_of(parsed) == types_of(data)


@given(VALUES)
def test_equal_data_has_equal_text(data: Any) -> None:
    """
    The order in which members were given does not show.
    """
    assert to_canonical_json(with_members_reversed(data)) == to_canonical_json(data)


@given(VALUES)
def test_text_is_canonical_already(data: Any) -> None:
    """
    Printing what was parsed changes nothing: there is one text for it.
    """
    text = to_canonical_json(data)

    assert to_canonical_json(parse_json(text)) == text


@given(VALUES)
def test_any_json_parser_reads_the_same(data: Any) -> None:
    """
    The standard library reads the text as we do, and finds no key twice.
    """

    def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    assert json.loads(to_canonical_json(data), object_pairs_hook=without_duplicates) == data


@given(TEXTS)
def test_quoted_text_is_the_text_inside_data(text: str) -> None:
    """
    A single text is quoted as it is within data.
    """
    assert quote_json(text) == to_canonical_json(text)


def test_canonical_form() -> None:
    """
    Members are sorted by key, without white space and without escapes that are not needed.
    """
    data = {"b": [1, 2.5, None, True], "a": 'é"\\/\n', "B": {}, "ä": [], "c": (1,)}

    text = to_canonical_json(data)

    assert text == r'{"B":{},"a":"é\"\\/\n","b":[1,2.5,null,true],"c":[1],"ä":[]}'


@given(ANYTHING)
def test_whatever_is_not_refused_comes_back(data: Any) -> None:
    """
    There is no value that is taken and then lost or changed: it is refused, or it comes back.
    """
    try:
        text = to_canonical_json(data)
    except UnstorableDataError as error:
        assert error.path.startswith("$")  # noqa: PT017  one of two right outcomes
        return

    assert parse_json(text) == with_lists(data)


def with_lists(value: Any) -> Any:
    """
    The same data with lists for tuples, which JSON cannot tell apart.
    """
    match value:
        case dict():
            return {key: with_lists(member) for key, member in value.items()}
        case list() | tuple():
            return [with_lists(item) for item in value]
        case _:
            return value


@pytest.mark.parametrize(
    ("data", "path", "reason"),
    [
        ({"a": [0, {"b": math.nan}]}, "$.a[1].b", "nan"),
        ([math.inf], "$[0]", "inf"),
        ({"a": "x\0"}, "$.a", "NUL"),
        ({"a": {"\0": 1}}, "$.a", "NUL"),
        ({"a": ["\udc00"]}, "$.a[0]", "surrogate"),
        ({"a": {1: 2}}, "$.a", "key of type int"),
        ({"a": {None: 2}}, "$.a", "key of type NoneType"),
        ({"a": b"x"}, "$.a", "type bytes"),
        ({"a": {1, 2}}, "$.a", "type set"),
        ({"a": 10**4300}, "$.a", "4300 digits"),
        ({"a": -(10**4300)}, "$.a", "4300 digits"),
        ({"a": 10**1_000_000}, "$.a", "4300 digits"),
    ],
    ids=["nan", "inf", "nul", "nul key", "surrogate", "int key", "null key", "bytes", "set", "int", "negative", "huge"],
)
def test_what_json_cannot_carry_is_refused_with_its_path(data: object, path: str, reason: str) -> None:
    """
    The error says where it stands and what it is.
    """
    with pytest.raises(UnstorableDataError) as excinfo:
        to_canonical_json(data)

    assert excinfo.value.path == path
    assert reason in excinfo.value.reason


def nested(levels: int) -> Any:
    """
    Lists inside each other.
    """
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_nesting_is_limited() -> None:
    """
    The deepest nesting allowed comes back, and one level more is refused.
    """
    assert parse_json(to_canonical_json(nested(MAX_DEPTH))) == nested(MAX_DEPTH)

    with pytest.raises(UnstorableDataError, match="deeper than 64 levels"):
        to_canonical_json(nested(MAX_DEPTH + 1))


@pytest.mark.parametrize("levels", [1_000, 100_000])
def test_very_deep_nesting_is_refused_at_once(levels: int) -> None:
    """
    Nesting that would overflow the stack is refused like any other.
    """
    value: Any = {}
    for _ in range(levels):
        value = {"a": value}

    with pytest.raises(UnstorableDataError, match=r"deeper than 64 levels at \$\.a\.a"):
        to_canonical_json(value)


@pytest.mark.parametrize("text", ['{"a":NaN}', '{"a":Infinity}', '{"a":-Infinity}', "{", '{"a":1}x', ""])
def test_damaged_text_is_not_parsed(text: str) -> None:
    """
    Text that is no JSON is an error and never half a value.
    """
    with pytest.raises(ValueError, match="at line"):
        parse_json(text)
