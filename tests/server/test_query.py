"""
Queries over HTTP, how they are answered, and their indexes.
"""

import asyncio
from typing import Any

import pytest

from eventsource.store import QueryLimits
from tests.server.serving import Served, event, failure, lines, serving

KIND = "io.example.opened"


def accounts(count: int) -> list[dict[str, Any]]:
    """
    Events that differ.
    """
    return [event(f"/accounts/{n}", data={"n": n, "email": f"{n}@example.com"}) for n in range(count)]


@pytest.mark.parametrize("path", ["/q", "/query"])
async def test_each_row_is_a_line(served_each: Served, path: str) -> None:
    """
    Under both addresses.
    """
    await served_each.commit(*accounts(3))

    response = await served_each.post(path, {"query": "STREAM e FROM events ORDER BY e.time DESC MAP { n: e.data.n }"})

    assert lines(response) == [{"n": 2}, {"n": 1}, {"n": 0}]


async def test_rows_may_be_scalars_or_whole_events(served_each: Served) -> None:
    """
    A count over nothing is a row too; a query without MAP gives events.
    """
    assert await served_each.query("STREAM e FROM events MAP COUNT() == 0") == [True]
    assert await served_each.query("STREAM e FROM events MAP SUM(e.data.n)") == [0]
    await served_each.commit(*accounts(2))

    assert await served_each.query("STREAM e FROM events MAP e.data.email") == ["0@example.com", "1@example.com"]
    assert await served_each.query("STREAM e FROM events") == await served_each.stream("/")
    assert await served_each.query("STREAM e FROM events MAP { a: e.data.missing }") == [{"a": None}] * 2


async def test_no_rows_are_an_empty_body(served: Served) -> None:
    """
    As with streams.
    """
    response = await served.post("/q", {"query": "STREAM e FROM events WHERE false"})

    assert (response.status_code, response.content) == (200, b"")


async def test_old_dialect_is_understood(served_each: Served) -> None:
    """
    The tests of the Go and Rust SDKs ask in it.
    """
    await served_each.commit(*accounts(3))

    query = (
        f"\nFROM e IN events\nWHERE e.type == '{KIND}'\nORDER BY e.time DESC\nTOP 2\nPROJECT INTO {{ n: e.data.n }}\n"
    )
    assert await served_each.query(query) == [{"n": 2}, {"n": 1}]


@pytest.mark.parametrize(
    "query",
    [
        "INVALID QUERY",
        "SELECT * FROM events",
        "",
        'FROM e IN events WHERE e.type == "a" ORDER BY e.time DESC TOP 20 PROJECT INTO { subject: e.subject } }',
    ],
)
async def test_bad_query_is_refused_with_its_place(served: Served, query: str) -> None:
    """
    Status 400, and where in the text it is wrong.
    """
    response = await served.post("/q", {"query": query})

    assert failure(response) == (400, "query-syntax")
    assert response.json()["details"]["query"] == query


@pytest.mark.parametrize("body", [{}, {"query": 1}, [], None])
async def test_body_without_a_query_is_refused(served: Served, body: object) -> None:
    """
    Status 400.
    """
    assert (await served.post("/q", body)).status_code == 400


async def test_query_that_takes_too_much_is_refused() -> None:
    """
    With a status, as long as little of the result was made; never with a cut result that looks whole.
    """
    async with serving(query=QueryLimits(rows=10)) as served:
        await served.commit(*accounts(20))

        response = await served.post("/q", {"query": "STREAM e FROM events"})

    assert failure(response) == (422, "query-budget")


async def test_long_result_comes_whole(served_each: Served) -> None:
    """
    More rows than are held or handed over at a time.
    """
    await served_each.commit(*[event("/a", data={"n": n, "text": "x" * 2_000}) for n in range(1_500)])

    rows = await served_each.query("STREAM e FROM events MAP { n: e.data.n, text: e.data.text }")

    assert [row["n"] for row in rows] == list(range(1_500))


async def test_too_many_queries_at_a_time_are_sent_away() -> None:
    """
    With 503 and the time to come again; those who wait are answered.
    """
    async with serving(queries=1, waiting_queries=2) as served:
        await served.commit(*accounts(1_000))
        query = {"query": "STREAM e FROM events WHERE UPPER(e.data.email) == 'X' OR LENGTH(e.data.email) > 90"}

        responses = await asyncio.gather(*[served.post("/q", query) for _ in range(12)])

    statuses = sorted(response.status_code for response in responses)
    assert set(statuses) <= {200, 503}
    assert statuses[0] == 200
    for response in responses:
        if response.status_code == 503:
            assert failure(response) == (503, "busy")
            assert response.headers["retry-after"] == "1"


async def test_explanation_and_indexes(served_each: Served) -> None:
    """
    Ours: an index is declared, used, listed and dropped over HTTP.
    """
    await served_each.commit(*accounts(5))
    index = {"type": KIND, "path": "data.email"}

    created = await served_each.post("/indexes", index)
    listed = await served_each.get("/indexes")
    query = f"STREAM e FROM events WHERE e.type == '{KIND}' AND e.data.email == '3@example.com' MAP e.data.n"
    explained = await served_each.post("/explain", {"query": query})
    dropped = await served_each.post("/indexes/drop", index)
    again = await served_each.post("/indexes/drop", index)

    assert created.json() == {**index, "state": "ready", "progress": 1.0}
    assert listed.json() == [created.json()]
    assert {part["clause"] for part in explained.json()["parts"]} >= {"WHERE", "MAP"}
    assert all(set(part) == {"clause", "text", "how", "index"} for part in explained.json()["parts"])
    assert dropped.json() == {"dropped": True}
    assert again.json() == {"dropped": False}
    assert (await served_each.get("/indexes")).json() == []


@pytest.mark.parametrize("path", ["email", "data", "data.", "data.a b", ""])
async def test_bad_path_of_an_index_is_refused(served: Served, path: str) -> None:
    """
    Status 400.
    """
    assert (await served.post("/indexes", {"type": KIND, "path": path})).status_code == 400
