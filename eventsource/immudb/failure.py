"""
What a failed call means: one table from a call and its answer to an error.

immudb answers most failures with the status UNKNOWN and a text, so the text decides. A text is compared as a
whole, with the names that the call itself sent in it: a user called "permission" is no missing permission.

Source:
    Texts and statuses as measured against immudb 1.11.1; those that were only read in its source are marked.
"""

from __future__ import annotations

import re
from base64 import b64encode
from enum import Enum, auto
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import attrs
import grpc

from eventsource.immudb.check import Check
from eventsource.immudb.errors import (
    ImmudbError,
    ImmudbExistsError,
    ImmudbKeyExistsError,
    ImmudbKeyNotFoundError,
    ImmudbLimitError,
    ImmudbLoginError,
    ImmudbNotFoundError,
    ImmudbPermissionError,
    ImmudbPreconditionError,
    ImmudbRefusedError,
    ImmudbUnavailableError,
)
from eventsource.immudb.limits import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from eventsource.immudb.check import Exchange

ADMINISTRATIVE: Final = frozenset(
    {"ChangePassword", "ChangePermission", "CreateDatabase", "CreateDatabaseV2", "CreateUser", "SetActiveUser"}
)
"""Calls that change databases and users: an immudb does them wholly before it answers, or refuses them with a text."""

WRITES: Final = frozenset({"Delete", "Set", "SetReference", "VerifiableSet", "VerifiableSetReference"})
"""Calls that write entries."""

_SESSION: Final = frozenset({"Login", "OpenSession", "UseDatabase"})
_KEYS: Final = WRITES | {"Get", "GetAll", "History", "VerifiableGet"}
_CONDITIONAL: Final = WRITES - {"Delete"}

REQUEST_BYTES: Final = "bytes of one request"
_ANSWER_BYTES: Final = "bytes of one answer"

# Of a text that a server sent. gRPC itself reads some kilobytes of it.
_SHOWN_CHARACTERS: Final = 300
_UNSHOWN: Final = "its text is left out, because it repeats a password"


class Failure(Enum):
    """
    Kinds of failures, by what is to be done about them.
    """

    NOT_SENT = auto()
    """No connection was made."""

    SESSION_ENDED = auto()
    """Nothing was done for want of a session: it is opened again, and the call repeated."""

    TURNED_AWAY = auto()
    """Nothing was done because others came first: the call can be repeated."""

    BUSY = auto()
    """The server may do it a moment later; a write may have been done."""

    UNCLEAR = auto()
    """A write may have been done."""

    ANSWER_TOO_LARGE = auto()
    """It was done, or not, and the answer cannot be read."""

    REQUEST_TOO_LARGE = auto()
    CREDENTIALS = auto()
    INACTIVE = auto()
    PERMISSION = auto()
    KEY_NOT_FOUND = auto()
    REVISION_NOT_FOUND = auto()
    TRANSACTION_NOT_FOUND = auto()
    DATABASE_NOT_FOUND = auto()
    USER_NOT_FOUND = auto()
    DATABASE_EXISTS = auto()
    USER_EXISTS = auto()
    PRECONDITION = auto()
    BEHIND = auto()
    DAMAGED = auto()
    REFUSED = auto()
    """Nothing was done, and it would be so again."""

    @property
    def leaves_writes_open(self) -> bool:
        """
        True if a write that failed so may have been done.
        """
        return self in {Failure.BUSY, Failure.UNCLEAR, Failure.ANSWER_TOO_LARGE}


class CallFailedError(Exception):
    """
    A remote call gave no answer, or a failure in its place.

    Attributes:
        status: The gRPC status.

        text: The text of the server or of gRPC, as it came.

        was_sent: True if the call can have reached the server.

        secrets: What the call carried that no error may show.
    """

    def __init__(
        self, status: grpc.StatusCode, text: str, *, was_sent: bool = True, secrets: Iterable[str] = ()
    ) -> None:
        super().__init__(status.name)
        self.status = status
        self.text = text
        self.was_sent = was_sent
        self.secrets = tuple(secrets)

    @property
    def shown_text(self) -> str:
        """
        The text as an error may show it: one short line of printable characters, without passwords.
        """
        folded = self.text.casefold()
        if self.was_sent and any(form.casefold() in folded for secret in self.secrets for form in _forms(secret)):
            return _UNSHOWN
        start = self.text[:_SHOWN_CHARACTERS]
        line = " ".join("".join(character if character.isprintable() else " " for character in start).split())
        return f"{line}…" if len(self.text) > _SHOWN_CHARACTERS else line

    def __str__(self) -> str:
        return f"{self.status.name}: {self.shown_text}"


def _forms(secret: str) -> set[str]:
    """
    How a server may repeat a secret.
    """
    if not secret:
        return set()
    encoded = secret.encode(errors="surrogateescape")
    return {
        secret,
        repr(secret)[1:-1],
        repr(encoded)[2:-1],
        encoded.hex(),
        quote(encoded, safe=""),
        b64encode(encoded).decode().rstrip("="),
    }


