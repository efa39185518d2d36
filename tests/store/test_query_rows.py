"""
Queries on both stores: errors, budgets, rows as they come.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest

from eventsource import EventStore, QueryHolds, connect
from eventsource.errors import PreconditionFailedError, QueryBudgetError, QuerySyntaxError
from eventsource.store import QueryLimits
from eventsource.store.query import Spending
from tests.store.query_stores import STORES, fill, happened, rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EventStore]:
    """
    An empty store of each kind.
    """
    async with STORES[request.param](tmp_path) as opened:
        yield opened


async def test_malformed_query_is_refused_at_the_call(store: EventStore) -> None:
    """
    A text that is no query raises a syntax error before anything is read.
    """
    with pytest.raises(QuerySyntaxError):
        store.query("SELECT * FROM events")


def test_malformed_precondition_is_refused_when_it_is_made() -> None:
    """
    A rule that is no query never comes as far as a commit.
    """
    with pytest.raises(QuerySyntaxError):
        QueryHolds("STREAM e FROM events WHERE")


async def test_query_sees_the_events_there_are_at_its_first_step(store: EventStore) -> None:
    """
    What is committed while a result is read is not in it.
    """
    await fill(store, [happened(n=n) for n in range(600)])
    result = store.query("STREAM e FROM events MAP e.data.n")
    first = await anext(result)

    await store.commit([happened(n=600)])

    assert [first, *[row async for row in result]] == list(range(600))


async def test_result_can_be_left_early(store: EventStore) -> None:
    """
    A closed result gives no further rows.
    """
    await fill(store, [happened(n=n) for n in range(600)])
    result = store.query("STREAM e FROM events MAP e.data.n")
    await anext(result)

    await result.aclose()

    assert [row async for row in result] == []


async def test_rows_come_in_pages_too(store: EventStore) -> None:
    """
    Pages have all rows in order.
    """
    await fill(store, [happened(n=n) for n in range(600)])

    pages = [page async for page in store.query("STREAM e FROM events MAP e.data.n").pages()]

    assert [n for page in pages for n in page] == list(range(600))
    assert len(pages) > 1


async def test_rows_before_the_end_of_the_budget_are_given(store: EventStore) -> None:
    """
    A budget of 300 rows is 300 rows and then the error.
    """
    await fill(store, [happened(n=n) for n in range(600)])
    result = store.query("STREAM e FROM events MAP e.data.n", limits=QueryLimits(rows=300))

    found = [await anext(result) for _ in range(300)]

    assert found == list(range(300))
    with pytest.raises(QueryBudgetError):
        await anext(result)


async def test_cancelled_query_is_not_worked_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Whoever stops waiting leaves no thread behind that goes on to the end, and that closing waits for.
    """
    loop, has_begun, given_up = asyncio.get_running_loop(), asyncio.Event(), list[QueryBudgetError]()
    enter, out_of_time = Spending.__enter__, Spending.out_of_time

    def begin(spending: Spending) -> Spending:
        loop.call_soon_threadsafe(has_begun.set)
        return enter(spending)

    def give_up(spending: Spending) -> QueryBudgetError:
        given_up.append(out_of_time(spending))
        return given_up[-1]

    monkeypatch.setattr(Spending, "__enter__", begin)
    monkeypatch.setattr(Spending, "out_of_time", give_up)
    slow = " OR ".join(f"LENGTH(REPLACE(e.data.text, 'x', 'y{number}')) == 1" for number in range(60))
    async with connect(f"sqlite:{tmp_path / 'store.db'}") as store:
        await fill(store, [happened(text="x" * 60_000)] * 300)
        question = f"STREAM e FROM events WHERE {slow} MAP e.id"
        asking = asyncio.create_task(rows(store, question, limits=QueryLimits(time_s=10.0**6)))
        await has_begun.wait()

        asking.cancel()
        await asyncio.wait({asking})

    # Nothing else than that it was given up ends it before the last event.
    assert asking.cancelled()
    assert len(given_up) == 1


