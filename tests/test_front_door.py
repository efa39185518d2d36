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
    "AlreadyNotarisedError",
    "AnswerTooLargeError",
    "AuditReport",
    "BackupInvalidError",
    "CheckpointMismatchError",
    "CheckpointMissingError",
    "CommitOutcomeUnknownError",
    "ConflictError",
    "DamagedLineError",
    "DataIndex",
    "DeclarationError",
    "EmbeddedEventStore",
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
    "ImmudbRefusedError",
    "ImmudbUnavailableError",
    "InMemoryEventStore",
    "IndexState",
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
    "LedgerUnavailableError",
    "MalformedEventError",
    "MissingExtraError",
    "NewEvent",
    "NotALedgerError",
    "NotAReadModelDatabaseError",
    "NotAStoreError",
    "NotBytesError",
    "NotNotarisedError",
    "NotSeenError",
    "NotSupportedError",
    "NotaryBookError",
    "NotaryError",
    "NotaryNotRunningError",
    "Page",
    "PasswordPolicyError",
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
    "RetryPolicy",
    "RollbackError",
    "SchemaExistsError",
    "SchemaViolationError",
    "ServerDamagedError",
    "SignedHeadError",
    "StateSignatureError",
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
    "TamperedError",
    "TrustMissingError",
    "TrustUnreadableError",
    "UnauthenticatedError",
    "UnknownEventTypeError",
    "UnstorableDataError",
    "VerificationError",
    "Worker",
    "all_of",
    "connect",
    "event_types",
    "events",
    "handles",
    "one_of",
    "rebuild",
    "watch",
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
