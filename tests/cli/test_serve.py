"""
``eventsource serve``: what it prints, where its tokens come from, how it ends.
"""

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.shop import PATIENCE_S, Command, Process, Shop, Terminal, paid

TOKEN = "token-canary-1234567890"  # noqa: S105  made up
ENVIRONMENT = {"GENESISDB_AUTH_TOKEN": TOKEN}


@contextmanager
def started(shop: Shop, *arguments: str, **environment: str) -> Generator[tuple[Process, str]]:
    """
    A server and its address.
    """
    process = shop.start("serve", "--port", "0", "--json", *arguments, **(ENVIRONMENT | environment))
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()
        yield process, json.loads(line)["address"]
    finally:
        process.kill()
        process.communicate()


def ask(address: str, path: str, body: object = None, *, as_: str = TOKEN) -> tuple[int, str]:
    """
    The status and the body of an answer.
    """
    asked = urllib.request.Request(  # noqa: S310  our own address
        address + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"authorization": f"Bearer {as_}"},
    )
    try:
        with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_it_serves_until_it_is_told_to_stop(shop: Shop) -> None:
    """
    It prints its address; SIGTERM ends it with 0, and what was committed is there.
    """
    shop.commit([paid(5)])
    with started(shop) as (process, address):
        assert address.startswith("http://127.0.0.1:")
        assert ask(address, "/api/v1/status/ping", as_="") == (200, "pong")
        assert len(ask(address, "/api/v1/stream", {"subject": "/"})[1].splitlines()) == 1
        event = {"source": "s", "subject": "/a", "type": "t", "data": {}}
        assert ask(address, "/api/v1/commit", {"events": [event]})[0] == 200
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 0
    assert TOKEN not in output + errors
    assert len(shop.run("stream").stdout.splitlines()) == 2


def test_observed_streams_end_with_it(shop: Shop) -> None:
    """
    Ctrl-C does not wait for observers.
    """
    with started(shop) as (process, address):
        asked = urllib.request.Request(  # noqa: S310
            f"{address}/api/v1/observe", data=b'{"subject":"/"}', headers={"authorization": f"Bearer {TOKEN}"}
        )
        with urllib.request.urlopen(asked, timeout=PATIENCE_S) as observed:  # noqa: S310
            assert observed.readline() == b'{"payload":""}\n'
            process.send_signal(signal.SIGINT)
            assert all(line == b'{"payload":""}\n' for line in observed)
        assert process.wait(PATIENCE_S) == 0


def test_killed_server_has_lost_nothing_it_acknowledged(shop: Shop) -> None:
    """
    Though it is ended by kill -9, right after the answer.
    """
    with started(shop) as (process, address):
        for number in range(20):
            event = {"source": "s", "subject": f"/a/{number}", "type": "t", "data": {}}
            assert ask(address, "/api/v1/commit", {"events": [event]})[0] == 200
        process.kill()
        process.wait(PATIENCE_S)

    assert len(shop.run("stream").stdout.splitlines()) == 20
    assert shop.run("audit").returncode == 0


def test_tokens_have_roles(shop: Shop) -> None:
    """
    The two optional ones, from the environment.
    """
    with started(shop, GENESISDB_WRITE_TOKEN="writer-of-tests", GENESISDB_READ_TOKEN="reader-of-tests") as (_, address):  # noqa: S106
        assert ask(address, "/api/v1/subjects", as_="reader-of-tests")[0] == 200
        assert ask(address, "/api/v1/commit", {}, as_="reader-of-tests")[0] == 403
        assert ask(address, "/api/v1/commit", {}, as_="writer-of-tests")[0] == 400
        assert ask(address, "/api/v1/erase", {}, as_="writer-of-tests")[0] == 403
        assert ask(address, "/api/v1/subjects", as_="nobody")[0] == 401


def test_without_a_token_it_does_not_start(shop: Shop) -> None:
    """
    A made-up one would stand in a log, so only a terminal gets one.
    """
    result = shop.run("serve", "--port", "0")

    assert result.returncode == 2
    assert "GENESISDB_AUTH_TOKEN" in result.stderr


def test_empty_token_is_refused(shop: Shop) -> None:
    """
    It would let everybody in.
    """
    result = shop.run("serve", "--port", "0", GENESISDB_AUTH_TOKEN="")

    assert result.returncode == 2
    assert "administrator token" in result.stderr


def test_terminal_gets_a_token_once(shop: Shop) -> None:
    """
    It works, and it is another one each time.
    """
    terminal = Terminal(shop, "serve", "--port", "0")
    shown = terminal.read_until("Serving sqlite:")
    shown = terminal.read_until("127.0.0.1:")
    shown += terminal.read_for(0.3)
    token = shown.partition("to choose one): ")[2].split()[0]
    address = "http://" + shown.partition("http://")[2].split()[0]

    assert ask(address, "/api/v1/subjects", as_=token)[0] == 200
    assert len(token) >= 43
    assert terminal.output.count(token) == 1
    os.kill(terminal.process.pid, signal.SIGINT)
    terminal.finish()
    assert terminal.process.returncode == 0


