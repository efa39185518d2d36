"""
Programs that a test runs in a process of their own, because they fork, kill themselves or could hang.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

# Longer than any of them takes on a busy machine: it is over only for one that hangs.
PATIENCE_S = 120


def run_program(text: str, folder: Path, *arguments: str) -> list[Any]:
    """
    Run a program in *folder*; returns the JSON values that it printed, one from each line.

    It may end as it likes, by a signal to itself, too; a traceback fails the test that runs it.
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]
