"""
The bank's evidence: receipts, and what a verification finds.
"""

import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from eventsource.errors import EventNotFoundError
from eventsource.notary import SigningKey, check_receipt
from examples.bank.bank import Bank
from examples.bank.evidence import Evidence, open_evidence
from examples.bank.folder import open_bank
from tests.examples.bank.scenario import DAY


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """
    A data folder.
    """
    return tmp_path / "data"


@pytest.fixture
async def bank(folder: Path) -> AsyncGenerator[Bank]:
    """
    A bank in it.
    """
    async with open_bank(folder, today=lambda: DAY) as opened:
        yield opened


@pytest.fixture
async def evidence(bank: Bank, folder: Path) -> AsyncGenerator[Evidence]:
    """
    Its notary.
    """
    async with open_evidence(folder, bank.store, store_file=folder / "bank.db") as opened:
        yield opened


def check(receipt: Path, key: str) -> "subprocess.CompletedProcess[str]":
    """
    Check a receipt with one file of the package, and nothing else of it.
    """
    command = [sys.executable, "-I", check_receipt.__file__, str(receipt), "--key", key]
    return subprocess.run(command, capture_output=True, text=True, check=False)


async def _notarised(bank: Bank, evidence: Evidence) -> str:
    last = await bank.store.last_event()
    assert last is not None
    await evidence.receipt(last.id)
    return last.id


async def test_bank_that_nobody_changed_is_intact(bank: Bank, evidence: Evidence) -> None:
    """
    Also where personal data was erased.
    """
    account = await bank.open_account("Ada", email="ada@example.com")
    await bank.deposit(account, 5_00)
    await _notarised(bank, evidence)

    found = await evidence.verify()
    assert (found.notarised, list(found.findings)) == (await bank.store.count(), [])
    await bank.store.erase(f"/customers/{account}")
    found = await evidence.verify()
    assert (found.erased, list(found.findings)) == (2, [])


async def test_row_that_was_changed_is_found_in_the_copy(bank: Bank, evidence: Evidence) -> None:
    """
    The finding says which event; the bank itself is as it was.
    """
    account = await bank.open_account("Ada")
    with pytest.raises(ValueError, match="deposit something first"):
        await evidence.verify_tampered_copy()
    await bank.deposit(account, 5_00)
    event_id = await _notarised(bank, evidence)

    found = await evidence.verify_tampered_copy()

    assert any(event_id in what for what in found.findings)
    assert (await evidence.verify()).findings == []


async def test_receipt_of_a_transfer_is_checked_by_anybody(
    bank: Bank, evidence: Evidence, folder: Path, tmp_path: Path
) -> None:
    """
    With one file of Python and the bank's public key.
    """
    ada, bob = await bank.open_account("Ada", 10_00), await bank.open_account("Bob")
    result = await bank.transfer(ada, bob, 7_00)
    receipt = tmp_path / "receipt.json"
    receipt.write_text(await evidence.receipt(result.events[0].id))
    key = str(SigningKey.load(folder / "notary.key").verifying)

    good = check(receipt, key)
    receipt.write_text(receipt.read_text().replace("-700", "-1"))
    bad = check(receipt, key)

    assert (good.returncode, good.stdout.splitlines()[0]) == (0, "GOOD"), good.stdout + good.stderr
    assert bad.returncode != 0
    with pytest.raises(EventNotFoundError):
        await evidence.receipt("no such event")
