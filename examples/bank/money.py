"""
Money: whole cents everywhere, text only at the edges.

Never a float: 0.1 + 0.2 is not 0.3 there, and a bank is expected to notice.
"""

import re

# Digits of other scripts would pass `\d` and then `int`; an amount is written with these ten.
_AMOUNT = re.compile(r"(?P<units>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.(?P<cents>[0-9]{1,2}))?")


def parse_cents(text: str) -> int:
    """
    Read an amount exactly: at most two decimals, commas between thousands if you like.

    >>> parse_cents("1,234.5")
    123450

    Raises:
        ValueError: It is no such text.
    """
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        msg = f"{text.strip()!r} is no amount: write it like 1234.50"
        raise ValueError(msg)
    return int(match["units"].replace(",", "")) * 100 + int((match["cents"] or "").ljust(2, "0"))


def format_cents(cents: int) -> str:
    """
    Write an amount with its two decimals.

    >>> format_cents(-123450)
    '-1,234.50'
    """
    units, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{units:,}.{rest:02}"
