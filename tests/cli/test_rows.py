"""
Rows of any kind as lines of a table.
"""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from eventsource.cli.rows import RowTable

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def lines(*pages: list[Any]) -> list[str]:
    """
    The lines of a result that comes in these pages.
    """
    table = RowTable()
    return [line for page in pages for line in table.lines(page)]


def test_columns_are_the_members_of_the_first_page() -> None:
    """
    What later rows have beyond them stands at the end of the line, as JSON; nothing is left out.
    """
    assert lines([{"a": 1}, {"b": "x"}], [{"a": 22, "c": [True]}, 7]) == [
        "a  b",
        "1  -",
        "-  x",
        '22  -  {"c":[true]}',
        "-  -  7",
    ]


def test_nested_values_are_compact_json() -> None:
    """
    Lists and objects in a cell are one line of JSON, booleans and decimals as JSON writes them.
    """
    assert lines([{"l": [1, {"k": None}], "t": True, "f": 7.0, "n": None, "e": ""}]) == [
        "l               t       f  n  e",
        '[1,{"k":null}]  true  7.0  -',
    ]


def test_scalars_are_one_column() -> None:
    """
    Rows that are no objects stand below "value"; an object without members is one of them.
    """
    assert lines(["a", {}, [1]]) == ["value", "a", "{}", "[1]"]


def test_wide_characters_take_two_places() -> None:
    """
    Columns stay below each other where a character is two places wide.
    """
    assert lines([{"name": "日本", "n": 1}, {"name": "Ada", "n": 2}]) == ["name  n", "日本  1", "Ada   2"]


def test_columns_have_an_end() -> None:
    """
    Data with ever other members makes no table without end: beyond 40 columns members go to the end of the line.
    """
    head, first, *_, last = lines([{str(number): number} for number in range(50)])

    assert head.split() == [str(number) for number in range(40)]
    assert first.split() == ["0", *["-"] * 39]
    assert last.split() == [*["-"] * 40, '{"49":49}']


def test_long_cell_is_not_cut_and_makes_no_column_wide() -> None:
    """
    A cell of a thousand characters moves its own line only.
    """
    head, long, short = lines([{"a": "x" * 1000, "b": 1}, {"a": "y", "b": 2}])

    assert long == "x" * 1000 + "  1"
    assert (head.index("b"), short.index("2")) == (66, 66)


@given(st.lists(st.lists(VALUES, min_size=1, max_size=4), min_size=1, max_size=3))
def test_each_row_is_one_line_and_safe_to_show(pages: list[list[Any]]) -> None:
    """
    Whatever the rows, there is a head and a line for each, without anything that a terminal acts upon.
    """
    shown = lines(*pages)

    assert len(shown) == 1 + sum(map(len, pages))
    assert all(line.isprintable() or not set(line) & set("\x1b\x07\r\n\t\x9b\u2028\u202e") for line in shown)


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(), min_size=1), min_size=2, max_size=6))
def test_nothing_is_left_out(rows: list[dict[str, int]]) -> None:
    """
    Every number of every row is in its line, whichever rows decided the columns.
    """
    _, *shown = lines(rows[:1], rows[1:])

    for row, line in zip(rows, shown, strict=True):
        at_the_end = line[line.index("{") :] if "{" in line else "{}"
        cells = line.removesuffix(at_the_end).split()
        assert sorted(map(str, row.values())) == sorted(
            [cell for cell in cells if cell != "-"] + [str(number) for number in json.loads(at_the_end).values()]
        )
