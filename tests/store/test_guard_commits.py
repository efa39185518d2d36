"""
Guards as preconditions: the store decides them, and says by name which one it refused for.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eventsource import Event, EventStore, NewEvent, connect, select_events
from eventsource.errors import PreconditionFailedError
from eventsource.guards import all_of

ACCOUNT = "/accounts/42"


class Deposited(Event, type="io.example.test.guard-commits.deposited"):
    """
    More money.
    """

    delta_cents: int


class Withdrawn(Event, type="io.example.test.guard-commits.withdrawn"):
    """
    Less money.
    """

    delta_cents: int


class Registered(Event, type="io.example.test.guard-commits.registered"):
    """
    A customer.
    """

    email: str


@pytest.fixture(params=["memory", "embedded"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EventStore]:
    """
    An empty store of each kind.
    """
    url = "memory:" if request.param == "memory" else f"sqlite:{tmp_path / 'guards.db'}"
    async with connect(url) as opened:
        yield opened


async def test_funds(store: EventStore) -> None:
    """
    A withdrawal is written while the balance covers it, and deposits need no rule.
    """
    balance = select_events(Deposited, Withdrawn).at(ACCOUNT).sum(lambda e: e.delta_cents)
    funds = (balance >= 7).named("funds")
    withdrawal = NewEvent.of(Withdrawn(delta_cents=-7), subject=ACCOUNT)
    await store.commit([NewEvent.of(Deposited(delta_cents=10), subject=ACCOUNT)])

    await store.commit([withdrawal], [funds])
    with pytest.raises(PreconditionFailedError) as refused:
        await store.commit([withdrawal], [funds])

    assert refused.value.name == "funds"
    assert refused.value.query == funds.query
    assert await store.count() == 2


@pytest.mark.parametrize("email", ["ada@example.com", "it's", '"it\'s" \\ \n\x01', "' OR TRUE OR '"])
async def test_unique(store: EventStore, email: str) -> None:
    """
    A value that one event has is refused to the next, whatever characters it has.
    """
    unique = (select_events(Registered).under("/people").where(email=email).count() == 0).named("unique")

    await store.commit([NewEvent.of(Registered(email=email + "x"), subject="/people/2")], [unique])
    await store.commit([NewEvent.of(Registered(email=email), subject="/people/1")], [unique])
    with pytest.raises(PreconditionFailedError) as refused:
        await store.commit([NewEvent.of(Registered(email=email), subject="/people/3")], [unique])

    assert refused.value.name == "unique"


async def test_each_of_several(store: EventStore) -> None:
    """
    Several guards must all hold; the one that does not is named.
    """
    there = select_events(Deposited).at(ACCOUNT).exists().named("there")
    few = (select_events(Deposited).at(ACCOUNT).count() < 1).named("few")
    deposit = NewEvent.of(Deposited(delta_cents=1), subject=ACCOUNT)
    await store.commit([deposit], [few])

    with pytest.raises(PreconditionFailedError) as refused:
        await store.commit([deposit], all_of(there, [few]))

    assert refused.value.name == "few"
