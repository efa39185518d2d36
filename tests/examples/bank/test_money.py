"""
Amounts as text, and back.
"""

import doctest
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.bank import account, money
from examples.bank.money import format_cents, parse_cents


@given(st.integers(min_value=0, max_value=10**15))
def test_what_is_written_reads_back(cents: int) -> None:
    """
    Writing an amount and reading it gives the same amount, to the cent.
    """
    assert parse_cents(format_cents(cents)) == cents


@pytest.mark.parametrize(
    ("text", "cents"),
    [("0", 0), ("7", 7_00), ("0.1", 10), (" 12.05 ", 12_05), ("1,234,567.89", 1_234_567_89), ("1234567", 1_234_567_00)],
    ids=str,
)
def test_amounts_are_read_exactly(text: str, cents: int) -> None:
    """
    Whole units, one or two decimals, with or without commas between thousands.
    """
    assert parse_cents(text) == cents


@pytest.mark.parametrize(
    "text",
    ["", "abc", "1.234", "12,50", "1,23,456", "-1", "+1", "1e3", ".5", "5.", "NaN", "\u0661\u0662", "1 000", "0x10"],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    """
    Anything else is refused with a hint; nothing is rounded or guessed.
    """
    with pytest.raises(ValueError, match=r"is no amount: write it like 1234\.50"):
        parse_cents(text)


def test_negative_amounts_have_their_sign_in_front() -> None:
    """
    Less than one unit below zero keeps its sign, too.
    """
    assert [format_cents(cents) for cents in (-5, -1_234_50)] == ["-0.05", "-1,234.50"]


@pytest.mark.parametrize("module", [money, account], ids=["money", "account"])
def test_examples_in_docstrings_hold(module: ModuleType) -> None:
    """
    The examples give what they show.
    """
    assert doctest.testmod(module).failed == 0
