"""
A process manager as a user has it, for commands to find. Tests copy this file to where a command runs.
"""

import os
from datetime import timedelta

from eventsource import Command, Dispatcher, Event, EventStore, ProcessManager, UnitOfWork, on_timer, starts


class Posted(Event, type="io.example.parcels.cli-posted"):
    """
    Somebody brings a parcel.
    """

    parcel: str


class Carried(Event, type="io.example.parcels.cli-carried"):
    """
    It is where it belongs.
    """


class Forgotten(Event, type="io.example.parcels.cli-forgotten"):
    """
    A timer.
    """


class Carry(Command, subject="/parcels/{parcel}"):
    """
    Bring it there.
    """

    parcel: str


class Parcels(ProcessManager, name="parcels", by="parcel", sends=[Carry]):
    """
    Has each parcel carried; one named "heavy" only when PARCELS_STRONG is set.
    """

    @starts
    def posted(self, event: Posted) -> None:
        """
        Carry it.
        """
        if event.parcel == "heavy" and "PARCELS_STRONG" not in os.environ:
            raise RuntimeError(event.parcel)
        self.send(Carry(parcel=self.id))
        self.schedule(Forgotten(), after=timedelta(days=365_000))

    @on_timer
    def forgotten(self, _: Forgotten) -> None:
        """
        Nobody knows.
        """
        self.complete()


class Lost(ProcessManager, name="lost", by=lambda event: event.parcel[99]):
    """
    Cannot tell which process is which.
    """

    @starts
    def posted(self, _: Posted) -> None:
        """
        Never comes to it.
        """


class Unfinished(ProcessManager, abstract=True):
    """
    No process manager yet.
    """


async def carry(command: Carry, work: UnitOfWork) -> None:
    """
    Carry it.
    """
    work.emit(Carried(), at=command.subject)


def make_dispatcher(store: EventStore) -> Dispatcher:
    """
    Everything that can be asked for.
    """
    dispatcher = Dispatcher(store)
    dispatcher.register(Carry, carry)
    return dispatcher


async def make_dispatcher_later(store: EventStore) -> Dispatcher:
    """
    The same, asynchronously.
    """
    return make_dispatcher(store)


def make_nothing(store: EventStore) -> EventStore:
    """
    No dispatcher.
    """
    return store


def make_mistake(store: EventStore) -> Dispatcher:
    """
    No dispatcher either.
    """
    raise KeyError(store)


def make_idle(store: EventStore) -> Dispatcher:
    """
    One that can do nothing.
    """
    return Dispatcher(store)
