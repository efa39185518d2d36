"""
The errors: one tree, stable codes, facts as attributes, and no event data.
"""

import copy
import inspect
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from eventsource import errors
from eventsource.errors import EventSourceError

# One of each, as the package makes it.
SAMPLES: list[EventSourceError] = [
    errors.EventSourceError("a text"),
    errors.InvalidSubjectError("accounts", "it must start with '/'"),
    errors.DeclarationError("Account has no subject"),
    errors.MissingExtraError("schemas", purpose="checking data against a schema"),
    errors.UnsafeFileError(Path("read.db"), "it is a symbolic link"),
    errors.EventError("a text"),
    errors.UnknownEventTypeError(event_type="t", event_id="e-1", subject="/a", reader="aggregate Account"),
    errors.UnstorableDataError(path="$.cents", reason="the number nan"),
    errors.UnstorableEventError(event_class="Ordered", field="item", reason="is read back as Item and not as Gift"),
    errors.UnstorableCommandError("Withdraw", field="cents"),
    errors.EventTooLargeError(event_type="t", subject="/a", size_bytes=70_000, limit_bytes=65_536),
    errors.NotAnEventError("int", "an event is wanted"),
    errors.ReservedNameError("io.eventsource.x", kind="event type"),
    errors.MalformedEventError("it has no id"),
    errors.SchemaBudgetError(event_index=0, event_type="t", work=2, limit=1),
    errors.UnsafeTokenError("read", "is too short"),
    errors.SchemaViolationError(event_index=0, event_type="t", subject="/a", path="$.cents", rule="type"),
    errors.EventDecodingError(event_type="t", event_id="e-1", subject="/a", problems=("cents: Field required", "b: x")),
    errors.NewerEventError(event_type="t", event_id="e-1", subject="/a", version=3, known=2),
    errors.UpcastingError(
        "raised KeyError in line 7", upcaster="bank.cents", version=1, event_type="t", event_id="e-1", subject="/a"
    ),
    errors.NotOneEventError(event_type="t", event_id="e-1", subject="/a", count=0, is_erased=False),
    errors.QueryError("a text"),
    errors.QuerySyntaxError("expected a clause, found 'X'", query="STREAM e FROM events X", offset=21),
    errors.QueryStructureError("an aggregate cannot be taken of an aggregate"),
    errors.QueryValueError("a query cannot write nan"),
    errors.QueryLimitError("text bytes", maximum=16_384),
    errors.QueryBudgetError("rows", limit=100),
    errors.GuardError("Deposited has no field 'cent'"),
    errors.StoreError("a text"),
    errors.InvalidStoreUrlError("bank.db", "it has no kind"),
    errors.NotAStoreError(Path("bank.db"), "it is no SQLite database"),
    errors.StoreFormatError(Path("bank.db"), found=9, supported=1),
    errors.StoreLockedError(Path("bank.db")),
    errors.StoreReadOnlyError("bank.db"),
    errors.StoreClosedError("bank.db"),
    errors.WrongEventLoopError("http://localhost:8080", "event loop"),
    errors.ClientSettingError("auth_token", "it is missing"),
    errors.StoreForkedError("bank.db", opened_by=7),
    errors.StoreFileLostError(Path("bank.db"), "it was deleted", saved=Path("bank.db-saved")),
    errors.StoreFullError("bank.db"),
    errors.StoreUnavailableError("bank.db", "IOError: disk I/O error"),
    errors.StoreCorruptedError("bank.db", "event 7 does not follow event 6"),
    errors.CommitOutcomeUnknownError("bank.db", "IOError: disk I/O error"),
    errors.DamagedLineError(7, "it is no JSON"),
    errors.AnswerTooLargeError(1024),
    errors.EventNotFoundError("e-1"),
    errors.SubjectNotFoundError("/a"),
    errors.ErasureUnfinishedError("bank.db", subject="/a", events=2, reason="a reader holds the log"),
    errors.StoreNotEmptyError("bank.db", events=3),
    errors.BackupInvalidError("its id is missing", index=4),
    errors.NotSupportedError("a text"),
    errors.SchemaExistsError("t"),
    errors.InvalidSchemaError("t", "it has no properties"),
    errors.SchemaMismatchError({"t": ("$.cents: it is required, and not always written",)}),
    errors.IdempotencyKeyReusedError("k-1"),
    errors.PreconditionFailedError(subject=None, precondition="QueryHolds", expected="true", found="false"),
    errors.AggregateExistsError(subject="/a", precondition="SubjectIsNew", expected="no events", found="1 event"),
    errors.RuleBrokenError(subject=None, precondition="Guard", expected="rule 'funds' to hold", found="that it is not"),
    errors.ConflictError(subject="/a", precondition="SubjectIsAtVersion", expected="1 event", found="2 events"),
    errors.RequestError("a text"),
    errors.InvalidJsonError("a member named twice"),
    errors.InvalidRequestError("a text is wanted", place="events[0].type"),
    errors.RequestTooLargeError(1024),
    errors.UnauthenticatedError(),
    errors.ForbiddenError("write"),
    errors.RequestRefusedError("no such place", status=404, refusal="not-found"),
    errors.AddressUnavailableError("127.0.0.1", 8080, "Address already in use"),
    errors.CommandError("Withdraw", "a text"),
    errors.CommandNotHandledError("Withdraw"),
    errors.CommandLeavesNoTraceError("Withdraw", subject="/a"),
    errors.CommandIdReusedError("Withdraw", earlier="Deposit", command_id="7", subject="/a"),
    errors.ResultNotSeenError("Withdraw", result=None, reason="not-seen"),
    errors.AggregateNotFoundError(subject="/a", aggregate="Account"),
    errors.AggregateReadOnlyError(subject="/a", aggregate="Account", version=3),
    errors.AggregateInCommitError(subject="/a", aggregate="Account", is_unknown=True),
    errors.UnitOfWorkClosedError("committed"),
    errors.PeriodClosedError(subject="/a/2026-07"),
    errors.UnstorableStateError(aggregate="Account", attribute="owner", reason="a text"),
    errors.NotAReadModelDatabaseError("bank.db"),
    errors.ReadModelDatabaseUrlError("this is no database URL"),
    errors.ReadModelDatabaseError("postgresql://host/name", "InsufficientPrivilege 42501: permission denied"),
    errors.ImmudbError("a text"),
    errors.InvalidImmudbUrlError("http://db", "it has no host"),
    errors.NotBytesError("key", found="str"),
    errors.ImmudbLimitError("bytes of a key", found=2000, smallest=1, largest=1023),
    errors.PasswordPolicyError(("a digit",)),
    errors.ImmudbClosedError("db:3322"),
    errors.ImmudbUnavailableError("db:3322", "connection refused"),
    errors.ImmudbLoginError("db:3322", "no user was given"),
    errors.ImmudbPermissionError("Set", database="defaultdb"),
    errors.ImmudbPreconditionError("defaultdb"),
    errors.ImmudbNotFoundError("database", "bank"),
    errors.ImmudbExistsError("user", "ada"),
    errors.ImmudbKeyNotFoundError("defaultdb", missing=2),
    errors.ImmudbKeyExistsError("defaultdb"),
    errors.ImmudbRefusedError("Set", status="INVALID_ARGUMENT", text="illegal arguments"),
    errors.ImmudbOutcomeUnknownError("Set", database="defaultdb", reason="no answer came", request=b"k", trusted_tx=7),
    errors.TrustMissingError("bank", database="defaultdb"),
    errors.TrustUnreadableError(Path("trust.json"), "it is no JSON"),
    errors.VerificationError(
        "VerifiableGet", database="defaultdb", check="entry-inclusion", problem="a text", request=b"k", answer=b"v"
    ),
    errors.RollbackError("VerifiableSet", database="d", check="rollback", problem="a text", was_write=True),
    errors.StateSignatureError("VerifiableGet", database="d", check="signature", problem="a text", trusted_tx=7),
    errors.ServerDamagedError("Get", database="d", check="server-damaged", problem="a text"),
    errors.ProjectionError("balances", "a text"),
    errors.ProjectorFailedError("balances", event_id="e-1", event_type="t", subject="/a", cause=KeyError("Ada")),
    errors.ProjectorSupersededError("balances"),
    errors.ProjectorOutdatedError("balances", version=1, newer=2),
    errors.ProjectorChangedError("balances", changes=("version 1 is 2 now",)),
    errors.HandlerTransactionError("balances", "called tx.commit()"),
    errors.UnfinishedEffectsError("balances"),
    errors.TableTakenError("balances", table="balance", owner="accounts"),
    errors.ReadModelInUseError("balances", table="balance", reason="rows of table orders refer to it"),
    errors.ProjectorNotRunningError("balances"),
    errors.CheckpointMismatchError("balances", event_id="e-1"),
    errors.CheckpointMissingError("balances", table="balance"),
    errors.ReadModelIncompleteError("balances", table="balance"),
    errors.NotaryError("a text"),
    errors.InvalidLedgerUrlError("notary.db", "it has no kind"),
    errors.NotALedgerError(Path("notary.db"), "it is no SQLite database"),
    errors.LedgerLockedError(Path("notary.db")),
    errors.LedgerClosedError("notary.db"),
    errors.LedgerReadOnlyError("notary.db"),
    errors.LedgerRefusedError("immudb localhost:3322/bank", "no database 'bank' at this immudb"),
    errors.LedgerUnavailableError("notary.db", "IOError: disk I/O error"),
    errors.AlreadyNotarisedError("notary.db", keys=("e/bank/1",)),
    errors.TamperedError(kind="edited", place="store", what="event 7 was changed", evidence={"number": "7"}),
    errors.SignedHeadError("a text"),
    errors.NotaryBookError("a text"),
    errors.NotaryNotRunningError(),
    errors.NotNotarisedError(event_id="e-1", timeout_s=5.0),
    errors.ErasedDataRemainsError("balances", event_id="1b9d", subject="/customers/1"),
    errors.NotSeenError("balances", event_id="e-1", timeout_s=5.0),
    errors.ProcessError("a text", process="loan"),
    errors.UndeclaredCommandError("loan", command="PayIn"),
    errors.ProcessNotStartedError("loan", id="7", event_id="e-1", event_type="t"),
    errors.ProcessCompletedError("loan", id="7", event_id="e-1", event_type="t"),
    errors.RefusalUnansweredError("loan", id="7", command="PayIn", refusal="AccountClosedError"),
    errors.ProcessNotFoundError("loan", id="7"),
    errors.ProcessNotParkedError("loan", id="7"),
    errors.ProcessManagerNotRunningError("loan"),
    errors.PersonalDataRemainsError("/a", types={"t": 2}, emptied=1),
    errors.ProcessManagerFailedError("loan", event_id="e-1", event_type="t", subject="/a", cause=KeyError("Ada")),
]

