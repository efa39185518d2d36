"""
Every error of the package.

    EventSourceError
    ├── InvalidSubjectError (ValueError)
    ├── DeclarationError (TypeError)
    ├── MissingExtraError (ImportError)
    ├── UnsafeFileError (OSError)
    ├── EventError
    │   ├── UnknownEventTypeError
    │   ├── UnstorableDataError (ValueError)
    │   ├── UnstorableEventError (ValueError)
    │   ├── EventTooLargeError (ValueError)
    │   ├── ReservedNameError (ValueError)
    │   ├── NotAnEventError (TypeError)
    │   ├── MalformedEventError (ValueError)
    │   ├── SchemaBudgetError
    │   ├── SchemaViolationError (ValueError)
    │   ├── EventDecodingError
    │   ├── NewerEventError
    │   ├── UpcastingError
    │   └── NotOneEventError
    ├── QueryError
    │   ├── QuerySyntaxError (ValueError)
    │   ├── QueryStructureError (ValueError)
    │   ├── QueryValueError (ValueError)
    │   ├── QueryLimitError
    │   ├── QueryBudgetError
    │   └── GuardError (ValueError)
    ├── StoreError
    │   ├── InvalidStoreUrlError (ValueError)
    │   ├── NotAStoreError
    │   ├── StoreFormatError
    │   ├── StoreLockedError
    │   ├── StoreReadOnlyError
    │   ├── StoreClosedError
    │   ├── WrongEventLoopError (RuntimeError)
    │   ├── ClientSettingError (ValueError)
    │   ├── StoreForkedError
    │   ├── StoreFullError
    │   ├── StoreUnavailableError
    │   │   └── StoreFileLostError
    │   ├── StoreCorruptedError
    │   ├── CommitOutcomeUnknownError
    │   ├── DamagedLineError
    │   ├── AnswerTooLargeError
    │   ├── EventNotFoundError (LookupError)
    │   ├── SubjectNotFoundError (LookupError)
    │   ├── ErasureUnfinishedError
    │   ├── PersonalDataRemainsError
    │   ├── StoreNotEmptyError
    │   ├── BackupInvalidError (ValueError)
    │   ├── NotSupportedError
    │   ├── SchemaExistsError
    │   ├── InvalidSchemaError (ValueError)
    │   ├── SchemaMismatchError
    │   ├── IdempotencyKeyReusedError
    │   └── PreconditionFailedError
    │       ├── AggregateExistsError
    │       ├── RuleBrokenError
    │       └── ConflictError
    ├── RequestError
    │   ├── InvalidJsonError (ValueError)
    │   ├── InvalidRequestError (ValueError)
    │   ├── RequestTooLargeError (ValueError)
    │   ├── UnauthenticatedError
    │   ├── ForbiddenError
    │   └── RequestRefusedError
    ├── CommandError
    │   ├── CommandNotHandledError (LookupError)
    │   ├── CommandLeavesNoTraceError
    │   ├── CommandIdReusedError
    │   ├── UnstorableCommandError (ValueError)
    │   └── ResultNotSeenError
    ├── UnsafeTokenError (ValueError)
    ├── AddressUnavailableError
    ├── AggregateNotFoundError (LookupError)
    ├── AggregateReadOnlyError
    ├── AggregateInCommitError (RuntimeError)
    ├── UnitOfWorkClosedError (RuntimeError)
    ├── PeriodClosedError
    ├── UnstorableStateError (TypeError)
    ├── NotAReadModelDatabaseError
    ├── ReadModelDatabaseUrlError (ValueError)
    ├── ReadModelDatabaseError
    ├── ImmudbError
    │   ├── InvalidImmudbUrlError (ValueError)
    │   ├── NotBytesError (TypeError)
    │   ├── ImmudbLimitError (ValueError)
    │   ├── PasswordPolicyError (ValueError)
    │   ├── ImmudbClosedError
    │   ├── ImmudbUnavailableError
    │   ├── ImmudbLoginError
    │   ├── ImmudbPermissionError
    │   ├── ImmudbNotFoundError (LookupError)
    │   ├── ImmudbExistsError
    │   ├── ImmudbKeyNotFoundError (LookupError)
    │   ├── ImmudbPreconditionError
    │   │   └── ImmudbKeyExistsError
    │   ├── ImmudbRefusedError
    │   ├── ImmudbOutcomeUnknownError
    │   ├── TrustMissingError
    │   ├── TrustUnreadableError
    │   └── VerificationError
    │       ├── RollbackError
    │       ├── StateSignatureError
    │       └── ServerDamagedError
    ├── ProjectionError
    │   ├── ProjectorFailedError
    │   ├── ProjectorSupersededError
    │   ├── ProjectorOutdatedError
    │   ├── ProjectorChangedError
    │   ├── HandlerTransactionError
    │   ├── UnfinishedEffectsError
    │   ├── TableTakenError
    │   ├── ReadModelInUseError
    │   ├── ProjectorNotRunningError
    │   ├── CheckpointMismatchError
    │   ├── CheckpointMissingError
    │   ├── ReadModelIncompleteError
    │   ├── ErasedDataRemainsError
    │   └── NotSeenError (TimeoutError)
    ├── ProcessError
    │   ├── UndeclaredCommandError
    │   ├── ProcessNotStartedError
    │   ├── ProcessCompletedError
    │   ├── RefusalUnansweredError
    │   ├── ProcessNotFoundError (LookupError)
    │   ├── ProcessNotParkedError
    │   ├── ProcessManagerFailedError
    │   └── ProcessManagerNotRunningError
    └── NotaryError
        ├── InvalidLedgerUrlError (ValueError)
        ├── NotALedgerError
        ├── LedgerLockedError
        ├── LedgerClosedError
        ├── LedgerReadOnlyError
        ├── LedgerRefusedError
        ├── LedgerUnavailableError
        ├── AlreadyNotarisedError
        ├── TamperedError
        ├── SignedHeadError (ValueError)
        ├── NotaryBookError
        ├── NotaryNotRunningError
        └── NotNotarisedError (TimeoutError)

Each has a stable `code` and its facts as attributes; the message is built from the facts.
None carries event data: it may be personal. An application's own refusals live beside its
aggregates and need not derive from anything here.
"""

