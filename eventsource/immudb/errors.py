"""
Errors of the immudb client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource.root_error import EventSourceError, without_secrets

if TYPE_CHECKING:
    from pathlib import Path


# The calls whose entries can be read back.
_RESOLVABLE = frozenset({"Delete", "Set", "SetReference", "VerifiableSet", "VerifiableSetReference"})
_READ_BACK = "read it back with client.resolve(error)"


class ImmudbError(EventSourceError):
    """
    An immudb cannot do what was asked, or what it says cannot be believed.
    """

    code = "immudb"


class InvalidImmudbUrlError(ImmudbError, ValueError):
    """
    The address of an immudb is not understood.

    Attributes:
        url: As given, without user, password and parameters.

        reason: The fault.
    """

    code = "invalid-immudb-url"

    def __init__(self, url: str, reason: str) -> None:
        url = without_secrets(url)
        super().__init__(
            f"not the address of an immudb: {url!r}: {reason}; write 'immudb://USER:PASSWORD@HOST:PORT/DATABASE', "
            "with 'immudbs' for TLS, or 'HOST:PORT'"
        )
        self.url = url
        self.reason = reason


class NotBytesError(ImmudbError, TypeError):
    """
    An immudb keeps bytes, and something else was given: encode text first.

    Attributes:
        argument: Which argument: "key" and so on.

        found: The name of the type that was given.
    """

    code = "not-bytes"

    def __init__(self, argument: str, *, found: str) -> None:
        hint = f": encode it first, {argument}.encode()" if found == "str" else ""
        super().__init__(f"the {argument} must be bytes, not {found}{hint}")
        self.argument = argument
        self.found = found


class ImmudbLimitError(ImmudbError, ValueError):
    """
    A request is larger or smaller than an immudb takes, or names a key twice; or an answer is too large to be read.

    Nothing was sent, unless it is an answer.

    Attributes:
        limit: Which limit, in words, such as "entries of one transaction".

        found: How much was given; None where the server did not say.

        smallest: The least it takes.

        largest: The most it takes.
    """

    code = "immudb-limit"

    def __init__(self, limit: str, *, largest: int, found: int | None = None, smallest: int = 0) -> None:
        given = "" if found is None else f", not {found}"
        least = f"from {smallest} " if smallest else ""
        super().__init__(f"{limit}: {least}up to {largest} are allowed{given}")
        self.limit = limit
        self.found = found
        self.smallest = smallest
        self.largest = largest


class PasswordPolicyError(ImmudbError, ValueError):
    """
    A new password is too weak for an immudb. Nothing was sent.

    Attributes:
        missing: What it lacks, in words. The password itself is in no error.
    """

    code = "password-policy"

    def __init__(self, missing: tuple[str, ...]) -> None:
        super().__init__(
            f"the password lacks {', '.join(missing)}: it takes 8 to 32 characters with at least one upper-case "
            "letter, one digit and one symbol"
        )
        self.missing = missing


class ImmudbClosedError(ImmudbError):
    """
    The client was closed: make another one.

    Attributes:
        server: Its address, ``host:port``.
    """

    code = "immudb-closed"

    def __init__(self, server: str) -> None:
        super().__init__(f"the client of immudb {server} is closed: make another one")
        self.server = server


class ImmudbUnavailableError(ImmudbError):
    """
    The immudb does not answer, or has too much to do. Nothing was written on this call's account.

    Attributes:
        server: Its address, ``host:port``.

        reason: The cause, in words.
    """

    code = "immudb-unavailable"

    def __init__(self, server: str, reason: str) -> None:
        super().__init__(f"immudb {server} is not available: {reason}")
        self.server = server
        self.reason = reason


class ImmudbLoginError(ImmudbError):
    """
    There is no session: no user was given, the server does not know user and password, or keeps ending sessions.

    Attributes:
        server: Its address, ``host:port``.

        reason: Which of these, in words.
    """

    code = "immudb-login"

    def __init__(self, server: str, reason: str) -> None:
        super().__init__(f"no session at immudb {server}: {reason}")
        self.server = server
        self.reason = reason


class ImmudbPermissionError(ImmudbError):
    """
    The user may not do that.

    Attributes:
        call: The name of the remote call.

        database: The database it was for.
    """

    code = "immudb-permission"

    def __init__(self, call: str, *, database: str) -> None:
        super().__init__(f"the user has no permission for {call} in database {database!r}")
        self.call = call
        self.database = database


class ImmudbNotFoundError(ImmudbError, LookupError):
    """
    There is no such database, user, transaction or revision at the server, so it says.

    Attributes:
        kind: "database", "user", "transaction" or "revision".

        name: Its name or number.
    """

    code = "immudb-not-found"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"no {kind} {name!r} at this immudb")
        self.kind = kind
        self.name = name


class ImmudbExistsError(ImmudbError):
    """
    A database or user of that name is there already.

    Attributes:
        kind: "database" or "user".

        name: Its name.
    """

    code = "immudb-exists"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind} {name!r} exists already")
        self.kind = kind
        self.name = name


class ImmudbKeyNotFoundError(ImmudbError, LookupError):
    """
    A key is not there, says the server. That cannot be proved: a server that hides a key says the same.

    Attributes:
        database: The database that was asked.

        missing: How many of the keys asked for are not there.
    """

    code = "immudb-key-not-found"

    def __init__(self, database: str, *, missing: int = 1) -> None:
        keys = "the key is" if missing == 1 else f"{missing} of the keys are"
        super().__init__(f"{keys} not in database {database!r}, says the server; absence cannot be proved")
        self.database = database
        self.missing = missing


class ImmudbPreconditionError(ImmudbError):
    """
    A precondition of a write does not hold: a key is there, is not there, or was written since. Nothing was written.

    Attributes:
        database: The database.
    """

    code = "immudb-precondition"

    def __init__(self, database: str, message: str | None = None) -> None:
        super().__init__(
            message
            or f"a precondition of the write does not hold in database {database!r}, and nothing was written: read the "
            "keys that it names, and decide anew"
        )
        self.database = database


class ImmudbKeyExistsError(ImmudbPreconditionError):
    """
    A key that may be written once is there. Nothing was written, also of the other keys.

    Read it back with verification and compare: the same value means that the write was made before.

    Attributes:
        database: The database.
    """

    code = "immudb-key-exists"

    def __init__(self, database: str) -> None:
        super().__init__(
            database,
            f"a key that may be written once is in database {database!r} already, and nothing was written: read the "
            "keys back with verification and compare",
        )


class ImmudbRefusedError(ImmudbError):
    """
    An immudb refused for a reason of its own, which no other class here stands for. Nothing was written.

    Attributes:
        call: The name of the remote call.

        status: The gRPC status, such as "INVALID_ARGUMENT".

        text: The server's message.
    """

    code = "immudb-refused"

    def __init__(self, call: str, *, status: str, text: str) -> None:
        super().__init__(f"immudb refused {call}: {status}: {text}")
        self.call = call
        self.status = status
        self.text = text


class ImmudbOutcomeUnknownError(ImmudbError):
    """
    A write was sent and no answer came: it is committed, or not, or will be.

    Never send it again as it is: ``await client.resolve(error)`` reads entries back.

    Attributes:
        call: The name of the remote call.

        database: The database the write was meant for.

        reason: What happened instead of an answer.

        request: What was sent, as bytes of the wire; holds keys and values. Empty if it had a password in it.

        trusted_tx: The newest transaction that was trusted when it was sent; 0 for none.
    """

    code = "immudb-outcome-unknown"

    def __init__(self, call: str, *, database: str, reason: str, request: bytes = b"", trusted_tx: int = 0) -> None:
        look = _READ_BACK if call in _RESOLVABLE else "look whether it is done"
        super().__init__(
            f"{call} in database {database!r} may be committed or not: {reason}; {look} before it is sent again"
        )
        self.call = call
        self.database = database
        self.reason = reason
        self.request = request
        self.trusted_tx = trusted_tx


class TrustMissingError(ImmudbError):
    """
    A verified call has nothing to compare with: no state of this ledger is trusted yet.

    Attributes:
        ledger: The name under which trust is kept.

        database: The database.
    """

    code = "trust-missing"

    def __init__(self, ledger: str, *, database: str) -> None:
        super().__init__(
            f"nothing is trusted yet for ledger {ledger!r}, database {database!r}: give the client a head that you "
            "know, pinned=Head(...), or accept what the server says first with trust_on_first_use=True"
        )
        self.ledger = ledger
        self.database = database


class TrustUnreadableError(ImmudbError):
    """
    The file with the trusted state is damaged. It is never made anew by itself: that would trust anything.

    Attributes:
        path: The file.

        reason: The fault.
    """

    code = "trust-unreadable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"the trusted state in {path} cannot be read: {reason}; restore it from a copy, or move it away and pin a "
            "head that you know from elsewhere"
        )
        self.path = path
        self.reason = reason


class VerificationError(ImmudbError):
    """
    What the server answered does not follow from what is trusted: it was changed, or another history is shown.

    The trusted state stays as it was. The error is the evidence: keep it.

    Attributes:
        call: The name of the remote call.

        database: The database.

        check: Which check failed, a stable word such as "entry-inclusion"; see `eventsource.immudb.Check`.

        problem: The fault, in words.

        request: What was asked, as bytes of the wire; holds keys, and the values of a write.

        answer: What was answered, as bytes of the wire; may hold values.

        trusted_tx: The transaction up to which the server was trusted; 0 for none.

        trusted_alh: Its accumulated hash; empty for none.

        was_write: True if it was a write. If so, it has usually been committed all the same.
    """

    code = "verification"

    def __init__(
        self,
        call: str,
        *,
        database: str,
        check: str,
        problem: str,
        request: bytes = b"",
        answer: bytes = b"",
        trusted_tx: int = 0,
        trusted_alh: bytes = b"",
        was_write: bool = False,
    ) -> None:
        outcome = ""
        if was_write:
            look = _READ_BACK if call in _RESOLVABLE else "look whether it is done"
            outcome = f"; it may be committed all the same: {look}"
        known = f"trusted up to transaction {trusted_tx}" if trusted_tx else "nothing was trusted before"
        super().__init__(f"{call} in database {database!r} failed verification ({check}): {problem}; {known}{outcome}")
        self.call = call
        self.database = database
        self.check = check
        self.problem = problem
        self.request = request
        self.answer = answer
        self.trusted_tx = trusted_tx
        self.trusted_alh = trusted_alh
        self.was_write = was_write


class RollbackError(VerificationError):
    """
    The server has fewer transactions than it had: it was rolled back, or restored from an older copy.
    """

    code = "rollback"


class StateSignatureError(VerificationError):
    """
    The server did not sign its state with the key that it is known by.
    """

    code = "state-signature"


class ServerDamagedError(VerificationError):
    """
    The server itself finds that its files were changed.
    """

    code = "server-damaged"


# The name that the README of the first client has for it.
VerificationException = VerificationError
