"""
The front door: the names users import, each on purpose.
"""

import eventsource

# What may be added to, and never silently taken from.
NAMES = [
    "AddressUnavailableError",
    "Aggregate",
    "AggregateExistsError",
    "AggregateNotFoundError",
    "AnswerTooLargeError",
    "AuditReport",
    "BackupInvalidError",
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
    "Dispatcher",
    "EmbeddedEventStore",
    "Erased",
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
    "Explanation",
    "ForbiddenError",
    "Guard",
    "GuardError",
    "IdempotencyKeyReusedError",
    "InMemoryEventStore",
    "IndexState",
    "InvalidJsonError",
    "InvalidRequestError",
    "InvalidSchemaError",
    "InvalidStoreUrlError",
    "InvalidSubjectError",
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
    "Precondition",
    "PreconditionFailedError",
    "ProcessCompletedError",
    "ProcessError",
    "ProcessManager",
    "ProcessManagerFailedError",
    "ProcessNotFoundError",
    "ProcessNotParkedError",
    "ProcessNotStartedError",
    "ProcessOverview",
    "ProcessState",
    "ProcessWorker",
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
    "Refusal",
    "RefusalUnansweredError",
    "Repository",
    "RequestError",
    "RequestRefusedError",
    "RequestTooLargeError",
    "ResultNotSeenError",
    "RetryPolicy",
    "RuleBrokenError",
    "SchemaExistsError",
    "SchemaViolationError",
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
    "SubjectExists",
    "SubjectIsAtVersion",
    "SubjectIsNew",
    "SubjectNotFoundError",
    "UnauthenticatedError",
    "UndeclaredCommandError",
    "UnitOfWork",
    "UnknownEventTypeError",
    "UnstorableDataError",
    "UpcastingError",
    "Worker",
    "all_of",
    "connect",
    "current_metadata",
    "decide",
    "event_types",
    "events",
    "handles",
    "list_processes",
    "on_refusal",
    "on_timer",
    "one_of",
    "own_command",
    "reacts",
    "rebuild",
    "retry_process",
    "rule",
    "starts",
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
