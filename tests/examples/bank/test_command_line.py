"""
The commands as people and scripts use them.
"""

import json
import re
import socket
import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from tests.examples.bank import made_up
from tests.examples.bank.commands import run_bank, start_bank
from tests.examples.bank.made_up import write_files


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    """
    A data folder with the made-up bank.
    """
    result = run_bank("import", write_files(tmp_path / "files"), "--data", tmp_path / "data")
    assert result.returncode == 0, result.stderr
    return tmp_path / "data"


@pytest.fixture
def serving(imported: Path) -> Generator[Path]:
    """
    The same, while its page is served.
    """
    process = start_bank("serve", "--data", imported, "--port", "0")
    assert process.stdout
    assert "The bank is open" in process.stdout.readline()
    yield imported
    process.terminate()
    output, _ = process.communicate()
    assert process.returncode == 0, output


def test_import_prints_its_totals_as_one_json_object(tmp_path: Path) -> None:
    """
    With --json there is one object with these keys on standard output, and nothing else anywhere.
    """
    result = run_bank("import", write_files(tmp_path / "files"), "--data", tmp_path / "data", "--json")

    totals = json.loads(result.stdout)
    assert totals.pop("seconds") > 0
    assert totals == {"accounts": 3, "transactions": 9, "events": 19, "total_balance_cents": 1219_70}
    assert (result.returncode, result.stderr) == (0, "")


def test_import_prints_its_totals_for_people(tmp_path: Path) -> None:
    """
    Without --json each figure has a line.
    """
    result = run_bank("import", write_files(tmp_path / "files"), "--data", tmp_path / "data")

    assert [line.split()[-1] for line in result.stdout.splitlines()[:-1]] == ["3", "9", "19", "1,219.70"]
    assert re.search(r"^seconds +\d+\.\d+$", result.stdout, re.MULTILINE)


def test_second_import_prints_the_same_totals(imported: Path, tmp_path: Path) -> None:
    """
    The figures are those of the bank, so importing again does not change them.
    """
    result = run_bank("import", tmp_path / "files", "--data", imported, "--json")

    totals = json.loads(result.stdout)
    del totals["seconds"]
    assert totals == {"accounts": 3, "transactions": 9, "events": 19, "total_balance_cents": 1219_70}


def test_balances_as_json(imported: Path) -> None:
    """
    With --json balances are a list of objects, an account each, in order of their numbers.
    """
    result = run_bank("balances", "--data", imported, "--json")

    assert json.loads(result.stdout) == [
        {"account": account, "balance_cents": cents} for account, cents in made_up.BALANCES.items()
    ]


def test_balances_for_people(imported: Path) -> None:
    """
    Without --json each account has a line with its number, balance and owner.
    """
    result = run_bank("balances", "--data", imported)

    assert [line.split(maxsplit=2) for line in result.stdout.splitlines()] == [
        ["9", "0.00", "Client 23"],
        ["11", "769.70", "Client 21"],
        ["12", "450.00", "Client 22"],
    ]


def test_balances_work_beside_the_page(serving: Path) -> None:
    """
    While the page is served, balances are read all the same.
    """
    result = run_bank("balances", "--data", serving, "--json")

    assert [line["balance_cents"] for line in json.loads(result.stdout)] == list(made_up.BALANCES.values())


def test_import_beside_the_page_is_refused(serving: Path, tmp_path: Path) -> None:
    """
    A bank that is being served has its writer; a second one is told so.
    """
    result = run_bank("import", tmp_path / "files", "--data", serving)

    _assert_plain_error(result.stderr, "already open for writing")
    assert result.returncode == 1


def test_missing_folder_is_told(tmp_path: Path) -> None:
    """
    Importing from a folder that is not there is an error in a line.
    """
    result = run_bank("import", tmp_path / "nowhere", "--data", tmp_path / "data")

    _assert_plain_error(result.stderr, f"{tmp_path / 'nowhere'}/client.asc: cannot be read: No such file or directory")
    assert result.returncode == 1


def test_data_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    """
    A data folder that cannot be is an error in a line.
    """
    (tmp_path / "data").touch()

    result = run_bank("import", write_files(tmp_path / "files"), "--data", tmp_path / "data")

    _assert_plain_error(result.stderr, "cannot be the data folder: File exists")
    assert result.returncode == 1


def test_balances_without_a_bank_are_told(tmp_path: Path) -> None:
    """
    Where no bank is, asking for balances is an error in a line.
    """
    result = run_bank("balances", "--data", tmp_path)

    _assert_plain_error(result.stderr, "there is no bank here")
    assert result.returncode == 1


def test_store_file_that_is_none_is_told(tmp_path: Path) -> None:
    """
    Another file in place of the store is an error in a line, and is left as it is.
    """
    (tmp_path / "bank.db").write_text("shopping list\n" * 100)

    result = run_bank("balances", "--data", tmp_path)

    _assert_plain_error(result.stderr, "is not an event store")
    assert result.returncode == 1
    assert (tmp_path / "bank.db").read_text().startswith("shopping list")


def test_read_model_file_that_is_none_is_told_with_the_way_out(imported: Path) -> None:
    """
    A damaged read model is an error in a line that says what to do.
    """
    (imported / "read-models.db").write_text("shopping list\n" * 100)

    result = run_bank("balances", "--data", imported)

    assert (
        "the read models cannot be used: DatabaseError: file is not a database. Delete read-models.db" in result.stderr
    )
    assert "Traceback" not in result.stderr
    assert result.returncode == 1


def test_read_model_of_an_older_version_is_told_with_the_way_out(imported: Path) -> None:
    """
    A table that lacks a column is named before the page shows anything, and deleting the file helps.
    """
    with closing(sqlite3.connect(imported / "read-models.db")) as database:
        database.execute("ALTER TABLE balances DROP COLUMN is_closed")

    result = run_bank("balances", "--data", imported)

    assert result.returncode == 1
    assert "'is_closed'" in result.stderr.splitlines()[-1]
    assert "Delete read-models.db" in result.stderr.splitlines()[-1]
    for file in imported.glob("read-models.db*"):
        file.unlink()
    assert run_bank("balances", "--data", imported).returncode == 0


def test_port_that_is_taken_is_told(tmp_path: Path) -> None:
    """
    An address that somebody else listens on is an error in a line.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        result = run_bank("serve", "--data", tmp_path, "--port", str(port))

    assert f"cannot listen on 127.0.0.1, port {port}" in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stderr
    assert result.returncode == 2


def _assert_plain_error(stderr: str, text: str) -> None:
    [line] = stderr.splitlines()
    assert line.startswith("Error: ")
    assert text in line
