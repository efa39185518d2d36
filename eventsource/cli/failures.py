"""
How a command ends: its exit code, and what it says when it could not do what was asked.
"""

from __future__ import annotations

import enum
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import typer
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from eventsource.commands.errors import CommandNotHandledError
from eventsource.events.errors import EventDecodingError, EventError
from eventsource.gdbql.errors import QueryBudgetError, QueryError, QuerySyntaxError
from eventsource.immudb.errors import (
    ImmudbLoginError,
    ImmudbPermissionError,
    InvalidImmudbUrlError,
    TrustMissingError,
    VerificationError,
)
from eventsource.notary.errors import InvalidLedgerUrlError, NotNotarisedError, SignedHeadError, TamperedError
from eventsource.printable import printable
from eventsource.processes.errors import ProcessError, ProcessManagerFailedError
from eventsource.projections.errors import ProjectorFailedError
from eventsource.root_error import DeclarationError, EventSourceError, InvalidSubjectError, MissingExtraError
from eventsource.store.errors import PersonalDataRemainsError, SchemaMismatchError, StoreLockedError
from eventsource.subscriptions.errors import NotAReadModelDatabaseError, ProjectionError, ReadModelDatabaseUrlError
from eventsource.wire.errors import (
    BackupInvalidError,
    EventNotFoundError,
    InvalidSchemaError,
    InvalidStoreUrlError,
    NotSupportedError,
    SchemaExistsError,
    StoreNotEmptyError,
    SubjectNotFoundError,
)
from eventsource.wire.request_errors import ForbiddenError, UnauthenticatedError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PACKAGE = str(Path(__file__).parents[1])


class ExitCode(enum.IntEnum):
    """
    What the commands exit with. 128 and the number of the signal when one ended it early.
    """

    DONE = 0
    # It ran, and found what is wrong: a projector or a process manager failed or is parked, an audit or a verification
    # found problems, a backup is damaged, a query used up its limits.
    FAILED = 1
    # The arguments are not understood, or name what is not there: a subject, a query, a module, an event id. Or what
    # must not be there: a file in place of a backup, events in a store to be restored.
    USAGE = 2
    # It could not look: the store, the ledger or the read-model database cannot be opened, read or written to, what
    # answers at the address is no server of that kind, the address is taken, or the output cannot be written.
    UNAVAILABLE = 3
    # The server knows the token or the login not, or allows it less than the command needs.
    NOT_ALLOWED = 4
    # A defect of the command: what it prints belongs into a report. The number is EX_SOFTWARE of sysexits.h.
    DEFECT = 70


EXIT_CODES_HELP = (
    "Exit codes: 0 done; 1 a projector failed, a process manager failed, processes are parked, an audit or a "
    "verification found problems, a backup is damaged, a query used up its limits, or a schema may refuse what is "
    "written; 2 the arguments are not understood, name what is not there or what must not be there; 3 the store, the "
    "ledger, the read-model database or the output cannot be opened, read or written; 4 the server does not allow it; "
    "70 a defect of the command; 128 and the "
    "number of the signal that ended it early (130 for Ctrl-C)."
)


class CommandError(Exception):
    """
    A command cannot do what was asked, for a reason that lies outside the library.

    Attributes:
        exit_code: What the command exits with.
    """

    code: ClassVar[str] = "usage"
    exit_code: ClassVar[ExitCode] = ExitCode.USAGE


class ProjectorNotLoadedError(CommandError):
    """
    ``module:Projector`` names no projector.
    """

    code = "projector-not-loaded"


class ProcessNotLoadedError(CommandError):
    """
    ``module:Process`` names no process manager, or what is to carry out its commands is none.
    """

    code = "process-not-loaded"


class ModuleNotLoadedError(CommandError):
    """
    A module cannot be imported, or has no event classes.
    """

    code = "module-not-loaded"


class DatabaseUrlError(CommandError):
    """
    A read-model database URL is not understood, or names what read models must not be written to.
    """

    code = "invalid-database-url"


class DatabaseUnavailableError(CommandError):
    """
    The read-model database does not answer.
    """

    code = "database-unavailable"
    exit_code = ExitCode.UNAVAILABLE


class QueryEndedError(CommandError):
    """
    A query used up its limits; the rows before are printed.
    """

    code = QueryBudgetError.code
    exit_code = ExitCode.FAILED

    def __init__(self, error: QueryBudgetError, *, option: str) -> None:
        super().__init__(f"{error}; {option} allows more")


class StoreInUseError(CommandError):
    """
    What only the writer of a store can do is asked while another process has that place.
    """

    code = StoreLockedError.code
    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, error: StoreLockedError, *, is_building: bool) -> None:
        advice = (
            'it builds this index itself, and "eventsource index list" tells how far it is'
            if is_building
            else "stop it, run this command, and start it again, or let it call create_index() or drop_index() itself"
        )
        super().__init__(
            f"another process has {error.path} open for writing, and only the writer of a store changes its indexes: "
            f"{advice}"
        )


class SchemasRefuseError(CommandError):
    """
    Registered schemas may refuse what event classes write.
    """

    code = SchemaMismatchError.code
    exit_code = ExitCode.FAILED

    def __init__(self, error: SchemaMismatchError) -> None:
        super().__init__(f"nothing was registered: {error}")


