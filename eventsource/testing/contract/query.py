"""
Queries: rows of what there is when they begin, and indexes that change nothing but how long they take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from eventsource.errors import QueryBudgetError, QuerySyntaxError
from eventsource.store import QueryLimits
from eventsource.testing.contract.kinds import Capability, needs
from eventsource.testing.contract.samples import NOTED, OTHER, commit_each, noted

if TYPE_CHECKING:
    from eventsource import EventStore


async def rows(store: EventStore, query: str) -> list[Any]:
    """
    All rows of a query.
    """
    return [row async for row in store.query(query)]


async def test_rows_are_what_is_projected_in_order(store: EventStore) -> None:
    """
    Each event that meets the condition gives a row; members that it does not have are null.
    """
    await store.commit(
        [noted("/a", data={"cents": 3}), noted("/b"), noted("/a/c", data={"cents": 10**30}), noted("/a", type=OTHER)]
    )

    found = await rows(
        store, f"STREAM e FROM events WHERE e.type == '{NOTED}' MAP {{subject: e.subject, cents: e.data.cents}}"
    )

    assert found == [
        {"subject": "/a", "cents": 3},
        {"subject": "/b", "cents": None},
        {"subject": "/a/c", "cents": 10**30},
    ]


async def test_the_older_spelling_is_the_same_query(store: EventStore) -> None:
    """
    Genesis DB's first dialect is understood everywhere.
    """
    await commit_each(store, ["/a", "/b", "/a/c"])

    older = await rows(store, "FROM e IN events WHERE e.subject UNDER '/a' ORDER BY e.time DESC PROJECT INTO e.subject")

    assert older == ["/a/c", "/a"]
    assert older == await rows(
        store, "STREAM e FROM events WHERE e.subject UNDER '/a' ORDER BY e.time DESC MAP e.subject"
    )


async def test_rows_end_where_the_store_ended_when_it_began(store: EventStore) -> None:
    """
    What is committed while rows are being read is not among them.
    """
    await store.commit([noted("/many") for _ in range(2_500)])
    found = store.query("STREAM e FROM events MAP e.id").pages()

    count = len(await anext(found))
    await store.commit([noted("/many") for _ in range(2_500)])
    count += sum([len(page) async for page in found])

    assert count == 2_500


async def test_what_is_no_query_is_refused(store: EventStore) -> None:
    """
    The error comes before any row, and tells where.
    """
    with pytest.raises(QuerySyntaxError):
        await rows(store, "SELECT * FROM events")


async def test_a_query_keeps_to_its_limits(store: EventStore) -> None:
    """
    Rows up to the limit are given, then the error that names it.
    """
    await store.commit([noted("/many") for _ in range(30)])
    found: list[str] = []

    async def take_all() -> None:
        async for row in store.query("STREAM e FROM events MAP e.id", limits=QueryLimits(rows=20)):
            found.append(row)  # noqa: PERF401  the rows before the error count

    with pytest.raises(QueryBudgetError) as failure:
        await take_all()

    assert failure.value.budget == "rows"
    assert len(found) <= 20


@needs(Capability.WHOLE)
async def test_an_index_changes_no_answer(store: EventStore) -> None:
    """
    Declared before, between or behind the events; dropped, all is as before.
    """
    query = f"STREAM e FROM events WHERE e.type == '{NOTED}' AND e.data.name == 'Zoë' MAP e.subject"
    await store.commit([noted("/a", data={"name": "Zoë"}), noted("/b", data={"name": "Ada"})])
    before = await rows(store, query)

    index = await store.create_index(NOTED, "data.name")

    assert (index.event_type, index.path) == (NOTED, "data.name")
    assert await store.indexes() == (index,)
    assert await rows(store, query) == before == ["/a"]
    await store.commit([noted("/c", data={"name": "Zoë"})])
    assert await rows(store, query) == ["/a", "/c"]
    assert await store.drop_index(NOTED, "data.name")
    assert not await store.drop_index(NOTED, "data.name")
    assert await store.indexes() == ()
    assert await rows(store, query) == ["/a", "/c"]
