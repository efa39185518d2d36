"""
Errors of projectors and of their tables.
"""

from __future__ import annotations

from eventsource.subscriptions.errors import ProjectionError


class ProjectorFailedError(ProjectionError):
    """
    A handler raised, or an event could not be decoded.

    The projector stopped before that event: what came earlier is applied, nothing is skipped.
    What was raised is the ``__cause__``.

    Attributes:
        event_id: The event it stopped at.

        event_type: Its type.

        subject: Its subject.
    """

    code = "projector-failed"

    def __init__(self, projector: str, *, event_id: str, event_type: str, subject: str, cause: Exception) -> None:
        # The cause's text may quote event data, its class does not.
        super().__init__(
            projector,
            f"stopped before event {event_id} of {subject} ({event_type}): the handler raised "
            f"{type(cause).__name__}; correct the handler and start again, it resumes there",
        )
        self.event_id = event_id
        self.event_type = event_type
        self.subject = subject


class ProjectorSupersededError(ProjectionError):
    """
    Another worker moved the checkpoint of this projector, or a rebuild took it back.

    This one stopped; nothing was applied twice.
    """

    code = "projector-superseded"

    def __init__(self, projector: str) -> None:
        super().__init__(projector, "another worker runs it on the same database, or has rebuilt it; this one stopped")


class ProjectorOutdatedError(ProjectionError):
    """
    A newer version of the projector has made the read model. This one wrote nothing.

    Attributes:
        version: The version that was to run.

        newer: The version that made the read model.
    """

    code = "projector-outdated"

    def __init__(self, projector: str, *, version: int, newer: int) -> None:
        super().__init__(
            projector,
            f"version {newer} has made its read model, so version {version} does not write there; run version {newer}, "
            f"or go back by declaring the older code as version {newer + 1} and rebuilding",
        )
        self.version = version
        self.newer = newer


class ProjectorChangedError(ProjectionError):
    """
    The projector has changed since it wrote its read model: what is there is not what it would make of the events.

    Attributes:
        changes: What has changed, in words.
    """

    code = "projector-changed"

    def __init__(self, projector: str, *, changes: tuple[str, ...]) -> None:
        super().__init__(
            projector, f"it has changed since it wrote its read model ({'; '.join(changes)}): rebuild the projector"
        )
        self.changes = changes


class HandlerTransactionError(ProjectionError):
    """
    A handler ended the transaction of the worker, or left it in a state that the worker cannot go on with.

    Effects and checkpoint are written in one transaction; it is the worker's alone. A handler may use savepoints:
    ``with tx.begin_nested(): ...``.

    Attributes:
        misuse: The mistake of the handler, in words.
    """

    code = "handler-transaction"

    def __init__(self, projector: str, misuse: str) -> None:
        super().__init__(
            projector,
            f"a handler {misuse}: the transaction is the worker's, which commits it with the checkpoint; "
            "a handler changes rows through tx and may use savepoints (with tx.begin_nested())",
        )
        self.misuse = misuse


class UnfinishedEffectsError(ProjectionError):
    """
    Effects were committed without their checkpoint, and the projector names no tables that could be filled again.
    """

    code = "unfinished-effects"

    def __init__(self, projector: str) -> None:
        super().__init__(
            projector,
            "a handler ended its transaction, so effects were committed without their checkpoint and would be "
            "applied twice; name its tables in the class statement, or empty what it fills, and rebuild it",
        )


class TableTakenError(ProjectionError):
    """
    A table that the projector was to fill belongs to another projector.

    Attributes:
        table: The table.

        owner: The name of the projector that fills it.
    """

    code = "table-taken"

    def __init__(self, projector: str, *, table: str, owner: str) -> None:
        super().__init__(
            projector,
            f"table {table!r} belongs to projector {owner!r}: give each projector tables of its own; if this is "
            f"{owner!r} under a new name, take the old name again, or drop the table so that it can be made anew",
        )
        self.table = table
        self.owner = owner


class ReadModelInUseError(ProjectionError):
    """
    A table cannot be emptied or made anew without harm to what belongs to others. Nothing was changed.

    Attributes:
        table: The table.

        reason: What is in the way, in words.
    """

    code = "read-model-in-use"

    def __init__(self, projector: str, *, table: str, reason: str) -> None:
        super().__init__(projector, f"table {table!r} still has its old rows: {reason}")
        self.table = table
        self.reason = reason


class ProjectorNotRunningError(ProjectionError):
    """
    Somebody waits for a projector that no worker has started.
    """

    code = "projector-not-running"

    def __init__(self, projector: str) -> None:
        super().__init__(projector, "no worker runs it: start a Worker with it first")


class CheckpointMismatchError(ProjectionError):
    """
    The checkpoint names an event that this store does not have.

    It belongs to another store, or the store was restored from an older copy.

    Attributes:
        event_id: The event the checkpoint names.
    """

    code = "checkpoint-mismatch"

    def __init__(self, projector: str, *, event_id: str) -> None:
        super().__init__(
            projector,
            f"its checkpoint names event {event_id}, which this store does not have: wrong store, or the store "
            "was restored from an older copy; rebuild the projector if this is the right store",
        )
        self.event_id = event_id


class CheckpointMissingError(ProjectionError):
    """
    The read model has rows but no checkpoint, so nobody can tell which events are in it.

    Attributes:
        table: A table that has rows.
    """

    code = "checkpoint-missing"

    def __init__(self, projector: str, *, table: str) -> None:
        super().__init__(projector, f"table {table!r} has rows, but there is no checkpoint: rebuild the projector")
        self.table = table


class ReadModelIncompleteError(ProjectionError):
    """
    A table of the read model, or a column, is not there, though its checkpoint says that events are in it.

    It was dropped, or the projector was given another table or column after it had run.

    Attributes:
        table: The table.

        column: Which of its columns is not there; None if all of it is not.
    """

    code = "read-model-incomplete"

    def __init__(self, projector: str, *, table: str, column: str | None = None) -> None:
        what = f"table {table!r}" if column is None else f"column {column!r} of table {table!r}"
        super().__init__(projector, f"{what} is not there, but its checkpoint is: rebuild the projector")
        self.table = table
        self.column = column


class ErasedDataRemainsError(ProjectionError):
    """
    Data was erased that the projector has handled, and it does not say how to let go of what it made of it.

    It stopped before the event that tells of the erasure, so that this is not passed over.

    Attributes:
        event_id: The event that tells of the erasure.

        subject: The subject that was erased.
    """

    code = "erased-data-remains"

    def __init__(self, projector: str, *, event_id: str, subject: str) -> None:
        super().__init__(
            projector,
            f"events of {subject} that it has handled were erased (event {event_id}): give it handlers of these events "
            "annotated with Erased[...], or name its tables in the class statement, so that they can be filled again",
        )
        self.event_id = event_id
        self.subject = subject
