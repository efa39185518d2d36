"""
Rows of a query's result as a table, whatever they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from rich.cells import cell_len

from eventsource.cli.output import escape, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Data may have other members in every event: those beyond stand at the end of their line.
_MAX_COLUMNS: Final = 40
# As wide as a hash. What is longer is shown in full and moves the rest of its line.
_MAX_WIDTH: Final = 64

# The column of rows without members. No member has that name, since members are texts.
_VALUE: Final = None


class RowTable:
    """
    Makes lines of the pages of a result; holds no more than the page it is given.

    The first page decides the columns: the members of its objects, and ``value`` for whatever is none.
    What a row has beyond stands at the end of its line, as JSON, so nothing is left out.

    >>> print(*RowTable().lines([{"type": "opened", "n": 2}, {"type": "deposited", "tags": ["a"]}, 7]), sep=chr(10))
    type       n  tags   value
    opened     2  -          -
    deposited  -  ["a"]      -
    -          -  -          7
    """

    def __init__(self) -> None:
        self._columns: tuple[_Column, ...] | None = None

    def lines(self, page: Sequence[Any]) -> Iterator[str]:
        """
        The lines of a page, the head above those of the first one.
        """
        members = [_members(row) for row in page]
        if self._columns is None:
            self._columns = _columns(members)
            yield "  ".join(column.head() for column in self._columns).rstrip()
        for row in members:
            yield self._line(row, self._columns)

    def _line(self, row: dict[str | None, Any], columns: Sequence[_Column]) -> str:
        cells = [column.cell(row.pop(column.name, None)) for column in columns]
        if row:
            cells.append(to_json(row.get(_VALUE, row)))
        return "  ".join(cells).rstrip()


class _Column:
    def __init__(self, name: str | None, rows: Sequence[dict[str | None, Any]]) -> None:
        self.name = name
        found = [row[name] for row in rows if row.get(name) is not None]
        self._is_right = bool(found) and all(_is_number(item) for item in found)
        # For `head` and `cell` nothing is wide yet.
        self._width = 0
        self._width = min(_MAX_WIDTH, max(cell_len(text) for text in (self.head(), "-", *map(self.cell, found))))

    def head(self) -> str:
        return self._padded("value" if self.name is None else escape(self.name))

    def cell(self, item: Any) -> str:
        if item is None:
            return self._padded("-")
        return self._padded(escape(item) if isinstance(item, str) else to_json(item))

    def _padded(self, text: str) -> str:
        blanks = " " * (self._width - cell_len(text))
        return blanks + text if self._is_right else text + blanks


def _columns(rows: Sequence[dict[str | None, Any]]) -> tuple[_Column, ...]:
    names = list(dict.fromkeys(name for row in rows for name in row if name is not _VALUE))[:_MAX_COLUMNS]
    if any(_VALUE in row for row in rows):
        return tuple(_Column(name, rows) for name in (*names, _VALUE))
    return tuple(_Column(name, rows) for name in names)


def _members(row: Any) -> dict[str | None, Any]:
    """
    The cells of a row by the names of their columns.
    """
    # An object without members would be a line without anything.
    return dict(cast("dict[str | None, Any]", row)) if isinstance(row, dict) and row else {_VALUE: row}


def _is_number(item: Any) -> bool:
    return isinstance(item, (int, float)) and not isinstance(item, bool)
