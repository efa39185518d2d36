"""
Tables as plain text, the same in a terminal and in a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource.cli.output import escape

if TYPE_CHECKING:
    from collections.abc import Sequence


def format_table(head: Sequence[str], rows: Sequence[Sequence[str | int | None]]) -> list[str]:
    """
    Lines with the columns below each other: numbers to the right, texts to the left, ``-`` for None.

    >>> print(*format_table(["name", "events"], [["balances", 1200], ["ledger", None]]), sep=chr(10))
    name      events
    balances   1,200
    ledger         -
    """
    numeric = [any(isinstance(row[column], int) for row in rows) for column in range(len(head))]
    texts = [list(head), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in texts) for column in range(len(head))]
    return [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in texts
    ]


def _text(cell: str | int | None) -> str:
    if cell is None:
        return "-"
    return f"{cell:,}" if isinstance(cell, int) else escape(cell)
