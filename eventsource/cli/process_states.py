"""
The states a process manager goes through while a command runs it, and how they are told.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Literal

import attrs
from pydantic import BaseModel, ConfigDict

from eventsource.cli.failures import Failure, describe, format_error
from eventsource.cli.output import write_error, write_json
from eventsource.log import get_logger

if TYPE_CHECKING:
    from eventsource.cli.signals import Stop
    from eventsource.processes.run import ProcessProgress
    from eventsource.processes.worker import ProcessWorker

log = get_logger(__name__)

State = Literal["started", "caught_up", "stopped", "failed"]

# The pause between two looks at the process managers, in seconds.
_LOOK_S = 0.1


class ProcessChange(BaseModel):
    """
    One line of ``process run --json``.

    Attributes:
        events: The number of events of the store it has finished with.

        event_id: The last of them; None for none.

        error: Why it failed, if it did.
    """

    model_config = ConfigDict(frozen=True)

    process: str
    state: State
    events: int
    event_id: str | None
    error: Failure | None = None


async def follow_processes(worker: ProcessWorker, stop: Stop, *, once: bool, as_json: bool) -> bool:
    """
    Run the worker until *stop*, until every process manager has failed, or with *once* until nothing is left to do.

    Returns:
        True if none failed.
    """
    teller = _Teller(as_json=as_json)
    # What the worker raises at its end is what failed in it, and that is told.
    with suppress(ExceptionGroup):
        async with worker:
            while not await stop.wait(_LOOK_S):
                teller.look(worker)
                states = {progress.state for progress in worker.progress.values()}
                if states <= {"failed"} or (once and states <= {"failed", "live"} and await _settle(worker)):
                    break
    teller.look(worker)
    teller.close(worker)
    return teller.all_well


async def _settle(worker: ProcessWorker) -> bool:
    # What fails meanwhile is seen by whoever looks at the progress.
    with suppress(Exception):
        await worker.settle()
    return True


@attrs.define
class _Teller:
    """
    Turns looks at process managers into changes of their states, each told once.
    """

    as_json: bool
    all_well: bool = True
    _told: dict[str, State] = attrs.field(factory=dict[str, State], init=False)

    def look(self, worker: ProcessWorker) -> None:
        for progress in worker.progress.values():
            told = self._told.get(progress.process)
            if progress.state in {"catching up", "live"} and told is None:
                self._tell(progress, "started")
            if progress.state == "live" and told != "caught_up":
                self._tell(progress, "caught_up")
            if progress.state == "failed" and told != "failed":
                self.all_well = False
                self._tell(progress, "failed")

    def close(self, worker: ProcessWorker) -> None:
        for progress in worker.progress.values():
            if progress.state != "failed":
                self._tell(progress, "stopped")

    def _tell(self, progress: ProcessProgress, state: State) -> None:
        self._told[progress.process] = state
        failure = _describe(progress.process, progress.error) if state == "failed" and progress.error else None
        if self.as_json:
            write_json(
                ProcessChange(
                    process=progress.process,
                    state=state,
                    events=progress.events,
                    event_id=progress.event_id or None,
                    error=failure,
                )
            )
        elif failure:
            write_error(failure.in_words())
        elif state == "stopped":
            # The library itself logs the start and the end of catching up.
            log.info("process.stopped", process_manager=progress.process, finished=progress.events)


def _describe(process: str, error: Exception) -> Failure:
    failure = describe(error)
    if failure is not None:
        return failure
    message = f"process manager {process!r} stopped: {type(error).__name__}: {error}"
    return Failure(code="unexpected", message=message, cause=format_error(error))
