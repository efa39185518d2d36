"""
Generated queries over generated logs: the embedded store gives what the reference gives, in the same order.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from eventsource import EventStore, NewEvent, QueryHolds
from eventsource.errors import PreconditionFailedError, QueryError
from eventsource.gdbql import (
    Aggregate,
    And,
    Between,
    Comparison,
    Constant,
    Expression,
    In,
    IsNull,
    ListOf,
    Not,
    ObjectOf,
    Or,
    OrderKey,
    Query,
    Under,
    Xor,
    print_query,
)
from eventsource.gdbql import Path as EventPath
from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from tests.gdbql.strategies import NAMES, queries, scalars
from tests.small_sizes import turn_down

if TYPE_CHECKING:
    from collections.abc import Sequence

START_NS = 1_700_000_000_000_000_000
SUBJECTS = ("/a", "/a/b", "/a/b/c", "/ab", "/a-b", "/a.b/c", "/b", "/größe/x")
TYPES = ("t1", "t2", "t3")

# Where SQLite and the language could differ.
awkward = st.sampled_from(
    [
        0,
        1,
        -1,
        1.0,
        0.5,
        True,
        False,
        None,
        "",
        "1",
        "true",
        "a",
        "ä",
        "z",
        '"',
        "\\",
        "a'b",
        "\n",
        2**53,
        2**53 + 1,
        2.0**53,
        2**63 - 1,
        2**63,
        -(2**63),
        -(2**63) - 1,
        2**64,
        1e19,
        2.0**63,
        1e300,
        5e-324,
        0.1,
        0.1 + 0.2,
        10**30,
    ]
)
values = awkward | scalars
members = st.dictionaries(st.sampled_from(NAMES), values | st.lists(values, max_size=2), max_size=3)
data = members | st.dictionaries(st.just("a"), members | st.lists(members, max_size=2), max_size=1)

Stored = tuple[str, str, dict[str, Any]]
logs: st.SearchStrategy[list[Stored]] = st.lists(
    st.tuples(st.sampled_from(SUBJECTS), st.sampled_from(TYPES), data), max_size=14
)

member_paths = st.sampled_from(
    [
        ("data", "a"),
        ("data", "order"),
        ("data", "first-name"),
        ("data", "größe"),
        ("data", "a", "a"),
        ("data", "a", 0),
        ("data", "a", 1, "a"),
        ("data", "none"),
    ]
).map(EventPath)
text_paths = st.sampled_from(["subject", "type", "id", "source", "hash", "specversion"]).map(
    lambda name: EventPath((name,))
)
times = st.integers(-2, 16).map(
    lambda index: f"2023-11-14T22:13:{20 + index}.000000000Z" if index >= 0 else "1960-01-01T00:00:00Z"
)
operators: st.SearchStrategy[Any] = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


def _texts_of(path: EventPath) -> st.SearchStrategy[Any]:
    pools: dict[Any, Sequence[str]] = {
        "subject": SUBJECTS,
        "type": TYPES,
        "source": ("eventsource",),
        "specversion": ("1.0",),
    }
    ids = [f"id-{number}" for number in range(3)]
    return st.sampled_from(pools.get(path.steps[0], ids)) | values


text_comparisons = text_paths.flatmap(
    lambda path: st.builds(Comparison, operators, st.just(path), _texts_of(path).map(Constant))
)
time_comparisons = st.builds(Comparison, operators, st.just(EventPath(("time",))), times.map(Constant))
member_comparisons = st.builds(Comparison, operators, member_paths, values.map(Constant)) | st.builds(
    Comparison, operators, values.map(Constant), member_paths
)
lists = st.lists(values.map(Constant), max_size=3).map(tuple).map(ListOf)
subject_lists = st.lists(st.sampled_from(SUBJECTS).map(Constant), max_size=3).map(tuple).map(ListOf)
type_lists = st.lists(st.sampled_from(TYPES).map(Constant), max_size=3).map(tuple).map(ListOf)
conditions: st.SearchStrategy[Expression] = st.recursive(
    st.one_of(
        text_comparisons,
        time_comparisons,
        member_comparisons,
        st.builds(Between, member_paths, values.map(Constant), values.map(Constant)),
        st.builds(Between, st.just(EventPath(("time",))), times.map(Constant), times.map(Constant)),
        st.builds(In, member_paths, lists),
        st.builds(In, st.just(EventPath(("subject",))), subject_lists),
        st.builds(In, st.just(EventPath(("type",))), type_lists),
        st.builds(IsNull, member_paths),
        st.builds(
            Under,
            st.just(EventPath(("subject",))),
            st.sampled_from([*SUBJECTS, "/", "/a/", "//", "/none"]).map(Constant),
            st.booleans(),
        ),
        member_paths,
        st.builds(Comparison, operators, member_paths, text_paths),
    ),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=2, max_size=3).map(tuple).map(And),
        st.lists(inner, min_size=2, max_size=3).map(tuple).map(Or),
        st.builds(Xor, inner, inner),
    ),
    max_leaves=4,
)
wheres = st.none() | conditions | st.lists(conditions, min_size=2, max_size=3).map(tuple).map(And)

keys = text_paths | member_paths | st.just(EventPath(("time",)))
aggregates = st.builds(
    Aggregate,
    st.sampled_from(["COUNT", "SUM", "AVG", "MIN", "MAX"]),
    st.one_of(member_paths, member_paths, text_paths, st.just(EventPath(("time",)))),
    st.sampled_from([False, False, True]),
) | st.just(Aggregate("COUNT"))


@st.composite
def grouped(draw: st.DrawFn) -> Query:
    """
    Groups by what SQL can group by, with what it can compute.
    """
    by = tuple(draw(st.lists(keys, max_size=2, unique=True)))
    parts: list[Any] = [*by, *draw(st.lists(aggregates, min_size=1, max_size=3))]
    having = None
    if draw(st.booleans()):
        having = Comparison(draw(operators), draw(st.sampled_from(parts[len(by) :])), Constant(draw(st.integers(0, 3))))
    order = (OrderKey(parts[-1], draw(st.booleans())),) if draw(st.booleans()) else ()
    return Query(where=draw(wheres), group_by=by, having=having, order_by=order, projection=ListOf(tuple(parts)))


@st.composite
def plain(draw: st.DrawFn) -> Query:
    """
    Events found by what indexes find, in orders the log has and has not.
    """
    order = draw(st.lists(st.builds(OrderKey, keys | st.just(EventPath(("time",))), st.booleans()), max_size=2))
    projection: Expression | None = ObjectOf(
        (("s", EventPath(("id",))), ("v", draw(member_paths)), ("t", EventPath(("time",))))
    )
    if draw(st.booleans()):
        projection = draw(st.none() | keys)
    return Query(
        where=draw(wheres),
        order_by=tuple(order),
        projection=projection,
        distinct=projection is not None and draw(st.booleans()),
        skip=draw(st.integers(0, 2)),
        limit=draw(st.none() | st.integers(0, 5)),
    )


async def answers(store: EventStore, log: Sequence[Stored], query: Query, indexed: Sequence[tuple[str, str]]) -> Any:
    """
    What a store says to *query* as a question, and as a precondition of one more commit.
    """
    async with store:
        half = len(log) // 2
        events = [NewEvent(subject=subject, type=event_type, data=content) for subject, event_type, content in log]
        # One part of each index is built, the other entered as it is committed.
        if events[:half]:
            await store.commit(events[:half])
        for each in indexed:
            await store.create_index(*each)
        if events[half:]:
            await store.commit(events[half:])
        outcome: list[Any] = []
        try:
            outcome.append([row async for row in store.query(query)])
        except QueryError as error:
            outcome.append(type(error))
        try:
            # The rule has to see the event before it, of the same group of commits.
            results = await asyncio.gather(
                store.commit([NewEvent(subject="/a", type="t1", data={"a": 1})]),
                store.commit([NewEvent(subject="/z", type="t", data={})], [QueryHolds(query)]),
                return_exceptions=True,
            )
            outcome.append(isinstance(results[1], PreconditionFailedError) or repr(results[1])[:60])
        except QueryError as error:
            outcome.append(type(error))
        return outcome


def compare(
    log: Sequence[Stored], query: Query, indexed: Sequence[tuple[str, str]] = (), *, is_small: bool = False
) -> None:
    """
    Assert that both stores say the same.

    Args:
        is_small: Whether the log is long for the sizes of pages, groups and the planner, which are turned down.
    """

    def options() -> dict[str, Any]:
        clock, ids = itertools.count(START_NS, 1_000_000_000), itertools.count()
        return {"clock": lambda: next(clock), "new_id": lambda: f"id-{next(ids)}"}

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        if is_small:
            turn_down(patch)
        embedded = asyncio.run(answers(EmbeddedEventStore(Path(folder) / "store.db", **options()), log, query, indexed))
    memory = asyncio.run(answers(InMemoryEventStore(**options()), log, query, ()))
    event(f"rows: {min(len(memory[0]), 3) if isinstance(memory[0], list) else memory[0]}")
    # As text: 1 is not 1.0, and true is not 1.
    assert repr(embedded) == repr(memory), print_query(query)


@given(logs, queries, st.booleans())
@settings(max_examples=80)
def test_any_query_gives_the_rows_of_the_reference(log: list[Stored], query: Query, is_small: bool) -> None:  # noqa: FBT001
    """
    Whatever is asked, both stores give the same rows in the same order.
    """
    compare(log, query, is_small=is_small)


@given(logs, plain(), st.booleans())
@settings(max_examples=120)
def test_events_found_by_sql_are_those_of_the_reference(log: list[Stored], query: Query, is_small: bool) -> None:  # noqa: FBT001
    """
    Conditions and orders that SQL decides give what the reference gives.
    """
    compare(log, query, is_small=is_small)


@given(logs, grouped(), st.booleans())
@settings(max_examples=120)
def test_groups_computed_by_sql_are_those_of_the_reference(log: list[Stored], query: Query, is_small: bool) -> None:  # noqa: FBT001
    """
    Groups and aggregates that SQL computes are what the reference computes.
    """
    compare(log, query, is_small=is_small)


INDEXED = [("t1", "data.a"), ("t1", "data.order"), ("t2", "data.a")]


@st.composite
def indexable(draw: st.DrawFn) -> Query:
    """
    Queries that a declared index can serve.
    """
    event_type = Comparison("==", EventPath(("type",)), Constant(draw(st.sampled_from(TYPES[:2]))))
    path = EventPath(("data", draw(st.sampled_from(["a", "order"]))))
    bounds: list[Expression] = draw(
        st.lists(
            st.builds(Comparison, operators, st.just(path), values.map(Constant))
            | st.builds(Between, st.just(path), values.map(Constant), values.map(Constant)),
            min_size=1,
            max_size=2,
        )
    )
    where = And((event_type, *bounds))
    if draw(st.booleans()):
        return Query(where=where, projection=ListOf((Aggregate("COUNT"), Aggregate("MAX", path))))
    order = (OrderKey(EventPath(("time",)), draw(st.booleans())),)
    return Query(where=where, order_by=order, projection=EventPath(("id",)), limit=draw(st.none() | st.integers(1, 3)))


same_types = st.lists(
    st.tuples(
        st.sampled_from(SUBJECTS), st.sampled_from(TYPES[:2]), st.dictionaries(st.sampled_from(["a", "order"]), values)
    ),
    max_size=14,
)


@given(same_types, indexable(), st.booleans())
@settings(max_examples=160)
def test_declared_indexes_change_no_answer(log: list[Stored], query: Query, is_small: bool) -> None:  # noqa: FBT001
    """
    With an index on the data asked for, the rows and their order are the same as without.
    """
    compare(log, query, INDEXED, is_small=is_small)
