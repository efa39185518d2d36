from .commands.context import (
    current_metadata as current_metadata,
    with_metadata as with_metadata,
)
from .commands.decide import (
    decide as decide,
)
from .commands.dispatching.command import (
    Command as Command,
)
from .commands.dispatching.dispatcher import (
    Dispatcher as Dispatcher,
)
from .commands.dispatching.result import (
    CommandResult as CommandResult,
)
from .commands.loading import (
    Loader as Loader,
)
from .commands.past import (
    Change as Change,
    Difference as Difference,
    HistoryEntry as HistoryEntry,
)
from .commands.repository import (
    Repository as Repository,
)
from .commands.retry import (
    RetryPolicy as RetryPolicy,
)
from .commands.snapshots.aggregate_cache import (
    AggregateCache as AggregateCache,
)
from .commands.snapshots.snapshot_store import (
    FoundSnapshot as FoundSnapshot,
    InMemorySnapshotStore as InMemorySnapshotStore,
    SnapshotStore as SnapshotStore,
)
from .commands.snapshots.snapshots import (
    Snapshots as Snapshots,
)
from .commands.snapshots.sql_snapshot_store import (
    SqlSnapshotStore as SqlSnapshotStore,
)
from .commands.unit_of_work import (
    UnitOfWork as UnitOfWork,
)
from .domain.aggregates.aggregate import (
    Aggregate as Aggregate,
)
from .domain.aggregates.decider import (
    Decider as Decider,
)
from .domain.aggregates.decision_state import (
    DecisionState as DecisionState,
)
from .domain.aggregates.handler import (
    handles as handles,
)
from .domain.aggregates.period_aggregate import (
    PeriodAggregate as PeriodAggregate,
)
from .domain.event import (
    Event as Event,
    NewEvent as NewEvent,
    RecordedEvent as RecordedEvent,
)
from .domain.event_type import (
    EventTypes as EventTypes,
    event_types as event_types,
    stored_types_of as stored_types_of,
)
from .domain.evolution.erased import (
    Erased as Erased,
)
from .domain.evolution.subject_erased import (
    SubjectErased as SubjectErased,
)
from .domain.evolution.upcaster import (
    upcaster as upcaster,
)
from .domain.guards.event_proxy import (
    one_of as one_of,
)
from .domain.guards.guard import (
    Guard as Guard,
    all_of as all_of,
    events as events,
)
from .domain.guards.rule import (
    rule as rule,
)
from .domain.metadata import (
    Metadata as Metadata,
)
from .domain.precondition import (
    Precondition as Precondition,
    QueryIsTrue as QueryIsTrue,
    SubjectExists as SubjectExists,
    SubjectIsAtVersion as SubjectIsAtVersion,
    SubjectIsNew as SubjectIsNew,
)
from .domain.processes.reaction import (
    own_command as own_command,
)
from .domain.processes.process_manager import (
    ProcessManager as ProcessManager,
)
from .domain.processes.reaction import (
    Refusal as Refusal,
    on_refusal as on_refusal,
    on_timer as on_timer,
    reacts as reacts,
    starts as starts,
)
from .domain.snapshots.snapshot import (
    Snapshot as Snapshot,
)
from .domain.snapshots.snapshot_policy import (
    At as At,
    EveryEvents as EveryEvents,
    SinceSnapshot as SinceSnapshot,
    SlowerThan as SlowerThan,
    SnapshotPolicy as SnapshotPolicy,
)
from .domain.subject import (
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
from .errors import (
    AddressUnavailableError as AddressUnavailableError,
    AggregateExistsError as AggregateExistsError,
    AggregateInCommitError as AggregateInCommitError,
    AggregateNotFoundError as AggregateNotFoundError,
    AggregateReadOnlyError as AggregateReadOnlyError,
    AlreadyNotarisedError as AlreadyNotarisedError,
    AnswerTooLargeError as AnswerTooLargeError,
    BackupInvalidError as BackupInvalidError,
    CheckpointMismatchError as CheckpointMismatchError,
    CheckpointMissingError as CheckpointMissingError,
    ClientSettingError as ClientSettingError,
    CommandError as CommandError,
    CommandIdReusedError as CommandIdReusedError,
    CommandLeavesNoTraceError as CommandLeavesNoTraceError,
    CommandNotHandledError as CommandNotHandledError,
    CommitOutcomeUnknownError as CommitOutcomeUnknownError,
    ConflictError as ConflictError,
    DamagedLineError as DamagedLineError,
    DeclarationError as DeclarationError,
    ErasedDataRemainsError as ErasedDataRemainsError,
    ErasureUnfinishedError as ErasureUnfinishedError,
    EventDecodingError as EventDecodingError,
    EventError as EventError,
    EventNotFoundError as EventNotFoundError,
    EventSourceError as EventSourceError,
    EventTooLargeError as EventTooLargeError,
    ForbiddenError as ForbiddenError,
    GuardError as GuardError,
    HandlerTransactionError as HandlerTransactionError,
    IdempotencyKeyReusedError as IdempotencyKeyReusedError,
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
    InvalidJsonError as InvalidJsonError,
    InvalidLedgerUrlError as InvalidLedgerUrlError,
    InvalidRequestError as InvalidRequestError,
    InvalidSchemaError as InvalidSchemaError,
    InvalidStoreUrlError as InvalidStoreUrlError,
    InvalidSubjectError as InvalidSubjectError,
    LedgerClosedError as LedgerClosedError,
    LedgerLockedError as LedgerLockedError,
    LedgerReadOnlyError as LedgerReadOnlyError,
    LedgerRefusedError as LedgerRefusedError,
    LedgerUnavailableError as LedgerUnavailableError,
    MalformedEventError as MalformedEventError,
    MissingExtraError as MissingExtraError,
    NewerEventError as NewerEventError,
    NotALedgerError as NotALedgerError,
    NotAReadModelDatabaseError as NotAReadModelDatabaseError,
    NotAStoreError as NotAStoreError,
    NotAnEventError as NotAnEventError,
    NotBytesError as NotBytesError,
    NotNotarisedError as NotNotarisedError,
    NotOneEventError as NotOneEventError,
    NotSeenError as NotSeenError,
    NotSupportedError as NotSupportedError,
    NotaryBookError as NotaryBookError,
    NotaryError as NotaryError,
    NotaryNotRunningError as NotaryNotRunningError,
    PasswordPolicyError as PasswordPolicyError,
    PeriodClosedError as PeriodClosedError,
    PersonalDataRemainsError as PersonalDataRemainsError,
    PreconditionFailedError as PreconditionFailedError,
    ProcessCompletedError as ProcessCompletedError,
    ProcessError as ProcessError,
    ProcessManagerFailedError as ProcessManagerFailedError,
    ProcessManagerNotRunningError as ProcessManagerNotRunningError,
    ProcessNotFoundError as ProcessNotFoundError,
    ProcessNotParkedError as ProcessNotParkedError,
    ProcessNotStartedError as ProcessNotStartedError,
    ProjectionError as ProjectionError,
    ProjectorChangedError as ProjectorChangedError,
    ProjectorFailedError as ProjectorFailedError,
    ProjectorNotRunningError as ProjectorNotRunningError,
    ProjectorOutdatedError as ProjectorOutdatedError,
    ProjectorSupersededError as ProjectorSupersededError,
    QueryBudgetError as QueryBudgetError,
    QueryError as QueryError,
    QueryLimitError as QueryLimitError,
    QueryStructureError as QueryStructureError,
    QuerySyntaxError as QuerySyntaxError,
    QueryValueError as QueryValueError,
    ReadModelDatabaseError as ReadModelDatabaseError,
    ReadModelDatabaseUrlError as ReadModelDatabaseUrlError,
    ReadModelInUseError as ReadModelInUseError,
    ReadModelIncompleteError as ReadModelIncompleteError,
    RefusalUnansweredError as RefusalUnansweredError,
    RequestError as RequestError,
    RequestRefusedError as RequestRefusedError,
    RequestTooLargeError as RequestTooLargeError,
    ResultNotSeenError as ResultNotSeenError,
    ReservedNameError as ReservedNameError,
    RollbackError as RollbackError,
    RuleBrokenError as RuleBrokenError,
    SchemaBudgetError as SchemaBudgetError,
    SchemaExistsError as SchemaExistsError,
    SchemaMismatchError as SchemaMismatchError,
    SchemaViolationError as SchemaViolationError,
    ServerDamagedError as ServerDamagedError,
    SignedHeadError as SignedHeadError,
    StateSignatureError as StateSignatureError,
    StoreClosedError as StoreClosedError,
    StoreCorruptedError as StoreCorruptedError,
    StoreError as StoreError,
    StoreFileLostError as StoreFileLostError,
    StoreForkedError as StoreForkedError,
    StoreFormatError as StoreFormatError,
    StoreFullError as StoreFullError,
    StoreLockedError as StoreLockedError,
    StoreNotEmptyError as StoreNotEmptyError,
    StoreReadOnlyError as StoreReadOnlyError,
    StoreUnavailableError as StoreUnavailableError,
    SubjectNotFoundError as SubjectNotFoundError,
    TableTakenError as TableTakenError,
    TamperedError as TamperedError,
    TrustMissingError as TrustMissingError,
    TrustUnreadableError as TrustUnreadableError,
    UnauthenticatedError as UnauthenticatedError,
    UndeclaredCommandError as UndeclaredCommandError,
    UnfinishedEffectsError as UnfinishedEffectsError,
    UnitOfWorkClosedError as UnitOfWorkClosedError,
    UnknownEventTypeError as UnknownEventTypeError,
    UnsafeFileError as UnsafeFileError,
    UnsafeTokenError as UnsafeTokenError,
    UnstorableCommandError as UnstorableCommandError,
    UnstorableDataError as UnstorableDataError,
    UnstorableEventError as UnstorableEventError,
    UnstorableStateError as UnstorableStateError,
    UpcastingError as UpcastingError,
    VerificationError as VerificationError,
    WrongEventLoopError as WrongEventLoopError,
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
from .store.connect import (
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
