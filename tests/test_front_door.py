"""
The front door: the names users import, each on purpose.
"""

import eventsource

# What may be added to, and never silently taken from.
NAMES = [
    "AddressUnavailableError",
    "Aggregate",
    "AggregateCache",
    "AggregateExistsError",
    "AggregateNotFoundError",
    "AggregateReadOnlyError",
    "AnswerTooLargeError",
    "At",
    "AuditReport",
    "BackupInvalidError",
    "Change",
    "CheckpointMismatchError",
    "CheckpointMissingError",
    "Command",
    "CommandError",
    "CommandLeavesNoTraceError",
    "CommandNotHandledError",
    "CommandResult",
    "CommitOutcomeUnknownError",
    "ConflictError",
    "DamagedLineError",
    "DataIndex",
    "Decider",
    "DecisionState",
    "DeclarationError",
    "Difference",
    "Dispatcher",
    "EmbeddedEventStore",
    "Erased",
    "ErasedDataRemainsError",
    "Erasure",
    "ErasurePlan",
    "ErasureUnfinishedError",
    "Event",
    "EventDecodingError",
    "EventError",
    "EventNotFoundError",
    "EventSourceError",
    "EventStore",
    "EventStream",
    "EventTooLargeError",
    "EventTypes",
    "EveryEvents",
    "Explanation",
    "ForbiddenError",
    "FoundSnapshot",
    "Guard",
    "GuardError",
    "HistoryEntry",
    "IdempotencyKeyReusedError",
    "InMemoryEventStore",
    "InMemorySnapshotStore",
    "IndexState",
    "InvalidJsonError",
    "InvalidRequestError",
    "InvalidSchemaError",
    "InvalidStoreUrlError",
    "InvalidSubjectError",
    "Loader",
    "MalformedEventError",
    "Metadata",
    "MissingExtraError",
    "NewEvent",
    "NewerEventError",
    "NotAReadModelDatabaseError",
    "NotAStoreError",
    "NotOneEventError",
    "NotSeenError",
    "NotSupportedError",
    "Page",
    "PeriodAggregate",
    "PeriodClosedError",
    "Precondition",
    "PreconditionFailedError",
    "ProjectionError",
    "Projector",
    "ProjectorFailedError",
    "ProjectorNotRunningError",
    "ProjectorSupersededError",
    "QueryBudgetError",
    "QueryError",
    "QueryIsTrue",
    "QueryLimitError",
    "QueryLimits",
    "QueryRows",
    "QueryStructureError",
    "QuerySyntaxError",
    "QueryValueError",
    "ReadModelDatabase",
    "ReadModelIncompleteError",
    "RecordedEvent",
    "Repository",
    "RequestError",
    "RequestRefusedError",
    "RequestTooLargeError",
    "ResultNotSeenError",
    "RetryPolicy",
    "RuleBrokenError",
    "SchemaDifference",
    "SchemaExistsError",
    "SchemaMismatchError",
    "SchemaState",
    "SchemaViolationError",
    "ScopedEventStore",
    "SinceSnapshot",
    "SlowerThan",
    "Snapshot",
    "SnapshotPolicy",
    "SnapshotStore",
    "Snapshots",
    "SqlSnapshotStore",
    "StoreClosedError",
    "StoreCorruptedError",
    "StoreError",
    "StoreFormatError",
    "StoreFullError",
    "StoreLockedError",
    "StoreNotEmptyError",
    "StoreReadOnlyError",
    "StoreStatus",
    "StoreUnavailableError",
    "Subject",
    "SubjectErased",
    "SubjectExists",
    "SubjectIsAtVersion",
    "SubjectIsNew",
    "SubjectNotFoundError",
    "UnauthenticatedError",
    "UnitOfWork",
    "UnknownEventTypeError",
    "UnstorableDataError",
    "UnstorableStateError",
    "UpcastingError",
    "Worker",
    "all_of",
    "connect",
    "current_metadata",
    "decide",
    "diff_schemas",
    "erase_subject",
    "event_types",
    "events",
    "handles",
    "one_of",
    "plan_erasure",
    "purging",
    "push_schemas",
    "rebuild",
    "rule",
    "schema_of",
    "scoped",
    "stored_types_of",
    "upcaster",
    "watch",
    "with_metadata",
]


def test_exported_names_are_these() -> None:
    """
    Adding or removing a public name is a decision, so it shows here.
    """
    assert sorted(eventsource.__all__) == NAMES


def test_every_exported_name_is_there() -> None:
    """
    Each name leads to something.
    """
    assert all(getattr(eventsource, name) is not None for name in eventsource.__all__)


def test_nothing_is_exported_twice() -> None:
    """
    The list has each name once.
    """
    assert len(set(eventsource.__all__)) == len(eventsource.__all__)


def test_everything_exported_is_documented() -> None:
    """
    Each public class and function says what it is.
    """
    undocumented = [name for name in eventsource.__all__ if not (getattr(eventsource, name).__doc__ or "").strip()]

    assert undocumented == []
