"""
The contract suite in the hands of somebody else: it runs with one fixture, finds a store that lies, and skips openly.
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

from eventsource.testing.contract import Capability, StoreKind, suite
from tests.docs.run_docs import read_examples

ROOT = Path(__file__).parents[2]
(PAGE_EXAMPLE, *_) = read_examples((ROOT / "docs/contract-suite.md").read_text(encoding="utf-8"))

LYING_STORE = """
class Forgetful(InMemoryEventStore):
    async def count(self, subject="/", *, recursive=True, lower_bound=None):
        return 0

def open_mine(folder, *, source, clock, new_id):
    return Forgetful(source=source, clock=clock, new_id=new_id)
"""


def run(module: str, folder: Path, *arguments: str) -> str:
    """
    Run a test module in a folder where no configuration of ours applies.
    """
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_my_store.py").write_text(module, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return result.stdout + result.stderr


def test_the_page_shows_all_it_takes(tmp_path: Path) -> None:
    """
    The module on the page runs the suite, in pytest-asyncio's strict mode too.
    """
    output = run(PAGE_EXAMPLE.code, tmp_path, "-k", "TestCount or TestLifecycle")

    assert " passed" in output, output
    assert "failed" not in output
    assert "skipped" not in output


def test_a_store_that_lies_is_found(tmp_path: Path) -> None:
    """
    A store that miscounts fails, and the failure shows the values.
    """
    output = run(PAGE_EXAMPLE.code + LYING_STORE, tmp_path, "-k", "TestCount and beyond_a_page")

    assert "1 failed" in output, output
    assert "assert 0 == 3333" in output


def test_what_a_kind_lacks_is_skipped_by_name(tmp_path: Path) -> None:
    """
    A test that needs what the kind lacks is skipped, and says what that is.
    """
    lacking = PAGE_EXAMPLE.code.replace(
        "StoreKind(open_mine)",
        "StoreKind(open_mine, lacks=frozenset(Capability))\n\nfrom eventsource.testing.contract import Capability",
    )

    output = run(lacking, tmp_path, "-k", "test_ids_come_from_new_id or test_an_empty_store_is_intact")

    assert "2 skipped" in output, output
    assert "this kind of store lacks CLOCK" in output
    assert "this kind of store lacks WHOLE" in output


def test_every_module_of_tests_is_in_the_suite() -> None:
    """
    A module that is added is run.
    """
    folder = Path(inspect.getfile(suite)).parent
    modules = {path.stem for path in folder.glob("*.py") if "def test_" in path.read_text(encoding="utf-8")}

    classes = {name for name in suite.__all__ if name.startswith("Test")}

    assert classes == {"Test" + module.title().replace("_", "") for module in modules}


def test_effort_is_a_share_of_the_rounds() -> None:
    """
    At least one round is left.
    """
    kind = StoreKind(lambda *_, **__: None, effort=0.2)  # type: ignore[arg-type]  # it is not opened

    assert (kind.rounds(100), kind.rounds(1), kind.lacks) == (20, 1, frozenset[Capability]())