class IndexNotFoundError(CommandError):
    """
    There is no such declared index.
    """

    code = "index-not-found"

    def __init__(self, event_type: str, path: str) -> None:
        super().__init__(f"there is no index on {path} of {event_type!r}")


class OutputError(CommandError):
    """
    Results cannot be written.
    """

    code = "output"
    exit_code = ExitCode.UNAVAILABLE


class ProcessesParkedError(CommandError):
    """
    A run with ``--once`` has done all it could, and some processes are parked.
    """

    code = "processes-parked"
    exit_code = ExitCode.FAILED

    def __init__(self, parked: Mapping[str, int]) -> None:
        counted = ", ".join(f"{count} of {name}" for name, count in parked.items())
        super().__init__(
            f'processes are parked and wait for you: {counted}; "eventsource process parked" tells what they failed '
            'at, "eventsource process retry" lets them go on'
        )


class Failure(BaseModel):
    """
    An error as a command reports it.

    Attributes:
        code: Stable, for programs.

        message: What happened and what to do, in words, without event data.

        event_id: The event a projector stopped before, with its `type` and `subject`.

        line: Where a query is wrong, counted from 1, with its `column` in characters.

        cause: The traceback of the handler that raised, or how the event does not fit its class.
    """

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    event_id: str | None = None
    type: str | None = None
    subject: str | None = None
    line: int | None = None
    column: int | None = None
    cause: str | None = None

    def in_words(self) -> str:
        """
        Lines for people. What to do comes last, where the eye is.
        """
        # What a database or the reader of arguments and queries says may have lines; what is quoted from data has none.
        has_lines = self.line is not None or self.code in {CommandError.code, DatabaseUnavailableError.code}
        message = self.message if has_lines else printable(self.message)
        return f"{self.cause}\n{message}" if self.cause else message


def describe(error: Exception) -> Failure | None:
    """
    What to say about *error*; None for one that only a defect can raise.
    """
    match error:
        case ProjectorFailedError() | ProcessManagerFailedError():
            return Failure(
                code=error.code,
                message=str(error),
                event_id=error.event_id,
                type=error.event_type,
                subject=error.subject,
                cause=_cause(error),
            )
        case QuerySyntaxError():
            return Failure(code=error.code, message=str(error), line=error.line, column=error.column)
        case CommandError() | EventSourceError():
            return Failure(code=error.code, message=str(error))
        case SQLAlchemyError():
            message = f"the read-model database does not answer: {database_reason(error)}"
            return Failure(code=DatabaseUnavailableError.code, message=message)
        case typer.TyperException():
            return Failure(code=CommandError.code, message=error.format_message())
        case _:
            return None


def exit_code_of(error: Exception) -> ExitCode:
    """
    What a command that *error* ends exits with.
    """
    match error:
        case CommandError():
            return error.exit_code
        case UnauthenticatedError() | ForbiddenError() | ImmudbLoginError() | ImmudbPermissionError():
            return ExitCode.NOT_ALLOWED
        case (
            BackupInvalidError()
            | EventError()
            | PersonalDataRemainsError()
            | ProcessManagerFailedError()
            | ProjectionError()
            | QueryBudgetError()
            | SchemaMismatchError()
            | SignedHeadError()
            | TamperedError()
            | VerificationError()
        ):
            return ExitCode.FAILED
        case (
            typer.TyperException()
            | CommandNotHandledError()
            | DeclarationError()
            | EventNotFoundError()
            | InvalidImmudbUrlError()
            | InvalidLedgerUrlError()
            | InvalidSchemaError()
            | InvalidStoreUrlError()
            | InvalidSubjectError()
            | MissingExtraError()
            | NotAReadModelDatabaseError()
            | ReadModelDatabaseUrlError()
            | NotNotarisedError()
            | NotSupportedError()
            | ProcessError()
            | QueryError()
            | SchemaExistsError()
            | StoreNotEmptyError()
            | SubjectNotFoundError()
            | TrustMissingError()
        ):
            return ExitCode.USAGE
        case EventSourceError() | SQLAlchemyError():
            # It could not look, so it has found nothing.
            return ExitCode.UNAVAILABLE
        case _:
            return ExitCode.DEFECT


def database_reason(error: SQLAlchemyError) -> str:
    """
    What the database said, without the statement and its values, which may be personal.
    """
    return f"{type(error.orig).__name__}: {error.orig}" if isinstance(error, DBAPIError) else str(error)


def format_error(error: BaseException) -> str:
    """
    *error* with its traceback.
    """
    return "".join(traceback.format_exception(error)).rstrip()


def _cause(error: ProjectorFailedError | ProcessManagerFailedError) -> str | None:
    cause = error.__cause__
    if cause is None or isinstance(cause, EventDecodingError):
        return str(cause) if cause else None
    # What leads to the handler is always the same; who reads this looks for the handler's own lines.
    trace = cause.__traceback__
    while trace and trace.tb_frame.f_code.co_filename.startswith(_PACKAGE):
        trace = trace.tb_next
    return format_error(cause.with_traceback(trace or cause.__traceback__))
