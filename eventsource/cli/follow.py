"""
Running a worker in the foreground, and telling what becomes of its projectors.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import attrs

from eventsource.cli.states import State, StateChange

if TYPE_CHECKING:
    from eventsource.cli.report import Report
    from eventsource.cli.signals import Stop
    from eventsource.projections.progress import RunningProgress
    from eventsource.projections.worker import ProjectionWorker

# The pause between two looks at the projectors, in seconds.
_LOOK_S = 0.1


async def follow(worker: ProjectionWorker, report: Report, stop: Stop, *, once: bool) -> bool:
    """
    Run the worker until *stop*, until every projector has failed, or with *once* until all have caught up.

    Returns:
        True if no projector failed.
    """
    teller = _Teller(report)
    over = {"failed", "live"} if once else {"failed"}
    # What the worker raises at its end is what failed in it, and that is told.
    with suppress(ExceptionGroup):
        async with worker:
            is_over = False
            while not is_over:
                running = worker.progress.values()
                for progress in running:
                    teller.look(progress)
                is_over = all(progress.state in over for progress in running) or await stop.wait(_LOOK_S)
    for progress in worker.progress.values():
        teller.look(progress)
        teller.close(progress)
    return teller.all_well


@attrs.define
class _Teller:
    """
    Turns looks at projectors into changes of their states, each told once.
    """

    report: Report
    all_well: bool = True
    _told: dict[str, State] = attrs.field(factory=dict[str, State], init=False)

    def look(self, progress: RunningProgress) -> None:
        self.report.look(progress)
        told = self._told.get(progress.projector)
        if progress.state in {"catching up", "live"} and told is None:
            self._tell(progress, "started")
        if progress.state == "live" and told != "caught_up":
            self._tell(progress, "caught_up")
        if progress.state == "failed" and told != "failed":
            self.all_well = False
            self._tell(progress, "failed")

    def close(self, progress: RunningProgress) -> None:
        if progress.state != "failed":
            self._tell(progress, "stopped")

    def _tell(self, progress: RunningProgress, state: State) -> None:
        self._told[progress.projector] = state
        self.report.tell(StateChange.of(progress, state))
