"""
The declaration of a projector: what it writes, what it reads, and as which version.

It is compared with the declaration of what wrote before.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import CheckConstraint, Enum, ForeignKeyConstraint, UniqueConstraint

from eventsource.subscriptions.checkpoint import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Column, Dialect, Table

    from eventsource.projections.projector import Projector

Described = dict[str, dict[str, str]]


def writer_of(projector: Projector, dialect: Dialect) -> Writer:
    """
    The projector as the writer of its read model.

    The declaration holds what the rows depend on: its tables with their columns, types, keys and constraints, the
    events that it handles, its subject and its version. Plain indexes change no row and are left out. The code of the
    handlers cannot be compared; for that there is the version.
    """
    declaration = json.dumps(
        {
            "version": projector.version,
            "subject": str(projector.subject),
            "events": sorted(projector.handled_types()),
            "tables": {str(table): describe_table(table, dialect) for table in projector.tables},
        },
        sort_keys=True,
    )
    return Writer(projector.version, hashlib.sha256(declaration.encode()).hexdigest(), declaration)


def describe_table(table: Table, dialect: Dialect) -> Described:
    """
    The columns and the constraints of a table, each as text.
    """
    constraints: set[str] = set(_constraints(table, dialect))
    return {
        "columns": {column.name: _describe_column(column, dialect) for column in table.columns},
        "constraints": dict.fromkeys(sorted(constraints), ""),
    }


def stored_tables(writer: Writer) -> dict[str, Described]:
    """
    The tables in a stored declaration; none for one that was not noted.
    """
    tables: dict[str, Described] = json.loads(writer.declaration)["tables"] if writer.declaration else {}
    return tables


def changes_between(old: Writer, new: Writer) -> tuple[str, ...]:
    """
    What is declared otherwise now, in words. Where the old declaration was not noted, only the version is compared.
    """
    if old.fingerprint == new.fingerprint:
        return ()
    if not old.declaration:
        return () if old.version == new.version else (f"version {old.version} is {new.version} now",)
    before: dict[str, Any] = json.loads(old.declaration)
    after: dict[str, Any] = json.loads(new.declaration)
    return tuple(_changes(before, after)) or ("its declaration",)


def _changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for name in ("version", "subject"):
        if before[name] != after[name]:
            yield f"{name} {before[name]} is {after[name]} now"
    for event in sorted(set(before["events"]) ^ set(after["events"])):
        yield f"it handles {event} now" if event in after["events"] else f"it does not handle {event} any more"
    for table in sorted(set(before["tables"]) | set(after["tables"])):
        if table not in after["tables"]:
            yield f"table {table} is not its own any more"
        elif table not in before["tables"]:
            yield f"table {table} is new"
        else:
            yield from _table_changes(table, before["tables"][table], after["tables"][table])


def _table_changes(table: str, before: Described, after: Described) -> Iterator[str]:
    old, new = before["columns"], after["columns"]
    for column in sorted(set(old) | set(new)):
        if column not in new:
            yield f"column {column} of table {table} is gone"
        elif column not in old:
            yield f"column {column} of table {table} is new"
        elif old[column] != new[column]:
            yield f"column {column} of table {table} was {old[column]} and is {new[column]}"
    for constraint in sorted(set(before["constraints"]) ^ set(after["constraints"])):
        what = "has" if constraint in after["constraints"] else "had"
        yield f"table {table} {what} the constraint {constraint}"


def _describe_column(column: Column[Any], dialect: Dialect) -> str:
    parts = [str(column.type.compile(dialect=dialect)), "" if column.nullable else "NOT NULL"]
    default = getattr(column.server_default, "arg", None)
    if default is not None:
        parts.append(f"DEFAULT {default}")
    if column.computed is not None:
        parts.append(f"AS {column.computed.sqltext}")
    if column.identity is not None:
        parts.append("IDENTITY")
    if isinstance(column.type, Enum):
        parts.append(f"OF {column.type.enums}")
    return " ".join(part for part in parts if part)


def _constraints(table: Table, dialect: Dialect) -> Iterator[str]:
    yield f"PRIMARY KEY ({', '.join(column.name for column in table.primary_key.columns)})"
    for constraint in table.constraints:
        match constraint:
            case UniqueConstraint():
                yield f"UNIQUE ({', '.join(sorted(column.name for column in constraint.columns))})"
            case CheckConstraint():
                yield f"CHECK ({constraint.sqltext.compile(dialect=dialect, compile_kwargs={'literal_binds': True})})"
            case ForeignKeyConstraint():
                targets = ", ".join(element.target_fullname for element in constraint.elements)
                rule = f" ON DELETE {constraint.ondelete}" if constraint.ondelete else ""
                yield f"FOREIGN KEY ({', '.join(constraint.column_keys)}) TO ({targets}){rule}"
            case _:
                pass
    for index in table.indexes:
        if index.unique:
            yield f"UNIQUE ({', '.join(sorted(str(expression) for expression in index.expressions))})"
