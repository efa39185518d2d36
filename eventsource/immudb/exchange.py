"""
One call and its answer as they crossed the wire: the evidence, if something is wrong with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from eventsource.errors import RollbackError, ServerDamagedError, StateSignatureError, VerificationError
from eventsource.immudb.check import Check
from eventsource.immudb.messages import CALLS, DecodeError, parse
from eventsource.log import get_logger

if TYPE_CHECKING:
    from eventsource.immudb.results import Head

# What these carry is in no error.
_SECRET: Final = {"ChangePassword", "CreateUser"}

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

        was_write: Whether it was to change something.
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
        return b"" if self.call in _SECRET else self.request

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
