"""
What is checked in an answer, how a check fails, and the evidence for that.
"""

from __future__ import annotations

from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import attrs

from eventsource.immudb.errors import RollbackError, ServerDamagedError, StateSignatureError, VerificationError
from eventsource.immudb.messages import CALLS, DecodeError, parse
from eventsource.log import get_logger

if TYPE_CHECKING:
    from eventsource.immudb.results import Head


class Check(StrEnum):
    """
    The checks, by the names that a `VerificationError` carries.
    """

    ANSWER = "answer"
    """The answer is a message of the right kind, each digest 32 bytes, each number in its range."""

    HEADER_VERSION = "header-version"
    """The header has a form that is known here."""

    LAGGING_TREE = "lagging-tree"
    """A transaction commits to the tree of all before it, as every server since immudb 1.3.2 does."""

    TRANSACTION = "transaction"
    """The answer is about the transaction that was asked for."""

    HEADERS = "headers"
    """The headers that the proof speaks of are those of the trusted and of the answered transaction."""

    ENTRIES = "entries"
    """The entries of the transaction are those that were written, or whose hash its header holds."""

    ENTRY_INCLUSION = "entry-inclusion"
    """Key and value are in the transaction."""

    ENTRY_VALUE = "entry-value"
    """A value has the hash that its transaction holds."""

    REFERENCE = "reference"
    """The answer is the key itself and no reference to another: what that one holds would not be proved."""

    HISTORY = "history"
    """The trusted and the answered transaction lie in one history."""

    FIRST_TRANSACTION = "first-transaction"
    """Nothing stands before the first transaction."""

    ROLLBACK = "rollback"
    """The server has all that it once had."""

    SIGNATURE = "signature"
    """The server signed its state with the key it is known by."""

    SERVER_DAMAGED = "server-damaged"
    """The server finds its own files unchanged."""


class CheckFailedError(Exception):
    """
    A check failed; the client makes a `VerificationError` of it, with the evidence.

    Attributes:
        check: Which one.

        problem: The fault, in words.
    """

    def __init__(self, check: Check, problem: str) -> None:
        super().__init__(f"{check}: {problem}")
        self.check = check
        self.problem = problem


def demand(holds: bool, check: Check, problem: str) -> None:  # noqa: FBT001  it reads as a sentence
    """
    Go on only if it holds.

    Raises:
        CheckFailedError: It does not.
    """
    if not holds:
        raise CheckFailedError(check, problem)


# What of these calls is in no error.
_SECRETS: Final = {
    "ChangePassword": ("oldPassword", "newPassword"),
    "CreateUser": ("password",),
    "Login": ("password",),
    "OpenSession": ("password",),
}

# Where calls name what they are about.
_NAMES: Final[dict[str, dict[str, str]]] = {
    "ChangePassword": {"user": "user"},
    "ChangePermission": {"user": "username", "database": "database"},
    "CreateDatabase": {"database": "databaseName"},
    "CreateDatabaseV2": {"database": "name"},
    "CreateUser": {"user": "user", "database": "database"},
    "Get": {"transaction": "atTx", "revision": "atRevision"},
    "Login": {"user": "user"},
    "OpenSession": {"user": "username", "database": "databaseName"},
    "SetActiveUser": {"user": "username"},
    "SetReference": {"transaction": "atTx"},
    "TxById": {"transaction": "tx"},
    "TxScan": {"transaction": "initialTx"},
    "UseDatabase": {"database": "databaseName"},
    "VerifiableGet": {"transaction": "keyRequest.atTx", "revision": "keyRequest.atRevision"},
    "VerifiableSetReference": {"transaction": "referenceRequest.atTx"},
    "VerifiableTxById": {"transaction": "tx"},
}

# Where calls say what must hold.
_CONDITIONAL: Final = {
    "Set": "preconditions",
    "SetReference": "preconditions",
    "VerifiableSet": "setRequest.preconditions",
    "VerifiableSetReference": "referenceRequest.preconditions",
}

_ERRORS: Final[dict[Check, type[VerificationError]]] = {
    Check.ROLLBACK: RollbackError,
    Check.SERVER_DAMAGED: ServerDamagedError,
    Check.SIGNATURE: StateSignatureError,
}

_log = get_logger(__name__)


@attrs.frozen
class Exchange:
    """
    A call and its answer.

    Attributes:
        call: The name of the remote call.

        database: The one it meant.

        request: What was sent.

        answer: What came; empty if nothing did.

        trusted: What was trusted when it was sent; None for nothing, or if it does not matter.

        was_write: True if it was to change something.
    """

    call: str
    database: str
    request: bytes = attrs.field(default=b"", repr=False)
    answer: bytes = attrs.field(default=b"", repr=False)
    trusted: Head | None = None
    was_write: bool = False

    @property
    def shown_request(self) -> bytes:
        """
        The request as it may be in an error: without passwords.
        """
        return b"" if self.call in _SECRETS else self.request

    @property
    def secrets(self) -> tuple[str, ...]:
        """
        The passwords that the request carries.
        """
        if self.call not in _SECRETS:
            return ()
        message = self._sent()
        return tuple(getattr(message, field).decode(errors="replace") for field in _SECRETS[self.call])

    @property
    def names(self) -> dict[str, str]:
        """
        What the call is about, by kind: the database, and the user, transaction or revision that it names.
        """
        names = {"database": self.database}
        if self.call in _NAMES:
            message = self._sent()
            for kind, path in _NAMES[self.call].items():
                value = attrgetter(path)(message)
                names[kind] = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        return names

    @property
    def is_write_once(self) -> bool:
        """
        True if all that the call demands is that keys are not there.
        """
        if self.call not in _CONDITIONAL:
            return False
        conditions = attrgetter(_CONDITIONAL[self.call])(self._sent())
        return bool(conditions) and all(condition.HasField("keyMustNotExist") for condition in conditions)

    def _sent(self) -> Any:
        return parse(CALLS[self.call][0], self.request)

    def read(self) -> Any:
        """
        The answer as a message.

        Raises:
            VerificationError: It is none.
        """
        try:
            return parse(CALLS[self.call][1], self.answer)
        except DecodeError:
            raise self.failed(Check.ANSWER, "it is no message") from None

    def failed(self, check: Check, problem: str) -> VerificationError:
        """
        The error that says so, with the evidence. It is also logged, without keys and values.
        """
        _log.error("immudb.verification_failed", call=self.call, database=self.database, check=check.value)
        return _ERRORS.get(check, VerificationError)(
            self.call,
            database=self.database,
            check=check,
            problem=problem,
            request=self.shown_request,
            answer=self.answer,
            trusted_tx=self.trusted.tx if self.trusted else 0,
            trusted_alh=self.trusted.alh if self.trusted else b"",
            was_write=self.was_write,
        )
