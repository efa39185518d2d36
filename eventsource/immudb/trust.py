"""
What a client trusts, and where it keeps that.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs

if TYPE_CHECKING:
    from eventsource.immudb.results import Head


class Origin(StrEnum):
    """
    Why a head is trusted.
    """

    FIRST_USE = "first-use"
    """The server said so at the first contact."""

    PINNED = "pinned"
    """It was given to the client."""

    VERIFIED = "verified"
    """It was proved to follow from the one before."""


@attrs.frozen
class TrustedHead:
    """
    A head that was or is trusted.

    Attributes:
        head: The head.

        origin: Why.
    """

    head: Head
    origin: Origin


@runtime_checkable
class TrustStore(Protocol):
    """
    Keeps what is trusted, by the name of a ledger and of a database in it.

    Several clients, also of several processes, may use one at the same time.
    """

    async def trusted(self, ledger: str, database: str) -> Head | None:
        """
        The newest trusted head; None if nothing was ever trusted.

        Raises:
            TrustUnreadableError: What is kept is damaged.
        """
        ...

    async def advance(self, ledger: str, database: str, *, old: Head | None, new: TrustedHead) -> Head | None:
        """
        Trust *new* from now on, if *old* is still what is trusted, and never an older one in the place of a newer.

        Returns:
            What is trusted now. Neither *old* nor *new* if somebody else came first: *new* is then to be proved to
            lie in one history with that.

        Raises:
            TrustUnreadableError: What is kept is damaged.
        """
        ...

    async def history(self, ledger: str, database: str) -> list[TrustedHead]:
        """
        The heads that were trusted, oldest first; others compare them with theirs to find a split view.

        Not all of many: of older ones some are left out, of the newest none, and the first one stays.

        Raises:
            TrustUnreadableError: What is kept is damaged.
        """
        ...

    async def server_uuid(self, ledger: str, uuid: str) -> str | None:
        """
        Note which server this is, by its own word, and give what was noted before; None for nothing.

        It never decides what is compared with what.

        Raises:
            TrustUnreadableError: What is kept is damaged.
        """
        ...


# What is kept of a history: 32 KiB of JSON at the most, since each change writes all of it.
MAX_HEADS = 256


def thinned(heads: list[TrustedHead]) -> list[TrustedHead]:
    """
    *heads*, with every other one of the older half left out if there are too many. The first stays.
    """
    if len(heads) <= MAX_HEADS:
        return heads
    half = len(heads) // 2
    return heads[:half:2] + heads[half:]


class MemoryTrustStore:
    """
    Forgets when the program ends: for tests, and for programs that pin a head at each start.
    """

    def __init__(self) -> None:
        self._heads: dict[tuple[str, str], list[TrustedHead]] = {}
        self._uuids: dict[str, str] = {}

    async def trusted(self, ledger: str, database: str) -> Head | None:
        """
        See `TrustStore.trusted`.
        """
        heads = self._heads.get((ledger, database))
        return heads[-1].head if heads else None

    async def advance(self, ledger: str, database: str, *, old: Head | None, new: TrustedHead) -> Head | None:
        """
        See `TrustStore.advance`.
        """
        heads = self._heads.setdefault((ledger, database), [])
        current = heads[-1].head if heads else None
        if current != old:
            return current
        if current is not None and new.head.tx <= current.tx:
            return current
        self._heads[ledger, database] = thinned([*heads, new])
        return new.head

    async def history(self, ledger: str, database: str) -> list[TrustedHead]:
        """
        See `TrustStore.history`.
        """
        return list(self._heads.get((ledger, database), ()))

    async def server_uuid(self, ledger: str, uuid: str) -> str | None:
        """
        See `TrustStore.server_uuid`.
        """
        before, self._uuids[ledger] = self._uuids.get(ledger), uuid
        return before