async def test_rows_beyond_the_budget_end_the_query(store: EventStore) -> None:
    """
    A result with more rows than allowed ends with an error that names the budget.
    """
    await fill(store, [happened(n=n) for n in range(300)])

    with pytest.raises(QueryBudgetError) as excinfo:
        await rows(store, "STREAM e FROM events", limits=QueryLimits(rows=299))

    assert (excinfo.value.budget, excinfo.value.limit) == ("rows", 299)


async def test_bytes_beyond_the_budget_end_the_query(store: EventStore) -> None:
    """
    A result larger than allowed ends with an error that names the budget.
    """
    await fill(store, [happened(text="x" * 1000) for _ in range(50)])

    with pytest.raises(QueryBudgetError) as excinfo:
        await rows(store, "STREAM e FROM events MAP e.data", limits=QueryLimits(bytes=40_000))

    assert excinfo.value.budget == "bytes"


async def test_time_beyond_the_budget_ends_the_query(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A query that takes longer than allowed is ended, wherever it is.
    """
    looks = itertools.count()
    # A millisecond passes from one look at the clock to the next.
    monkeypatch.setattr(Spending.__init__, "__kwdefaults__", {"during": "query", "clock": lambda: next(looks) / 1_000})
    await fill(store, [happened(text="x" * 100) for _ in range(4000)])
    slow = " OR ".join(f"REPLACE(e.data.text, 'x', 'yy') LIKE '%y%z%{n}'" for n in range(20))

    with pytest.raises(QueryBudgetError) as excinfo:
        await rows(store, f"STREAM e FROM events WHERE {slow} MAP COUNT()", limits=QueryLimits(time_s=0.02))

    assert excinfo.value.budget == "time"
    assert 20 <= next(looks) <= 30


async def test_sorting_without_a_limit_is_bounded_by_rows(store: EventStore) -> None:
    """
    What would be held to sort too long a result is refused while it is read.
    """
    await fill(store, [happened(n=n) for n in range(300)])

    with pytest.raises(QueryBudgetError):
        await rows(store, "STREAM e FROM events ORDER BY e.data.n", limits=QueryLimits(rows=100))


async def test_integers_beyond_64_bits_are_exact(store: EventStore) -> None:
    """
    Neither a condition nor a sum rounds a large integer.
    """
    await store.commit([happened(n=2**64 + 1), happened(n=2**64)])

    found = await rows(store, f"STREAM e FROM events WHERE e.data.n > {2**64} MAP e.data.n")
    total = await rows(store, "STREAM e FROM events MAP SUM(e.data.n)")

    assert (found, total) == ([2**64 + 1], [2**65 + 1])


async def test_sum_that_leaves_64_bits_is_exact(store: EventStore) -> None:
    """
    A sum that SQLite could not hold is computed all the same.
    """
    await store.commit([happened(n=2**62) for _ in range(4)])

    total = await rows(store, "STREAM e FROM events MAP SUM(e.data.n)")

    assert total == [2**64]


async def test_values_in_a_query_stay_data(store: EventStore) -> None:
    """
    SQL in a text, a member's name or a subject is looked for, not run.
    """
    evil = "x'; DROP TABLE events; --"
    await store.commit([happened(**{evil: evil}), happened(subject="/'; DELETE FROM events; --", text=evil)])
    quoted = evil.replace("'", "\\'")

    found = await rows(
        store, f"STREAM e FROM events WHERE e.data['{quoted}'] == '{quoted}' OR e.data.text == '{quoted}' MAP COUNT()"
    )
    below = await rows(store, "STREAM e FROM events WHERE e.subject UNDER '/\\'; DELETE FROM events; --' MAP COUNT()")
    groups = await rows(store, f"STREAM e FROM events GROUP BY e.data['{quoted}'] MAP COUNT()")

    assert (found, below, groups, await store.count()) == ([2], [1], [1, 1], 2)


async def test_query_on_a_file_that_another_process_writes(tmp_path: Path) -> None:
    """
    A reader without the writer's place asks like any other.
    """
    path = tmp_path / "store.db"
    async with connect(f"sqlite:{path}") as writer, connect(f"sqlite:{path}", read_only=True) as reader:
        await writer.commit([happened(n=1)])

        assert await rows(reader, "STREAM e FROM events WHERE e.type == 'happened' MAP e.data.n") == [1]


async def test_open_query_does_not_keep_the_log_from_being_reused(tmp_path: Path) -> None:
    """
    While a result is half read, commits go on and the write-ahead log does not grow without end.
    """
    path = tmp_path / "store.db"
    async with connect(f"sqlite:{path}") as store:
        await fill(store, [happened(text="x" * 500) for _ in range(2000)])
        results = [store.query("STREAM e FROM events"), store.query("STREAM e FROM events ORDER BY e.data.text")]
        for result in results:
            await anext(result)

        for _ in range(100):
            await fill(store, [happened(text="y" * 500) for _ in range(200)])

        # Twice what it grows to between two checkpoints, and a tenth of what was written.
        assert (tmp_path / "store.db-wal").stat().st_size < 12_000_000
        for result in results:
            await result.aclose()


EMAIL = "STREAM e FROM events WHERE e.data.email == 'john.doe@example.com' MAP COUNT() == 0"
TRANSACTIONS = (
    "STREAM e FROM events WHERE e.subject UNDER '/user/123' AND e.type == 'transaction-processed' "
    "AND e.time >= '2024-01-01T00:00:00Z' MAP SUM(e.data.amount) + 500 <= 10000"
)
TICKETS = (
    "STREAM e FROM events WHERE e.subject UNDER '/conference/2024/registrations' "
    "AND e.type == 'registration-created' GROUP BY e.data.ticketType HAVING e.data.ticketType == 'premium' "
    "MAP COUNT() < 50"
)
# The query, the event committed under it, and how often that may be.
README_EXAMPLES = {
    "email": (EMAIL, happened("/user/1", "user-created", email="john.doe@example.com"), 1),
    "transactions": (TRANSACTIONS, happened("/user/123/purchases", "transaction-processed", amount=500), 20),
    "tickets": (TICKETS, happened("/conference/2024/registrations", "registration-created", ticketType="premium"), 50),
}


@pytest.mark.parametrize("name", README_EXAMPLES)
async def test_examples_of_the_sdks_behave_as_their_text_promises(store: EventStore, name: str) -> None:
    """
    From an empty store on, exactly as many commits pass as the rule allows, whatever else is there.
    """
    query, event, allowed = README_EXAMPLES[name]
    await store.commit([happened("/else", "transaction-processed", amount=9_999, email="x", ticketType="premium")])

    outcomes = [await accepted(store, event, query) for _ in range(allowed + 3)]

    assert outcomes == [True] * allowed + [False] * 3


async def accepted(store: EventStore, event: object, query: str) -> bool:
    """
    Whether the store commits *event* under the rule *query*.
    """
    try:
        await store.commit([event], [QueryHolds(query)])  # type: ignore[list-item]  # an event of the table above
    except PreconditionFailedError:
        return False
    return True


async def test_refused_commit_tells_the_rule(store: EventStore) -> None:
    """
    The error carries the name of the rule, its text, and what was asked.
    """
    query = "STREAM e FROM events WHERE e.subject == '/accounts/1' MAP SUM(e.data.delta) >= 500"

    with pytest.raises(PreconditionFailedError) as excinfo:
        await store.commit([happened()], [QueryHolds(query, name="funds")])

    error = excinfo.value
    assert (error.name, error.query, error.asked) == ("funds", query, "SUM(e.data.delta) >= 500")
    assert "funds" in str(error)
    assert await store.count() == 0


async def test_precondition_beyond_its_time_is_no_failed_precondition(store: EventStore) -> None:
    """
    A rule that takes too long to decide is an error of its own, and nothing is written.
    """
    await fill(store, [happened(text="x" * 500) for _ in range(2000)])
    slow = " OR ".join(f"REPLACE(e.data.text, 'x', 'yy') LIKE '%y%z_{n}'" for n in range(40))

    with pytest.raises(QueryBudgetError) as excinfo:
        await store.commit([happened()], [QueryHolds(f"STREAM e FROM events WHERE {slow} MAP e.data.text == ''")])

    assert excinfo.value.during == "precondition"
    assert await store.count() == 2000


async def test_version_guard_as_text_is_a_version_check(store: EventStore) -> None:
    """
    The text that stands for a version guard is decided, and told, as one.
    """
    query = "STREAM e FROM events WHERE e.subject == '/things/1' MAP COUNT() == 1"
    await store.commit([happened()])
    await store.commit([happened()], [QueryHolds(query)])

    with pytest.raises(PreconditionFailedError) as excinfo:
        await store.commit([happened()], [QueryHolds(query)])

    assert (excinfo.value.subject, excinfo.value.found) == ("/things/1", "2 events")


async def test_rule_sees_earlier_commits_of_its_group(store: EventStore) -> None:
    """
    Of many commits sent at once under a limit, exactly as many pass as it allows.
    """
    rule = QueryHolds("STREAM e FROM events WHERE e.type == 'happened' MAP COUNT() < 7")

    outcomes = await asyncio.gather(*[store.commit([happened()], [rule]) for _ in range(40)], return_exceptions=True)

    assert sum(isinstance(outcome, PreconditionFailedError) for outcome in outcomes) == 33
    assert await store.count() == 7


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("STREAM e FROM events ORDER BY e.time DESC LIMIT 3 MAP e.data.n", [99, 98, 97]),
        ("STREAM e FROM events LIMIT 3 MAP e.data.n", [0, 1, 2]),
        ("STREAM e FROM events SKIP 98 LIMIT 3 MAP e.data.n", [98, 99]),
        ("STREAM e FROM events LIMIT 2 MAP 'constant'", ["constant", "constant"]),
        ("STREAM e FROM events LIMIT 0 MAP e.data.n", []),
        ("STREAM e FROM events WHERE e.type == 'odd' ORDER BY e.time DESC LIMIT 2 MAP e.data.n", [99, 97]),
        ("STREAM e FROM events WHERE e.type == 'odd' ORDER BY e.time DESC SKIP 1 LIMIT 2 MAP e.data.n", [97, 95]),
        ("STREAM e FROM events WHERE 'odd' == e.type ORDER BY e.time LIMIT 2 MAP e.data.n", [1, 3]),
        ("STREAM e FROM events WHERE e.subject == '/things/3' ORDER BY e.time DESC LIMIT 2 MAP e.data.n", [93, 83]),
        ("STREAM e FROM events WHERE e.type IN ['odd'] ORDER BY e.time DESC LIMIT 1 MAP e.data.n", [99]),
        ("STREAM e FROM events WHERE e.type IN ['odd', 'even'] ORDER BY e.time DESC LIMIT 2 MAP e.data.n", [99, 98]),
        ("STREAM e FROM events WHERE e.type != 'odd' ORDER BY e.time DESC LIMIT 2 MAP e.data.n", [98, 96]),
        (
            "STREAM e FROM events WHERE e.type == 'odd' AND e.data.n < 50 ORDER BY e.time DESC LIMIT 1 MAP e.data.n",
            [49],
        ),
        ("STREAM e FROM events WHERE e.type == 'odd' ORDER BY e.data.n LIMIT 2 MAP e.data.n", [1, 3]),
        ("STREAM e FROM events WHERE e.type == 'none' LIMIT 2 MAP e.data.n", []),
    ],
)
async def test_the_first_or_last_few_events(store: EventStore, query: str, expected: list[object]) -> None:
    """
    A few events from either end, of all, of a type or of a subject, whatever else is asked of them.
    """
    await fill(store, [happened(f"/things/{n % 10}", "odd" if n % 2 else "even", n=n) for n in range(100)])

    assert await rows(store, query) == expected


async def test_few_events_still_have_a_time_limit(store: EventStore) -> None:
    """
    A result of few rows ends with an error, too, when there is no time for it.
    """
    await fill(store, [happened(n=n) for n in range(10)])

    with pytest.raises(QueryBudgetError):
        await rows(store, "STREAM e FROM events LIMIT 3", limits=QueryLimits(time_s=1e-9))
