"""
Importing: everything once, however often it is started and stopped.
"""

import asyncio
import signal
from pathlib import Path

import pytest

from eventsource import connect
from examples.bank.berka import BerkaError, read_files
from examples.bank.folder import open_bank, open_store, read_balances, store_url
from examples.bank.importer import Progress, import_files
from examples.bank.refusals import OtherOwnerError
from tests.examples.bank import made_up
from tests.examples.bank.commands import run_bank, start_bank
from tests.examples.bank.made_up import write_files, write_many


async def test_every_account_ends_at_the_sum_of_its_amounts(tmp_path: Path) -> None:
    """
    After the import each balance is the signed sum of what the file has for it.
    """
    await _import(tmp_path)

    balances = await read_balances(tmp_path / "data")

    assert {balance.account: balance.balance_cents for balance in balances} == made_up.BALANCES


async def test_owners_are_called_after_their_ids(tmp_path: Path) -> None:
    """
    The files have no names, and none are invented; those who do not own an account are left out.
    """
    await _import(tmp_path)

    balances = await read_balances(tmp_path / "data")

    assert [(balance.owner, balance.owner_name) for balance in balances] == [
        ("23", "Client 23"),
        ("21", "Client 21"),
        ("22", "Client 22"),
    ]


async def test_each_line_is_booked_on_its_day_with_its_text(tmp_path: Path) -> None:
    """
    The statement has the lines of the file, in its order.
    """
    await _import(tmp_path)

    async with open_bank(tmp_path / "data") as bank:
        lines = await bank.statement("12")

    assert [(line.booked_on.isoformat(), line.text, line.cents) for line in reversed(lines)] == [
        ("1993-01-03", "Cash deposit", 1000_50),
        ("1993-01-31", "Interest", 4_10),
        ("1993-01-31", "Statement fee", -14_60),
        ("1993-02-01", "Payment sent, household", -500_00),
        ("1993-02-03", "Card withdrawal", -40_00),
    ]


async def test_counter_accounts_mirror_the_customers(tmp_path: Path) -> None:
    """
    Cash, clearing, interest and fees hold the other side of what the customers have.
    """
    await _import(tmp_path)

    async with open_bank(tmp_path / "data") as bank:
        totals = await bank.ledger()

    assert {total.account: total.cents for total in totals} == {
        "cash": -(700_00 + 1000_50 - 900_30),
        "clearing": -(1000_00 - 500_00 - 40_00),
        "customers": sum(made_up.BALANCES.values()),
        "fees": 14_60,
        "interest": 30_00 - 4_10,
    }


async def test_second_import_changes_nothing(tmp_path: Path) -> None:
    """
    What is booked is known by its reference, so importing again commits no event.
    """
    first = await _import(tmp_path)
    before = await _count(tmp_path)

    second = await _import(tmp_path)

    assert first.events == before
    assert second == Progress(total=12, steps=12, events=0)
    assert await _count(tmp_path) == before


async def test_longer_file_adds_what_is_new(tmp_path: Path) -> None:
    """
    Importing a file that has grown books the new lines, and grants the overdraft they need.
    """
    await _import(tmp_path)
    more = made_up.TRANSACTIONS + '510;12;930301;"VYDAJ";"VYBER";500.00;-50.00;"";;\n'

    progress = await _import(tmp_path, transactions=more)

    [balance] = [found for found in await read_balances(tmp_path / "data") if found.account == "12"]
    assert (balance.balance_cents, balance.overdraft_limit_cents) == (-50_00, 50_00)
    assert progress.events == 2


async def test_owner_of_two_accounts_is_one_customer(tmp_path: Path) -> None:
    """
    A client who owns several accounts is registered once.
    """
    both = made_up.DISPOSITIONS.replace('4;23;9;"OWNER"', '4;21;9;"OWNER"')

    await _import(tmp_path, disp=both)

    assert [balance.owner for balance in await read_balances(tmp_path / "data")] == ["21", "21", "22"]


