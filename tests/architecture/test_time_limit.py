"""
The time limit of tests: one that hangs fails by its name.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

HANGING = """
import asyncio
import threading


async def test_waits_for_an_event():
    await asyncio.Event().wait()


async def test_blocks_its_loop():
    threading.Event().wait()


def test_joins_a_thread():
    waiting = threading.Thread(target=threading.Event().wait, daemon=True)
    waiting.start()
    waiting.join()
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_hanging_test_is_named(tmp_path: Path, loop: str) -> None:
    """
    Whatever it waits for, and on which loop, it fails with its own name, and those after it run.
    """
    (tmp_path / "test_hanging.py").write_text(HANGING)
    (tmp_path / "conftest.py").write_text(
        "from tests.event_loops import LOOPS\n"
        f"def pytest_asyncio_loop_factories(item): return {{{loop!r}: LOOPS[{loop!r}]}}\n"
    )
    command = ["-m", "pytest", f"--config-file={ROOT / 'pyproject.toml'}", f"--rootdir={tmp_path}", "--timeout=1"]

    run = subprocess.run(
        [sys.executable, *command, "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )

    failed = {line.split("::")[1].split(" ")[0] for line in run.stdout.splitlines() if line.startswith("FAILED ")}
    assert failed == {"test_waits_for_an_event", "test_blocks_its_loop", "test_joins_a_thread"}, run.stdout + run.stderr
    assert run.stdout.count("Failed: Timeout (>1.0s)") >= len(failed)
