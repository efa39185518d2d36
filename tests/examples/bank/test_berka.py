"""
Reading a real bank's files: exactly, or not at all.
"""

from datetime import date
from pathlib import Path

import pytest

from examples.bank.berka import BerkaError, Opening, read_files
from tests.examples.bank import made_up
from tests.examples.bank.made_up import write_files

HEADER = made_up.TRANSACTIONS.partition("\n")[0]


def test_openings_have_owner_date_and_the_overdraft_they_need(tmp_path: Path) -> None:
    """
    Each account has its owner, its day, and as its limit the lowest balance it comes to.
    """
    files = read_files(write_files(tmp_path))

    assert files.openings == (
        Opening("11", "21", date(1993, 1, 1), overdraft_limit_cents=230_30),
        Opening("12", "22", date(1993, 1, 3), overdraft_limit_cents=0),
        Opening("9", "23", date(1995, 6, 1), overdraft_limit_cents=0),
    )


def test_transactions_have_sign_counter_account_and_text(tmp_path: Path) -> None:
    """
    Every kind of transaction is read with its amount to the cent and its side in the bank's books.
    """
    files = read_files(write_files(tmp_path))

    assert [(found.reference, found.cents, found.against, found.text) for found in files.transactions] == [
        ("501", 700_00, "cash", "Cash deposit"),
        ("502", 1000_50, "cash", "Cash deposit"),
        ("503", -900_30, "cash", "Cash withdrawal"),
        ("504", -30_00, "interest", "Penalty interest"),
        ("505", 4_10, "interest", "Interest"),
        ("506", -14_60, "fees", "Statement fee"),
        ("507", -500_00, "clearing", "Payment sent, household"),
        ("508", 1000_00, "clearing", "Payment received, pension"),
        ("509", -40_00, "clearing", "Card withdrawal"),
    ]


def test_steps_come_day_by_day_and_in_the_order_of_the_file(tmp_path: Path) -> None:
    """
    Openings and transactions are one sequence of days; an account is opened before it is used.
    """
    files = read_files(write_files(tmp_path))

    steps = [step.account if isinstance(step, Opening) else step.reference for step in files.in_order()]

    assert steps == ["11", "501", "12", "502", *[str(number) for number in range(503, 510)], "9"]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ('510;11;930203;"PRIJEM";"VKLAD";1.00', "6 fields where 10 belong"),
        ('x1;11;930203;"PRIJEM";"VKLAD";1.00;0;"";;', "trans_id 'x1' is no number"),
        ('510;;930203;"PRIJEM";"VKLAD";1.00;0;"";;', "account_id '' is no number"),
        ('509;11;930203;"PRIJEM";"VKLAD";1.00;0;"";;', "transaction 509 stands here twice"),
        ('510;13;930203;"PRIJEM";"VKLAD";1.00;0;"";;', "account 13 is not in account.asc"),
        ('510;9;930203;"PRIJEM";"VKLAD";1.00;0;"";;', "account 9 is opened later, on 1995-06-01"),
        ('510;11;930230;"PRIJEM";"VKLAD";1.00;0;"";;', "date '930230' is no date YYMMDD"),
        ('510;11;930203;"PRYJEM";"VKLAD";1.00;0;"";;', "type 'PRYJEM' is none of PRIJEM, VYDAJ, VYBER"),
        ('510;11;930203;"PRIJEM";"VKLOD";1.00;0;"";;', "operation 'VKLOD' with k_symbol '' is unknown"),
        ('510;11;930203;"PRIJEM";"VKLAD";1.005;0;"";;', "amount '1.005' is no amount with at most two decimals"),
        ('510;11;930203;"PRIJEM";"VKLAD";NaN;0;"";;', "amount 'NaN' is no amount"),
        ('510;11;930203;"PRIJEM";"VKLAD";-1.00;0;"";;', "amount '-1.00' is no amount"),
        ('510;11;930203;"PRIJEM";"VKLAD";0.00;0;"";;', "amount 0.00 is no amount this bank books"),
        ('510;11;930203;"PRIJEM";"VKLAD";99999999999999.00;0;"";;', "is no amount this bank books"),
        ('510;11;930203;"PRIJEM";"VKLAD"x;1.00;0;"";;', "';' expected after '\"'"),
        ('510;11;930203;"PRIJEM";"VKLAD;1.00;0;"";;', "unexpected end of data|';' expected after"),
    ],
    ids=[
        "fields",
        "reference",
        "no-account",
        "twice",
        "unknown-account",
        "not-open-yet",
        "date",
        "type",
        "operation",
        "decimals",
        "nan",
        "sign",
        "zero",
        "too-large",
        "after-quote",
        "open-quote",
    ],
)
def test_malformed_row_is_told_with_file_and_line(tmp_path: Path, row: str, problem: str) -> None:
    """
    A row that makes no sense is an error that says where it stands and what is wrong.
    """
    write_files(tmp_path, transactions=f"{made_up.TRANSACTIONS}{row}\n")

    with pytest.raises(BerkaError, match=problem) as excinfo:
        read_files(tmp_path)

    assert (excinfo.value.file, excinfo.value.line) == (tmp_path / "trans.asc", 11)
    assert str(excinfo.value).startswith(f"{tmp_path / 'trans.asc'}, line 11: ")


@pytest.mark.parametrize(
    ("name", "text", "line", "problem"),
    [
        ("account", made_up.ACCOUNTS + '11;1;"X";930101\n', 5, "account 11 stands here twice"),
        ("account", made_up.ACCOUNTS + '14;1;"X";930101\n', 5, "account 14 has no owner in disp.asc"),
        ("disp", made_up.DISPOSITIONS + '5;22;11;"OWNER"\n', 6, "account 11 has an owner already"),
        ("disp", made_up.DISPOSITIONS + '5;29;14;"OWNER"\n', 6, "client 29 is not in client.asc"),
        ("client", "", 1, "column 'client_id' is missing"),
        ("trans", HEADER.replace("amount", "sum"), 1, "column 'amount' is missing"),
    ],
    ids=["account-twice", "no-owner", "two-owners", "unknown-client", "empty-file", "column"],
)
def test_files_that_do_not_fit_together_are_refused(
    tmp_path: Path, name: str, text: str, line: int, problem: str
) -> None:
    """
    Accounts have one owner, whom the bank knows, and stand there once.
    """
    write_files(tmp_path, **{name: text})

    with pytest.raises(BerkaError, match=problem) as excinfo:
        read_files(tmp_path)

    assert (excinfo.value.file, excinfo.value.line) == (tmp_path / f"{name}.asc", line)


@pytest.mark.parametrize("name", ["account", "client", "disp", "trans"])
def test_missing_file_is_named(tmp_path: Path, name: str) -> None:
    """
    A file that is not there is an error with its name.
    """
    (write_files(tmp_path) / f"{name}.asc").unlink()

    with pytest.raises(BerkaError, match="cannot be read: No such file or directory") as excinfo:
        read_files(tmp_path)

    assert excinfo.value.file == tmp_path / f"{name}.asc"


def test_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """
    Bytes that are no UTF-8 are an error, not other characters.
    """
    with (write_files(tmp_path) / "trans.asc").open("ab") as file:
        file.write(b"510;11;\xff\xfe")

    with pytest.raises(BerkaError, match="is no text"):
        read_files(tmp_path)
