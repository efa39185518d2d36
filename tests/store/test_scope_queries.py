"""
Queries over a part of the log: whatever is asked, the answer is that of a log without the other parts.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from eventsource import EventStore, NewEvent, QueryHolds, scoped
from eventsource.errors import PreconditionFailedError, QueryError, QueryLimitError
from eventsource.gdbql import (
    Aggregate,
    Call,
    Comparison,
    Constant,
    Expression,
    In,
    ListOf,
    OrderKey,
    Query,
    Under,
    evaluate,
    is_true,
    parse,
    print_query,
    version_guard,
)
from eventsource.gdbql import Path as EventPath
from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from eventsource.store.scope.queries import Confinement
from eventsource.testing.contract.chance import rounds
from tests.gdbql.case_files import complete_event
from tests.gdbql.strategies import NAMES, SUBJECTS, expressions, json_values, queries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PREFIX = "/tenants/acme"
# Above, at, beside and around the part; some would be in it if their slash were forgotten.
ELSEWHERE = [
    "/a",
    "/a/b",
    "/tenants",
    "/tenants/acme",
    "/tenants/acme0",
    "/tenants/acme-/a",
    "/tenants/acmea/b",
    "/tenants/globex/a",
    "/tenants/globex/a/b",
    "/b/tenants/acme/a",
]

subjects = st.sampled_from([subject for subject in SUBJECTS if subject != "/"])
fields = {
    "type": st.sampled_from(["t1", "t2"]),
    "data": st.dictionaries(st.sampled_from(NAMES), json_values, max_size=3),
}
own_events = st.fixed_dictionaries({"subject": subjects.map(lambda subject: PREFIX + subject), **fields})
others_events = st.fixed_dictionaries({"subject": st.sampled_from(ELSEWHERE), **fields})
logs = st.lists(own_events | others_events, max_size=10).map(
    lambda given: [complete_event(event, index) for index, event in enumerate(given)]
)

SUBJECT = EventPath(("subject",))
about_subjects = expressions(
    st.sampled_from([SUBJECT, SUBJECT, SUBJECT, EventPath(), EventPath(("data", "a"))])
    | st.sampled_from([*SUBJECTS, PREFIX, PREFIX + "/a", "a", "", "//", "/a/", 1, None, True]).map(Constant)
)
subject_aggregates = st.builds(
    Aggregate, st.sampled_from(["COUNT", "MIN", "MAX", "SUM"]), st.sampled_from([SUBJECT, EventPath()]), st.booleans()
)


@st.composite
def subject_queries(draw: st.DrawFn) -> Query:
    """
    Queries that hardly ask for anything but subjects.
    """
    where = draw(st.none() | about_subjects)
    if draw(st.booleans()):
        keys = tuple(draw(st.lists(st.sampled_from([SUBJECT, *_KEYS]), max_size=2, unique=True)))
        parts = [*keys, *draw(st.lists(subject_aggregates, min_size=1, max_size=2))]
        having = draw(st.none() | st.builds(Comparison, st.sampled_from(["==", "<"]), st.sampled_from(parts), _texts))
        order = draw(st.lists(st.builds(OrderKey, st.sampled_from(parts), st.booleans()), max_size=1))
        return Query(where=where, group_by=keys, having=having, order_by=tuple(order), projection=ListOf(tuple(parts)))
    return Query(
        where=where,
        order_by=tuple(draw(st.lists(st.builds(OrderKey, about_subjects, st.booleans()), max_size=2))),
        projection=draw(st.none() | about_subjects),
        limit=draw(st.none() | st.integers(0, 5)),
    )


_texts = st.sampled_from([*SUBJECTS, PREFIX]).map(Constant)
_KEYS: tuple[Expression, ...] = (
    EventPath(),
    Call("LENGTH", (SUBJECT,)),
    Comparison("==", SUBJECT, Constant("/a")),
    Under(SUBJECT, Constant("/a")),
    In(SUBJECT, ListOf((Constant("/a"), Constant("/b")))),
    ListOf((SUBJECT, Constant("/a"))),
)


def as_text(ask: Callable[[], Any]) -> str:
    """
    An answer, or the error in its place. As text: 1 is not 1.0, and true is not 1.
    """
    try:
        return repr(ask())
    except QueryError as error:
        return type(error).__name__


def compare(log: Sequence[dict[str, Any]], query: Query) -> None:
    """
    Assert that the query over the part, asked of the whole log, gives what it gives over the part alone.
    """
    part = [
        {**event, "subject": event["subject"].removeprefix(PREFIX)}
        for event in log
        if event["subject"].startswith(PREFIX + "/")
    ]
    try:
        rewritten = Confinement(PREFIX).rewritten(query)
    except QueryLimitError:
        # As deep as can be.
        reject()

    def rows() -> list[Any]:
        found: list[Any] = list(evaluate(rewritten, log))
        if query.projection is None:
            return [{**row, "subject": row["subject"].removeprefix(PREFIX)} for row in found]
        return found

    assert as_text(rows) == as_text(lambda: list(evaluate(query, part))), print_query(rewritten)
    assert as_text(lambda: is_true(rewritten, log)) == as_text(lambda: is_true(query, part)), print_query(rewritten)


@given(logs, queries)
@settings(max_examples=rounds(120, 20_000))
def test_any_query_sees_the_part_alone(log: list[dict[str, Any]], query: Query) -> None:
    """
    Rows, their order, and the truth of a rule are those of a log that holds only the part.
    """
    compare(log, query)


@given(logs, subject_queries())
@settings(max_examples=rounds(200, 20_000))
def test_any_expression_over_subjects_is_about_those_of_the_part(log: list[dict[str, Any]], query: Query) -> None:
    """
    However subjects are compared, matched, cut, counted, ordered or shown, they begin behind the prefix.
    """
    compare(log, query)


Stored = tuple[str, str, dict[str, Any]]
stored = st.lists(
    st.tuples(
        subjects.map(lambda subject: PREFIX + subject) | st.sampled_from(ELSEWHERE),
        st.sampled_from(["t1", "t2"]),
        fields["data"],
    ),
    max_size=10,
)


async def answers(store: EventStore, log: Sequence[Stored], query: Query) -> None:
    """
    Ask a part of a store, and the reference over what is read from the part.
    """
    async with store:
        part = scoped(store, PREFIX)
        for subject, event_type, data in log:
            await store.commit([NewEvent(subject=subject, type=event_type, data=data)])
        rows = [recorded.to_cloud_event() async for recorded in part.stream()]
        assert [row["subject"] for row in rows] == [
            subject.removeprefix(PREFIX) for subject, _, _ in log if subject.startswith(PREFIX + "/")
        ]

        try:
            found: Any = [row async for row in part.query(query)]
        except QueryError as error:
            found = type(error).__name__
        assert (found if isinstance(found, str) else repr(found)) == as_text(lambda: list(evaluate(query, rows)))

        decided = await asyncio.gather(
            part.commit([NewEvent(subject="/z", type="t", data={})], [QueryHolds(query)]), return_exceptions=True
        )
        match decided[0]:
            case PreconditionFailedError() as refusal:
                assert refusal.query == print_query(query)
                holds = "False"
            case QueryError() as trouble:
                holds = type(trouble).__name__
            case _:
                holds = "True"
        assert holds == as_text(lambda: is_true(query, rows))


@given(stored, queries | subject_queries())
@settings(max_examples=rounds(60, 2_000), deadline=None)
def test_a_part_of_the_embedded_store_answers_as_the_reference(log: list[Stored], query: Query) -> None:
    """
    What SQL decides is confined, too, as a question and as a guard.
    """
    if not fits(query):
        reject()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(answers(EmbeddedEventStore(Path(folder) / "store.db"), log, query))


@given(stored, queries | subject_queries())
@settings(max_examples=rounds(60, 2_000), deadline=None)
def test_a_part_of_the_store_in_memory_answers_as_the_reference(log: list[Stored], query: Query) -> None:
    """
    The same, in memory.
    """
    if not fits(query):
        reject()
    asyncio.run(answers(InMemoryEventStore(), log, query))


def fits(query: Query) -> bool:
    """
    Whether it can be rewritten, and printed for a failure.
    """
    try:
        print_query(Confinement(PREFIX).rewritten(query))
    except QueryLimitError:
        return False
    return True


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("MAP COUNT() == 0", "WHERE e.subject DESCENDANTS '/t/a' MAP COUNT() == 0"),
        ("WHERE e.subject == '/x' MAP COUNT() == 7", "WHERE e.subject == '/t/a/x' MAP COUNT() == 7"),
        ("WHERE '/x' == e.subject MAP e.id", "WHERE '/t/a/x' == e.subject MAP e.id"),
        ("WHERE e.subject IN ['/x', '/y'] MAP e.id", "WHERE e.subject IN ['/t/a/x', '/t/a/y'] MAP e.id"),
        ("WHERE e.subject UNDER '/x' MAP e.id", "WHERE e.subject UNDER '/t/a/x' MAP e.id"),
        ("WHERE e.subject UNDER '/' MAP e.id", "WHERE e.subject DESCENDANTS '/t/a' MAP e.id"),
        ("WHERE e.subject DESCENDANTS '/x' MAP e.id", "WHERE e.subject DESCENDANTS '/t/a/x' MAP e.id"),
        (
            "WHERE e.type == 't' AND e.subject UNDER '/x' MAP SUM(e.data.n) < 5",
            "WHERE e.subject UNDER '/t/a/x' AND e.type == 't' MAP SUM(e.data.n) < 5",
        ),
        (
            "WHERE e.type == 't' AND e.data.email == 'a' MAP COUNT() == 0",
            "WHERE e.subject DESCENDANTS '/t/a' AND e.type == 't' AND e.data.email == 'a' MAP COUNT() == 0",
        ),
        # Not below the part, whatever is put behind its prefix.
        ("WHERE e.subject == 'b' MAP e.id", "WHERE e.subject DESCENDANTS '/t/a' AND e.subject == '/t/ab' MAP e.id"),
        ("WHERE e.subject == '/' MAP e.id", "WHERE e.subject DESCENDANTS '/t/a' AND e.subject == '/t/a/' MAP e.id"),
        (
            "WHERE e.subject == '/x' OR e.type == 't' MAP e.id",
            "WHERE e.subject DESCENDANTS '/t/a' AND (e.subject == '/t/a/x' OR e.type == 't') MAP e.id",
        ),
        (
            "WHERE NOT e.subject == '/x' MAP e.id",
            "WHERE e.subject DESCENDANTS '/t/a' AND NOT e.subject == '/t/a/x' MAP e.id",
        ),
        (
            "GROUP BY e.subject MAP { s: e.subject, n: COUNT() }",
            "WHERE e.subject DESCENDANTS '/t/a' GROUP BY e.subject MAP { s: SUBSTRING(e.subject, 5), n: COUNT() }",
        ),
        ("MAP MAX(e.subject)", "WHERE e.subject DESCENDANTS '/t/a' MAP SUBSTRING(MAX(e.subject), 5)"),
        (
            "ORDER BY e.subject DESC MAP UPPER(e.subject)",
            "WHERE e.subject DESCENDANTS '/t/a' ORDER BY e.subject DESC MAP UPPER(SUBSTRING(e.subject, 5))",
        ),
    ],
)
def test_what_is_sent_is_what_indexes_answer(asked: str, sent: str) -> None:
    """
    Comparisons stay comparisons of the subject, and where they keep to the part nothing is added.
    """
    rewritten = Confinement("/t/a").rewritten(parse("STREAM e FROM events " + asked))

    assert print_query(rewritten) == print_query(parse("STREAM e FROM events " + sent))


def test_the_version_of_a_subject_is_still_counted_not_searched() -> None:
    """
    The question that stores answer from a counter is the same question of another subject.
    """
    query = parse("STREAM e FROM events WHERE e.subject == '/accounts/42' MAP COUNT() == 7")

    guard = version_guard(Confinement(PREFIX).rewritten(query))

    assert guard == ("/tenants/acme/accounts/42", 7)


def test_a_list_that_groups_are_made_by_stays_a_key() -> None:
    """
    For a rule over no groups at all keys are null, lists of constants too; so nothing is in them.
    """
    query = parse(
        "STREAM e FROM events WHERE false GROUP BY ['/a', null], e.subject "
        "MAP COUNT() == 0 AND e.subject IN ['/a', null]"
    )

    assert not is_true(query, [])
    assert not is_true(Confinement(PREFIX).rewritten(query), [])
