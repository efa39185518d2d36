"""
Aggregates and groups in SQL, wherever SQLite computes exactly what the reference evaluator does.

SQLite adds and compares integers of 64 bits exactly; floats and larger integers it does not. A
statement tells when it met one, and the reference then computes the whole answer. Groups are made
by the JSON text of their keys, and those whose keys the language takes as equal (1 and 1.0, null and
nothing) are put together afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import attrs

from eventsource.events.canonical_json import parse_json
from eventsource.gdbql import Path, PreparedQuery, aggregates, canonical
from eventsource.gdbql.arithmetic import checked, divide
from eventsource.gdbql.grouping import Group
from eventsource.store.embedded.query.conditions import json_path
from eventsource.store.embedded.query.rows import TEXT_COLUMNS
from eventsource.store.embedded.query.sql import Sql
from eventsource.store.query import stored_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from eventsource.gdbql import Aggregate, Expression, Query


class InexactError(Exception):
    """
    SQLite met a number it does not compute with exactly. Never leaves the store.
    """


class PreparedOverGroups(PreparedQuery):
    """
    A grouped query made ready for groups that are computed elsewhere.
    """

    def rows_of(self, groups: Iterable[Group]) -> Iterator[Any]:
        """
        The rows of the result.
        """
        return self._finish(self._items(groups))

    def holds_for(self, groups: Iterable[Group]) -> bool:
        """
        True if the result holds as a precondition.
        """
        return self.is_true(cast("Iterable[Any]", groups))

    def _items(self, rows: Iterable[Any]) -> Iterable[Any]:
        return rows if self._having is None else filter(self._having, rows)


class Measure(Protocol):
    """
    One aggregate as columns of SQL.
    """

    columns: tuple[Sql, ...]

    def merge(self, one: Sequence[Any], other: Sequence[Any]) -> Sequence[Any]:
        """
        The columns of two groups that turned out to be one.
        """
        ...

    def result(self, values: Sequence[Any]) -> Any:
        """
        The aggregate from the values of its columns.

        Raises:
            InexactError: SQLite could not compute it exactly.
        """
        ...


@attrs.frozen
class GroupPlan:
    """
    A grouped query whose groups SQL computes.

    Attributes:
        keys: The columns of GROUP BY.

        read_keys: From the value of each column to that of the key.

        measures: One for each aggregate of the query, in the order of `gdbql.aggregates`.
    """

    keys: tuple[Sql, ...]
    read_keys: tuple[Callable[[Any], Any], ...]
    measures: tuple[Measure, ...]

    @property
    def columns(self) -> tuple[Sql, ...]:
        """
        What to select, beside the lowest position of each group in front.
        """
        return self.keys + tuple(column for measure in self.measures for column in measure.columns)

    def groups(self, rows: Iterable[Sequence[Any]]) -> Iterator[Group]:
        """
        The groups, in the order of their oldest events, from rows of the lowest position and `columns`.

        Raises:
            InexactError: The reference has to compute them.
        """
        found: dict[tuple[Any, ...], tuple[int, list[Any], Sequence[Any]]] = {}
        for position, *values in rows:
            keys = [read(item) for read, item in zip(self.read_keys, values, strict=False)]
            measured: Sequence[Any] = values[len(keys) :]
            place = tuple(map(canonical, keys))
            other = found.get(place)
            if other is None:
                found[place] = (position, keys, measured)
                continue
            # The key is that of the group's oldest event.
            first = min((position, keys), other[:2], key=_position)
            found[place] = (*first, self._merge(measured, other[2]))
        ordered = found.values() if len(found) == 1 else sorted(found.values(), key=_position)
        for _, keys, measured in ordered:
            yield Group(keys, self._results(measured))

    def _merge(self, one: Sequence[Any], other: Sequence[Any]) -> Sequence[Any]:
        merged: list[Any] = []
        for measure in self.measures:
            span = slice(len(merged), len(merged) + len(measure.columns))
            merged.extend(measure.merge(one[span], other[span]))
        return merged

    def _results(self, values: Sequence[Any]) -> list[Any]:
        results: list[Any] = []
        start = 0
        for measure in self.measures:
            end = start + len(measure.columns)
            results.append(measure.result(values[start:end]))
            start = end
        return results


def compile_groups(query: Query) -> GroupPlan | None:
    """
    The plan of a grouped query, or None if SQL cannot compute its groups.
    """
    keys: list[Sql] = []
    readers: list[Callable[[Any], Any]] = []
    for expression in query.group_by:
        key = _key(expression)
        if key is None:
            return None
        keys.append(key[0])
        readers.append(key[1])
    measures: list[Measure] = []
    for aggregate in aggregates(query):
        measure = _measure(aggregate, is_merged=any(read is _read_member for read in readers))
        if measure is None:
            return None
        measures.append(measure)
    return GroupPlan(tuple(keys), tuple(readers), tuple(measures))


def _position(entry: tuple[Any, ...]) -> int:
    position: int = entry[0]
    return position


def _key(expression: Expression) -> tuple[Sql, Callable[[Any], Any]] | None:
    if not isinstance(expression, Path) or not expression.steps:
        return None
    field = str(expression.steps[0])
    if field in TEXT_COLUMNS:
        return Sql(f"e.{TEXT_COLUMNS[field]}"), _as_it_is
    if field == "time":
        return Sql("e.time_ns"), stored_instant
    place = json_path(expression) if field == "data" else None
    return None if place is None else (Sql("e.data -> ?", (place,)), _read_member)


def _as_it_is(item: Any) -> Any:
    return item


def _read_member(text: str | None) -> Any:
    return None if text is None else parse_json(text)


def _measure(aggregate: Aggregate, *, is_merged: bool) -> Measure | None:  # noqa: C901, PLR0911  a case per function
    argument = aggregate.argument
    if argument is None or (argument == _WHOLE and aggregate.function == "COUNT" and not aggregate.distinct):
        return _Count(Sql("count(*)"))
    if not isinstance(argument, Path) or not argument.steps:
        return None
    field = str(argument.steps[0])
    column = "time_ns" if field == "time" else TEXT_COLUMNS.get(field)
    if column is not None:
        if aggregate.function == "COUNT":
            if not aggregate.distinct:
                return _Count(Sql("count(*)"))
            # Two groups put together may have values in common.
            return None if is_merged else _Count(Sql(f"count(DISTINCT e.{column})"))
        if aggregate.function in _EXTREMES:
            read = stored_instant if field == "time" else _as_it_is
            return _ExtremeOfColumn(aggregate.function, Sql(f"{aggregate.function.lower()}(e.{column})"), read)
        return None
    place = json_path(argument) if field == "data" else None
    if place is None or aggregate.distinct:
        return None
    match aggregate.function:
        case "COUNT":
            return _Count(Sql("count(nullif(json_type(e.data, ?), 'null'))", (place,)))
        case "SUM":
            return _Sum(place)
        case "AVG":
            return _Average(place)
        case _:
            return _ExtremeOfMember(aggregate.function, place)


_WHOLE: Final = Path()
_EXTREMES: Final = {"MIN": min, "MAX": max}


class _Count:
    def __init__(self, column: Sql) -> None:
        self.columns: tuple[Sql, ...] = (column,)

    def merge(self, one: Sequence[Any], other: Sequence[Any]) -> Sequence[Any]:
        return (one[0] + other[0],)

    def result(self, values: Sequence[Any]) -> Any:
        return values[0]


class _Sum:
    def __init__(self, place: str) -> None:
        # One float among them, or an integer that SQLite reads as one, makes the sum a float: so it shows.
        self.columns: tuple[Sql, ...] = (
            Sql(
                "sum(CASE json_type(e.data, ?) WHEN 'integer' THEN e.data ->> ? WHEN 'real' THEN 0.0 END)",
                (place, place),
            ),
        )

    def merge(self, one: Sequence[Any], other: Sequence[Any]) -> Sequence[Any]:
        if one[0] is None or other[0] is None:
            return (one[0] if other[0] is None else other[0],)
        return (one[0] + other[0],)

    def result(self, values: Sequence[Any]) -> Any:
        if isinstance(values[0], float):
            raise InexactError
        return checked(values[0] or 0)


class _Average(_Sum):
    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.columns = (
            *self.columns,
            Sql("count(CASE json_type(e.data, ?) WHEN 'integer' THEN 1 WHEN 'real' THEN 1 END)", (place,)),
        )

    def merge(self, one: Sequence[Any], other: Sequence[Any]) -> Sequence[Any]:
        return (*super().merge(one[:1], other[:1]), one[1] + other[1])

    def result(self, values: Sequence[Any]) -> Any:
        return divide(super().result(values[:1]), values[1])


class _ExtremeOfColumn:
    def __init__(self, function: str, column: Sql, read: Callable[[Any], Any]) -> None:
        self.columns: tuple[Sql, ...] = (column,)
        self._read = read
        self._further = _EXTREMES[function]

    def merge(self, one: Sequence[Any], other: Sequence[Any]) -> Sequence[Any]:
        return (self._further(one[0], other[0]),)

    def result(self, values: Sequence[Any]) -> Any:
        return None if values[0] is None else self._read(values[0])


class _ExtremeOfMember:
    def __init__(self, function: str, place: str) -> None:
        self._further = _EXTREMES[function]
        # Integers before texts: there SQLite has the order of the language.
        self.columns: tuple[Sql, ...] = (
            Sql(
                f"{function.lower()}(CASE json_type(e.data, ?) WHEN 'integer' THEN e.data ->> ? "
                "WHEN 'text' THEN e.data ->> ? END)",
                (place, place, place),
            ),
            Sql(
                "max(CASE ifnull(json_type(e.data, ?), 'null') WHEN 'integer' THEN typeof(e.data ->> ?) = 'real' "
                "WHEN 'text' THEN 0 WHEN 'null' THEN 0 ELSE 1 END)",
                (place, place),
            ),
        )

    def merge(self, one: Sequence[Any], other: Sequence[Any]) -> Sequence[Any]:
        is_inexact = max(one[1], other[1])
        if is_inexact:
            return (None, is_inexact)
        known = [item for item in (one[0], other[0]) if item is not None]
        return (self._further(known, key=canonical) if known else None, is_inexact)

    def result(self, values: Sequence[Any]) -> Any:
        if values[1]:
            raise InexactError
        return values[0]
