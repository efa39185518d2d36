"""
The environment that immudb's official Python client runs in: made once, in a folder of the checkout.

It is installed without what it asks for beyond its four real needs: one of the others takes over the
package ``google`` of the whole environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

from filelock import FileLock

FOLDER = Path(__file__).parents[2] / ".venv-immudb-py"
LOCK_FILE = Path(__file__).with_name("official-client.lock")

# Downloading seven wheels may take long, but not for ever.
_PATIENCE_S = 180


def official_python() -> Path:
    """
    The interpreter of the environment, which is made if it is not there.

    Raises:
        RuntimeError: It cannot be made; the message is the end of what pip said.
    """
    python = FOLDER / "bin" / "python"
    wanted = f"{sys.version}\n{LOCK_FILE.read_text(encoding='utf-8')}"
    done = FOLDER / ".installed"
    with FileLock(f"{FOLDER}.lock"):
        if done.is_file() and done.read_text(encoding="utf-8") == wanted:
            return python
        venv.create(FOLDER, clear=True)
        # To put pip into it would take longer than all the rest.
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "--quiet"]
        try:
            result = subprocess.run(
                [*pip, "install", "--no-deps", "--require-hashes", "--requirement", str(LOCK_FILE)],
                capture_output=True,
                text=True,
                check=False,
                timeout=_PATIENCE_S,
                # What our tests are run with is no business of that environment.
                env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
            )
        except subprocess.TimeoutExpired as error:
            msg = f"pip has not finished after {_PATIENCE_S} s"
            raise RuntimeError(msg) from error
        if result.returncode:
            raise RuntimeError(result.stderr.strip().rpartition("\n")[2])
        done.write_text(wanted, encoding="utf-8")
    return python


if __name__ == "__main__":
    print(official_python())  # noqa: T201  a command prints
