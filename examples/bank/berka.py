"""
Reading the files of a real bank: the PKDD'99 financial data set, "Berka".

Everything is read and checked before anything is booked, so a damaged file changes nothing.

Source:
    P. Berka, M. Sochorova: "PKDD'99 Discovery Challenge, Guide to the Financial Data Set".
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from heapq import merge
from pathlib import Path
from typing import NoReturn

import attrs

from examples.bank.account import MOST_CENTS
from examples.bank.events import BankAccount
from examples.bank.money import parse_cents


class BerkaError(Exception):
    """
    A file cannot be read, or a row of it makes no sense.

    Attributes:
        file: Which file.

        line: Which line, from 1 on; None when it is about the whole file.

        problem: What is wrong.
    """

    def __init__(self, file: Path, line: int | None, problem: str) -> None:
        super().__init__(f"{file}{'' if line is None else f', line {line}'}: {problem}")
        self.file = file
        self.line = line
        self.problem = problem


@attrs.frozen
class Opening:
    """
    An account to open.

    Attributes:
        account: Its id in the files.

        owner: Its owner's client id in the files.

        on: When.

        overdraft_limit_cents: How far below zero its transactions take it.
    """

    account: str
    owner: str
    on: date
    overdraft_limit_cents: int


@attrs.frozen
class Transaction:
    """
    Money to book.

    Attributes:
        account: The account's id in the files.

        reference: The transaction's id in the files.

        on: When.

        cents: How much; negative out of the account.

        against: The bank's own account on the other side.

        text: What the statement says.

        file, line: Where it stands.
    """

    account: str
    reference: str
    on: date
    cents: int
    against: BankAccount
    text: str
    file: Path
    line: int


Step = Opening | Transaction


@attrs.frozen
class BerkaFiles:
    """
    What the files say.

    Attributes:
        openings: Oldest first.

        transactions: In the order of the file, which is that of their days.
    """

    openings: tuple[Opening, ...]
    transactions: tuple[Transaction, ...]

    def in_order(self) -> Iterator[Step]:
        """
        Everything day by day; accounts are opened first.
        """
        both: tuple[Iterable[Step], ...] = (self.openings, self.transactions)
        return iter(merge(*both, key=lambda step: step.on))


def read_files(folder: Path) -> BerkaFiles:
    """
    Read ``account.asc``, ``disp.asc``, ``client.asc`` and ``trans.asc``.

    The real bank's overdraft limits are not in the files. Each account gets the one its history
    needs: the lowest balance it comes to, in the order of the file.

    Raises:
        BerkaError: A file is missing or unreadable, or a row makes no sense.
    """
    clients = {row["client_id"] for row in _rows(folder / "client.asc", "client_id")}
    owners = _read_owners(folder / "disp.asc", clients)
    opened_on = _read_opening_dates(folder / "account.asc", owners)
    transactions = tuple(_read_transactions(folder / "trans.asc", opened_on))
    lowest = _lowest_balances(transactions)
    openings = tuple(
        Opening(account, owners[account], on, overdraft_limit_cents=-lowest.get(account, 0))
        for account, on in opened_on.items()
    )
    return BerkaFiles(openings, transactions)


@attrs.frozen
class _Row:
    """
    A row by column, which knows where it stands.
    """

    file: Path
    line: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def fail(self, problem: str) -> NoReturn:
        raise BerkaError(self.file, self.line, problem)

    def date(self, column: str) -> date:
        try:
            return _parse_date(self[column])
        except ValueError:
            self.fail(f"{column} {self[column]!r} is no date YYMMDD")

    def cents(self, column: str) -> int:
        try:
            cents = parse_cents(self[column])
        except ValueError:
            self.fail(f"{column} {self[column]!r} is no amount with at most two decimals")
        if not 0 < cents <= MOST_CENTS:
            self.fail(f"{column} {self[column]} is no amount this bank books")
        return cents


def _rows(file: Path, *columns: str) -> Iterator[_Row]:
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            yield from _parse(lines, file, columns)
    except UnicodeDecodeError as error:
        raise BerkaError(file, None, f"is no text: {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise BerkaError(file, None, f"cannot be read: {error.strerror}") from error


def _parse(lines: Iterable[str], file: Path, columns: Sequence[str]) -> Iterator[_Row]:
    reader = csv.reader(lines, delimiter=";", strict=True)
    try:
        header: list[str] = next(reader, list[str]())
        if missing := [column for column in columns if column not in header]:
            raise BerkaError(file, 1, f"column {missing[0]!r} is missing")
        for cells in reader:
            if len(cells) != len(header):
                raise BerkaError(file, reader.line_num, f"{len(cells)} fields where {len(header)} belong")
            row = _Row(file, reader.line_num, dict(zip(header, cells, strict=True)))
            for column in columns:
                if column.endswith("_id") and not _is_id(row[column]):
                    row.fail(f"{column} {row[column]!r} is no number")
            yield row
    except csv.Error as error:
        raise BerkaError(file, reader.line_num, str(error)) from error


@cache
def _parse_date(text: str) -> date:
    # The files are of the 1990s; %y reads 69 to 99 as 1969 to 1999.
    return datetime.strptime(text, "%y%m%d").date()  # noqa: DTZ007  a day has no time zone


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _read_owners(file: Path, clients: set[str]) -> dict[str, str]:
    """
    Who owns which account: account id to client id. Those who may merely use one are passed over.
    """
    owners: dict[str, str] = {}
    for row in _rows(file, "client_id", "account_id", "type"):
        if row["type"] != "OWNER":
            continue
        if row["client_id"] not in clients:
            row.fail(f"client {row['client_id']} is not in client.asc")
        if row["account_id"] in owners:
            row.fail(f"account {row['account_id']} has an owner already")
        owners[row["account_id"]] = row["client_id"]
    return owners


def _read_opening_dates(file: Path, owners: Mapping[str, str]) -> dict[str, date]:
    """
    When each account was opened, oldest first.
    """
    opened_on: dict[str, date] = {}
    for row in _rows(file, "account_id", "date"):
        account = row["account_id"]
        if account in opened_on:
            row.fail(f"account {account} stands here twice")
        if account not in owners:
            row.fail(f"account {account} has no owner in disp.asc")
        opened_on[account] = row.date("date")
    return dict(sorted(opened_on.items(), key=lambda opening: opening[1]))


# Type of transaction in the files: the sign of its amount.
_SIGNS = {"PRIJEM": 1, "VYDAJ": -1, "VYBER": -1}

_OPERATIONS: dict[str, tuple[BankAccount, str]] = {
    "VKLAD": ("cash", "Cash deposit"),
    "VYBER": ("cash", "Cash withdrawal"),
    "VYBER KARTOU": ("clearing", "Card withdrawal"),
    "PREVOD Z UCTU": ("clearing", "Payment received"),
    "PREVOD NA UCET": ("clearing", "Payment sent"),
}

# What the symbol says is stronger than the operation: a fee is booked as a "cash withdrawal", too.
_SYMBOLS: dict[str, tuple[BankAccount, str]] = {
    "UROK": ("interest", "Interest"),
    "SANKC. UROK": ("interest", "Penalty interest"),
    "SLUZBY": ("fees", "Statement fee"),
}

_PURPOSES = {"SIPO": "household", "DUCHOD": "pension", "POJISTNE": "insurance", "UVER": "loan"}


def _read_transactions(file: Path, opened_on: Mapping[str, date]) -> Iterator[Transaction]:
    seen: set[str] = set()
    for row in _rows(file, "trans_id", "account_id", "date", "type", "operation", "amount", "k_symbol"):
        reference, account, on = row["trans_id"], row["account_id"], row.date("date")
        if reference in seen:
            row.fail(f"transaction {reference} stands here twice")
        seen.add(reference)
        if account not in opened_on:
            row.fail(f"account {account} is not in account.asc")
        if on < opened_on[account]:
            row.fail(f"account {account} is opened later, on {opened_on[account]}")
        if row["type"] not in _SIGNS:
            row.fail(f"type {row['type']!r} is none of {', '.join(_SIGNS)}")
        against, text = _describe(row)
        yield Transaction(
            account, reference, on, _SIGNS[row["type"]] * row.cents("amount"), against, text, file, row.line
        )


def _describe(row: _Row) -> tuple[BankAccount, str]:
    operation, symbol = row["operation"], row["k_symbol"].strip()
    if symbol in _SYMBOLS:
        return _SYMBOLS[symbol]
    if operation not in _OPERATIONS:
        row.fail(f"operation {operation!r} with k_symbol {symbol!r} is unknown")
    against, text = _OPERATIONS[operation]
    return against, f"{text}, {_PURPOSES[symbol]}" if symbol in _PURPOSES else text


def _lowest_balances(transactions: tuple[Transaction, ...]) -> dict[str, int]:
    """
    The lowest balance that each account comes to, in cents; zero or below.
    """
    running: dict[str, int] = {}
    lowest: dict[str, int] = {}
    for transaction in transactions:
        account = transaction.account
        running[account] = running.get(account, 0) + transaction.cents
        lowest[account] = min(lowest.get(account, 0), running[account])
    return lowest
