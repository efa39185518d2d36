"""
Where processes stand, read from their own events; and letting a parked one go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from eventsource.aggregates.errors import ConflictError
from eventsource.aggregates.loader import Loader
from eventsource.aggregates.unit_of_work import UnitOfWork
from eventsource.processes.errors import ProcessNotFoundError, ProcessNotParkedError
from eventsource.processes.process_events import PROCESS_EVENTS, ProcessRetried, fits
from eventsource.processes.process_state import ProcessState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from eventsource.processes.process_events import ProcessParked
    from eventsource.processes.process_manager import ProcessManager
    from eventsource.store.interface import EventStore

Standing = Literal["running", "completed", "parked"]


@attrs.frozen
class ProcessStatus:
    """
    Where one process stands.

    Attributes:
        id: Which one.

        standing: Whether it runs, is over, or is parked.

        answered: How many events it has answered.

        unsent: How many of its commands are decided, and not known to be carried out or refused.

        timers: How many timers it waits for.

        next_due: When the first of them is due.

        held: How many events wait while it is parked, the one that it was parked at among them.

        parked: Why it is parked.
    """

    id: str
    standing: Standing
    answered: int
    unsent: int
    timers: int
    next_due: datetime | None
    held: int
    parked: ProcessParked | None


@attrs.frozen
class ProcessOverview:
    """
    How many processes of one process manager stand where.

    Attributes:
        process: The name of the process manager.

        running, completed, parked: How many processes run, are over, are parked.

        unsent, timers, held: As of `ProcessStatus`, of all of them together.

        next_due: When the first timer is due.
    """

    process: str
    running: int
    completed: int
    parked: int
    unsent: int
    timers: int
    held: int
    next_due: datetime | None

    @classmethod
    def of(cls, process: str, states: Iterable[ProcessStatus]) -> ProcessOverview:
        """
        Count.
        """
        known = list(states)
        return cls(
            process=process,
            running=sum(state.standing == "running" for state in known),
            completed=sum(state.standing == "completed" for state in known),
            parked=sum(state.standing == "parked" for state in known),
            unsent=sum(state.unsent for state in known),
            timers=sum(state.timers for state in known),
            held=sum(state.held for state in known),
            next_due=min((state.next_due for state in known if state.next_due), default=None),
        )


async def list_processes(process: type[ProcessManager], store: EventStore) -> list[ProcessStatus]:
    """
    Where each process of a process manager stands, in the order they began.

    It reads all of their events.
    """
    books: dict[str, ProcessState] = {}
    prefix = f"/process/{process.process_name}/"
    async for recorded in store.stream(f"/process/{process.process_name}"):
        id = recorded.subject.removeprefix(prefix)
        event_class = PROCESS_EVENTS.get(recorded.type)
        if event_class is not None and "/" not in id and fits(recorded):
            books.setdefault(id, ProcessState()).enter(event_class.from_recorded(recorded))
    return [_state(id, book) for id, book in books.items()]


async def retry_process(process: type[ProcessManager], store: EventStore, id: str) -> None:
    """
    Let a parked process go on, with the event or the command that it was parked at.

    A worker that runs goes on with it at once, and one that is started later when it starts.

    Raises:
        ProcessNotFoundError: There is no such process.
        ProcessNotParkedError: It is not parked.
        StoreError: The store cannot be written to.
    """
    while True:
        found = process(id)
        await Loader(store).catch_up(found)
        if found.version == 0:
            raise ProcessNotFoundError(process.process_name, id=id)
        if found.book.parked is None:
            raise ProcessNotParkedError(process.process_name, id=id)
        found.emit(ProcessRetried())
        work = UnitOfWork(store)
        work.add(found)
        try:
            await work.commit(tells_events=False)
        except ConflictError:
            # An event for it came, which is held.
            continue
        return


def _state(id: str, book: ProcessState) -> ProcessStatus:
    return ProcessStatus(
        id=id,
        standing="parked" if book.parked else "completed" if book.is_completed else "running",
        answered=len(book.answered),
        unsent=len(book.unsent),
        timers=len(book.timers),
        next_due=min((timer.due_at for timer in book.timers.values()), default=None),
        held=len(book.held),
        parked=book.parked,
    )
