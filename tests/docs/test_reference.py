"""
The reference is made from the docstrings of today.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_reference_is_up_to_date() -> None:
    """
    `make reference` would change nothing; each public name is explained in a sentence.
    """
    made = subprocess.run(
        [sys.executable, "docs/make_reference.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert made.returncode == 0, f"run `make reference` and commit docs/reference.md\n{made.stdout}{made.stderr}"
    rows = [line for line in (ROOT / "docs" / "reference.md").read_text().splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert [row for row in rows if row.endswith("|  |")] == []
