"""
Opening a ledger by its URL.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from eventsource.errors import InvalidLedgerUrlError
from eventsource.notary.embedded_ledger import EmbeddedLedger

if TYPE_CHECKING:
    from eventsource.notary.ledger import Ledger


def open_ledger(url: str, *, read_only: bool = False, origin: str | None = None) -> Ledger:
    """
    The ledger that *url* names; it is opened by ``async with``.

    Args:
        url: ``sqlite:PATH`` for a Merkle log in one file, such as ``sqlite:notary.db``.

        read_only: Read only, while another process writes.

        origin: What heads of a new Merkle log are to be known by.

    Raises:
        InvalidLedgerUrlError: *url* is none of these.
    """
    kind, separator, rest = url.partition(":")
    if not separator:
        raise InvalidLedgerUrlError(url, "it has no kind")
    if kind == "sqlite":
        # SQLAlchemy and SQLite itself write three slashes before a relative path, four before an absolute one.
        path = re.sub("^///", "", rest)
        if not path or path.startswith("//"):
            raise InvalidLedgerUrlError(url, "the path is missing")
        return EmbeddedLedger(path, read_only=read_only, origin=origin)
    raise InvalidLedgerUrlError(re.sub(r"//[^/@]*@", "//…@", url), f"there is no ledger of kind {kind!r}")
