"""
`module:Projector`: what it may name, and what is said when it names nothing.
"""

import json
import subprocess
import sys

import pytest

from tests.cli.shop import PATIENCE_S, Command, Shop, paid


def test_current_directory_is_searched_by_the_installed_command(shop: Shop) -> None:
    """
    The console script, which has its own directory on the path, finds modules beside the user.
    """
    shop.commit([paid(5)])
    # -P keeps the current directory off the path, as it is for a console script.
    program = [sys.executable, "-P", "-c", "import sys; from eventsource.cli import main; sys.exit(main())"]

    result = subprocess.run(
        [*program, "project", "run", "--once", "shop_projectors:Balances"],
        cwd=shop.directory,
        env=shop.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert shop.balances() == {"/accounts/1": 5}


def test_instance_is_taken_as_it_is(command: Command) -> None:
    """
    A projector that needs arguments is named by an instance.
    """
    result = command("project", "status", "--json", "shop_projectors:needy")

    assert [status["projector"] for status in json.loads(result.output)] == ["needy"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_such_module:Balances", "there is no module 'no_such_module' in "),
        ("shop_projectors.deeper:Balances", "there is no module 'shop_projectors.deeper' in "),
        ("shop_projectors:Nothing", "module shop_projectors has no 'Nothing'"),
        ("shop_projectors:NOT_A_PROJECTOR", "NOT_A_PROJECTOR is no projector"),
        ("shop_projectors:Paid", "Paid is no projector"),
        ("shop_projectors:Abstract", "Abstract is an abstract projector"),
        ("shop_projectors:Needy", "make an instance in its module and name that"),
        ("shop_projectors", "names no projector: write module:Projector"),
        ("shop_projectors:", "names no projector: write module:Projector"),
    ],
)
def test_name_of_no_projector_is_a_usage_error(command: Command, name: str, said: str) -> None:
    """
    One line says what is wrong with the name, and the exit code is 2.
    """
    result = command("project", "status", name)

    assert result.exit_code == 2
    assert said in result.errors
    assert result.errors.count("\n") == 1


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def", "SyntaxError: invalid syntax"),
        ("import sys; sys.exit('no')", "SystemExit: no"),
        ("import not_installed_here", "ModuleNotFoundError: No module named 'not_installed_here'"),
        ("from eventsource import Event\nclass E(Event): ...", "DeclarationError: E has no event type"),
    ],
)
def test_module_that_fails_is_told_with_its_error(shop: Shop, command: Command, code: str, said: str) -> None:
    """
    What a module raises when it is imported is named, whatever it is.
    """
    (shop.directory / "broken.py").write_text(f"\n{code}\n")

    result = command("project", "status", "broken:Balances")

    assert result.exit_code == 2
    assert result.errors.startswith(f"eventsource: module broken fails when it is imported: {said}")


def test_place_where_a_module_fails_is_told(shop: Shop, command: Command) -> None:
    """
    The message ends with file and line.
    """
    path = shop.directory / "broken.py"
    path.write_text("\n\n1 / 0\n")

    result = command("project", "status", "broken:Balances")

    assert result.errors.endswith(f"({path}, line 3)\n")


def test_one_projector_twice_is_refused(command: Command) -> None:
    """
    Two projectors of one name would move one checkpoint.
    """
    result = command("project", "run", "shop_projectors:Balances", "shop_projectors:Balances")

    assert result.exit_code == 2
    assert "there is already a projector named 'balances'" in result.errors
