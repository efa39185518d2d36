"""
Opening a ledger by its URL.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from eventsource.notary.embedded_ledger import EmbeddedLedger
from eventsource.notary.errors import InvalidLedgerUrlError

if TYPE_CHECKING:
    from os import PathLike

    from eventsource.immudb import Tls, TrustStore
    from eventsource.notary.ledger import Head, Ledger


def open_ledger(
    url: str,
    *,
    read_only: bool = False,
    origin: str | None = None,
    pinned: Head | None = None,
    trust: TrustStore | str | PathLike[str] | None = None,
    trust_on_first_use: bool = False,
    server_public_key: bytes | str | PathLike[str] | None = None,
    tls: Tls | None = None,
) -> Ledger:
    """
    The ledger that *url* names; it is opened by ``async with``.

    Args:
        url: ``sqlite:PATH`` for a Merkle log in one file, such as ``sqlite:notary.db``;
            ``immudb://USER:PASSWORD@HOST:PORT/DATABASE``, or ``immudbs://…`` for TLS, for an immudb.

        read_only: Read only, while another process writes.

        origin: What heads of it are to be known by.

        pinned: Of an immudb, a head to begin with.

        trust: Of an immudb, the file that remembers what is trusted of it, or a `TrustStore`.

        trust_on_first_use: Of an immudb, whether to trust what it says where there is no head to begin with.

        server_public_key: Of an immudb, PEM of the key that it signs its state with, or the path of a file with it.

        tls: Of an immudb, how the connection is encrypted, if the certificates that gRPC ships will not do.

    Raises:
        InvalidLedgerUrlError, InvalidImmudbUrlError: *url* is none of these.
        ValueError: The public key is none.
        MissingExtraError: What an immudb needs is not installed.
    """
    kind, separator, rest = url.partition(":")
    if not separator:
        raise InvalidLedgerUrlError(url, "it has no kind")
    if kind in {"immudb", "immudbs"}:
        # Whoever keeps a log in a file needs no gRPC.
        from eventsource.notary.immudb_ledger import ImmudbLedger  # noqa: PLC0415

        return ImmudbLedger(
            url,
            read_only=read_only,
            origin=origin,
            pinned=pinned,
            trust=trust,
            trust_on_first_use=trust_on_first_use,
            server_public_key=server_public_key,
            tls=tls,
        )
    if kind == "sqlite":
        # SQLAlchemy and SQLite itself write three slashes before a relative path, four before an absolute one.
        path = re.sub("^///", "", rest)
        if not path or path.startswith("//"):
            raise InvalidLedgerUrlError(url, "the path is missing")
        return EmbeddedLedger(path, read_only=read_only, origin=origin)
    raise InvalidLedgerUrlError(url, f"there is no ledger of kind {kind!r}")
