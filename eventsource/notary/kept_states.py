"""
Keeping what was computed from events in the ledger: snapshots themselves, or digests of read models.

A snapshot or a read model that somebody changed answers wrong, and no hash chain shows it. Kept here it is
read with a proof, or not at all: what does not verify is as good as not there, and is told.
"""

from __future__ import annotations

import hmac
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from eventsource.log import get_logger
from eventsource.notary.errors import AlreadyNotarisedError, TamperedError
from eventsource.notary.findings import Finding
from eventsource.notary.ledger import MAX_VALUE_BYTES, Entry
from eventsource.notary.records import VERSION, check_name, framed

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventsource.notary.book import NotaryBook
    from eventsource.notary.ledger import Ledger, Proved, Receipt

log = get_logger(__name__)

_CONTENT, _DIGEST = bytes((VERSION, 4)), bytes((VERSION, 5))
_NAME: Final = re.compile(r"[^\x00-\x20\x7f]{1,200}")

MAX_CONTENT_BYTES: Final = MAX_VALUE_BYTES - len(_CONTENT)


class KeptStates:
    """
    Snapshots and digests of read models in a ledger, each under a name and the position it was made at.

    The position is part of the key, and you say which one you want: that something is the latest nobody can prove.

    Args:
        ledger: Where to keep them.

        book: Its secret keys the digests, so that they tell nothing about what they are of.

        name: What the store is called in the ledger.

        on_finding: Is told of what did not verify; it is logged in any case.
    """

    def __init__(
        self,
        ledger: Ledger,
        book: NotaryBook,
        *,
        name: str = "events",
        on_finding: Callable[[Finding], None] | None = None,
    ) -> None:
        check_name(name)
        self._ledger = ledger
        self._book = book
        self._name = name
        self._on_finding = on_finding

    async def keep(self, name: str, position: int, content: bytes) -> Receipt:
        """
        Keep a snapshot itself, for ever: no ledger deletes, so nothing about a person belongs here.

        Args:
            name: What it is of, such as ``Account/42``: visible characters, at most 200.

            position: Up to which event it goes.

            content: At most `MAX_CONTENT_BYTES`, a little less than 1 MiB.

        Raises:
            AlreadyNotarisedError: Another one is kept for that position.
            ValueError: *name* is none, or *content* is too large.
            LedgerUnavailableError: It may be kept, or not.
        """
        if len(content) > MAX_CONTENT_BYTES:
            msg = f"what is kept has at most {MAX_CONTENT_BYTES} bytes, not {len(content)}: keep its digest"
            raise ValueError(msg)
        return await self._write(self._key(name, position), _CONTENT + content)

    async def keep_digest(self, name: str, position: int, content: bytes) -> Receipt:
        """
        Keep a digest of a snapshot or read model that is stored elsewhere; it tells nothing about it.

        Raises:
            AlreadyNotarisedError: Another one is kept for that position.
            ValueError: *name* is none.
            LedgerUnavailableError: It may be kept, or not.
        """
        return await self._write(self._key(name, position), self._digest(name, position, content))

    async def read(self, name: str, position: int) -> bytes | None:
        """
        A snapshot as it was kept. None is an order to build it from events: it is not there, or not proved.

        Raises:
            LedgerUnavailableError: The ledger does not answer.
        """
        proved = await self._read(name, position)
        if proved is None:
            return None
        if not proved.value.startswith(_CONTENT):
            self._tell(Finding("unproved", "ledger", f"a digest is kept of {name} at {position}, and no snapshot"))
            return None
        return proved.value[len(_CONTENT) :]

    async def fits(self, name: str, position: int, content: bytes) -> bool:
        """
        True if *content* is what was kept for that position, itself or as digest. If not, build it from events.

        Raises:
            LedgerUnavailableError: The ledger does not answer.
        """
        proved = await self._read(name, position)
        if proved is None:
            return False
        if proved.value in {_CONTENT + content, self._digest(name, position, content)}:
            return True
        self._tell(Finding("edited", "store", f"{name} at {position} is not what was kept of it"))
        return False

    async def _read(self, name: str, position: int) -> Proved | None:
        try:
            return await self._ledger.get(self._key(name, position))
        except TamperedError as error:
            self._tell(Finding.of(error))
            return None

    async def _write(self, key: bytes, value: bytes) -> Receipt:
        try:
            return await self._ledger.append([Entry(key, value)])
        except AlreadyNotarisedError:
            kept = await self._ledger.get(key)
            if kept is not None and kept.value == value:
                return kept.receipt
            raise

    def _digest(self, name: str, position: int, content: bytes) -> bytes:
        place = framed(name) + position.to_bytes(8, "big")
        message = b"eventsource notary state 1\n" + place + sha256(content).digest()
        return _DIGEST + hmac.digest(self._book.secret, message, "sha256")

    def _key(self, name: str, position: int) -> bytes:
        if not _NAME.fullmatch(name) or position < 0:
            msg = "what is kept has a name of 1 to 200 visible characters, and a position from 0 on"
            raise ValueError(msg)
        return f"k/{self._name}/{name}/{position}".encode()

    def _tell(self, finding: Finding) -> None:
        log.error("notary.state_not_proved", store=self._name, kind=finding.kind, what=finding.what)
        if self._on_finding is not None:
            self._on_finding(finding)
