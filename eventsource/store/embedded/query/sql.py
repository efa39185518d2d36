"""
Pieces of SQL with the values of their parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import apsw

SqlValue = int | float | str | bytes | None


@attrs.frozen
class Sql:
    """
    A piece of SQL. Values never stand in its text.

    Attributes:
        text: With a ``?`` for each value.

        values: In the order of the question marks.
    """

    text: str
    values: tuple[SqlValue, ...] = ()


def joined(separator: str, pieces: Iterable[Sql]) -> Sql:
    """
    The pieces with *separator* between them.
    """
    kept = tuple(pieces)
    return Sql(separator.join(piece.text for piece in kept), tuple(value for piece in kept for value in piece.values))


def sql(template: str, *pieces: Sql) -> Sql:
    """
    A piece made of others: each ``{}`` of *template* stands for one of them.
    """
    text = template.format(*(piece.text for piece in pieces))
    return Sql(text, tuple(value for piece in pieces for value in piece.values))


def value(item: SqlValue) -> Sql:
    """
    A parameter.
    """
    return Sql("?", (item,))


def fetch(connection: apsw.Connection, text: str, values: Sequence[SqlValue] = ()) -> list[tuple[Any, ...]]:
    """
    All rows of a statement.
    """
    return connection.execute(text, tuple(values)).fetchall()


TRUE = Sql("1")
FALSE = Sql("0")