# Others match on them: a code may be added, and none may ever change.
CODES = {
    "AddressUnavailableError": "address-unavailable",
    "AggregateExistsError": "aggregate-exists",
    "AggregateInCommitError": "aggregate-in-commit",
    "AggregateNotFoundError": "aggregate-not-found",
    "AggregateReadOnlyError": "aggregate-read-only",
    "AlreadyNotarisedError": "already-notarised",
    "AnswerTooLargeError": "answer-too-large",
    "BackupInvalidError": "backup-invalid",
    "CheckpointMismatchError": "checkpoint-mismatch",
    "CheckpointMissingError": "checkpoint-missing",
    "ClientSettingError": "client-setting",
    "CommandError": "command",
    "CommandIdReusedError": "command-id-reused",
    "CommandLeavesNoTraceError": "command-leaves-no-trace",
    "CommandNotHandledError": "command-not-handled",
    "CommitOutcomeUnknownError": "commit-outcome-unknown",
    "ConflictError": "conflict",
    "DamagedLineError": "damaged-line",
    "DeclarationError": "declaration",
    "ErasedDataRemainsError": "erased-data-remains",
    "ErasureUnfinishedError": "erasure-unfinished",
    "EventDecodingError": "event-decoding",
    "EventError": "event",
    "EventNotFoundError": "event-not-found",
    "EventSourceError": "eventsource",
    "EventTooLargeError": "event-too-large",
    "ForbiddenError": "forbidden",
    "GuardError": "guard",
    "HandlerTransactionError": "handler-transaction",
    "IdempotencyKeyReusedError": "idempotency-key-reused",
    "ImmudbClosedError": "immudb-closed",
    "ImmudbError": "immudb",
    "ImmudbExistsError": "immudb-exists",
    "ImmudbKeyExistsError": "immudb-key-exists",
    "ImmudbKeyNotFoundError": "immudb-key-not-found",
    "ImmudbLimitError": "immudb-limit",
    "ImmudbLoginError": "immudb-login",
    "ImmudbNotFoundError": "immudb-not-found",
    "ImmudbOutcomeUnknownError": "immudb-outcome-unknown",
    "ImmudbPermissionError": "immudb-permission",
    "ImmudbPreconditionError": "immudb-precondition",
    "ImmudbRefusedError": "immudb-refused",
    "ImmudbUnavailableError": "immudb-unavailable",
    "InvalidImmudbUrlError": "invalid-immudb-url",
    "InvalidJsonError": "invalid-json",
    "InvalidLedgerUrlError": "invalid-ledger-url",
    "InvalidRequestError": "invalid-request",
    "InvalidSchemaError": "invalid-schema",
    "InvalidStoreUrlError": "invalid-store-url",
    "InvalidSubjectError": "invalid-subject",
    "LedgerClosedError": "ledger-closed",
    "LedgerLockedError": "ledger-locked",
    "LedgerReadOnlyError": "ledger-read-only",
    "LedgerRefusedError": "ledger-refused",
    "LedgerUnavailableError": "ledger-unavailable",
    "MalformedEventError": "malformed-event",
    "MissingExtraError": "missing-extra",
    "NewerEventError": "newer-event",
    "NotALedgerError": "not-a-ledger",
    "NotAReadModelDatabaseError": "not-a-read-model-database",
    "NotAStoreError": "not-a-store",
    "NotBytesError": "not-bytes",
    "NotNotarisedError": "not-notarised",
    "NotAnEventError": "not-an-event",
    "NotOneEventError": "not-one-event",
    "NotSeenError": "not-seen",
    "NotSupportedError": "not-supported",
    "NotaryBookError": "notary-book",
    "NotaryError": "notary",
    "NotaryNotRunningError": "notary-not-running",
    "PasswordPolicyError": "password-policy",
    "PeriodClosedError": "period-closed",
    "PreconditionFailedError": "precondition-failed",
    "ProcessCompletedError": "process-completed",
    "ProcessError": "process",
    "ProcessManagerFailedError": "process-manager-failed",
    "ProcessManagerNotRunningError": "process-manager-not-running",
    "PersonalDataRemainsError": "personal-data-remains",
    "ProcessNotFoundError": "process-not-found",
    "ProcessNotParkedError": "process-not-parked",
    "ProcessNotStartedError": "process-not-started",
    "ProjectionError": "projection",
    "ProjectorChangedError": "projector-changed",
    "ProjectorFailedError": "projector-failed",
    "ProjectorNotRunningError": "projector-not-running",
    "ProjectorOutdatedError": "projector-outdated",
    "ProjectorSupersededError": "projector-superseded",
    "QueryBudgetError": "query-budget",
    "QueryError": "query",
    "QueryLimitError": "query-limit",
    "QueryStructureError": "query-structure",
    "QuerySyntaxError": "query-syntax",
    "QueryValueError": "query-value",
    "ReadModelDatabaseError": "read-model-database",
    "ReadModelDatabaseUrlError": "read-model-database-url",
    "ReadModelInUseError": "read-model-in-use",
    "ReadModelIncompleteError": "read-model-incomplete",
    "RefusalUnansweredError": "refusal-unanswered",
    "RequestError": "request",
    "RequestRefusedError": "request-refused",
    "RequestTooLargeError": "request-too-large",
    "ResultNotSeenError": "result-not-seen",
    "ReservedNameError": "reserved-name",
    "RollbackError": "rollback",
    "RuleBrokenError": "rule-broken",
    "SchemaExistsError": "schema-exists",
    "SchemaMismatchError": "schema-mismatch",
    "SchemaBudgetError": "schema-budget",
    "SchemaViolationError": "schema-violation",
    "UnsafeTokenError": "unsafe-token",
    "ServerDamagedError": "server-damaged",
    "SignedHeadError": "signed-head",
    "StateSignatureError": "state-signature",
    "StoreClosedError": "store-closed",
    "StoreCorruptedError": "store-corrupted",
    "StoreError": "store",
    "StoreFileLostError": "store-file-lost",
    "StoreForkedError": "store-forked",
    "StoreFormatError": "store-format",
    "StoreFullError": "store-full",
    "StoreLockedError": "store-locked",
    "StoreNotEmptyError": "store-not-empty",
    "StoreReadOnlyError": "store-read-only",
    "StoreUnavailableError": "store-unavailable",
    "SubjectNotFoundError": "subject-not-found",
    "TableTakenError": "table-taken",
    "TamperedError": "tampered",
    "TrustMissingError": "trust-missing",
    "TrustUnreadableError": "trust-unreadable",
    "UnauthenticatedError": "unauthenticated",
    "UndeclaredCommandError": "undeclared-command",
    "UnitOfWorkClosedError": "unit-of-work-closed",
    "UnfinishedEffectsError": "unfinished-effects",
    "UnknownEventTypeError": "unknown-event-type",
    "UnstorableDataError": "unstorable-data",
    "UnstorableEventError": "unstorable-event",
    "UnsafeFileError": "unsafe-file",
    "UnstorableCommandError": "unstorable-command",
    "UnstorableStateError": "unstorable-state",
    "UpcastingError": "upcasting",
    "VerificationError": "verification",
    "WrongEventLoopError": "wrong-event-loop",
}


