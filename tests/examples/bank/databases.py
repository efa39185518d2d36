"""
Looking into a read-model file without any of our code.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

CHECKPOINTS = '"eventsource_checkpoints"'


def dump(file: Path) -> list[str]:
    """
    All read models in the file, a row a line, in the order of the lines' texts.

    Without the checkpoints: they may stay behind a little while nothing changes in the read model.
    """
    with closing(_open(file)) as connection:
        return sorted(line for line in connection.iterdump() if CHECKPOINTS not in line)


def query(file: Path, statement: str) -> list[Any]:
    """
    The rows that a statement finds.
    """
    with closing(_open(file)) as connection:
        return connection.execute(statement).fetchall()


def _open(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)
