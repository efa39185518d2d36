"""
The bank on a real bank's data: 4,500 accounts, 49,102 transactions.

The data is not part of the project. It is looked for beside the checkout, or where the environment
variable BERKA_DIR says.
"""

import asyncio
import csv
import json
import os
import resource
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from eventsource import connect
from eventsource.projections import rebuild
from examples.bank.folder import make_projectors, read_model_url, store_url
from tests.examples.bank.commands import ROOT, run_bank, start_bank
from tests.examples.bank.databases import dump, query

DATA = Path(os.environ.get("BERKA_DIR", ROOT.parent / "shared" / "data" / "berka"))

pytestmark = [
    pytest.mark.skipif(not (DATA / "trans.asc").exists(), reason=f"the real bank's files are not in {DATA}"),
    # Each process would import everything for itself.
    pytest.mark.xdist_group("real data"),
]


@pytest.fixture(scope="module")
def sums() -> dict[str, int]:
    """
    The signed sum of each account's amounts in cents, added up without any of our code.
    """
    with (DATA / "account.asc").open(newline="") as file:
        found = Counter({row["account_id"]: 0 for row in csv.DictReader(file, delimiter=";")})
    with (DATA / "trans.asc").open(newline="") as file:
        for row in csv.DictReader(file, delimiter=";"):
            cents = Decimal(row["amount"]) * 100
            assert cents == int(cents)
            found[row["account_id"]] += int(cents) if row["type"] == "PRIJEM" else -int(cents)
    return dict(found)


@attrs.frozen
class FirstImport:
    """
    An import of everything: where to, what the command answered, and what it cost.
    """

    folder: Path
    totals: dict[str, float]
    processor_s: float


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> FirstImport:
    """
    The import of everything into an empty folder.
    """
    folder = tmp_path_factory.mktemp("real") / "data"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = run_bank("import", DATA, "--data", folder, "--json")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert result.returncode == 0, result.stderr
    processor_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return FirstImport(folder, json.loads(result.stdout), processor_s)


@pytest.fixture(scope="module")
def imported(first: FirstImport) -> Path:
    """
    The folder into which everything was imported.
    """
    return first.folder


def test_everything_is_imported(first: FirstImport, sums: dict[str, int]) -> None:
    """
    All accounts and transactions are there, down to the last cent.
    """
    totals = first.totals

    assert totals["accounts"] == 4_500
    assert totals["transactions"] == 49_102
    assert totals["total_balance_cents"] == sum(sums.values())


def test_import_and_read_models_take_less_than_a_minute(
    first: FirstImport,
) -> None:
    """
    One process books everything and fills the read models in less than a minute of one processor.
    """
    # Not by the clock on the wall: other programs on the machine are no fault of the import.
    assert first.processor_s < 60


def test_every_balance_is_the_signed_sum_of_its_amounts(imported: Path, sums: dict[str, int]) -> None:
    """
    Each account's balance is exact.
    """
    result = run_bank("balances", "--data", imported, "--json")

    assert {line["account"]: line["balance_cents"] for line in json.loads(result.stdout)} == sums


async def test_hash_chain_is_intact(imported: Path) -> None:
    """
    The audit recomputes every hash and finds nothing.
    """
    async with connect(store_url(imported), read_only=True) as store:
        report = await store.audit()

    assert report.is_intact
    assert report.events == 4_500 * 3 + 39 + 49_102


def test_ledger_balances(imported: Path) -> None:
    """
    Each event's postings sum to zero, there are two of them, and each account's sum is its balance.
    """
    file = imported / "read-models.db"

    assert query(file, "SELECT event_id FROM postings GROUP BY event_id HAVING SUM(cents) <> 0 OR COUNT(*) <> 2") == []
    assert query(file, "SELECT COUNT(*), SUM(cents) FROM postings") == [(2 * 49_102, 0)]
    assert query(file, "SELECT SUM(cents) FROM ledger_totals") == [(0,)]
    assert (
        query(
            file,
            "SELECT account, SUM(cents) FROM statement_lines GROUP BY account"
            " EXCEPT SELECT account, balance_cents FROM balances",
        )
        == []
    )


async def test_rebuild_gives_the_same_read_models(imported: Path) -> None:
    """
    All read models, emptied and filled again from the events, are the same byte for byte.
    """
    before = dump(imported / "read-models.db")

    async with connect(store_url(imported), read_only=True) as store:
        for projector in make_projectors():
            await rebuild(projector, store, read_model_url(imported))

    assert dump(imported / "read-models.db") == before


def test_second_import_does_nothing_twice(first: FirstImport) -> None:
    """
    Importing again commits nothing and prints the same totals.
    """
    before = dump(first.folder / "read-models.db")

    again = run_bank("import", DATA, "--data", first.folder, "--json")

    assert json.loads(again.stdout) | {"seconds": 0} == first.totals | {"seconds": 0}
    assert dump(first.folder / "read-models.db") == before


async def test_killed_import_goes_on_to_the_same_end(first: FirstImport, tmp_path: Path, sums: dict[str, int]) -> None:
    """
    Killed twice while booking and once while the read models are filled, it ends as if nothing had been.
    """
    for events in (15_000, 40_000):
        process = start_bank("import", DATA, "--data", tmp_path)
        await _wait_for_events(tmp_path, events)
        process.kill()
        process.communicate()
    process = start_bank("import", DATA, "--data", tmp_path)
    _wait_for_postings(tmp_path, 10_000)
    process.kill()
    process.communicate()

    result = run_bank("import", DATA, "--data", tmp_path, "--json")

    assert json.loads(result.stdout) | {"seconds": 0} == first.totals | {"seconds": 0}
    assert dict(query(tmp_path / "read-models.db", "SELECT account, balance_cents FROM balances")) == sums
    async with connect(store_url(tmp_path), read_only=True) as store:
        assert (await store.audit()).is_intact


async def _wait_for_events(folder: Path, count: int) -> None:
    while True:
        if (folder / "bank.db").exists() and (folder / "bank.db").stat().st_size:
            async with connect(store_url(folder), read_only=True) as store:
                if await store.count() >= count:
                    return
        await asyncio.sleep(0.1)


def _wait_for_postings(folder: Path, count: int) -> None:
    while True:
        file = folder / "read-models.db"
        if file.exists() and query(file, "SELECT 1 FROM sqlite_master WHERE name = 'postings'"):
            [(found,)] = query(file, "SELECT COUNT(*) FROM postings")
            if count <= found < 2 * 49_102:
                return
            assert found < count, "the read models were filled before the import could be killed"
        time.sleep(0.02)
