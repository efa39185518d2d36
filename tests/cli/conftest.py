"""
What the tests of the command line share.
"""

from pathlib import Path

import pytest

from eventsource.cli.app import run
from tests.cli.shop import Command, Result, Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """
    An empty shop.
    """
    return Shop.open_in(tmp_path)


@pytest.fixture
def command(shop: Shop, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Command:
    """
    Runs a command in this process: for what a process of its own would add nothing to but time.
    """
    monkeypatch.chdir(shop.directory)
    monkeypatch.syspath_prepend(shop.directory)
    monkeypatch.setenv("EVENTSOURCE_STORE", shop.store)
    monkeypatch.setenv("EVENTSOURCE_DATABASE", shop.database)

    def run_here(*arguments: str) -> Result:
        exit_code = run(arguments)
        written = capfdbinary.readouterr()
        return Result(exit_code, written.out.decode(), written.err.decode())

    return run_here