def all_classes() -> list[type[EventSourceError]]:
    """
    Every error class the module defines.
    """
    return [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, EventSourceError)]


def test_there_is_one_root() -> None:
    """
    Whoever catches `EventSourceError` catches all that the module defines.
    """
    classes = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, BaseException)}

    assert classes == set(all_classes())


def name_of(value: object) -> str:
    """
    The name of a class, or of that of an object.
    """
    return value.__name__ if isinstance(value, type) else type(value).__name__


per_sample = pytest.mark.parametrize("error", SAMPLES, ids=name_of)


def test_every_error_has_a_sample_here() -> None:
    """
    The tests below look at all errors there are.
    """
    assert {type(error) for error in SAMPLES} == set(all_classes())


def test_codes_are_stable() -> None:
    """
    Each class has the code it always had, its own and no other's.
    """
    assert {error_class.__name__: error_class.code for error_class in all_classes()} == CODES
    assert len(set(CODES.values())) == len(CODES)
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*", code) for code in CODES.values())


def test_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    """
    Each error is drawn under its base, with the built-in error it also is in parentheses.
    """
    tree = re.findall(
        r"^ {4}((?:│   |    )*(?:├── |└── )?)(\w+Error)(?: \((\w+)\))?$", errors.__doc__ or "", re.MULTILINE
    )
    drawn: dict[str, tuple[str, ...]] = {}
    path: list[str] = []
    for indent, name, built_in in tree:
        path[len(indent) // 4 :] = [name]
        bases = (path[-2] if len(path) > 1 else "Exception", built_in)
        assert name not in drawn
        drawn[name] = tuple(filter(None, bases))

    assert drawn == {
        error_class.__name__: tuple(base.__name__ for base in error_class.__bases__) for error_class in all_classes()
    }


@per_sample
def test_attributes_are_documented(error: EventSourceError) -> None:
    """
    Each fact an error carries is explained in its docstring, or in its base's.
    """
    documented = {
        name
        for base in type(error).__mro__
        if issubclass(base, EventSourceError)
        for name in re.findall(
            r"^    (\w+): ", inspect.cleandoc(base.__doc__ or "").partition("Attributes:")[2], re.MULTILINE
        )
    }

    assert set(vars(error)) <= documented


@per_sample
@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))],  # noqa: S301  our own bytes
    ids=["copy", "deepcopy", "pickle"],
)
def test_error_can_be_copied_and_sent_elsewhere(
    error: EventSourceError, duplicate: Callable[[EventSourceError], EventSourceError]
) -> None:
    """
    In another process it is the same error with the same facts.
    """
    again = duplicate(error)

    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
    assert again.args == error.args


