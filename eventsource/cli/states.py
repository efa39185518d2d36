"""
The states a projector goes through while a command runs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from eventsource.cli.failures import Failure, describe, format_error
from eventsource.subscriptions.errors import ProjectionError

if TYPE_CHECKING:
    from eventsource.projections.progress import RunningProgress

State = Literal["started", "caught_up", "stopped", "failed"]


class StateChange(BaseModel):
    """
    One line of ``project run --json``.

    Attributes:
        events: The number of events of its stream the projector has finished.

        behind: How many it had not, of those that were there when it started.

        position: Every event of its stream up to this position of the store is finished.

        event_id: The last event it has finished; None for none.

        error: Why it failed, if it did.
    """

    model_config = ConfigDict(frozen=True)

    projector: str
    state: State
    events: int
    behind: int
    position: int
    event_id: str | None
    error: Failure | None = None

    @classmethod
    def of(cls, progress: RunningProgress, state: State) -> StateChange:
        """
        The projector has come into *state*.
        """
        checkpoint = progress.checkpoint
        return cls(
            projector=progress.projector,
            state=state,
            events=checkpoint.events,
            behind=max(0, progress.total - checkpoint.events),
            position=checkpoint.position,
            event_id=checkpoint.event_id or None,
            error=_describe(progress.projector, progress.error) if progress.error else None,
        )


def _describe(projector: str, error: Exception) -> Failure:
    failure = describe(error)
    if isinstance(error, ProjectionError) and failure:
        return failure
    stopped = f"projector {projector!r} stopped"
    if failure:
        return Failure(code=failure.code, message=f"{stopped}: {failure.message}")
    return Failure(code="unexpected", message=f"{stopped}: {type(error).__name__}: {error}", cause=format_error(error))
