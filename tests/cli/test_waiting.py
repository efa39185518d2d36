"""
Workers wait for what is not there yet: a server that is started after them, a database that takes no connections.
"""

import signal
import socket
from contextlib import closing

import pytest

from tests.cli.shop import Command, Process, Shop, paid
from tests.cli.test_serve import TOKEN
from tests.postgres import *  # noqa: F403  fixtures
from tests.postgres import Postgres

BALANCES = "shop_projectors:Balances"


def wait_for(worker: Process, text: str) -> None:
    """
    Read the log of *worker* up to a line with *text*.
    """
    assert worker.stderr is not None
    for line in worker.stderr:
        if text in line:
            return
    pytest.fail(f"the worker ended before it said {text!r}")


def stop(worker: Process) -> int:
    """
    Stop *worker*; its exit code.
    """
    worker.send_signal(signal.SIGTERM)
    worker.communicate()
    return worker.returncode


def test_a_worker_waits_for_its_server(shop: Shop) -> None:
    """
    A worker that is started before its server says that it waits, and brings its read model up to date then.
    """
    shop.commit([paid(5)])
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
    address = f"http://127.0.0.1:{port}"
    worker = shop.start("project", "run", BALANCES, "--store", address, GENESISDB_AUTH_TOKEN=TOKEN)
    wait_for(worker, "event=projector.retrying")

    server = shop.start("serve", "--port", port, GENESISDB_AUTH_TOKEN=TOKEN)
    wait_for(worker, "projector.caught_up")

    assert list(shop.balances().values()) == [5]
    assert stop(worker) == 0
    assert stop(server) == 0


def test_a_worker_waits_for_its_database(shop: Shop, postgres: Postgres) -> None:
    """
    A worker whose database takes no connections says so without a password, waits, and goes on once it does.
    """
    shop.commit([paid(5)])
    postgres.allow_connections(allowed=False)
    worker = shop.start("project", "run", BALANCES, "--database", postgres.url)
    wait_for(worker, "event=database.unavailable")

    postgres.allow_connections(allowed=True)
    wait_for(worker, "projector.caught_up")

    assert postgres.run("SELECT cents FROM balances") == [(5,)]
    assert stop(worker) == 0


def test_a_worker_that_waits_can_be_stopped(shop: Shop, postgres: Postgres) -> None:
    """
    A signal ends the wait for a database as cleanly as any work.
    """
    postgres.allow_connections(allowed=False)
    worker = shop.start("project", "run", BALANCES, "--database", postgres.url)
    wait_for(worker, "event=database.unavailable")

    assert stop(worker) == 0


def test_a_run_to_the_end_does_not_wait(command: Command, postgres: Postgres) -> None:
    """
    With --once a database that takes no connections ends the command with 3.
    """
    postgres.allow_connections(allowed=False)

    result = command("project", "run", "--once", BALANCES, "--database", postgres.url)

    assert result.exit_code == 3
    assert "does not answer" in result.errors
