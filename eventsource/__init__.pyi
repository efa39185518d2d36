from .aggregates.context import (
    current_metadata as current_metadata,
    with_metadata as with_metadata,
)
from .aggregates.transacting import (
    decide as decide,
)
from .commands.command import (
    Command as Command,
)
from .commands.dispatcher import (
    Dispatcher as Dispatcher,
)
from .commands.execution import (
    CommandResult as CommandResult,
)
from .aggregates.loader import (
    Loader as Loader,
)
from .aggregates.history import (
    Change as Change,
    Difference as Difference,
    HistoryEntry as HistoryEntry,
)
from .aggregates.repository import (
    Repository as Repository,
)
from .aggregates.transacting import (
    RetryPolicy as RetryPolicy,
)
from .aggregates.cache import (
    AggregateCache as AggregateCache,
)
from .aggregates.snapshot_stores import (
    FoundSnapshot as FoundSnapshot,
    InMemorySnapshotStore as InMemorySnapshotStore,
    SnapshotStore as SnapshotStore,
)
from .aggregates.snapshots import (
    Snapshots as Snapshots,
)
from .aggregates.snapshot_stores import (
    SqlSnapshotStore as SqlSnapshotStore,
)
from .aggregates.unit_of_work import (
    UnitOfWork as UnitOfWork,
)
from .aggregates.aggregate import (
    Aggregate as Aggregate,
)
from .aggregates.decider import (
    Decider as Decider,
)
from .aggregates.decision_state import (
    DecisionState as DecisionState,
)
from .events.handlers import (
    handles as handles,
)
from .aggregates.periods import (
    PeriodAggregate as PeriodAggregate,
)
from .events.event import (
    Event as Event,
    NewEvent as NewEvent,
    RecordedEvent as RecordedEvent,
)
from .events.event_types import (
    EventTypes as EventTypes,
    event_types as event_types,
    stored_types_of as stored_types_of,
)
from .events.personal_data import (
    Erased as Erased,
)
from .events.subject_erased import (
    SubjectErased as SubjectErased,
)
from .events.upcasters import (
    upcaster as upcaster,
)
from .guards.event_proxy import (
    one_of as one_of,
)
from .guards.guard import (
    Guard as Guard,
    all_of as all_of,
    events as events,
)
from .guards.rules import (
    rule as rule,
)
from .events.metadata import (
    Metadata as Metadata,
)
from .guards.preconditions import (
    Precondition as Precondition,
    QueryIsTrue as QueryIsTrue,
    SubjectExists as SubjectExists,
    SubjectIsAtVersion as SubjectIsAtVersion,
    SubjectIsNew as SubjectIsNew,
)
from .processes.reaction import (
    own_command as own_command,
)
from .processes.process_manager import (
    ProcessManager as ProcessManager,
)
from .processes.reaction import (
    Refusal as Refusal,
    on_refusal as on_refusal,
    on_timer as on_timer,
    reacts as reacts,
    starts as starts,
)
from .aggregates.snapshot import (
    Snapshot as Snapshot,
)
from .aggregates.snapshot import (
    At as At,
    EveryEvents as EveryEvents,
    SinceSnapshot as SinceSnapshot,
    SlowerThan as SlowerThan,
    SnapshotPolicy as SnapshotPolicy,
)
from .events.subject import (
    Subject as Subject,
)
from .erasure.erase import (
    Erasure as Erasure,
    erase_subject as erase_subject,
)
from .erasure.plan import (
    ErasurePlan as ErasurePlan,
    plan_erasure as plan_erasure,
)
from .erasure.purging import (
    purging as purging,
)
from .aggregates.errors import (
    AggregateExistsError as AggregateExistsError,
    AggregateInCommitError as AggregateInCommitError,
    AggregateNotFoundError as AggregateNotFoundError,
    AggregateReadOnlyError as AggregateReadOnlyError,
    ConflictError as ConflictError,
    PeriodClosedError as PeriodClosedError,
    RuleBrokenError as RuleBrokenError,
    UnitOfWorkClosedError as UnitOfWorkClosedError,
    UnstorableStateError as UnstorableStateError,
)
from .commands.errors import (
    CommandError as CommandError,
    CommandIdReusedError as CommandIdReusedError,
    CommandLeavesNoTraceError as CommandLeavesNoTraceError,
    CommandNotHandledError as CommandNotHandledError,
    ResultNotSeenError as ResultNotSeenError,
    UnstorableCommandError as UnstorableCommandError,
)
from .events.errors import (
    EventDecodingError as EventDecodingError,
    EventError as EventError,
    EventTooLargeError as EventTooLargeError,
    MalformedEventError as MalformedEventError,
    NewerEventError as NewerEventError,
    NotAnEventError as NotAnEventError,
    NotOneEventError as NotOneEventError,
    ReservedNameError as ReservedNameError,
    SchemaBudgetError as SchemaBudgetError,
    SchemaViolationError as SchemaViolationError,
    UnknownEventTypeError as UnknownEventTypeError,
    UnstorableDataError as UnstorableDataError,
    UnstorableEventError as UnstorableEventError,
    UpcastingError as UpcastingError,
)
from .gdbql.errors import (
    QueryBudgetError as QueryBudgetError,
    QueryError as QueryError,
    QueryLimitError as QueryLimitError,
    QueryStructureError as QueryStructureError,
    QuerySyntaxError as QuerySyntaxError,
    QueryValueError as QueryValueError,
)
from .genesisdb.errors import (
    AnswerTooLargeError as AnswerTooLargeError,
    ClientSettingError as ClientSettingError,
    WrongEventLoopError as WrongEventLoopError,
)
from .guards.errors import GuardError as GuardError, PreconditionFailedError as PreconditionFailedError
from .immudb.errors import (
    ImmudbClosedError as ImmudbClosedError,
    ImmudbError as ImmudbError,
    ImmudbExistsError as ImmudbExistsError,
    ImmudbKeyExistsError as ImmudbKeyExistsError,
    ImmudbKeyNotFoundError as ImmudbKeyNotFoundError,
    ImmudbLimitError as ImmudbLimitError,
    ImmudbLoginError as ImmudbLoginError,
    ImmudbNotFoundError as ImmudbNotFoundError,
    ImmudbOutcomeUnknownError as ImmudbOutcomeUnknownError,
    ImmudbPermissionError as ImmudbPermissionError,
    ImmudbPreconditionError as ImmudbPreconditionError,
    ImmudbRefusedError as ImmudbRefusedError,
    ImmudbUnavailableError as ImmudbUnavailableError,
    InvalidImmudbUrlError as InvalidImmudbUrlError,
    NotBytesError as NotBytesError,
    PasswordPolicyError as PasswordPolicyError,
    RollbackError as RollbackError,
    ServerDamagedError as ServerDamagedError,
    StateSignatureError as StateSignatureError,
    TrustMissingError as TrustMissingError,
    TrustUnreadableError as TrustUnreadableError,
    VerificationError as VerificationError,
)
from .notary.errors import (
    AlreadyNotarisedError as AlreadyNotarisedError,
    InvalidLedgerUrlError as InvalidLedgerUrlError,
    LedgerClosedError as LedgerClosedError,
    LedgerLockedError as LedgerLockedError,
    LedgerReadOnlyError as LedgerReadOnlyError,
    LedgerRefusedError as LedgerRefusedError,
    LedgerUnavailableError as LedgerUnavailableError,
    NotALedgerError as NotALedgerError,
    NotNotarisedError as NotNotarisedError,
    NotaryBookError as NotaryBookError,
    NotaryError as NotaryError,
    NotaryNotRunningError as NotaryNotRunningError,
    SignedHeadError as SignedHeadError,
    TamperedError as TamperedError,
)
from .processes.errors import (
    ProcessCompletedError as ProcessCompletedError,
    ProcessError as ProcessError,
    ProcessManagerFailedError as ProcessManagerFailedError,
    ProcessManagerNotRunningError as ProcessManagerNotRunningError,
    ProcessNotFoundError as ProcessNotFoundError,
    ProcessNotParkedError as ProcessNotParkedError,
    ProcessNotStartedError as ProcessNotStartedError,
    RefusalUnansweredError as RefusalUnansweredError,
    UndeclaredCommandError as UndeclaredCommandError,
)
from .projections.errors import (
    CheckpointMismatchError as CheckpointMismatchError,
    CheckpointMissingError as CheckpointMissingError,
    ErasedDataRemainsError as ErasedDataRemainsError,
    HandlerTransactionError as HandlerTransactionError,
    ProjectorChangedError as ProjectorChangedError,
    ProjectorFailedError as ProjectorFailedError,
    ProjectorNotRunningError as ProjectorNotRunningError,
    ProjectorOutdatedError as ProjectorOutdatedError,
    ProjectorSupersededError as ProjectorSupersededError,
    ReadModelInUseError as ReadModelInUseError,
    ReadModelIncompleteError as ReadModelIncompleteError,
    TableTakenError as TableTakenError,
    UnfinishedEffectsError as UnfinishedEffectsError,
)
from .root_error import (
    DeclarationError as DeclarationError,
    EventSourceError as EventSourceError,
    InvalidSubjectError as InvalidSubjectError,
    MissingExtraError as MissingExtraError,
    StoreError as StoreError,
    UnsafeFileError as UnsafeFileError,
)
from .store.errors import (
    NotAStoreError as NotAStoreError,
    PersonalDataRemainsError as PersonalDataRemainsError,
    SchemaMismatchError as SchemaMismatchError,
    StoreFileLostError as StoreFileLostError,
    StoreForkedError as StoreForkedError,
    StoreFormatError as StoreFormatError,
    StoreLockedError as StoreLockedError,
)
from .subscriptions.errors import (
    NotAReadModelDatabaseError as NotAReadModelDatabaseError,
    NotSeenError as NotSeenError,
    ProjectionError as ProjectionError,
    ReadModelDatabaseError as ReadModelDatabaseError,
    ReadModelDatabaseUrlError as ReadModelDatabaseUrlError,
)
from .wire.errors import (
    BackupInvalidError as BackupInvalidError,
    CommitOutcomeUnknownError as CommitOutcomeUnknownError,
    DamagedLineError as DamagedLineError,
    ErasureUnfinishedError as ErasureUnfinishedError,
    EventNotFoundError as EventNotFoundError,
    IdempotencyKeyReusedError as IdempotencyKeyReusedError,
    InvalidSchemaError as InvalidSchemaError,
    InvalidStoreUrlError as InvalidStoreUrlError,
    NotSupportedError as NotSupportedError,
    SchemaExistsError as SchemaExistsError,
    StoreClosedError as StoreClosedError,
    StoreCorruptedError as StoreCorruptedError,
    StoreFullError as StoreFullError,
    StoreNotEmptyError as StoreNotEmptyError,
    StoreReadOnlyError as StoreReadOnlyError,
    StoreUnavailableError as StoreUnavailableError,
    SubjectNotFoundError as SubjectNotFoundError,
)
from .wire.request_errors import (
    AddressUnavailableError as AddressUnavailableError,
    ForbiddenError as ForbiddenError,
    InvalidJsonError as InvalidJsonError,
    InvalidRequestError as InvalidRequestError,
    RequestError as RequestError,
    RequestRefusedError as RequestRefusedError,
    RequestTooLargeError as RequestTooLargeError,
    UnauthenticatedError as UnauthenticatedError,
    UnsafeTokenError as UnsafeTokenError,
)
from .processes.overview import (
    ProcessOverview as ProcessOverview,
    ProcessState as ProcessState,
    list_processes as list_processes,
    retry_process as retry_process,
)
from .processes.worker import (
    ProcessWorker as ProcessWorker,
)
from .projections.database import (
    ReadModelDatabase as ReadModelDatabase,
)
from .projections.projector import (
    Projector as Projector,
)
from .projections.worker import (
    Worker as Worker,
    rebuild as rebuild,
)
from .store.opening import (
    connect as connect,
)
from .store.embedded.store import (
    EmbeddedEventStore as EmbeddedEventStore,
)
from .store.interface import (
    AuditReport as AuditReport,
    EventStore as EventStore,
    EventStream as EventStream,
    Page as Page,
    StoreStatus as StoreStatus,
)
from .store.memory import (
    InMemoryEventStore as InMemoryEventStore,
)
from .store.query import (
    DataIndex as DataIndex,
    Explanation as Explanation,
    IndexState as IndexState,
    QueryLimits as QueryLimits,
    QueryRows as QueryRows,
)
from .store.schema.generated import (
    schema_of as schema_of,
)
from .store.schema.registering import (
    SchemaDifference as SchemaDifference,
    SchemaState as SchemaState,
    diff_schemas as diff_schemas,
    push_schemas as push_schemas,
)
from .store.scope.store import (
    ScopedEventStore as ScopedEventStore,
    scoped as scoped,
)
