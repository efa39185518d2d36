"""
Read models and what fills them.
"""

from __future__ import annotations

from eventsource.errors.root import EventSourceError


class NotAReadModelDatabaseError(EventSourceError):
    """
    The file named as read-model database is an event store.
    """

    code = "not-a-read-model-database"

    def __init__(self, database: str) -> None:
        super().__init__(f"{database} is an event store: read models need a file of their own")


class ProjectionError(EventSourceError):
    """
    A projector cannot go on.

    Attributes:
        projector: The name of the projector.
    """

    code = "projection"

    def __init__(self, projector: str, message: str) -> None:
        super().__init__(f"projector {projector!r}: {message}")
        self.projector = projector


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
    Another worker moved the checkpoint of this projector. This one stopped; nothing was applied twice.
    """

    code = "projector-superseded"

    def __init__(self, projector: str) -> None:
        super().__init__(projector, "another worker runs it on the same database; this one stopped")


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


class NotSeenError(ProjectionError, TimeoutError):
    """
    A projector did not reach an event in the time given. It may still do so.

    Attributes:
        event_id: The event waited for.

        timeout_s: How long, in seconds.
    """

    code = "not-seen"

    def __init__(self, projector: str, *, event_id: str, timeout_s: float) -> None:
        super().__init__(projector, f"has not reached event {event_id} after {timeout_s} s")
        self.event_id = event_id
        self.timeout_s = timeout_s
