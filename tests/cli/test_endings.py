"""
How commands end: exit codes that tell a finding from a failure to look, and an end that leaves nothing behind.
"""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from eventsource import EventSourceError, errors
from eventsource.cli.failures import ExitCode, exit_code_of
from eventsource.root_error import without_secrets
from tests.cli.shop import EVENTSOURCE, PATIENCE_S, Command, Shop, paid
from tests.cli.test_serve import started

# What a monitor may take for a finding: something was looked at, and is not as it should be.
FINDINGS = {
    "BackupInvalidError",
    "EventDecodingError",
    "EventError",
    "EventTooLargeError",
    "MalformedEventError",
    "NewerEventError",
    "NotAnEventError",
    "NotOneEventError",
    "PersonalDataRemainsError",
    "ProcessManagerFailedError",
    "QueryBudgetError",
    "ReservedNameError",
    "RollbackError",
    "SchemaBudgetError",
    "SchemaMismatchError",
    "SchemaViolationError",
    "ServerDamagedError",
    "SignedHeadError",
    "StateSignatureError",
    "TamperedError",
    "UnknownEventTypeError",
    "UnstorableDataError",
    "UnstorableEventError",
    "UpcastingError",
    "VerificationError",
}


def raw(cls: type[EventSourceError]) -> EventSourceError:
    """
    An error of a class, without what it would be made from.
    """
    return cls.__new__(cls)


def test_only_findings_have_the_exit_code_of_a_finding() -> None:
    """
    1 means that a command has looked and found something wrong; whatever keeps it from looking has another code.
    """
    every = [getattr(errors, name) for name in errors.__all__]
    found = {cls.__name__ for cls in every if exit_code_of(raw(cls)) == ExitCode.FAILED}

    assert {name for name in found if not issubclass(getattr(errors, name), errors.ProjectionError)} == FINDINGS
    assert {cls.__name__ for cls in every if exit_code_of(raw(cls)) == ExitCode.DEFECT} == set()


@pytest.mark.parametrize("arguments", [["audit"], ["ping"], ["stream"], ["query", "STREAM e FROM events"]])
def test_a_wrong_token_is_not_allowed(shop: Shop, arguments: list[str]) -> None:
    """
    A server that does not know the token ends a command with 4, and the token is not shown.
    """
    with started(shop) as (_, address):
        result = shop.run(*arguments, "--store", address, GENESISDB_AUTH_TOKEN="wrong-token")  # noqa: S106

    assert result.returncode == ExitCode.NOT_ALLOWED
    assert "wrong-token" not in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


def test_a_role_that_is_too_low_is_not_allowed(shop: Shop) -> None:
    """
    A token that may read ends a command that changes something with 4.
    """
    shop.commit([paid(5)])
    with started(shop, GENESISDB_READ_TOKEN="reader-of-tests") as (_, address):  # noqa: S106
        arguments = ["index", "create", "--type", "io.example.shop.paid", "--path", "data.cents", "--store", address]
        result = shop.run(*arguments, GENESISDB_AUTH_TOKEN="reader-of-tests")  # noqa: S106

    assert result.returncode == ExitCode.NOT_ALLOWED, result


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1"])
def test_a_wrong_path_is_no_finding(shop: Shop, path: str) -> None:
    """
    An address at which something else answers ends an audit with 2 or 3, never with 1.
    """
    with started(shop) as (_, address):
        result = shop.run("audit", "--store", f"{address}{path}", GENESISDB_AUTH_TOKEN="of-this-test")  # noqa: S106

    assert result.returncode in {ExitCode.USAGE, ExitCode.UNAVAILABLE}
    assert "Traceback" not in result.stderr


def test_a_server_that_is_away_is_no_finding(shop: Shop) -> None:
    """
    An address at which nothing answers ends an audit with 3.
    """
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]

    result = shop.run("audit", "--store", f"http://127.0.0.1:{port}", GENESISDB_AUTH_TOKEN="of-this-test")  # noqa: S106

    assert result.returncode == ExitCode.UNAVAILABLE


def test_a_defect_has_an_exit_code_of_its_own(shop: Shop) -> None:
    """
    An exception that no command expects is shown whole and ends with 70, since 1 would read as a finding.
    """
    change = (
        "from eventsource.cli import audit\ndef broken(*_): raise ZeroDivisionError('a defect')\naudit.run = broken"
    )

    process = shop.start_changed(change, "audit")
    _, errors_written = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == ExitCode.DEFECT
    assert "ZeroDivisionError: a defect" in errors_written


