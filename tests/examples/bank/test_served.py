"""
The bank in three programs: a server that keeps the events, a worker, and the web page.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs
import httpx
import pytest

from examples.bank import rules
from examples.bank.bank import Bank
from examples.bank.folder import FolderError, open_bank, read_balances
from examples.bank.refusals import DailyLimitError, EmailTakenError, NotCoveredError
from tests.examples.bank.commands import BANK, ROOT, run_bank
from tests.examples.bank.made_up import BALANCES, write_files
from tests.examples.bank.scenario import DAY

TOKEN = "of-the-bank-1234567890"  # noqa: S105  nobody's
EVENTSOURCE = [sys.executable, "-m", "eventsource.cli"]
READ_MODELS = ("balances:Balances", "statements:Statements", "ledger:Ledger", "agreements:Agreements")
PROJECTORS = [f"examples.bank.{name}" for name in READ_MODELS]


@attrs.frozen
class Programs:
    """
    What runs, and where.
    """

    store: str
    page: str
    data: Path


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESISDB_AUTH_TOKEN", TOKEN)


@pytest.fixture
def server(tmp_path: Path) -> Generator[str]:
    """
    The server alone.
    """
    command = [*EVENTSOURCE, "serve", "--store", f"sqlite:{tmp_path / 'bank.db'}", "--port", "0"]
    with _running(command) as process:
        yield _address(process)


@pytest.fixture
def programs(server: str, tmp_path: Path) -> Generator[Programs]:
    """
    All three; the page starts before there is a read model.
    """
    data = tmp_path / "data"
    data.mkdir()
    database = f"sqlite:///{data / 'read-models.db'}"
    with ExitStack() as stack:
        page = stack.enter_context(
            _running([*BANK, "serve", "--data", str(data), "--store", server, "--no-worker", "--port", "0"])
        )
        stack.enter_context(
            _running([*EVENTSOURCE, "project", "run", *PROJECTORS, "--store", server, "--database", database, "--json"])
        )
        yield Programs(server, _address(page), data)


@pytest.fixture
async def bank(programs: Programs) -> AsyncGenerator[Bank]:
    """
    The bank of those programs, in a fourth one.
    """
    async with open_bank(programs.data, store=programs.store, runs_worker=False, today=lambda: DAY) as opened:
        yield opened


async def test_commands_and_refusals_over_http(bank: Bank, programs: Programs) -> None:
    """
    Each command is in the read model when it returns, and a rule is refused by its name, all over HTTP.
    """
    number = await bank.open_account("Ada Lovelace", email="ada@example.com")
    await bank.deposit(number, 2_000_00)
    await bank.withdraw(number, 40_00)
    assert (await bank.balance(number)).balance_cents == 1_960_00

    with pytest.raises(NotCoveredError) as funds:
        await bank.withdraw(number, 5_000_00)
    assert _rule(funds) == rules.FUNDS
    assert funds.value.balance_cents == 1_960_00
    with pytest.raises(DailyLimitError) as limit:
        await bank.withdraw(number, 1_000_00)
    assert _rule(limit) == rules.DAILY_LIMIT
    with pytest.raises(EmailTakenError) as email:
        await bank.open_account("Eve", email="ADA@example.com")
    assert _rule(email) == rules.UNIQUE_EMAIL

    assert [line.balance_cents for line in await read_balances(programs.data, store=programs.store)] == [1_960_00]
    async with httpx.AsyncClient() as browser:
        page = await browser.get(programs.page, timeout=None)
    assert page.status_code == 200
    assert "Ada Lovelace" in page.text
    assert "1,960.00" in page.text


def test_import_and_balances_over_http(server: str, tmp_path: Path) -> None:
    """
    Every command takes the store of a server; one without a worker of its own runs the read models.
    """
    data = tmp_path / "data"

    imported = run_bank("import", write_files(tmp_path / "files"), "--data", data, "--store", server, "--json")
    assert imported.returncode == 0, imported.stderr
    printed = run_bank("balances", "--data", data, "--store", server, "--json")

    assert json.loads(imported.stdout)["accounts"] == len(BALANCES)
    assert {line["account"]: line["balance_cents"] for line in json.loads(printed.stdout)} == BALANCES
    assert not (data / "bank.db").exists()


async def test_page_without_a_worker_is_told(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where nobody runs the read models, that is said, and nobody waits for ever.
    """
    monkeypatch.setattr("examples.bank.folder._WORKER_PATIENCE_S", 0.3)

    with pytest.raises(FolderError, match="start the worker"):
        async with open_bank(tmp_path / "data", store=server, runs_worker=False):
            pass


def _rule(failure: pytest.ExceptionInfo[Exception]) -> object:
    return getattr(failure.value.__cause__, "name", None)


@contextmanager
def _running(command: list[str]) -> Generator[subprocess.Popen[str]]:
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            output, _ = process.communicate()
        # All of them end in good order.
        assert process.returncode == 0, output


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    seen = ""
    while line := process.stdout.readline():
        seen += line
        if found := re.search(r"(?:The bank is open:|Serving .* at) (http://\S+)", line):
            return found[1]
    pytest.fail(f"it ended: {seen}")
