"""
Rules that ask for another text each time: decided by a statement that was made once, and decided the same.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventsource import QueryHolds
from eventsource.errors import PreconditionFailedError
from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from tests.store.query_stores import STORES, fill, happened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from eventsource import EventStore

TYPES = ("registered", "left")
# Texts like one another, and some that look like what else stands in the statement.
TEXTS = ("a", "A", "a ", "/mark/0", '$."email"', "é", "registered", "x" * 200, "x" * 201, "x" * 201 + "y")
RULES = (
    "WHERE e.type == 'registered' AND e.data.email == {0} MAP COUNT() == 0",
    "WHERE e.data.email == {0} AND e.type == 'registered' AND e.data.city == {1} MAP COUNT() == 0",
    "WHERE e.type == 'registered' AND e.data.email == {0} MAP SUM(e.data.cents) <= 10",
    "WHERE e.type == 'registered' AND e.data.email == {0} MAP MAX(e.data.cents) != 7",
    "WHERE e.type == 'registered' AND e.data.email == {0} HAVING COUNT() < 3 MAP MIN(e.data.cents) IS NULL",
    "WHERE e.subject == '/things/1' AND e.data.email == {0} AND e.data.city == {1} MAP COUNT() < 2",
    "WHERE e.subject UNDER '/things' AND e.type == 'registered' AND e.data.email == {0} MAP COUNT() < 2",
    "WHERE e.subject DESCENDANTS '/things' AND e.type == 'registered' AND e.data.email == {0} MAP COUNT() == 0",
)

Step = tuple[str, str, str, int | float | str, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(TYPES),
        st.sampled_from(TEXTS[:2]) | st.sampled_from(TEXTS),
        st.sampled_from(TEXTS[:2]) | st.sampled_from(TEXTS),
        st.sampled_from([1, 5, 7, 1.5, "7", 2**63]),
        st.integers(0, len(RULES) - 1),
    ),
    min_size=5,
    max_size=30,
)


def written(text: str) -> str:
    """
    A text as a query writes it.
    """
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


async def decisions(store: EventStore, taken: Sequence[Step], *, together: bool) -> list[bool]:
    """
    Which commits are accepted, each under a rule about what it writes.
    """
    async with store:
        await store.create_index("registered", "data.email")

        async def decide(step: Step) -> bool:
            event_type, email, city, cents, number = step
            rule = QueryHolds("STREAM e FROM events " + RULES[number].format(written(email), written(city)))
            try:
                await store.commit([happened("/things/1", event_type, email=email, city=city, cents=cents)], [rule])
            except PreconditionFailedError:
                return False
            return True

        if together:
            return list(await asyncio.gather(*map(decide, taken)))
        return [await decide(step) for step in taken]


@given(steps, st.booleans())
@settings(max_examples=60)
def test_both_stores_decide_the_same(taken: list[Step], together: bool) -> None:  # noqa: FBT001  drawn
    """
    One after the other or in one group, whatever the texts and however often they come again.
    """
    with tempfile.TemporaryDirectory() as folder:
        embedded = asyncio.run(decisions(EmbeddedEventStore(Path(folder) / "s.db"), taken, together=together))
    assert embedded == asyncio.run(decisions(InMemoryEventStore(), taken, together=together))


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EventStore]:
    """
    An empty store of each kind.
    """
    async with STORES[request.param](tmp_path) as opened:
        yield opened


def unique(email: str) -> QueryHolds:
    """
    The rule that nobody has registered with *email*.
    """
    return QueryHolds(
        f"STREAM e FROM events WHERE e.type == 'registered' AND e.data.email == '{email}' MAP COUNT() == 0"
    )


async def test_rule_holds_on_whether_its_index_comes_or_goes(store: EventStore) -> None:
    """
    An index that is declared or dropped between two commits changes no decision.
    """
    await fill(store, [happened(event_type="registered", email=f"{number}") for number in range(50)])

    changes: list[Callable[[str, str], Awaitable[object]]] = [store.create_index, store.drop_index, store.create_index]
    for number, change in enumerate(changes):
        with pytest.raises(PreconditionFailedError):
            await store.commit([happened()], [unique(f"{number}")])
        await store.commit([happened()], [unique(f"new {number}")])
        await change("registered", "data.email")
        with pytest.raises(PreconditionFailedError):
            await store.commit([happened()], [unique(f"{10 + number}")])
        await store.commit([happened()], [unique(f"newer {number}")])
