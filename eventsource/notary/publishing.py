"""
Publishing heads: what has to leave the house for tampering with all of the ledger to show.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

from eventsource.log import get_logger
from eventsource.merkle import HASH_BYTES
from eventsource.notary.batching import Standing
from eventsource.notary.errors import SignedHeadError
from eventsource.notary.signed_head import SignedHead
from eventsource.private_files import replace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from os import PathLike

    from eventsource.notary.keys import SigningKey
    from eventsource.notary.ledger import Head

log = get_logger(__name__)

# The line of a head's text that says how far the notarisation of a store was.
_EXTENSION: Final = "eventsource-notary/1"
_FIELDS: Final = 5


def make_head(head: Head, name: str, standing: Standing, key: SigningKey | None) -> SignedHead:
    """
    A head that also says how far the notarisation of *name* was, signed if there is a key.
    """
    line = f"{_EXTENSION} {name} {standing.batch} {standing.events} {standing.running.hex()}"
    unsigned = SignedHead(head, (line,))
    return unsigned.signed(key) if key else unsigned


def standing_in(head: SignedHead, name: str) -> Standing | None:
    """
    How far the notarisation of *name* was, as *head* says; None if it does not say.

    Raises:
        SignedHeadError: It says it in another form.
    """
    for line in head.extensions:
        kind, *fields = line.split(" ")
        if kind == _EXTENSION and fields[:1] == [name]:
            try:
                batch, events, running = int(fields[1]), int(fields[2]), bytes.fromhex(fields[3])
            except (IndexError, ValueError):
                running, batch, events = b"", 0, 0
            if len(fields) != _FIELDS - 1 or len(running) != HASH_BYTES:
                msg = f"the line {_EXTENSION} of a head has not its form"
                raise SignedHeadError(msg)
            return Standing(batch, events, running)
    return None


def write_head(path: Path, head: SignedHead) -> None:
    """
    Put *head* in the place of what the file held. The file is its owner's alone, as all are: copy it to publish it.

    Raises:
        UnsafeFileError: The path holds something else than a file of ours.
        OSError: It cannot be written.
    """
    replace(path, str(head).encode())


class Publisher:
    """
    Hands heads on, one after the other.

    See `eventsource.notary.Notary` for the arguments.
    """

    def __init__(
        self,
        name: str,
        *,
        signing_key: SigningKey | None = None,
        head_file: str | PathLike[str] | None = None,
        on_head: Callable[[SignedHead], Awaitable[None]] | None = None,
    ) -> None:
        self._name = name
        self._key = signing_key
        self._file = Path(head_file) if head_file else None
        self._on_head = on_head
        # Why the last head is not where it should be; None when it is.
        self.obstacle: str | None = None

    async def publish(self, head: Head, standing: Standing) -> None:
        """
        Sign and hand on. Notarising goes on where that fails; it is logged, and stands in the status.
        """
        if self._file is None and self._on_head is None:
            return
        signed = make_head(head, self._name, standing, self._key)
        try:
            if self._file is not None:
                await asyncio.to_thread(write_head, self._file, signed)
            if self._on_head is not None:
                await self._on_head(signed)
        except Exception as error:  # noqa: BLE001  whatever it is, events must be notarised
            self.obstacle = f"{type(error).__name__}: {error}"
            log.warning("notary.head_not_published", store=self._name, size=head.size, reason=self.obstacle)
        else:
            self.obstacle = None
