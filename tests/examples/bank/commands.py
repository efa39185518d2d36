"""
The bank's command line, as a process of its own.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

BANK = [sys.executable, "-m", "examples.bank"]


def run_bank(*arguments: str | Path, timeout_s: float | None = None) -> subprocess.CompletedProcess[str]:
    """
    Run a command to its end.
    """
    return subprocess.run(
        [*BANK, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False
    )


def start_bank(*arguments: str | Path) -> subprocess.Popen[str]:
    """
    Start a command and leave it running. Its complaints go where its output goes.
    """
    return subprocess.Popen(
        [*BANK, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
