"""
Telling what becomes of projectors: to a terminal, to logs, or in JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

from eventsource.cli.logs import log_above_bars, log_in_json, log_in_words
from eventsource.cli.output import is_terminal, write_error, write_json
from eventsource.cli.progress import ProjectorBars
from eventsource.log import get_logger

if TYPE_CHECKING:
    from types import TracebackType

    from eventsource.cli.states import StateChange
    from eventsource.projections.progress import RunningProgress

log = get_logger(__name__)


class Report(Protocol):
    """
    Where it goes. Use it as ``with choose_report(...) as report``.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def look(self, progress: RunningProgress) -> None:
        """
        Show where a projector is now; called many times a second.
        """
        ...

    def tell(self, change: StateChange) -> None:
        """
        Say that a projector has come into another state.
        """
        ...


def choose_report(*, as_json: bool) -> Report:
    """
    JSON on standard output, bars in a terminal, or log lines; and the logging that goes with it.
    """
    if as_json:
        log_in_json()
        return _JsonReport()
    if is_terminal():
        bars = _TerminalReport()
        log_above_bars(bars.print)
        return bars
    log_in_words()
    return _LogReport()


class _Unseen:
    """
    What a report has in common that shows nothing between two changes of state.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def look(self, progress: RunningProgress) -> None:
        pass


class _JsonReport(_Unseen):
    def tell(self, change: StateChange) -> None:
        write_json(change)


class _LogReport(_Unseen):
    def tell(self, change: StateChange) -> None:
        # The library itself logs the start and the end of catching up.
        if change.state == "stopped":
            log.info("projector.stopped", projector=change.projector, finished=change.events)
        if change.error:
            write_error(change.error.in_words())


class _TerminalReport(ProjectorBars):
    def tell(self, change: StateChange) -> None:
        # The bars show every other state.
        if change.error:
            self.print(change.error.in_words())
