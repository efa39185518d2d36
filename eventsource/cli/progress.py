"""
What a terminal shows of projectors: a bar while they catch up, then a quiet line.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from eventsource.cli.output import escape, escape_lines

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress_bar import ProgressBar

    from eventsource.projections.progress import RunningProgress

# The shortest pause before the display is drawn again, in seconds.
_REDRAW_S = 0.1

_CATCHING_UP = {"starting", "catching up"}
_STYLES = {"live": "green", "stopped": "dim", "failed": "red"}


class ProjectorBars:
    """
    One line for each projector on standard error, drawn again when something has changed.

    Use it as ``with ProjectorBars() as bars``.
    """

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            _BarOrState(bar_width=20),
            _Figures(),
            console=Console(stderr=True),
            # Not by a thread of its own ten times a second: a line that says "live" costs nothing.
            auto_refresh=False,
            redirect_stdout=False,
        )
        self._tasks: dict[str, TaskID] = {}
        self._shown: dict[str, tuple[object, ...]] = {}
        self._is_stale = False
        self._drawn_at = 0.0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.refresh()
        self._bars.stop()

    def look(self, progress: RunningProgress) -> None:
        """
        Show where a projector is now.
        """
        name, checkpoint = progress.projector, progress.checkpoint
        # What is committed meanwhile was not counted.
        total = None if progress.state == "starting" else max(progress.total, checkpoint.events)
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(escape(name), total=total, completed=checkpoint.events)
        facts = (progress.state, total, checkpoint)
        if facts != self._shown.get(name):
            self._shown[name] = facts
            self._is_stale = True
            self._bars.update(
                self._tasks[name],
                total=total,
                completed=checkpoint.events,
                state=progress.state,
                event_id=checkpoint.event_id,
            )
        now = time.monotonic()
        # The time left changes even when nothing is finished.
        if (self._is_stale or progress.state in _CATCHING_UP) and now - self._drawn_at >= _REDRAW_S:
            self._is_stale, self._drawn_at = False, now
            self._bars.refresh()

    def print(self, text: str) -> None:
        """
        Print lines above the bars.
        """
        # As it is: no markup, no colours by content, no line breaks that were not there.
        self._bars.console.print(Text(escape_lines(text)), soft_wrap=True)


class _BarOrState(BarColumn):
    def render(self, task: Task) -> ProgressBar | Text:  # type: ignore[override]  # any renderable is fine there
        state: str = task.fields.get("state", "starting")
        return super().render(task) if state in _CATCHING_UP else Text(state, style=_STYLES[state])


class _Figures(ProgressColumn):
    def render(self, task: Task) -> Text:
        finished = f"{int(task.completed):,}"
        if task.fields.get("state", "starting") not in _CATCHING_UP:
            last = f"  last {escape(task.fields['event_id'])}" if task.fields["event_id"] else ""
            return Text(f"{finished} events{last}", style="dim")
        if task.total is None:
            return Text("starting", style="dim")
        figures = f"{finished}/{int(task.total):,}"
        if task.speed:
            figures += f"  {int(task.speed):,} events/s"
        if task.time_remaining is not None:
            minutes, seconds = divmod(int(task.time_remaining), 60)
            figures += f"  {minutes}:{seconds:02d} left"
        return Text(figures)
