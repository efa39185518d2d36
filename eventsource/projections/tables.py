"""
The tables of a read model: whose they are, how they are made, how they are emptied.

Emptying deletes rows and drops nothing, so that what others have put on a table stays: grants, indexes, foreign keys,
triggers, views.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import Column, MetaData, String, Table, and_, delete, func, insert, inspect, select, text
from sqlalchemy.schema import CreateColumn, sort_tables

from eventsource.projections.declaration import describe_table, stored_tables
from eventsource.projections.errors import ReadModelIncompleteError, ReadModelInUseError, TableTakenError
from eventsource.subscriptions.checkpoint import create_tables, end_epoch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from eventsource.projections.declaration import Described
    from eventsource.projections.projector import Projector
    from eventsource.subscriptions.checkpoint import Writer

_METADATA = MetaData()

_owners = Table(
    "eventsource_table_owners",
    _METADATA,
    Column("table_name", String(250), primary_key=True),
    Column("listener", String(200), nullable=False),
)

# What SQLite calls the file that it was opened with.
_MAIN: Final = "main"


# --- Owners ---


def create_owners_table(tx: Connection) -> None:
    """
    Make the table if it is not there.
    """
    create_tables(tx, _METADATA)


def claim(tx: Connection, projector: Projector) -> None:
    """
    Note that the tables are the projector's.

    A table that is not there belongs to the one who makes it, whatever was noted before.

    Raises:
        TableTakenError: One of them belongs to another projector.
    """
    existing = inspect(tx)
    for table in projector.tables:
        key = _key(tx, table)
        owner = tx.execute(select(_owners.c.listener).where(_owners.c.table_name == key)).scalar_one_or_none()
        if owner == projector.name:
            continue
        if owner is not None:
            if existing.has_table(table.name, schema=table.schema):
                raise TableTakenError(projector.name, table=str(table), owner=owner)
            # A worker that runs the former owner must not come to the table that is made now.
            end_epoch(tx, owner)
            tx.execute(delete(_owners).where(_owners.c.table_name == key))
        tx.execute(insert(_owners).values(table_name=key, listener=projector.name))


def _key(tx: Connection, table: Table) -> str:
    """
    The name of a table as the database tells tables apart.
    """
    if tx.dialect.name == "postgresql":
        quoted = tx.dialect.identifier_preparer.format_table(table)
        found = tx.execute(
            text(
                "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c "
                "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(:name)"
            ),
            {"name": quoted},
        ).one_or_none()
        if found:
            return f"{found[0]}.{found[1]}"
        schema = table.schema or tx.execute(select(func.current_schema())).scalar_one()
        return f"{schema}.{table.name}"
    schema = table.schema or (_MAIN if tx.dialect.name == "sqlite" else tx.dialect.default_schema_name or "")
    # These fold case, or may.
    return f"{schema}.{table.name}".lower()


# --- Making ---


def create_missing(tx: Connection, tables: Sequence[Table]) -> None:
    """
    Make the tables that are not there, those first to which others refer.
    """
    existing = inspect(tx)
    missing = [table for table in tables if not existing.has_table(table.name, schema=table.schema)]
    for metadata in {id(table.metadata): table.metadata for table in sort_tables(missing)}.values():
        metadata.create_all(tx, tables=[table for table in missing if table.metadata is metadata])


def require(tx: Connection, projector: Projector) -> None:
    """
    See that the tables are there with all their columns.

    Raises:
        ReadModelIncompleteError: One is not.
    """
    existing = inspect(tx)
    for table in projector.tables:
        if not existing.has_table(table.name, schema=table.schema):
            raise ReadModelIncompleteError(projector.name, table=table.name)
        there = _columns(tx, table)
        if missing := next((column.name for column in table.columns if column.name not in there), None):
            raise ReadModelIncompleteError(projector.name, table=table.name, column=missing)


def _columns(tx: Connection, table: Table) -> dict[str, Any]:
    return {column["name"]: column for column in inspect(tx).get_columns(table.name, schema=table.schema)}


# --- Emptying ---


def empty(tx: Connection, projector: Projector, *, wrote: Writer | None) -> None:
    """
    Delete all rows of the projector's tables, and make the tables what it declares.

    A new column is added. A table whose columns, keys or constraints are others is made anew, if nothing of others
    hangs on it.

    Args:
        wrote: The code that filled them, if known.

    Raises:
        ReadModelInUseError: Rows or objects of others are in the way.
    """
    existing = inspect(tx)
    there = [table for table in projector.tables if existing.has_table(table.name, schema=table.schema)]
    for table in there:
        _check_rows_of_others(tx, projector, table)
    _delete_rows(tx, there)
    _restart_numbering(tx, there)
    noted = stored_tables(wrote) if wrote else {}
    plans = [_compare(tx, table, noted.get(str(table))) for table in there]
    remade = [plan.table for plan in plans if plan.is_remade]
    # A table that refers to one that is made anew goes with it.
    while more := [table for table in there if table not in remade and _refers_to(table, remade)]:
        remade += more
    for plan in plans:
        if plan.table in remade:
            _check_nothing_hangs_on(tx, projector, plan)
    for table in reversed(sort_tables(remade)):
        table.drop(tx)
    for plan in plans:
        if plan.table not in remade:
            for column in plan.added:
                definition = CreateColumn(column).compile(dialect=tx.dialect)
                name = tx.dialect.identifier_preparer.format_table(plan.table)
                tx.exec_driver_sql(f"ALTER TABLE {name} ADD COLUMN {definition}")
    create_missing(tx, projector.tables)
    _let_go_of_others(tx, projector)


def _let_go_of_others(tx: Connection, projector: Projector) -> None:
    """
    Empty the tables that were the projector's before, and give them up.
    """
    kept = [_key(tx, table) for table in projector.tables]
    mine = and_(_owners.c.listener == projector.name, _owners.c.table_name.not_in(kept))
    for key in tx.execute(select(_owners.c.table_name).where(mine)).scalars().all():
        schema, _, name = key.partition(".")
        if inspect(tx).has_table(name, schema=None if tx.dialect.name == "sqlite" and schema == _MAIN else schema):
            left = Table(name, MetaData(), schema=schema)
            _check_rows_of_others(tx, projector, left)
            tx.execute(delete(left))
    tx.execute(delete(_owners).where(mine))


def _delete_rows(tx: Connection, tables: Sequence[Table]) -> None:
    if not tables:
        return
    if tx.dialect.name == "postgresql":
        names = [tx.dialect.identifier_preparer.format_table(table) for table in tables]
        # One statement, for the foreign keys between them are looked at behind it, whichever way they point.
        parts = ", ".join(
            f"deleted_{number} AS (DELETE FROM {name})"  # noqa: S608  quoted names
            for number, name in enumerate(names[1:])
        )
        with_others = f"WITH {parts} " if parts else ""
        tx.exec_driver_sql(f"{with_others}DELETE FROM {names[0]}")  # noqa: S608  quoted names
        tx.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
        return
    if tx.dialect.name == "sqlite":
        # Likewise: looked at before the commit.
        tx.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    for table in reversed(sort_tables(tables)):
        tx.execute(delete(table))


def _restart_numbering(tx: Connection, tables: Sequence[Table]) -> None:
    """
    Let numbers that the database gives begin as in a new table.
    """
    if tx.dialect.name == "sqlite":
        if inspect(tx).has_table("sqlite_sequence"):
            for table in tables:
                tx.execute(text("DELETE FROM sqlite_sequence WHERE lower(name) = lower(:name)"), {"name": table.name})
    elif tx.dialect.name == "postgresql":
        for table in tables:
            sequences = tx.execute(
                text(
                    "SELECT c.oid::regclass::text FROM pg_catalog.pg_depend d "
                    "JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind = 'S' "
                    "WHERE d.refobjid = to_regclass(:name) AND d.deptype IN ('a', 'i') "
                    "AND pg_has_role(c.relowner, 'USAGE')"
                ),
                {"name": tx.dialect.identifier_preparer.format_table(table)},
            )
            for (sequence,) in sequences.all():
                tx.exec_driver_sql(f"ALTER SEQUENCE {sequence} RESTART")


# --- What belongs to others ---


def _check_rows_of_others(tx: Connection, projector: Projector, table: Table) -> None:
    """
    See that deleting rows of *table* neither fails for rows of others nor takes them along.
    """
    if tx.dialect.name == "postgresql":
        # No row of others comes to refer to it meanwhile; it can still be read.
        name = tx.dialect.identifier_preparer.format_table(table)
        tx.exec_driver_sql(f"LOCK TABLE {name} IN EXCLUSIVE MODE")
    for reference in _references(tx, projector, table):
        columns = " AND ".join(f"{column} IS NOT NULL" for column in reference.columns)
        if tx.exec_driver_sql(f"SELECT 1 FROM {reference.table} WHERE {columns} LIMIT 1").first():  # noqa: S608  quoted
            reason = (
                f"rows of table {reference.table} refer to it with a foreign key; keep both tables in one projector, "
                "or drop that foreign key, and rebuild"
            )
            raise ReadModelInUseError(projector.name, table=table.name, reason=reason)


@attrs.frozen
class _Reference:
    """
    A foreign key of a table of others, with quoted names.
    """

    table: str
    columns: tuple[str, ...]


def _references(tx: Connection, projector: Projector, table: Table) -> Iterator[_Reference]:
    own = {_key(tx, each) for each in projector.tables}
    if tx.dialect.name == "postgresql":
        rows = tx.execute(
            text(
                "SELECT n.nspname, c.relname, k.conrelid::regclass::text, (SELECT array_agg(quote_ident(a.attname)) "
                "FROM pg_catalog.pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)) "
                "FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid "
                "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
                "WHERE k.contype = 'f' AND k.confrelid = to_regclass(:name)"
            ),
            {"name": tx.dialect.identifier_preparer.format_table(table)},
        )
        for schema, name, quoted, columns in rows.all():
            if f"{schema}.{name}" not in own:
                yield _Reference(quoted, tuple(columns))
        return
    inspector, quote = inspect(tx), tx.dialect.identifier_preparer.quote
    for name in inspector.get_table_names(schema=table.schema):
        other = Table(name, MetaData(), schema=table.schema)
        if _key(tx, other) in own:
            continue
        for key in inspector.get_foreign_keys(name, schema=table.schema):
            if key["referred_table"].lower() == table.name.lower():
                columns = tuple(map(quote, key["constrained_columns"]))
                yield _Reference(tx.dialect.identifier_preparer.format_table(other), columns)


@attrs.frozen
class _Plan:
    """
    How a table becomes what is declared.

    Attributes:
        added: Columns that are added to it.

        is_remade: True if it has to be made anew.

        surplus: Columns that it has and that were never declared.
    """

    table: Table
    added: tuple[Column[Any], ...]
    is_remade: bool
    surplus: tuple[str, ...]


def _compare(tx: Connection, table: Table, noted: Described | None) -> _Plan:
    there = _columns(tx, table)
    added = tuple(column for column in table.columns if column.name not in there)
    declared = {column.name for column in table.columns}
    before = noted["columns"] if noted else {}
    surplus = tuple(name for name in there if name not in declared)
    # One that must be filled, and that the handlers do not fill.
    is_remade = any(name in before or _must_be_given(there[name]) for name in surplus)
    is_remade = is_remade or any(column.primary_key or column.computed is not None for column in added)
    if noted:
        now = describe_table(table, tx.dialect)
        is_remade = is_remade or noted["constraints"] != now["constraints"]
        is_remade = is_remade or any(
            before[name] != now["columns"][name] for name in before.keys() & now["columns"].keys()
        )
    unknown = tuple(name for name in surplus if name not in before and not _must_be_given(there[name]))
    return _Plan(table, added, is_remade, unknown)


def _must_be_given(column: Any) -> bool:
    return not column["nullable"] and column.get("default") is None and not column.get("computed")


def _refers_to(table: Table, others: Sequence[Table]) -> bool:
    return any(key.column.table in others for key in table.foreign_keys)


def _check_nothing_hangs_on(tx: Connection, projector: Projector, plan: _Plan) -> None:
    hanging = [f"column {name}" for name in plan.surplus]
    hanging += [f"foreign key of {reference.table}" for reference in _references(tx, projector, plan.table)]
    hanging += _objects_on(tx, plan.table)
    if hanging:
        reason = (
            "its columns, keys or constraints are others now, so it has to be made anew, and that would drop what "
            f"hangs on it: {', '.join(sorted(set(hanging)))}; drop or alter the table by hand, or give it another name "
            "in the projector, and rebuild"
        )
        raise ReadModelInUseError(projector.name, table=plan.table.name, reason=reason)


_POSTGRESQL_OBJECTS: Final = text("""
SELECT CASE v.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || v.oid::regclass
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
JOIN pg_catalog.pg_class v ON v.oid = r.ev_class
WHERE d.refobjid = to_regclass(:name) AND d.classid = 'pg_catalog.pg_rewrite'::regclass AND v.oid <> d.refobjid
UNION SELECT 'rule ' || rulename FROM pg_catalog.pg_rewrite WHERE ev_class = to_regclass(:name)
UNION SELECT 'trigger ' || tgname FROM pg_catalog.pg_trigger WHERE tgrelid = to_regclass(:name) AND NOT tgisinternal
UNION SELECT 'policy ' || polname FROM pg_catalog.pg_policy WHERE polrelid = to_regclass(:name)
UNION SELECT 'publication ' || p.pubname FROM pg_catalog.pg_publication_rel r
    JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = to_regclass(:name)
