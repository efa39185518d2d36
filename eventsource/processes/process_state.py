"""
The books of one process: what its own events say that is left to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from eventsource.processes.process_events import (
    CommandDispatched,
    CommandRefused,
    InputHeld,
    ProcessParked,
    ProcessReacted,
    ProcessRetried,
    TimerFired,
)

if TYPE_CHECKING:
    from datetime import datetime

    from eventsource.events.event import Event
    from eventsource.processes.process_events import SentCommand, SetTimer


@attrs.define
class ProcessState:
    """
    What is left to do, and what is done for good.

    Attributes:
        answered: The ids of the events that were answered, in order.

        started_at: When the first of them was committed; None before.

        unsent: Commands that were decided and of which nobody knows what became of them, by cause and
            index, in order.

        timers: What it waits for, by the id of the timer.

        fired: The timers whose event is recorded and still to be answered; with its type.

        held: The ids of the events that came while it was parked, in order; the one that it was parked at
            comes first.

        parked: Why it is parked; None if it is not.

        is_completed: Whether it is over.
    """

    answered: dict[str, None] = attrs.field(factory=dict[str, None])
    started_at: datetime | None = None
    unsent: dict[tuple[str, int], SentCommand] = attrs.field(factory=dict[tuple[str, int], "SentCommand"])
    timers: dict[str, SetTimer] = attrs.field(factory=dict[str, "SetTimer"])
    fired: dict[str, str] = attrs.field(factory=dict[str, str])
    held: dict[str, None] = attrs.field(factory=dict[str, None])
    parked: ProcessParked | None = None
    is_completed: bool = False

    def enter(self, event: Event) -> None:
        """
        Take one event of the process into account. Those that it emitted itself say nothing here.
        """
        match event:
            case ProcessReacted():
                self._reacted(event)
            case CommandDispatched():
                self.unsent.pop((event.cause, event.index), None)
            case CommandRefused():
                for key in [key for key in self.unsent if key[0] == event.cause]:
                    del self.unsent[key]
            case TimerFired():
                if (timer := self.timers.pop(event.timer, None)) is not None:
                    self.fired[event.timer] = timer.type
            case _:
                self._stop_or_go(event)

    def knows(self, event_id: str) -> bool:
        """
        Whether an event was answered, or waits to be.
        """
        return event_id in self.answered or event_id in self.held

    def __deepcopy__(self, _: object) -> ProcessState:
        # A process is copied for each step. What is inside does not change, only the collections do.
        return attrs.evolve(
            self,
            answered=self.answered.copy(),
            unsent=self.unsent.copy(),
            timers=self.timers.copy(),
            fired=self.fired.copy(),
            held=self.held.copy(),
        )

    @property
    def has_work(self) -> bool:
        """
        Whether there is something to do that nothing else has to happen for.
        """
        return self.parked is None and bool(self.unsent or self.held)

    def is_stuck_at(self, timer: str) -> bool:
        """
        Whether it is parked since its timer could not be recorded.
        """
        return self.parked is not None and self.parked.stage == "timer" and self.parked.cause == timer

    @property
    def is_idle(self) -> bool:
        """
        Whether nothing is left, unless another event comes.
        """
        return not (self.unsent or self.timers or self.held or self.parked)

    def _stop_or_go(self, event: Event) -> None:
        match event:
            case InputHeld():
                self.held[event.cause] = None
            case ProcessParked():
                self.parked = event
                if event.stage == "reaction":
                    self.held = {event.cause: None} | self.held
            case ProcessRetried():
                self.parked = None
            case _:
                pass

    def _reacted(self, event: ProcessReacted) -> None:
        if self.started_at is None:
            self.started_at = event.cause_time
        self.answered[event.cause] = None
        self.held.pop(event.cause, None)
        self.unsent |= {(event.cause, index): command for index, command in enumerate(event.commands)}
        for timer in (event.timer, *event.cancelled):
            if timer is not None:
                self.timers.pop(timer, None)
                self.fired.pop(timer, None)
        self.timers |= {timer_id(event.cause, index): timer for index, timer in enumerate(event.timers)}
        if event.completed:
            self.is_completed = True
            self.timers.clear()
            self.fired.clear()


def timer_id(cause: str, index: int) -> str:
    """
    What names a timer for ever: the event it was set for, and which of the timers set then.
    """
    return f"{cause}/{index}"


def cause_of_timer(timer: str) -> str:
    """
    The id of the event that a timer was set for.
    """
    return timer.rpartition("/")[0]