async def test_account_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """
    A number that is in use for another owner stops the import: these files are of another bank.
    """
    await _import(tmp_path)
    other = made_up.DISPOSITIONS.replace('4;23;9;"OWNER"', '4;24;9;"OWNER"')

    with pytest.raises(OtherOwnerError, match="Account 9 belongs to customer 23, not to 24"):
        await _import(tmp_path, disp=other)


async def test_malformed_row_leaves_no_trace(tmp_path: Path) -> None:
    """
    Files are read to their ends before anything is booked.
    """
    folder = write_files(tmp_path / "files", transactions=made_up.TRANSACTIONS + "510;11\n")

    result = run_bank("import", folder, "--data", tmp_path / "data")

    assert result.returncode == 1
    assert f"{folder / 'trans.asc'}, line 11" in result.stderr
    assert not (tmp_path / "data").exists()


async def test_line_that_the_bank_refuses_is_told_with_its_place(tmp_path: Path) -> None:
    """
    Money that others took out of the account meanwhile is missing now, and the line says so.
    """
    await _import(tmp_path)
    async with open_bank(tmp_path / "data") as bank:
        await bank.withdraw("12", 450_00)
    more = made_up.TRANSACTIONS + '510;12;930301;"VYDAJ";"VYBER";1.00;449.00;"";;\n'

    with pytest.raises(BerkaError, match=r"trans\.asc, line 11: 1\.00 is not covered: account 12 holds 0\.00"):
        await _import(tmp_path, transactions=more)


async def test_events_of_an_account_keep_the_order_of_the_file(tmp_path: Path) -> None:
    """
    Lanes run side by side, but each account's bookings stay in order, and days roughly so.
    """
    folder = write_many(tmp_path / "files", accounts=300, transactions=8)
    async with open_store(tmp_path / "data") as store:
        await import_files(store, read_files(folder), Progress())
        booked = [
            int(event.data["reference"]) async for event in store.stream("/accounts") if "reference" in event.data
        ]

    assert sorted(booked) == list(range(1, 2401))
    for account in range(300):
        own = [reference for reference in booked if (reference - 1) % 300 == account]
        assert own == sorted(own)


@pytest.mark.parametrize("how", ["kill", "interrupt"])
async def test_stopped_import_goes_on_where_it_was(tmp_path: Path, how: str) -> None:
    """
    Stopped in the middle, by Ctrl-C or kill -9, and run again: the same books as without a stop.
    """
    folder = write_many(tmp_path / "files", accounts=200, transactions=50)
    undisturbed = run_bank("import", folder, "--data", tmp_path / "undisturbed")
    assert undisturbed.returncode == 0, undisturbed.stderr

    with start_bank("import", folder, "--data", tmp_path / "data") as process:
        try:
            booked = await _wait_for_events(tmp_path / "data", 500)
        finally:
            process.send_signal(signal.SIGKILL if how == "kill" else signal.SIGINT)
        output, _ = process.communicate()
    assert booked < 10_600, "the import was over before it could be stopped"
    assert process.returncode == (-9 if how == "kill" else 130), output
    again = run_bank("import", folder, "--data", tmp_path / "data")

    assert again.returncode == 0, again.stderr
    assert await read_balances(tmp_path / "data") == await read_balances(tmp_path / "undisturbed")
    async with connect(store_url(tmp_path / "data"), read_only=True) as store:
        assert await store.count() == 10_600
        assert (await store.audit()).is_intact


async def _import(tmp_path: Path, **files: str) -> Progress:
    folder = write_files(tmp_path / "files", **files)
    progress = Progress()
    async with open_store(tmp_path / "data") as store:
        await import_files(store, read_files(folder), progress)
    return progress


async def _count(tmp_path: Path) -> int:
    async with connect(store_url(tmp_path / "data"), read_only=True) as store:
        return await store.count()


async def _wait_for_events(folder: Path, count: int) -> int:
    while True:
        if (folder / "bank.db").exists() and (folder / "bank.db").stat().st_size:
            async with connect(store_url(folder), read_only=True) as store:
                if (found := await store.count()) >= count:
                    return found
        await asyncio.sleep(0.001)