@attrs.frozen
class _Row:
    """
    A text of a server, and what it means.

    Attributes:
        text: A regular expression for all of it. ``{user}`` and ``{database}`` stand for what the call named.

        means: What it means.

        calls: The calls that are answered so; None for all.
    """

    text: str
    means: Failure
    calls: frozenset[str] | None = None


# The first row that fits counts.
_BY_TEXT: Final = (
    # Texts of gRPC itself. Those of the first two rows are about calls that no server has seen.
    _Row(r"failed to connect to all addresses.*|dns resolution failed.*|empty address list.*", Failure.NOT_SENT),
    _Row(r"(client: )?sent message larger than max.*", Failure.REQUEST_TOO_LARGE),
    _Row(r"grpc: received message larger than max.*", Failure.REQUEST_TOO_LARGE),
    _Row(r".*received message larger than max.*", Failure.ANSWER_TOO_LARGE),
    # Who calls.
    _Row(r"invalid user name or password", Failure.CREDENTIALS, _SESSION),
    _Row(r"user is not active", Failure.INACTIVE, _SESSION),
    _Row(r"(session|no session) not found|no session found|not logged in|invalid token", Failure.SESSION_ENDED),
    _Row(r"token has expired|please login first", Failure.SESSION_ENDED),  # read
    _Row(r"max sessions number reached|can not create new session: .*", Failure.BUSY, _SESSION),  # read
    _Row(r"old password is incorrect", Failure.REFUSED, frozenset({"ChangePassword"})),
    _Row(r"permission denied", Failure.PERMISSION),
    _Row(r"(you do|loggedin user does|logged in user does) not have permissions? .*", Failure.PERMISSION),
    _Row(r"user is not system admin nor admin in any of the databases", Failure.PERMISSION, ADMINISTRATIVE),
    _Row(r"{user} was not created by you", Failure.PERMISSION, ADMINISTRATIVE),  # read
    # Databases and users.
    _Row(r"(database |')?{database}'? does not exist|database does not exist", Failure.DATABASE_NOT_FOUND),
    _Row(r"database( {database})? already exists", Failure.DATABASE_EXISTS, ADMINISTRATIVE),
    _Row(r"user {user} (was )?not found( or it was not created by you)?", Failure.USER_NOT_FOUND, ADMINISTRATIVE),
    _Row(r"user (not found|does not exist)", Failure.USER_NOT_FOUND, ADMINISTRATIVE),
    _Row(r"user( {user})? already exists", Failure.USER_EXISTS, ADMINISTRATIVE),
    # Entries and transactions.
    _Row(r"(.*: )?key not found(: .*)?", Failure.KEY_NOT_FOUND, _KEYS),
    _Row(r"(.*: )?expired entry", Failure.KEY_NOT_FOUND, _KEYS),  # read
    _Row(r"invalid key revision number", Failure.REVISION_NOT_FOUND),
    _Row(r"(.*: )?tx not found", Failure.TRANSACTION_NOT_FOUND),
    _Row(r"precondition failed.*|.*precondition failed", Failure.PRECONDITION, _CONDITIONAL),
    _Row(r"illegal state(: .*)?", Failure.BEHIND),
    _Row(r"(.*: )?(tx )?data is corrupted(: .*)?", Failure.DAMAGED),
    _Row(r"max concurrency limit exceeded", Failure.TURNED_AWAY),
    _Row(r"tx read conflict|max active transactions limit exceeded|.*tx pool exhausted", Failure.TURNED_AWAY),  # read
    _Row(r"(.*: )?illegal arguments(: .*)?|no entries provided|duplicated keys? .*", Failure.REFUSED),
    _Row(r"max number of entries per tx exceeded|max (key|value) length exceeded", Failure.REFUSED),
    _Row(r"invalid precondition: .*|(.*: )?null key|tx size greater than max tx size", Failure.REFUSED),  # read
    _Row(r"database is read-only.*|.*cannot be a reference|.*converted into a reference", Failure.REFUSED),  # read
    _Row(r"(max )?key resolution limit reached.*|cannot change a non-transient key .*", Failure.REFUSED),  # read
)

# What counts where no row fits. Not here: UNKNOWN and INTERNAL, with which an immudb refuses and gRPC fails.
_BY_STATUS: Final = {
    grpc.StatusCode.ABORTED: Failure.BUSY,
    grpc.StatusCode.ALREADY_EXISTS: Failure.REFUSED,
    grpc.StatusCode.DEADLINE_EXCEEDED: Failure.BUSY,
    grpc.StatusCode.FAILED_PRECONDITION: Failure.REFUSED,
    grpc.StatusCode.INVALID_ARGUMENT: Failure.REFUSED,
    grpc.StatusCode.NOT_FOUND: Failure.REFUSED,
    grpc.StatusCode.OUT_OF_RANGE: Failure.REFUSED,
    grpc.StatusCode.PERMISSION_DENIED: Failure.PERMISSION,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Failure.BUSY,
    grpc.StatusCode.UNAUTHENTICATED: Failure.SESSION_ENDED,
    grpc.StatusCode.UNAVAILABLE: Failure.BUSY,
    grpc.StatusCode.UNIMPLEMENTED: Failure.REFUSED,
}