def test_port_in_use_is_a_clear_error(shop: Shop, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    With the exit code of what cannot be opened.
    """
    monkeypatch.setenv("GENESISDB_AUTH_TOKEN", TOKEN)
    with started(shop, "--store", "memory:") as (_, address):
        port = address.rpartition(":")[2]
        result = command("serve", "--store", "memory:", "--port", port, "--json")

    assert result.exit_code == 3
    assert json.loads(result.errors)["error"]["code"] == "address-unavailable"
    assert f"port {port}" in result.errors
    assert TOKEN not in result.errors


def test_store_that_another_process_writes_is_a_clear_error(shop: Shop) -> None:
    """
    One writer at a time; another one may serve it for reading.
    """
    with started(shop) as (_, _address):
        result = shop.run("serve", "--port", "0", **ENVIRONMENT)
        with started(shop, "--read-only") as (_, reading):
            event = {"source": "s", "subject": "/a", "type": "t", "data": {}}
            status, text = ask(reading, "/api/v1/commit", {"events": [event]})
            assert ask(reading, "/api/v1/subjects")[0] == 200

    assert result.returncode == 3
    assert "already open for writing" in result.stderr
    assert (status, json.loads(text)["code"]) == (403, "store-read-only")


def test_store_is_found_in_the_data_directory(shop: Shop, tmp_path: Path) -> None:
    """
    As with the container of a Genesis DB.
    """
    with started(shop, EVENTSOURCE_STORE="", GENESISDB_DATA_DIR=str(tmp_path)) as (_, address):
        assert ask(address, "/api/v1/subjects")[0] == 200

    assert (tmp_path / "events.db").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--store", "nonsense:"), "no store of kind"),
        (("--port", "99999"), "65535"),
        (("--heartbeat", "0"), "heartbeat"),
        (("--cert", "cert.pem"), "--cert and --key go together"),
        (("--cert", "no.pem", "--key", "no.pem"), "certificate"),
        (("SUBJECT",), "SUBJECT"),
    ],
)
def test_wrong_arguments_are_a_clear_error(
    command: Command, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    """
    Exit code 2, and what is wrong.
    """
    monkeypatch.setenv("GENESISDB_AUTH_TOKEN", TOKEN)

    result = command("serve", *arguments)

    assert result.exit_code == 2
    assert said in result.errors


def test_no_store_is_a_clear_error(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    It says how to name one.
    """
    monkeypatch.setenv("GENESISDB_AUTH_TOKEN", TOKEN)
    monkeypatch.delenv("EVENTSOURCE_STORE")
    monkeypatch.delenv("GENESISDB_DATA_DIR", raising=False)

    result = command("serve")

    assert result.exit_code == 2
    assert "--store" in result.errors


def test_missing_extra_is_a_clear_error(shop: Shop) -> None:
    """
    It says what to install.
    """
    program = (
        "import sys; sys.modules['uvicorn'] = None\n"
        "from eventsource.cli import main\n"
        "sys.argv = ['eventsource', 'serve', '--port', '0']\n"
        "sys.exit(main())"
    )

    result = subprocess.run(
        [sys.executable, "-c", program],
        env=shop.environment | ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert result.returncode == 2
    assert "pip install 'eventsource-genesisdb[server]'" in result.stderr


def test_tls(shop: Shop, tmp_path: Path) -> None:
    """
    With a certificate of one's own the address is https.
    """
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl here")
    options = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        [openssl, *options.split(), "-keyout", key, "-out", certificate], capture_output=True, check=True, timeout=60
    )
    trusting = ssl.create_default_context(cafile=str(certificate))
    with started(shop, "--cert", str(certificate), "--key", str(key)) as (_, address):
        assert address.startswith("https://")
        with urllib.request.urlopen(f"{address}/healthz", timeout=PATIENCE_S, context=trusting) as answer:  # noqa: S310
            assert answer.read() == b"ok"


@pytest.mark.parametrize(
    "tokens",
    [
        {"GENESISDB_AUTH_TOKEN": "a"},
        {"GENESISDB_AUTH_TOKEN": TOKEN, "GENESISDB_READ_TOKEN": TOKEN},
        {"GENESISDB_AUTH_TOKEN": TOKEN, "GENESISDB_WRITE_TOKEN": "aaaaaaaa"},
    ],
    ids=["short", "of two roles", "easy to guess"],
)
def test_unsafe_token_is_refused(shop: Shop, tokens: dict[str, str]) -> None:
    """
    The server does not start, and says which token is wrong without quoting it.
    """
    result = shop.run("serve", "--port", "0", **tokens)

    assert result.returncode == 2
    assert " token " in result.stderr
    assert TOKEN not in result.stderr
