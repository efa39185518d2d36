"""
The tables of functions; what each function gives is in the cases.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventsource.errors import QueryLimitError
from eventsource.gdbql import AGGREGATE_FUNCTIONS, SCALAR_FUNCTIONS, kind_of, to_instant
from eventsource.gdbql.limits import MAX_DIGITS, MAX_ITEMS, MAX_VALUE_CHARACTERS
from tests.gdbql.strategies import TIMES, json_values

DOCUMENT = Path(__file__).parents[2] / "docs" / "gdbql.md"


@pytest.mark.parametrize("name", SCALAR_FUNCTIONS)
@given(data=st.data())
def test_function_takes_any_values(name: str, data: st.DataObject) -> None:
    """
    Whatever the arguments are, there is a result, of a kind the table tells.
    """
    function = SCALAR_FUNCTIONS[name]
    values = json_values | st.sampled_from(TIMES).map(to_instant)
    most = min(function.most, 4)
    arguments = data.draw(st.lists(values, min_size=function.fewest, max_size=most))

    result = function.apply(*arguments)

    possible = function.kinds or {kind_of(argument) for argument in [*arguments, None]}
    assert kind_of(result) in possible


def test_table_tells_how_many_arguments_a_function_takes() -> None:
    """
    A parameter in brackets may be left out, dots stand for any number more.
    """
    counts = {name: (SCALAR_FUNCTIONS[name].fewest, SCALAR_FUNCTIONS[name].most) for name in ("UPPER", "IF", "CONCAT")}

    assert counts == {"UPPER": (1, 1), "IF": (2, 3), "CONCAT": (1, MAX_ITEMS)}


def test_names_of_functions_are_of_one_kind_only() -> None:
    """
    No function is both, and each is found by its own name.
    """
    assert not AGGREGATE_FUNCTIONS.keys() & SCALAR_FUNCTIONS.keys()
    assert all(function.name == name for name, function in SCALAR_FUNCTIONS.items())
    assert all(function.name == name for name, function in AGGREGATE_FUNCTIONS.items())


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("REPLACE", ("a" * 2000, "a", "b" * 2000)),
        ("CONCAT", ("a" * MAX_VALUE_CHARACTERS, "b")),
        ("UPPER", ("ß" * MAX_VALUE_CHARACTERS,)),
    ],
)
def test_function_makes_no_text_that_is_too_long(name: str, arguments: tuple[str, ...]) -> None:
    """
    What could fill the memory is an error before it does.
    """
    with pytest.raises(QueryLimitError):
        SCALAR_FUNCTIONS[name].apply(*arguments)


def test_number_with_too_many_digits_is_not_read() -> None:
    """
    Python refuses to read long integers at all; here they are null before that.
    """
    to_number = SCALAR_FUNCTIONS["TO_NUMBER"].apply

    assert to_number("9" * MAX_DIGITS) == 10**MAX_DIGITS - 1
    assert to_number("9" * 5000) is None


def test_document_has_every_function_with_its_parameters() -> None:
    """
    The tables of the document are those of the code, line by line.
    """
    document = DOCUMENT.read_text(encoding="utf-8")
    documented = re.findall(r"^\| `([A-Z_]+)\((.*?)\)` \| (.*?) \|$", document, re.MULTILINE)

    scalar = [(name, ", ".join(function.parameters), function.summary) for name, function in SCALAR_FUNCTIONS.items()]

    assert [entry for entry in documented if entry[0] in SCALAR_FUNCTIONS] == scalar
    assert {entry[0] for entry in documented} == {*SCALAR_FUNCTIONS, *AGGREGATE_FUNCTIONS}