# What gRPC says of a call that broke off, or a program between here and the server.
_BROKEN_OFF: Final = re.compile(
    r"|.*(stream (removed|reset|closed)|rst_stream|goaway|http2|socket|transport|connection|endpoint|end of file"
    r"|unexpected <class|deserializ).*",
    re.IGNORECASE | re.DOTALL,
)


def meaning(failure: CallFailedError, asked: Exchange) -> Failure:
    """
    What the failure of a call means.
    """
    if not failure.was_sent:
        return Failure.NOT_SENT
    for row in _BY_TEXT:
        if (row.calls is None or asked.call in row.calls) and _fits(row, failure.text, asked):
            return row.means
    if (found := _BY_STATUS.get(failure.status)) is not None:
        return found
    is_own_text = failure.status in {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}
    if asked.call in ADMINISTRATIVE and is_own_text and not _BROKEN_OFF.fullmatch(failure.text):
        return Failure.REFUSED
    return Failure.UNCLEAR


def _fits(row: _Row, text: str, asked: Exchange) -> bool:
    pattern = row.text
    for kind, name in asked.names.items():
        pattern = pattern.replace(f"{{{kind}}}", re.escape(name))
    return re.fullmatch(pattern, text, re.IGNORECASE | re.DOTALL) is not None


@attrs.frozen
class _Failed:
    """
    A call that failed, and where.
    """

    failure: CallFailedError
    asked: Exchange
    server: str

    def named(self, kind: str) -> str:
        """
        The database, user or transaction that the call is about.
        """
        return self.asked.names.get(kind, "")


def _precondition_error(failed: _Failed) -> ImmudbError:
    if failed.asked.is_write_once or "mustnotexist" in failed.failure.text.lower():
        return ImmudbKeyExistsError(failed.asked.database)
    return ImmudbPreconditionError(failed.asked.database)


_ERRORS: Final[dict[Failure, Callable[[_Failed], ImmudbError]]] = {
    Failure.SESSION_ENDED: lambda failed: ImmudbLoginError(failed.server, failed.failure.shown_text),
    Failure.CREDENTIALS: lambda failed: ImmudbLoginError(
        failed.server, "the server does not know this user with this password"
    ),
    Failure.INACTIVE: lambda failed: ImmudbLoginError(failed.server, "an administrator made the user inactive"),
    Failure.PERMISSION: lambda failed: ImmudbPermissionError(failed.asked.call, database=failed.named("database")),
    Failure.KEY_NOT_FOUND: lambda failed: ImmudbKeyNotFoundError(failed.asked.database),
    Failure.REVISION_NOT_FOUND: lambda failed: ImmudbNotFoundError("revision", failed.named("revision")),
    Failure.TRANSACTION_NOT_FOUND: lambda failed: ImmudbNotFoundError("transaction", failed.named("transaction")),
    Failure.DATABASE_NOT_FOUND: lambda failed: ImmudbNotFoundError("database", failed.named("database")),
    Failure.USER_NOT_FOUND: lambda failed: ImmudbNotFoundError("user", failed.named("user")),
    Failure.DATABASE_EXISTS: lambda failed: ImmudbExistsError("database", failed.named("database")),
    Failure.USER_EXISTS: lambda failed: ImmudbExistsError("user", failed.named("user")),
    Failure.PRECONDITION: _precondition_error,
    Failure.REQUEST_TOO_LARGE: lambda failed: ImmudbLimitError(
        REQUEST_BYTES, found=len(failed.asked.request), largest=MAX_MESSAGE_BYTES
    ),
    Failure.ANSWER_TOO_LARGE: lambda _: ImmudbLimitError(_ANSWER_BYTES, largest=MAX_MESSAGE_BYTES),
    Failure.NOT_SENT: lambda failed: ImmudbUnavailableError(failed.server, failed.failure.shown_text),
    Failure.TURNED_AWAY: lambda failed: ImmudbUnavailableError(failed.server, failed.failure.shown_text),
    Failure.BUSY: lambda failed: ImmudbUnavailableError(failed.server, str(failed.failure)),
    Failure.DAMAGED: lambda failed: failed.asked.failed(
        Check.SERVER_DAMAGED, "the server finds that its own files were changed"
    ),
}


def to_error(failure: CallFailedError, asked: Exchange, server: str) -> ImmudbError:
    """
    The error that tells a user of a failed call.

    Args:
        server: What errors call it.
    """
    means = meaning(failure, asked)
    if means is Failure.BEHIND and asked.trusted is not None:
        problem = f"the server does not have transaction {asked.trusted.tx}, which it once had"
        return asked.failed(Check.ROLLBACK, problem)
    if means in _ERRORS:
        return _ERRORS[means](_Failed(failure, asked, server))
    if means is Failure.UNCLEAR and asked.call in _SESSION:
        return ImmudbUnavailableError(server, str(failure))
    return ImmudbRefusedError(asked.call, status=failure.status.name, text=failure.shown_text)
