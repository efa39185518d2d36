"""
Who may import whom: inside the package, through its front door, and from the examples.
"""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("examples/**/*.py"))


def test_import_contracts_hold() -> None:
    """
    Every contract in pyproject.toml holds, and every folder of the package has its layer.
    """
    # In a process of its own: it disables all loggers there are, for good.
    code = """
import sys
from importlinter.cli import lint_imports
sys.exit(lint_imports(config_filename="pyproject.toml", no_cache=True))
"""

    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )

    assert result.returncode == 0, result.stdout


def test_front_door_is_light() -> None:
    """
    Importing the package loads no command line, browser page, HTTP or gRPC, and nothing that checks schemas.
    """
    # Not rich: structlog imports it wherever it finds it. The contract "extras" sees to our part.
    code = """
import sys
import eventsource
heavy = {"eventsource.cli", "eventsource.server", "grpc", "httpx", "jsonschema_rs", "nicegui", "typer", "uvicorn"}
print(*sorted(heavy & sys.modules.keys()))
"""

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert result.stdout.split() == []


@pytest.mark.parametrize("path", EXAMPLES)
def test_example_imports_public_names_only(path: str) -> None:
    """
    An example takes from the package only what a module lists in `__all__`.
    """
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"), path)

    private = [
        f"{module}.{name}"
        for module, name in _imports_from_package(tree)
        if name not in getattr(importlib.import_module(module), "__all__", ())
    ]

    assert private == []


def _imports_from_package(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """
    Each (module, name) that the code takes out of the package; name is empty for `import module`.
    """
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), names=aliases, level=0):
                pairs = [(module, alias.name) for alias in aliases]
            case ast.Import(names=aliases):
                pairs = [(alias.name, "") for alias in aliases]
            case _:
                continue
        yield from (pair for pair in pairs if pair[0].partition(".")[0] == "eventsource")