UNION SELECT 'table ' || inhrelid::regclass FROM pg_catalog.pg_inherits WHERE inhparent = to_regclass(:name)
UNION SELECT 'grant to ' || CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END
    FROM pg_catalog.pg_class c, aclexplode(c.relacl) a WHERE c.oid = to_regclass(:name) AND a.grantee <> c.relowner
UNION SELECT 'grant to ' || CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END
    FROM pg_catalog.pg_attribute t, aclexplode(t.attacl) a WHERE t.attrelid = to_regclass(:name)
""")

_POSTGRESQL_INDEXES: Final = text(
    "SELECT c.relname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid "
    "WHERE i.indrelid = to_regclass(:name) "
    "AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid)"
)


def _objects_on(tx: Connection, table: Table) -> list[str]:
    """
    What a DROP would take along, or fail for.
    """
    declared = {str(index.name) for index in table.indexes}
    if tx.dialect.name == "postgresql":
        name = {"name": tx.dialect.identifier_preparer.format_table(table)}
        objects = list(tx.execute(_POSTGRESQL_OBJECTS, name).scalars())
        indexes = tx.execute(_POSTGRESQL_INDEXES, name).scalars()
        return objects + [f"index {index}" for index in indexes if index not in declared]
    if tx.dialect.name == "sqlite":
        mentions = re.compile(rf"\b{re.escape(table.name)}\b", re.IGNORECASE)
        master = tx.exec_driver_sql("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL").all()
        return [
            f"{kind} {name}"
            for kind, name, of, sql in master
            if (kind in {"view", "trigger"} and mentions.search(sql))
            or (kind == "index" and of.lower() == table.name.lower() and name not in declared)
        ]
    return []