from eventsource.aggregates.errors import (
    AggregateExistsError,
    AggregateInCommitError,
    AggregateNotFoundError,
    AggregateReadOnlyError,
    ConflictError,
    PeriodClosedError,
    RuleBrokenError,
    UnitOfWorkClosedError,
    UnstorableStateError,
)
from eventsource.commands.errors import (
    CommandError,
    CommandIdReusedError,
    CommandLeavesNoTraceError,
    CommandNotHandledError,
    ResultNotSeenError,
    UnstorableCommandError,
)
from eventsource.events.errors import (
    EventDecodingError,
    EventError,
    EventTooLargeError,
    MalformedEventError,
    NewerEventError,
    NotAnEventError,
    NotOneEventError,
    ReservedNameError,
    SchemaBudgetError,
    SchemaViolationError,
    UnknownEventTypeError,
    UnstorableDataError,
    UnstorableEventError,
    UpcastingError,
)
from eventsource.gdbql.errors import (
    QueryBudgetError,
    QueryError,
    QueryLimitError,
    QueryStructureError,
    QuerySyntaxError,
    QueryValueError,
)
from eventsource.genesisdb.errors import AnswerTooLargeError, ClientSettingError, WrongEventLoopError
from eventsource.guards.errors import GuardError, PreconditionFailedError
from eventsource.immudb.errors import (
    ImmudbClosedError,
    ImmudbError,
    ImmudbExistsError,
    ImmudbKeyExistsError,
    ImmudbKeyNotFoundError,
    ImmudbLimitError,
    ImmudbLoginError,
    ImmudbNotFoundError,
    ImmudbOutcomeUnknownError,
    ImmudbPermissionError,
    ImmudbPreconditionError,
    ImmudbRefusedError,
    ImmudbUnavailableError,
    InvalidImmudbUrlError,
    NotBytesError,
    PasswordPolicyError,
    RollbackError,
    ServerDamagedError,
    StateSignatureError,
    TrustMissingError,
    TrustUnreadableError,
    VerificationError,
)
from eventsource.notary.errors import (
    AlreadyNotarisedError,
    InvalidLedgerUrlError,
    LedgerClosedError,
    LedgerLockedError,
    LedgerReadOnlyError,
    LedgerRefusedError,
    LedgerUnavailableError,
    NotALedgerError,
    NotaryBookError,
    NotaryError,
    NotaryNotRunningError,
    NotNotarisedError,
    SignedHeadError,
    TamperedError,
)
from eventsource.processes.errors import (
    ProcessCompletedError,
    ProcessError,
    ProcessManagerFailedError,
    ProcessManagerNotRunningError,
    ProcessNotFoundError,
    ProcessNotParkedError,
    ProcessNotStartedError,
    RefusalUnansweredError,
    UndeclaredCommandError,
)
from eventsource.projections.errors import (
    CheckpointMismatchError,
    CheckpointMissingError,
    ErasedDataRemainsError,
    HandlerTransactionError,
    ProjectorChangedError,
    ProjectorFailedError,
    ProjectorNotRunningError,
    ProjectorOutdatedError,
    ProjectorSupersededError,
    ReadModelIncompleteError,
    ReadModelInUseError,
    TableTakenError,
    UnfinishedEffectsError,
)
from eventsource.root_error import (
    DeclarationError,
    EventSourceError,
    InvalidSubjectError,
    MissingExtraError,
    StoreError,
    UnsafeFileError,
)
from eventsource.store.errors import (
    NotAStoreError,
    PersonalDataRemainsError,
    SchemaMismatchError,
    StoreFileLostError,
    StoreForkedError,
    StoreFormatError,
    StoreLockedError,
)
from eventsource.subscriptions.errors import (
    NotAReadModelDatabaseError,
    NotSeenError,
    ProjectionError,
    ReadModelDatabaseError,
    ReadModelDatabaseUrlError,
)
from eventsource.wire.errors import (
    BackupInvalidError,
    CommitOutcomeUnknownError,
    DamagedLineError,
    ErasureUnfinishedError,
    EventNotFoundError,
    IdempotencyKeyReusedError,
    InvalidSchemaError,
    InvalidStoreUrlError,
    NotSupportedError,
    SchemaExistsError,
    StoreClosedError,
    StoreCorruptedError,
    StoreFullError,
    StoreNotEmptyError,
    StoreReadOnlyError,
    StoreUnavailableError,
    SubjectNotFoundError,
)
from eventsource.wire.request_errors import (
    AddressUnavailableError,
    ForbiddenError,
    InvalidJsonError,
    InvalidRequestError,
    RequestError,
    RequestRefusedError,
    RequestTooLargeError,
    UnauthenticatedError,
    UnsafeTokenError,
)

