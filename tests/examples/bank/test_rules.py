"""
How the store answers the bank's rules: by search, over few rows.
"""

from pathlib import Path

import pytest

from eventsource import Guard, NewEvent, connect
from examples.bank import rules
from examples.bank.events import CustomerRegistered, MoneyWithdrawn
from examples.bank.folder import open_store
from tests.examples.bank.scenario import DAY


@pytest.mark.parametrize(
    ("rule", "searched"),
    [
        (rules.is_unique_email("5e1f"), "e.data.emailKey == '5e1f': index"),
        (
            rules.is_within_daily_limit(rules.allowance_of("21", DAY), 5),
            "e.data.allowance == '21/2024-02-29': index",
        ),
        (rules.covers("/accounts/7", 5), "e.subject == '/accounts/7': index"),
        (rules.is_open("/accounts/7"), "e.subject == '/accounts/7': index"),
        (rules.is_empty("/accounts/7"), "e.subject == '/accounts/7': index"),
    ],
    ids=lambda value: value.name if isinstance(value, Guard) else "",
)
async def test_rules_are_searches(tmp_path: Path, rule: Guard, searched: str) -> None:
    """
    No rule makes the store walk through its log.
    """
    async with open_store(tmp_path) as store:
        await store.commit([NewEvent.of(_withdrawn("21", 1), subject="/accounts/7")])

        explanation = await store.explain(rule.tree)

    assert searched in str(explanation)
    assert not any(line.startswith("SCAN") for line in explanation.sqlite)


async def test_few_rows_are_read_for_the_daily_limit(tmp_path: Path) -> None:
    """
    Among the withdrawals of many customers and days only those of the one customer and day are looked at.
    """
    async with open_store(tmp_path) as store:
        await store.commit(
            [
                NewEvent.of(_withdrawn(str(customer), day), subject=f"/accounts/{customer}")
                for customer in range(20)
                for day in range(1, 29)
            ]
        )
        asked = rules.withdrawn_of("7/2024-02-03")

        explanation = await store.explain(asked)
        found = [row async for row in store.query(asked)]

    # A value of the index, then the events it names by their positions: one here.
    assert [line.partition(" USING")[0] for line in explanation.sqlite] == ["SEARCH i", "SEARCH e"]
    assert "(index_id=? AND value=?)" in explanation.sqlite[0]
    assert found == [-1]


@pytest.mark.parametrize("url", ["memory:", "sqlite:{}"], ids=["memory", "embedded"])
async def test_indexes_are_declared_on_every_store(tmp_path: Path, url: str) -> None:
    """
    Declared twice, they are there once.
    """
    async with connect(url.format(tmp_path / "bank.db")) as store:
        for _ in range(2):
            await rules.declare_indexes(store)

        found = [(index.event_type, index.path) for index in await store.indexes()]

    assert found == [(CustomerRegistered.event_type, "data.emailKey"), (MoneyWithdrawn.event_type, "data.allowance")]


def _withdrawn(customer: str, day: int) -> MoneyWithdrawn:
    on = DAY.replace(day=day)
    return MoneyWithdrawn(delta_cents=-1, booked_on=on, against="cash", allowance=rules.allowance_of(customer, on))
