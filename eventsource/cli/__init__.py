"""
The command line: ``eventsource`` in a terminal or a script.

It needs the extra ``cli``. `main` is all that is imported without it.
"""

from __future__ import annotations

import sys

__all__ = ["main"]

_EXTRA = {"rich", "typer"}


def main() -> int:
    """
    Run the command that this process was started with.

    Returns:
        Its exit code; 2 when the extra ``cli`` is not installed. `eventsource.cli.failures` has all of them.
    """
    try:
        from eventsource.cli.app import run  # noqa: PLC0415  the extra may be missing
        from eventsource.cli.output import hold_standard_files  # noqa: PLC0415  it too
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRA:
            raise
        sys.stderr.write(
            f"eventsource: the command line needs {missing}, which is not installed: "
            "pip install 'eventsource-genesisdb[cli]'\n"
        )
        return 2
    except KeyboardInterrupt:
        return 130
    hold_standard_files()
    return run(sys.argv[1:])