__all__ = [
    "AddressUnavailableError",
    "AggregateExistsError",
    "AggregateInCommitError",
    "AggregateNotFoundError",
    "AggregateReadOnlyError",
    "AlreadyNotarisedError",
    "AnswerTooLargeError",
    "BackupInvalidError",
    "CheckpointMismatchError",
    "CheckpointMissingError",
    "ClientSettingError",
    "CommandError",
    "CommandIdReusedError",
    "CommandLeavesNoTraceError",
    "CommandNotHandledError",
    "CommitOutcomeUnknownError",
    "ConflictError",
    "DamagedLineError",
    "DeclarationError",
    "ErasedDataRemainsError",
    "ErasureUnfinishedError",
    "EventDecodingError",
    "EventError",
    "EventNotFoundError",
    "EventSourceError",
    "EventTooLargeError",
    "ForbiddenError",
    "GuardError",
    "HandlerTransactionError",
    "IdempotencyKeyReusedError",
    "ImmudbClosedError",
    "ImmudbError",
    "ImmudbExistsError",
    "ImmudbKeyExistsError",
    "ImmudbKeyNotFoundError",
    "ImmudbLimitError",
    "ImmudbLoginError",
    "ImmudbNotFoundError",
    "ImmudbOutcomeUnknownError",
    "ImmudbPermissionError",
    "ImmudbPreconditionError",
    "ImmudbRefusedError",
    "ImmudbUnavailableError",
    "InvalidImmudbUrlError",
    "InvalidJsonError",
    "InvalidLedgerUrlError",
    "InvalidRequestError",
    "InvalidSchemaError",
    "InvalidStoreUrlError",
    "InvalidSubjectError",
    "LedgerClosedError",
    "LedgerLockedError",
    "LedgerReadOnlyError",
    "LedgerRefusedError",
    "LedgerUnavailableError",
    "MalformedEventError",
    "MissingExtraError",
    "NewerEventError",
    "NotALedgerError",
    "NotAReadModelDatabaseError",
    "NotAStoreError",
    "NotAnEventError",
    "NotBytesError",
    "NotNotarisedError",
    "NotOneEventError",
    "NotSeenError",
    "NotSupportedError",
    "NotaryBookError",
    "NotaryError",
    "NotaryNotRunningError",
    "PasswordPolicyError",
    "PeriodClosedError",
    "PersonalDataRemainsError",
    "PreconditionFailedError",
    "ProcessCompletedError",
    "ProcessError",
    "ProcessManagerFailedError",
    "ProcessManagerNotRunningError",
    "ProcessNotFoundError",
    "ProcessNotParkedError",
    "ProcessNotStartedError",
    "ProjectionError",
    "ProjectorChangedError",
    "ProjectorFailedError",
    "ProjectorNotRunningError",
    "ProjectorOutdatedError",
    "ProjectorSupersededError",
    "QueryBudgetError",
    "QueryError",
    "QueryLimitError",
    "QueryStructureError",
    "QuerySyntaxError",
    "QueryValueError",
    "ReadModelDatabaseError",
    "ReadModelDatabaseUrlError",
    "ReadModelInUseError",
    "ReadModelIncompleteError",
    "RefusalUnansweredError",
    "RequestError",
    "RequestRefusedError",
    "RequestTooLargeError",
    "ReservedNameError",
    "ResultNotSeenError",
    "RollbackError",
    "RuleBrokenError",
    "SchemaBudgetError",
    "SchemaExistsError",
    "SchemaMismatchError",
    "SchemaViolationError",
    "ServerDamagedError",
    "SignedHeadError",
    "StateSignatureError",
    "StoreClosedError",
    "StoreCorruptedError",
    "StoreError",
    "StoreFileLostError",
    "StoreForkedError",
    "StoreFormatError",
    "StoreFullError",
    "StoreLockedError",
    "StoreNotEmptyError",
    "StoreReadOnlyError",
    "StoreUnavailableError",
    "SubjectNotFoundError",
    "TableTakenError",
    "TamperedError",
    "TrustMissingError",
    "TrustUnreadableError",
    "UnauthenticatedError",
    "UndeclaredCommandError",
    "UnfinishedEffectsError",
    "UnitOfWorkClosedError",
    "UnknownEventTypeError",
    "UnsafeFileError",
    "UnsafeTokenError",
    "UnstorableCommandError",
    "UnstorableDataError",
    "UnstorableEventError",
    "UnstorableStateError",
    "UpcastingError",
    "VerificationError",
    "WrongEventLoopError",
]
