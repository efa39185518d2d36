"""
Customers who are forgotten, and whose money is not.
"""

from pathlib import Path

import pytest

from eventsource.events import SubjectErased
from examples.bank.balances import ERASED
from examples.bank.bank import Bank
from examples.bank.folder import open_bank
from examples.bank.refusals import EmailTakenError, NoSuchAccountError
from tests.examples.bank.scenario import DAY

NAME, EMAIL = "Ada Zwetschkenbaum", "zwetschkenbaum@example.com"


def _files_with(folder: Path, text: str) -> list[str]:
    return [file.name for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


async def test_erased_customer_has_no_name_and_the_same_money(bank: Bank) -> None:
    """
    On all accounts of the customer, and on nobody else's.
    """
    ada, bob = await bank.open_account(NAME, 50_00, email=EMAIL), await bank.open_account("Bob")
    second = await bank.open_another_account(ada)
    await bank.deposit(ada, 10_00)
    await bank.transfer(ada, bob, 4_00)
    ledger = await bank.ledger()

    assert await bank.erase_customer(second) == 2

    balances = await bank.balances()
    assert [(line.account, line.owner_name, line.balance_cents) for line in balances] == [
        (ada, ERASED, 6_00),
        (bob, "Bob", 4_00),
        (second, ERASED, 0),
    ]
    assert await bank.balances(search="Zwetsch") == []
    assert await bank.ledger() == ledger
    assert len(await bank.statement(ada)) == 2
    assert (await bank.store.audit()).is_intact


async def test_erased_customer_goes_on_as_one_without_a_name(bank: Bank) -> None:
    """
    Every command on the account works, and the rules that counted on the customer hold as before.
    """
    ada = await bank.open_account(NAME, 50_00, email=EMAIL)
    await bank.erase_customer(ada)

    await bank.deposit(ada, 10_00)
    await bank.withdraw(ada, 5_00)
    await bank.open_another_account(ada)
    with pytest.raises(EmailTakenError):
        await bank.open_account("Another", email=EMAIL)

    assert (await bank.balance(ada)).balance_cents == 5_00


async def test_nothing_personal_is_left_in_any_file(tmp_path: Path) -> None:
    """
    While the bank is open, and when it was opened again with its read models filled anew.
    """
    data = tmp_path / "data"
    async with open_bank(data, today=lambda: DAY) as bank:
        ada = await bank.open_account(NAME, email=EMAIL)
        assert _files_with(data, NAME)

        await bank.erase_customer(ada)

        assert [_files_with(data, text) for text in (NAME, EMAIL)] == [[], []]
    (data / "read-models.db").unlink()
    async with open_bank(data, today=lambda: DAY) as bank:
        assert (await bank.balance(ada)).owner_name == ERASED
        assert [_files_with(data, text) for text in (NAME, EMAIL)] == [[], []]


async def test_erasing_twice_is_erasing_once(bank: Bank) -> None:
    """
    The second time there is nothing left, and nothing more is recorded.
    """
    ada = await bank.open_account(NAME)
    await bank.erase_customer(ada)

    assert await bank.erase_customer(ada) == 0

    records = [event async for event in bank.store.stream() if event.type == SubjectErased.event_type]
    assert [record.subject for record in records] == [f"/customers/{ada}/_erasures"]


@pytest.mark.parametrize("number", ["99", "", "a/b"])
async def test_customer_of_no_account_is_not_erased(bank: Bank, number: str) -> None:
    """
    The refusal names what was typed.
    """
    with pytest.raises(NoSuchAccountError) as excinfo:
        await bank.erase_customer(number)

    assert excinfo.value.account == number
