"""
The command as a whole: its help, its version, its errors and exit codes.
"""

import json
import subprocess
import sys

import pytest

from tests.cli.shop import PATIENCE_S, Command, Shop, paid


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_missing_extra_is_told_with_the_way_to_install_it(missing: str) -> None:
    """
    Without typer or rich the command says what to install and exits with 2.
    """
    code = f"import sys; sys.modules['{missing}'] = None; from eventsource.cli import main; sys.exit(main())"

    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )

    assert result.returncode == 2
    assert "pip install 'eventsource-genesisdb[cli]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_version_is_one_line(command: Command) -> None:
    """
    --version prints the version and nothing else; with --json as an object.
    """
    in_words = command("--version")
    as_json = command("--version", "--json")

    assert in_words.exit_code == 0
    assert json.loads(as_json.output) == {"version": in_words.output.strip()}


@pytest.mark.parametrize(("typed", "shown"), [((), "stream"), (("project",), "rebuild")])
def test_without_a_command_the_commands_are_shown(command: Command, typed: tuple[str, ...], shown: str) -> None:
    """
    Where a command is missing that is a usage error, and help tells which ones there are.
    """
    result = command(*typed)

    assert result.exit_code == 2
    assert result.errors.startswith("Usage: eventsource ")
    assert f"\n  {shown} " in result.errors


def test_json_before_the_command_is_refused(command: Command) -> None:
    """
    An option that would be passed over in silence is a usage error.
    """
    result = command("--json", "ping")

    assert result.exit_code == 2
    assert "--json belongs behind the command" in result.errors


def test_help_tells_the_exit_codes(command: Command) -> None:
    """
    --help documents what the commands exit with.
    """
    result = command("--help")

    assert result.exit_code == 0
    assert "Exit codes: 0 done; 1 a projector failed" in " ".join(result.output.split())


def test_missing_store_is_a_usage_error(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A command without a store says which option is missing and how else it is given.
    """
    monkeypatch.delenv("EVENTSOURCE_STORE")

    result = command("ping")

    assert result.exit_code == 2
    assert "--store" in result.errors


def test_usage_error_in_json(command: Command) -> None:
    """
    With --json what typer refuses is an error object, too.
    """
    result = command("ping", "--json", "--no-such-option")

    error = json.loads(result.errors)["error"]
    assert result.exit_code == 2
    assert error["code"] == "usage"
    assert "--no-such-option" in error["message"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code"),
    [
        (("stream", "no/slash"), 2, "invalid-subject"),
        (("stream", "/", "--lower-bound", "nowhere"), 2, "event-not-found"),
        (("ping", "--store", "memory:"), 2, "invalid-store-url"),
        (("ping", "--store", "mysql://somewhere"), 2, "invalid-store-url"),
        (("ping", "--store", "sqlite:no-such-file.db"), 3, "not-a-store"),
        (("project", "status", "shop_projectors:Balances", "--database", "read.db"), 2, "read-model-database-url"),
        (("project", "run", "shop_projectors:Balances", "--database", "nosql://x"), 2, "read-model-database-url"),
        (("project", "run", "shop_projectors:Balances", "--database", "sqlite:///no/d.db"), 3, "database-unavailable"),
        (("project", "status", "shop_projectors:Nothing"), 2, "projector-not-loaded"),
    ],
)
def test_error_has_its_exit_code_and_its_code(
    command: Command, arguments: tuple[str, ...], exit_code: int, code: str
) -> None:
    """
    Each error ends as one object on standard error with --json, and never as a traceback.
    """
    result = command(*arguments, "--json")

    assert result.exit_code == exit_code
    assert json.loads(result.errors)["error"]["code"] == code
    assert result.output == ""


def test_error_in_words_is_one_line(command: Command) -> None:
    """
    Without --json it is a sentence behind the name of the program.
    """
    result = command("stream", "no/slash")

    assert result.errors.startswith("eventsource: not a subject: 'no/slash': ")
    assert result.errors.count("\n") == 1


def test_password_of_a_database_is_not_shown(command: Command) -> None:
    """
    A database that is not understood is told by its kind, without the password.
    """
    result = command("project", "run", "shop_projectors:Balances", "--database", "nosql://me:secret@host/db")

    assert "'nosql'" in result.errors
    assert "secret" not in result.errors


def test_full_disk_is_told(shop: Shop) -> None:
    """
    Results that cannot be written end the command with 3, which is no finding, and a sentence.
    """
    shop.commit([paid(5)])
    with open("/dev/full", "w") as full:  # noqa: PTH123  a device
        result = subprocess.run(
            [sys.executable, "-m", "eventsource.cli", "stream", "/"],
            env=shop.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    assert result.returncode == 3
    assert result.stderr == "eventsource: cannot write to standard output: No space left on device\n"
