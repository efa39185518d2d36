"""
Where an immudb is, and who comes to it.
"""

from __future__ import annotations

import re
from typing import Final, Self
from urllib.parse import unquote

import attrs

from eventsource.errors import InvalidImmudbUrlError

DEFAULT_HOST: Final = "localhost"
DEFAULT_PORT: Final = 3322
DEFAULT_DATABASE: Final = "defaultdb"

_URL: Final = re.compile(
    r"(?:(?P<scheme>immudbs?)://)?"
    r"(?:(?P<user>[^:@/?#]*)(?::(?P<password>[^@/?#]*))?@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:@/?#\s\[\]]*)"
    r"(?::(?P<port>\d{1,5}))?"
    r"(?:/(?P<database>[^/?#]*))?/?"
)
_MAX_PORT: Final = 65_535


@attrs.frozen
class Address:
    """
    A server, and what to be there.

    Attributes:
        host: A name or an address; IPv6 in brackets.

        port: The port.

        database: The one to begin with.

        user: Who logs in; None if that is told later.

        password: Of the user. It appears in no text made here.

        uses_tls: Whether the connection is encrypted.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    database: str = DEFAULT_DATABASE
    user: str | None = None
    password: str | None = attrs.field(default=None, repr=False)
    uses_tls: bool = False

    @classmethod
    def parse(cls, url: str) -> Self:
        """
        Read ``immudb://user:password@host:port/database``, ``immudbs://…`` for TLS, or ``host:port``.

        User, password, port and database may be left out. Characters that mean something in a URL are
        written as ``%XX``.

        >>> Address.parse("immudb://ada:secret@db.example.com/bank")
        Address(host='db.example.com', port=3322, database='bank', user='ada', uses_tls=False)

        Raises:
            InvalidImmudbUrlError: It is none of these; the error quotes neither user nor password.
        """
        found = _URL.fullmatch(url)
        if found is None:
            raise InvalidImmudbUrlError(url, "it cannot be read")
        port = int(found["port"] or DEFAULT_PORT)
        if not 0 < port <= _MAX_PORT:
            raise InvalidImmudbUrlError(url, "there is no such port")
        if not found["host"]:
            raise InvalidImmudbUrlError(url, "it has no host")
        return cls(
            host=found["host"],
            port=port,
            database=unquote(found["database"] or DEFAULT_DATABASE),
            user=unquote(found["user"]) if found["user"] else None,
            password=unquote(found["password"]) if found["password"] is not None else None,
            uses_tls=found["scheme"] == "immudbs",
        )

    @property
    def target(self) -> str:
        """
        ``host:port``: what gRPC connects to, and what errors and logs call the server.
        """
        return f"{self.host}:{self.port}"

    @property
    def is_this_machine(self) -> bool:
        """
        Whether what is sent stays on this machine.
        """
        return self.host in {"localhost", "[::1]"} or self.host.startswith("127.")
