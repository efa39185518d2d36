"""
How far it is from a call of a user to the code that does the work.

A reader who steps through a program with a debugger goes exactly this way.
"""

from __future__ import annotations

import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, Integer, MetaData, Table

import eventsource
from eventsource import Aggregate, Event, NewEvent, ProjectionWorker, Projector, RecordedEvent, Repository, handles
from eventsource.store import EmbeddedEventStore, InMemoryEventStore

if TYPE_CHECKING:
    from types import FrameType

    from eventsource.store import EventStream

_PACKAGE = Path(eventsource.__file__).parent
_MOST_FRAMES, _MOST_FILES, _MOST_ROOMS = 5, 3, 8


class Counted(Event, type="io.example.architecture.counted"):
    """
    Something was counted.
    """

    by: int


class Counter(Aggregate, subject="/counters/{id}"):
    """
    Counts.
    """

    value: int = 0

    def count(self, by: int) -> None:
        """
        Count further.
        """
        self.emit(Counted(by=by))

    @handles
    def _counted(self, event: Counted) -> None:
        self.value += event.by


class WatchedStore(InMemoryEventStore):
    """
    A store that keeps the files and functions of the package through which its first read was reached.
    """

    path: list[tuple[str, str]] | None = None

    def stream(self, *args: Any, **kwargs: Any) -> EventStream:
        """
        Read.
        """
        if self.path is None:
            own = [frame for frame in traceback.extract_stack() if Path(frame.filename).is_relative_to(_PACKAGE)]
            self.path = [(str(Path(frame.filename).relative_to(_PACKAGE)), frame.name) for frame in own]
        return super().stream(*args, **kwargs)


async def test_command_is_a_few_frames_from_its_first_read() -> None:
    """
    Between `Repository.execute` and the store there are few functions, in few files.
    """
    async with WatchedStore() as store:
        await store.commit([NewEvent(subject="/counters/1", type="io.example.architecture.counted", data={"by": 1})])
        await Repository(Counter, store).execute("1", Counter.count, 2)

    assert store.path is not None
    assert store.path[0] == ("aggregates/repository.py", "execute")
    assert len(store.path) <= _MOST_FRAMES, store.path
    assert len({file for file, _ in store.path}) <= _MOST_FILES, store.path


class Rooms:
    """
    The folders of the package whose functions run while it is open.
    """

    def __init__(self) -> None:
        self.entered: set[str] = set()
        self.is_open = False

    def note(self, frame: FrameType, event: str, _: object) -> None:
        """
        Note a call.
        """
        if self.is_open and event == "call":
            file = Path(frame.f_code.co_filename)
            if file.is_relative_to(_PACKAGE):
                self.entered.add(file.relative_to(_PACKAGE).parts[0])


rooms = Rooms()
_table = Table("counted", MetaData(), Column("by", Integer))


class Counters(Projector, name="counters", subject="/counters", tables=[_table]):
    """
    Looks at which rooms an event came through.
    """

    @handles
    def _counted(self, event: Counted, recorded: RecordedEvent, tx: Connection) -> None:  # noqa: ARG002  what a projector's handler takes
        rooms.is_open = False


async def test_event_comes_through_few_rooms_to_its_handler(tmp_path: Path) -> None:
    """
    From the commit, through the store's file and its subscription, to a projector's handler.
    """
    event = NewEvent(subject="/counters/1", type="io.example.architecture.counted", data={"by": 1})
    threading.setprofile(rooms.note)
    sys.setprofile(rooms.note)
    try:
        projector = Counters()
        async with (
            EmbeddedEventStore(tmp_path / "store.db") as store,
            ProjectionWorker(store, f"sqlite:///{tmp_path}/read.db", [projector]),
        ):
            # The first event finds everything opened and warm.
            for _ in range(2):
                rooms.entered.clear()
                rooms.is_open = True
                (recorded,) = await store.commit([event])
                await projector.seen(recorded.id)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)

    assert {"store", "projections"} <= rooms.entered
    assert len(rooms.entered) <= _MOST_ROOMS, rooms.entered
