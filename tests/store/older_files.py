"""
Store files as earlier releases wrote them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw

if TYPE_CHECKING:
    from pathlib import Path

# What takes a format back to the one before it.
_BACK = {
    5: "ALTER TABLE events DROP COLUMN subjects;",
    4: "DROP INDEX events_command_id;",
    3: "DROP TABLE commit_keys; DROP TABLE schemas; DROP TABLE data_references; DROP TABLE imported_events; "
    "DROP TABLE unfinished_erasures;",
    2: "DROP INDEX events_type; DROP TABLE data_index_entries; DROP TABLE data_indexes;",
}


def make_older(path: Path, to_format: int) -> None:
    """
    Make a closed store file one of an earlier format.
    """
    connection = apsw.Connection(str(path))
    for newer in range(connection.pragma("user_version"), to_format, -1):
        connection.execute(_BACK[newer])
    connection.execute(f"PRAGMA user_version = {to_format}")
    connection.close()


def describe(path: Path) -> list[tuple[object, ...]]:
    """
    The format of a closed store file, and all that is declared in it.
    """
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    declared = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").fetchall()
    found: list[tuple[object, ...]] = [("format", connection.pragma("user_version")), *declared]
    connection.close()
    return found
