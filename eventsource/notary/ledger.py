"""
The port: whatever keeps entries so that nobody can change them unnoticed is a `Ledger`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

# immudb takes 1,023 bytes of key and 1,024 entries at a time; every kind of ledger promises the same.
MAX_KEY_BYTES = 1_023
MAX_ENTRIES = 1_024
MAX_VALUE_BYTES = 1_048_576


class Entry(NamedTuple):
    """
    What a ledger keeps: a value under a key that is written once.
    """

    key: bytes
    value: bytes


@attrs.frozen
class Head:
    """
    What a ledger held at a moment: enough to notice later that any of it has changed.

    Attributes:
        origin: Which ledger; the same for ever.

        size: How much was in it: entries of a Merkle log, transactions of an immudb.

        root: 32 bytes that all of it hangs together by.
    """

    origin: str
    size: int
    root: bytes = attrs.field(repr=lambda root: root.hex())


@attrs.frozen
class Receipt:
    """
    Where a batch stands.

    Attributes:
        position: The index of its first entry in a Merkle log; the transaction in an immudb.

        count: The number of entries it has; None where the ledger did not say.

        head: The head of the ledger behind it, or a later one.
    """

    position: int
    count: int | None
    head: Head


@attrs.frozen
class Proved:
    """
    An entry that was proved to be in the ledger.

    Attributes:
        key: Its key.

        value: Its value.

        receipt: The batch it came with.

        proof: What the proof consists of, as JSON can carry it, for those who check it later and offline:
            it has a ``kind``, and what `eventsource.notary.check_receipt` reads of that kind.
    """

    key: bytes
    value: bytes
    receipt: Receipt
    proof: dict[str, Any] = attrs.field(factory=dict[str, Any], repr=False)


class Ledger(Protocol):
    """
    Keeps entries for ever, each under a key of its own, and proves that it still does.

    Whatever comes back from it has been verified; there is no call that leaves that out.

    Raises:
        TamperedError: From any call: what the ledger says cannot be true of an untouched one.
        LedgerUnavailableError: From any call: it cannot be asked now. After `append` the entries may be in it.
        LedgerRefusedError: From any call: it does not let the caller in, or not do that. Asking again changes nothing.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def append(self, entries: Sequence[Entry]) -> Receipt:
        """
        Write all *entries* or none.

        Args:
            entries: 1 to `MAX_ENTRIES`, of different keys.

        Raises:
            AlreadyNotarisedError: One of the keys has a value already; nothing was written.
            ValueError: Too many entries, or one is too large.
        """
        ...

    async def get(self, key: bytes) -> Proved | None:
        """
        The entry under *key*, proved.

        None says that the ledger has no such entry. That cannot be proved: so ask for what you know to be there.
        """
        ...

    async def batch(self, receipt: Receipt) -> tuple[Entry, ...]:
        """
        All entries of a batch in their order, proved: the way to read much.
        """
        ...

    async def head(self) -> Head:
        """
        The head now.
        """
        ...

    async def prove_since(self, head: Head) -> Head:
        """
        The head now, proved to continue *head*: all that was there then is there unchanged.

        Raises:
            TamperedError: It is shorter than *head* (``rolled-back``) or went another way (``forked``).
        """
        ...

    async def aclose(self) -> None:
        """
        Let go of files and connections. Closing twice is fine.
        """
        ...


def check_entries(entries: Sequence[Entry]) -> None:
    """
    Check that *entries* are a batch.

    Raises:
        ValueError: They are none.
    """
    if not 0 < len(entries) <= MAX_ENTRIES:
        msg = f"a batch has 1 to {MAX_ENTRIES} entries, not {len(entries)}"
        raise ValueError(msg)
    if len({entry.key for entry in entries}) < len(entries):
        msg = "two entries of a batch have one key"
        raise ValueError(msg)
    for key, value in entries:
        if not 0 < len(key) <= MAX_KEY_BYTES or len(value) > MAX_VALUE_BYTES:
            msg = f"an entry has a key of 1 to {MAX_KEY_BYTES} bytes and a value of at most {MAX_VALUE_BYTES}"
            raise ValueError(msg)
