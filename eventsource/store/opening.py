"""
Opening a store by its URL.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from eventsource.store.embedded import EmbeddedEventStore
from eventsource.store.memory import InMemoryEventStore
from eventsource.wire.errors import InvalidStoreUrlError

if TYPE_CHECKING:
    from eventsource.store.interface import EventStore


def connect(url: str, *, read_only: bool = False, source: str = "eventsource", token: str | None = None) -> EventStore:
    """
    The store that *url* names; it is opened by ``async with``.

    Args:
        url: ``memory:`` for a store that is gone when it is closed; ``sqlite:PATH`` for one file,
            such as ``sqlite:bank.db`` or ``sqlite:/var/lib/bank/bank.db``; ``http://HOST:PORT`` or
            ``https://HOST`` for a Genesis DB. SQLAlchemy's spelling is understood: three slashes and a
            relative path, or four and an absolute one. SQLite's own is refused: ``sqlite::memory:``,
            ``sqlite:file:bank.db?mode=ro``; a path with a question mark goes to `EmbeddedEventStore`.

        read_only: Read and observe only, while another process writes. Of a server's store, too: this side
            refuses, whatever the token allows.

        source: The CloudEvents source of events that name none: which system wrote them.

        token: What the server asks for; by default what ``GENESISDB_AUTH_TOKEN`` says. For files and
            memory there is none.

    Raises:
        InvalidStoreUrlError: *url* is none of these, or holds a password.
        ValueError: *token* is given for a store that asks for none, or cannot be sent.
    """
    kind, separator, rest = url.partition(":")
    if kind.lower() in {"http", "https"}:
        return _connect_to_server(url, read_only=read_only, source=source, token=token)
    if token is not None:
        msg = "a store without a server asks for no token"
        raise ValueError(msg)
    if not separator:
        raise InvalidStoreUrlError(url, "it has no kind")
    kind = kind.lower()
    if kind == "memory":
        if rest or read_only:
            raise InvalidStoreUrlError(url, "a store in memory has no path, and nobody else to read from")
        return InMemoryEventStore(source=source)
    if kind == "sqlite":
        return EmbeddedEventStore(_sqlite_path(url, rest), read_only=read_only, source=source)
    raise InvalidStoreUrlError(_without_password(url), f"there is no store of kind {kind!r}")


def _connect_to_server(url: str, *, read_only: bool, source: str, token: str | None) -> EventStore:
    # Whoever keeps events in a file needs no HTTP.
    from eventsource.store.genesisdb import GenesisDBEventStore  # noqa: PLC0415

    return GenesisDBEventStore(url, token=token, source=source, read_only=read_only)


def _sqlite_path(url: str, rest: str) -> str:
    """
    The path behind ``sqlite:``.

    Raises:
        InvalidStoreUrlError: There is none, or SQLite would understand something else by it.
    """
    # SQLAlchemy writes three slashes before a relative path, four before an absolute one.
    path = re.sub("^///", "", rest)
    if path.lower().startswith(":memory:"):
        raise InvalidStoreUrlError(url, "a store in memory is called 'memory:'")
    if path.lower().startswith("file:"):
        raise InvalidStoreUrlError(url, "a path is wanted, no SQLite URI; to read only, pass read_only=True")
    if "?" in path:
        reason = "it takes no options; to read only, pass read_only=True, and a path with '?' to EmbeddedEventStore"
        raise InvalidStoreUrlError(url, reason)
    if path.startswith("//"):
        raise InvalidStoreUrlError(
            _without_password(url), "a file has no host: write 'sqlite:/PATH' for an absolute path"
        )
    if not path.strip() or path.endswith("/"):
        raise InvalidStoreUrlError(url, "the path is missing" if not path.strip() else "the path names a directory")
    if "\0" in path:
        raise InvalidStoreUrlError(url, "a path has no NUL character")
    return path


def _without_password(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//…@", url)