@pytest.mark.parametrize(
    "url",
    [
        "mysql://ada:se-cret@db/bank",
        "postgresql://ada:se/se-cret@db/bank",
        "postgresql://ada:se@se-cret@db/bank",
        "postgresql://db/bank?user=ada&password=se-cret",
        "://ada:se-cret@db",
        "memory://ada:se-cret@db",
        "http://ada:se-cret@db.example.com",
        "http://ada:se/se-cret@db.example.com",
        "https://db.example.com?token=se-cret",
        "ada:se-cret@db:3322",
        "sqlite:",
    ],
)
@pytest.mark.parametrize("option", ["--store", "--database", "--ledger"])
def test_no_password_of_a_url_is_shown(command: Command, url: str, option: str) -> None:
    """
    A URL with a login that is not understood is told without it, whichever option it is given to.
    """
    if option == "--ledger":
        result = command("notary", "status", "--ledger", url)
    else:
        result = command("project", "status", "shop_projectors:Balances", option, url)

    assert result.exit_code in {ExitCode.USAGE, ExitCode.UNAVAILABLE}, result
    assert "se-cret" not in result.output + result.errors


def test_a_url_that_holds_no_secret_is_shown_as_it_is() -> None:
    """
    What cannot be a login or a parameter stays.
    """
    for url in ("memory:", "sqlite:/var/lib/bank.db", "http://127.0.0.1:8080/prefix", "nonsense"):
        assert without_secrets(url) == url


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_standard_file_harms_no_store(shop: Shop, closed: str) -> None:
    """
    A command whose standard input, output or error is closed ends without a traceback, and the store is intact.
    """
    shop.commit([paid(5)])
    line = f'exec "$@" {closed}'

    result = subprocess.run(
        [
            "/bin/sh",
            "-c",
            line,
            "sh",
            *EVENTSOURCE,
            "index",
            "create",
            "--type",
            "io.example.shop.paid",
            "--path",
            "data.cents",
        ],
        cwd=shop.directory,
        env=shop.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert result.returncode == (ExitCode.UNAVAILABLE if ">&-" in closed.replace("2>&-", "") else ExitCode.DONE)
    assert "Traceback" not in result.stdout + result.stderr
    assert shop.run("audit").returncode == ExitCode.DONE


def test_a_worker_outlives_the_reader_of_its_log(shop: Shop) -> None:
    """
    A worker whose standard error nobody reads any more goes on, and ends as cleanly as ever.
    """
    worker = shop.start("project", "run", "shop_projectors:Balances")
    assert worker.stderr is not None
    while "projector.caught_up" not in worker.stderr.readline():
        assert worker.poll() is None
    worker.stderr.close()
    worker.stderr = None

    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=PATIENCE_S)

    assert worker.returncode == ExitCode.DONE


def test_a_closed_terminal_ends_a_worker_cleanly(shop: Shop) -> None:
    """
    SIGHUP is a request to stop, like SIGTERM.
    """
    worker = shop.start("project", "run", "shop_projectors:Balances")
    assert worker.stderr is not None
    while "projector.caught_up" not in worker.stderr.readline():
        assert worker.poll() is None

    worker.send_signal(signal.SIGHUP)
    _, log = worker.communicate(timeout=PATIENCE_S)

    assert worker.returncode == ExitCode.DONE
    assert "projector.stopped" in log


def test_a_closed_terminal_ends_a_server_cleanly(shop: Shop) -> None:
    """
    After SIGHUP a server has let go of its store: the write-ahead log is gone, and the next one starts.
    """
    with started(shop) as (process, _):
        process.send_signal(signal.SIGHUP)
        assert process.wait(PATIENCE_S) == ExitCode.DONE

    assert not list(shop.directory.glob("shop.db-wal"))


def test_nohup_keeps_a_worker(shop: Shop) -> None:
    """
    A worker that was started to ignore SIGHUP goes on after it.
    """
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    worker = shop.start_changed(ignoring, "project", "run", "shop_projectors:Balances")
    assert worker.stderr is not None
    while "projector.caught_up" not in worker.stderr.readline():
        assert worker.poll() is None

    worker.send_signal(signal.SIGHUP)
    shop.commit([paid(5)])
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=PATIENCE_S)

    assert worker.returncode == ExitCode.DONE


def test_a_port_in_use_leaves_nothing_behind(tmp_path: Path) -> None:
    """
    A server that finds its address taken makes no store file.
    """
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        result = subprocess.run(
            [*EVENTSOURCE, "serve", "--store", "sqlite:new.db", "--port", str(taken.getsockname()[1])],
            cwd=tmp_path,
            env=os.environ | {"GENESISDB_AUTH_TOKEN": "of-this-test"},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    assert result.returncode == ExitCode.UNAVAILABLE
    assert list(tmp_path.iterdir()) == []


def test_log_lines_have_one_form_of_name() -> None:
    """
    Every event that the package logs is called ``subject.what_happened``.
    """
    package = Path(sys.modules["eventsource"].__file__ or "").parent
    names = [
        name
        for path in package.rglob("*.py")
        for name in re.findall(r'log\.(?:debug|info|warning|error)\(\s*f?"([^"]+)"', path.read_text(encoding="utf-8"))
    ]

    assert len(names) > 20
    assert [name for name in names if not re.fullmatch(r"[a-z]+\.[a-z_]+", name)] == []
