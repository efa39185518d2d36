"""
The specification of GDBQL as data: reads the case files, and checks any evaluator against them.

A file is `{"comment", "events", "cases"}`. A case is `{"comment", "query"}` with its own "events" in place of the
file's where it has any, and with what must come of it, one or more of

- "rows": the result, in order. `{"$event": 0}` stands for the whole first event.
- "truth": whether the query holds as a precondition.
- "error": `{"code"}` of the error, and where given its "line", "column", and a part of the message, "says".

An event gives the fields that matter; the others are filled in, times one second after the other.

To run the cases against another evaluator, parametrize a test with `load_cases()` and give `check_rows` a function
from query text and events to rows, `check_truth` one to a boolean. A store that sets ids and times by itself leaves out
the cases that depend on them: see `Case.fixes`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from eventsource.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

FOLDER = Path(__file__).parent / "cases"

Event = dict[str, Any]


@attrs.frozen
class Case:
    """
    One case.

    Attributes:
        name: File and number, such as "truth-3".

        fixes: Those of "id" and "time" that an event states, so that the outcome may depend on them.
    """

    name: str
    comment: str
    events: Sequence[Event]
    query: str
    fixes: frozenset[str]
    rows: Sequence[Any] | None = None
    truth: bool | None = None
    error: dict[str, Any] | None = None


def load_cases() -> list[Case]:
    """
    All cases of all files, in order.
    """
    return [case for path in sorted(FOLDER.glob("*.json")) for case in _read_file(path)]


def check_rows(case: Case, evaluate: Callable[[str, Sequence[Event]], Iterable[Any]]) -> None:
    """
    Assert that *evaluate* gives the rows or the error that *case* states; nothing if it states neither.

    Rows are compared as JSON text: 1 is not 1.0, members may come in any order.
    """
    if case.error is not None:
        with pytest.raises(QueryError) as excinfo:
            list(evaluate(case.query, case.events))
        _check_error(excinfo.value, case.error)
    if case.rows is not None:
        expected = [_resolve(row, case.events) for row in case.rows]
        assert _texts(evaluate(case.query, case.events)) == _texts(expected), case.comment


def check_truth(case: Case, is_true: Callable[[str, Sequence[Event]], bool]) -> None:
    """
    Assert that *is_true* says what *case* states, nothing if it states no truth.
    """
    if case.truth is not None:
        assert is_true(case.query, case.events) is case.truth, case.comment


def complete_event(fields: Event, index: int) -> Event:
    """
    An event with the fields given, as number *index* of a log; all others are filled in.
    """
    event = {
        "source": "io.example",
        "subject": "/things/1",
        "type": "io.example.happened",
        "specversion": "1.0",
        "id": f"00000000-0000-4000-8000-{index:012}",
        "time": f"2024-01-01T{index // 3600:02}:{index // 60 % 60:02}:{index % 60:02}.000000000Z",
        "datacontenttype": "application/json",
        "predecessorhash": f"{index:064x}",
        "data": {},
        "hash": f"{index + 1:064x}",
    }
    unknown = fields.keys() - event.keys()
    assert not unknown, f"events have no {unknown}"
    return event | fields


def _read_file(path: Path) -> Iterable[Case]:
    content = json.loads(path.read_text(encoding="utf-8"))
    for number, case in enumerate(content["cases"], start=1):
        given = case.pop("events", content["events"])
        yield Case(
            name=f"{path.stem}-{number}",
            events=[complete_event(fields, index) for index, fields in enumerate(given)],
            fixes=frozenset(field for fields in given for field in fields if field in {"id", "time"}),
            **case,
        )


def _resolve(row: Any, events: Sequence[Event]) -> Any:
    if isinstance(row, dict) and row.keys() == {"$event"}:
        return events[row["$event"]]
    return row


def _texts(rows: Iterable[Any]) -> list[str]:
    return [json.dumps(row, sort_keys=True, ensure_ascii=False) for row in rows]


def _check_error(error: QueryError, expected: dict[str, Any]) -> None:
    assert error.code == expected["code"]
    assert expected.get("says", "") in str(error)
    for fact in ("line", "column"):
        if fact in expected:
            assert getattr(error, fact) == expected[fact], f"{fact} of {error}"
