"""
What the client returns, and what users may do.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Self

import attrs

from eventsource.merkle import HASH_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping


class Permission(IntEnum):
    """
    What a user may do in one database. The numbers are immudb's.
    """

    NONE = 0
    """Nothing."""

    READ = 1
    """Read; not with `get_all`, for which a server asks `READ_WRITE`."""

    READ_WRITE = 2
    """Read and write."""

    ADMIN = 254
    """All in this database, and give permissions in it."""

    SYS_ADMIN = 255
    """All in all databases. Only the user ``immudb`` has it."""


class PermissionAction(IntEnum):
    """
    What is done to a permission.
    """

    GRANT = 0
    REVOKE = 1


# The names that the official client gives them.
PERMISSION_NONE: Final = Permission.NONE
PERMISSION_R: Final = Permission.READ
PERMISSION_RW: Final = Permission.READ_WRITE
PERMISSION_ADMIN: Final = Permission.ADMIN
PERMISSION_SYS_ADMIN: Final = Permission.SYS_ADMIN
PERMISSION_GRANT: Final = PermissionAction.GRANT
PERMISSION_REVOKE: Final = PermissionAction.REVOKE


def _is_digest(_instance: object, _attribute: object, digest: bytes) -> None:
    if len(digest) != HASH_BYTES:
        msg = f"a hash has {HASH_BYTES} bytes, not {len(digest)}"
        raise ValueError(msg)


@attrs.frozen
class Head:
    """
    A state of a database: its last transaction, and the hash over all its history up to there.

    As a text it is short enough to be published, printed or sent to somebody else:

    >>> head = Head.parse("7:" + "ab" * 32)
    >>> head.tx, str(head)[:8]
    (7, '7:ababab')

    Attributes:
        tx: The number of the transaction, from 1 on.

        alh: The accumulated linear hash, immudb's name for it; 32 bytes.
    """

    tx: int = attrs.field(validator=attrs.validators.ge(1))
    alh: bytes = attrs.field(validator=_is_digest, repr=bytes.hex)

    def __str__(self) -> str:
        return f"{self.tx}:{self.alh.hex()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Read what ``str`` of a head gave.

        Raises:
            ValueError: It is none.
        """
        tx, _, alh = text.strip().partition(":")
        return cls(int(tx), bytes.fromhex(alh))


@attrs.frozen
class Receipt:
    """
    Proof of a verified write: the transaction it went into.

    Attributes:
        tx: The number of the transaction.

        alh: Its accumulated hash: whoever trusts this hash can have the write proved.

        time_s: When, by the server's clock, in whole seconds since 1970. Bound by the hash; whether the
            clock was right is not.
    """

    tx: int
    alh: bytes = attrs.field(repr=bytes.hex)
    time_s: int

    @property
    def head(self) -> Head:
        """
        The state of the database after this write.
        """
        return Head(self.tx, self.alh)

    @property
    def time(self) -> datetime:
        """
        `time_s` as a date.
        """
        return datetime.fromtimestamp(self.time_s, UTC)


@attrs.frozen
class Reference:
    """
    A key that stands for another one.

    Attributes:
        key: The key.

        refers_to: The key that it stands for.

        at_tx: The transaction that wrote the value it means; 0 for the newest value.
    """

    key: bytes
    refers_to: bytes
    at_tx: int = 0


@attrs.frozen
class Proved:
    """
    A key and its value, proved to be in one history with what was trusted before.

    That they are the newest of the key cannot be proved.

    Attributes:
        key: The key that was asked for; of a reference, the key that it stands for.

        value: Its value in transaction `tx`.

        tx: The number of the transaction it was written in.

        time_s: When, by the server's clock, in whole seconds since 1970.

        alh: The accumulated hash of that transaction.

        reference: The reference that was asked for, proved as well; None if the key holds the value itself.
    """

    key: bytes
    value: bytes
    tx: int
    time_s: int
    alh: bytes = attrs.field(repr=bytes.hex)
    reference: Reference | None = None

    @property
    def time(self) -> datetime:
        """
        `time_s` as a date.
        """
        return datetime.fromtimestamp(self.time_s, UTC)


