"""
Opening a store by its URL.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from eventsource.errors import InvalidStoreUrlError
from eventsource.store.embedded import EmbeddedEventStore
from eventsource.store.memory import InMemoryEventStore

if TYPE_CHECKING:
    from eventsource.store.interface import EventStore


def connect(url: str, *, read_only: bool = False, source: str = "eventsource", token: str | None = None) -> EventStore:
    """
    The store that *url* names; it is opened by ``async with``.

    Args:
        url: ``memory:`` for a store that is gone when it is closed; ``sqlite:PATH`` for one file,
            such as ``sqlite:bank.db`` or ``sqlite:/var/lib/bank/bank.db``; ``http://HOST:PORT`` or
            ``https://HOST`` for a Genesis DB.

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
    if kind == "memory":
        if rest or read_only:
            raise InvalidStoreUrlError(url, "a store in memory has no path, and nobody else to read from")
        return InMemoryEventStore(source=source)
    if kind == "sqlite":
        # SQLAlchemy and SQLite itself write three slashes before a relative path, four before an absolute one.
        path = re.sub("^///", "", rest)
        if not path or path.startswith("//"):
            raise InvalidStoreUrlError(url, "the path is missing")
        return EmbeddedEventStore(path, read_only=read_only, source=source)
    raise InvalidStoreUrlError(_without_password(url), f"there is no store of kind {kind!r}")


def _connect_to_server(url: str, *, read_only: bool, source: str, token: str | None) -> EventStore:
    # Whoever keeps events in a file needs no HTTP.
    from eventsource.store.genesisdb import GenesisDBEventStore  # noqa: PLC0415

    return GenesisDBEventStore(url, token=token, source=source, read_only=read_only)


def _without_password(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//…@", url)
