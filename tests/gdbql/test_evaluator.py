"""
How far the reference evaluator reads, what it keeps, and what it leaves alone; results are in the cases.
"""

from __future__ import annotations

import copy
import tracemalloc
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from eventsource.errors import QueryLimitError, QueryStructureError
from eventsource.gdbql import Aggregate, PreparedQuery, evaluate, is_true, parse, row_reader
from tests.gdbql.case_files import complete_event

if TYPE_CHECKING:
    from collections.abc import Iterator


class Log:
    """
    A log of endless events that knows how many were read.
    """

    def __init__(self, most: int | None = None) -> None:
        self.read = 0
        self._most = most

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while self.read != self._most:
            self.read += 1
            yield complete_event({"subject": f"/{self.read % 10}", "data": {"n": self.read}}, self.read)


def test_rows_come_as_events_are_read() -> None:
    """
    Without ORDER BY and groups the first row is there after the first event that fits.
    """
    log = Log()

    rows = evaluate(parse("STREAM e FROM events WHERE e.data.n > 5 MAP e.data.n"), log)

    assert log.read == 0
    assert list(islice(rows, 2)) == [6, 7]
    assert log.read == 7


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ("STREAM e FROM events LIMIT 3", 3),
        ("STREAM e FROM events SKIP 2 LIMIT 3 MAP e.data.n", 5),
        ("STREAM e FROM events LIMIT 0", 0),
        ("STREAM e FROM events LIMIT 2 MAP DISTINCT e.subject", 2),
    ],
)
def test_limit_ends_reading(query: str, read: int) -> None:
    """
    No event is read behind the one that the last row needs.
    """
    log = Log()

    list(evaluate(parse(query), log))

    assert log.read == read


@pytest.mark.parametrize(
    ("query", "truth", "read"),
    [
        ("STREAM e FROM events WHERE e.data.n == 4", True, 4),
        ("STREAM e FROM events MAP e.data.n < 4", False, 4),
        ("STREAM e FROM events WHERE e.data.n > 3 LIMIT 1 MAP true", True, 4),
    ],
)
def test_truth_is_known_as_soon_as_it_is_decided(query: str, truth: bool, read: int) -> None:  # noqa: FBT001 - parametrized
    """
    An event that exists, or a row that does not hold, ends the search.
    """
    log = Log()

    assert is_true(parse(query), log) is truth
    assert log.read == read


def test_order_with_limit_keeps_no_more_than_the_limit() -> None:
    """
    The last 20 of 20,000 events are found in the memory of a few.
    """
    query = PreparedQuery(parse("STREAM e FROM events ORDER BY e.data.n DESC LIMIT 20 MAP e.data.n"))
    tracemalloc.start()

    rows = list(query.rows(Log(most=20_000)))

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows == list(range(20_000, 19_980, -1))
    assert peak < 300_000


def test_events_are_left_as_they_are() -> None:
    """
    Neither conditions nor sorting nor rows change what was given.
    """
    events = [complete_event({"data": {"l": [3, 1], "o": {"b": 1, "a": 2}}}, index) for index in range(3)]
    before = copy.deepcopy(events)

    list(
        evaluate(
            parse("STREAM e FROM events ORDER BY e.data DESC MAP DISTINCT { all: e, l: e.data.l, t: e.time }"), events
        )
    )

    assert events == before


def test_prepared_query_is_used_many_times() -> None:
    """
    What one evaluation counted does not show in the next.
    """
    query = PreparedQuery(parse("STREAM e FROM events GROUP BY e.subject MAP COUNT(DISTINCT e.id)"))

    assert [list(query.rows(Log(most=20))) for _ in range(2)] == [[2] * 10] * 2
    assert query.is_true(Log(most=20))


def test_event_may_be_any_mapping() -> None:
    """
    A row need not be a dictionary; as a whole it becomes one.
    """
    row = MappingProxyType(complete_event({"data": 1}, 0))

    assert list(evaluate(parse("STREAM e FROM events MAP e"), [row])) == [dict(row)]


def test_times_leave_as_plain_texts() -> None:
    """
    Outside there are no instants, only what JSON has.
    """
    query = parse("STREAM e FROM events GROUP BY e.time MAP DISTINCT COALESCE(e.time, MAX(e.time))")

    (row,) = evaluate(query, Log(most=1))

    assert type(row) is str


def test_times_in_lists_and_objects_are_plain_texts() -> None:
    """
    A list or object that is made holds nothing but what JSON has.
    """
    query = parse("STREAM e FROM events MAP [e.time, { at: e.time }]")

    (row,) = evaluate(query, Log(most=1))

    assert isinstance(row, list)
    assert type(row[0]) is type(row[1]["at"]) is str


def test_text_that_grows_too_long_ends_the_query() -> None:
    """
    The error comes with the row, not with the query.
    """
    text = "'a'"
    for _ in range(4):
        text = f"REPLACE({text}, 'a', '{'a' * 100}')"
    rows = evaluate(parse(f"STREAM e FROM events MAP {text}"), Log())

    with pytest.raises(QueryLimitError):
        next(rows)


def test_aggregate_has_no_value_for_one_event() -> None:
    """
    Reading one from a row is an error of whoever asks.
    """
    with pytest.raises(QueryStructureError):
        row_reader(Aggregate("COUNT"))