@per_sample
def test_message_is_a_text_of_its_facts(error: EventSourceError) -> None:
    """
    The message is there, on one line, and shows no missing fact.
    """
    message = str(error)

    assert message
    assert message == message.strip()
    # A syntax error also draws the place.
    assert "\n" not in str(error) or isinstance(error, errors.QuerySyntaxError)
    assert "None" not in message


@per_sample
def test_error_takes_no_event_data(error: EventSourceError) -> None:
    """
    There is no argument by which event data could come into an error.
    """
    parameters = set(inspect.signature(type(error).__init__).parameters)

    assert not parameters & {"data", "data_json", "event", "input", "recorded", "value", "values"}


def test_error_of_a_handler_is_named_but_not_quoted() -> None:
    """
    What a handler raised may quote event data, so only its class is in the message.
    """
    error = errors.ProjectorFailedError("p", event_id="e-1", event_type="t", subject="/a", cause=KeyError("Ada"))

    assert "KeyError" in str(error)
    assert "Ada" not in str(error)


def test_errors_that_mean_a_built_in_one_are_caught_as_such() -> None:
    """
    Whoever expects Python's own kind of error gets it.
    """
    assert issubclass(errors.InvalidSubjectError, ValueError)
    assert issubclass(errors.DeclarationError, TypeError)
    assert issubclass(errors.EventNotFoundError, LookupError)
    assert issubclass(errors.AggregateNotFoundError, LookupError)
    assert issubclass(errors.NotSeenError, TimeoutError)


def test_every_error_is_in_one_place() -> None:
    """
    Each error that can be raised is imported from `eventsource.errors`, whichever room raises it.
    """
    public = set(errors.__all__)

    assert {error_class.__name__ for error_class in all_classes()} <= public
