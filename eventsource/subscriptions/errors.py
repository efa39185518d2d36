"""
Errors of following a store: databases of read models, failed projections, events not seen in time.
"""

from __future__ import annotations

from eventsource.root_error import EventSourceError


class NotAReadModelDatabaseError(EventSourceError):
    """
    The file named as read-model database is an event store.
    """

    code = "not-a-read-model-database"

    def __init__(self, database: str) -> None:
        super().__init__(f"{database} is an event store: read models need a file of their own")


class ReadModelDatabaseUrlError(EventSourceError, ValueError):
    """
    A URL names no database that read models can be kept in.

    The URL itself is not in the text: it may hold a password.
    """

    code = "read-model-database-url"


class ReadModelDatabaseError(EventSourceError):
    """
    The database of the read models refuses what a projector needs, and will refuse it again.

    Its user lacks a right, for instance.

    Attributes:
        problem: What it said, without the values of a statement.
    """

    code = "read-model-database"

    def __init__(self, database: str, problem: str) -> None:
        super().__init__(f"the read-model database {database} refuses: {problem}")
        self.problem = problem


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


class NotSeenError(ProjectionError, TimeoutError):
    """
    A projector did not reach an event in the time given. It may still do so.

    Attributes:
        event_id: The event waited for.

        timeout_s: The time given, in seconds.

        whereabouts: How far the projector is, in words.
    """

    code = "not-seen"

    def __init__(self, projector: str, *, event_id: str, timeout_s: float, whereabouts: str = "") -> None:
        where = f"; {whereabouts}" if whereabouts else ""
        super().__init__(projector, f"has not reached event {event_id} after {timeout_s} s{where}")
        self.event_id = event_id
        self.timeout_s = timeout_s
        self.whereabouts = whereabouts