@attrs.frozen
class ProvedTransaction:
    """
    All that one transaction wrote, proved to be all.

    Attributes:
        receipt: The transaction.

        entries: Its keys and values, in the order they were written.

        others: The number of entries it has beside those: deletions, references, expired entries, sorted sets, SQL.

        deleted: The keys that it deleted.

        references: The references that it wrote.

        expired: The keys whose values the server leaves out since their time is over, by its clock.
    """

    receipt: Receipt
    entries: tuple[tuple[bytes, bytes], ...]
    others: int = 0
    deleted: tuple[bytes, ...] = ()
    references: tuple[Reference, ...] = ()
    expired: tuple[bytes, ...] = ()


@attrs.frozen
class Transaction:
    """
    What one transaction wrote, as the server says; nothing of it is proved.

    Attributes:
        tx: Its number.

        time_s: When, by the server's clock, in whole seconds since 1970.

        entries: Its keys and values, in the order they were written.

        others: The number of entries it has beside those: deletions, references, expired entries, sorted sets, SQL.

        deleted: The keys that it deleted.

        references: The references that it wrote.
    """

    tx: int
    time_s: int
    entries: tuple[tuple[bytes, bytes], ...]
    others: int = 0
    deleted: tuple[bytes, ...] = ()
    references: tuple[Reference, ...] = ()


@attrs.frozen
class Entry:
    """
    A key and its value as the server says; nothing of it is proved.

    Attributes:
        key: The key that was asked for; of a reference, the key that it stands for.

        value: Its value.

        tx: The transaction it was written in.

        revision: The number of times the key had been written then, this time included; 0 where the server does not
            say.

        expires_at_s: When its time is over, in seconds since 1970; None for never.

        reference: The reference that was asked for; None if the key holds the value itself.
    """

    key: bytes
    value: bytes
    tx: int
    revision: int
    expires_at_s: int | None = None
    reference: Reference | None = None

    @property
    def asked_key(self) -> bytes:
        """
        The key that was asked for or found: of a reference, its own.
        """
        return self.key if self.reference is None else self.reference.key


@attrs.frozen
class Revision:
    """
    One write of a key, as the server says; nothing of it is proved.

    Attributes:
        key: The key.

        value: The value that was written; None for a deletion, a reference, or a value whose time is over.

        tx: The transaction.

        revision: The number of times the key had been written then, this time included.

        is_deleted: True if it deleted the key.

        is_expired: True if its time is over, by the server's clock.

        expires_at_s: When its time is over, in seconds since 1970; None for never.

        reference: What it made the key refer to; None for a value.
    """

    key: bytes
    value: bytes | None
    tx: int
    revision: int
    is_deleted: bool = False
    is_expired: bool = False
    expires_at_s: int | None = None
    reference: Reference | None = None


@attrs.frozen
class ServerState:
    """
    Where the server says that a database stands. It is never trusted.

    Attributes:
        database: The name of the database.

        tx: Its last transaction; 0 for none.

        alh: The accumulated hash of that one.
    """

    database: str
    tx: int
    alh: bytes = attrs.field(repr=bytes.hex)


@attrs.frozen
class User:
    """
    A user of the server.

    Attributes:
        name: Its name.

        permissions: What it may do, by the name of the database.

        is_active: True if it may log in.

        created_by: Who made it.

        created_at: When, as the server writes it.
    """

    name: str
    permissions: Mapping[str, Permission | int]
    is_active: bool
    created_by: str
    created_at: str


@attrs.frozen
class Health:
    """
    How the server says it is.

    Attributes:
        is_well: True if it is well.

        version: Of the server.
    """

    is_well: bool
    version: str


@attrs.frozen
class ServerInfo:
    """
    What the server says of itself.

    Attributes:
        version: Its version.

        started_at_s: When it was started, in seconds since 1970.

        transactions: The number of transactions its databases have.

        databases: The number of databases it has.

        disk_bytes: How much room they take.
    """

    version: str
    started_at_s: int
    transactions: int
    databases: int
    disk_bytes: int


class UserList(list[User]):
    """
    Users; also as the official client's README reads them: ``users.userlist.users``.
    """

    @property
    def userlist(self) -> UserList:
        """
        The same list.
        """
        return self

    @property
    def users(self) -> UserList:
        """
        The same list.
        """
        return self
