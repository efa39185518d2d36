"""
The sender of a command adds events to its commit.
"""

from collections.abc import Awaitable, Callable

import pytest

from eventsource import Command, Dispatcher, Event, RuleBrokenError, SubjectIsNew, UnitOfWork
from eventsource.commands import CommandResult
from eventsource.store import InMemoryEventStore


class LampLit(Event, type="io.example.also-commit.lamp-lit"):
    """
    The command emits it.
    """


class Noted(Event, type="io.example.also-commit.noted"):
    """
    The sender adds it to the commit.
    """


class LightLamp(Command, subject="/lamps/{lamp}"):
    """
    Light it.
    """

    lamp: str


class LightLamps(Command, subject="/houses/{house}"):
    """
    Light one, and then another by a command of its own.
    """

    house: str


@pytest.fixture
def store() -> InMemoryEventStore:
    """
    An empty store.
    """
    return InMemoryEventStore()


def note(work: UnitOfWork) -> None:
    """
    Commit a note, once.
    """
    work.emit(Noted(), at="/notes/1", rules=[SubjectIsNew("/notes/1")])


async def light(command: LightLamp, work: UnitOfWork) -> None:
    """
    Light it, unless it is the broken one.
    """
    if command.lamp != "broken":
        work.emit(LampLit(), at=command.subject)


async def dispatch_with_note(dispatcher: Dispatcher, command: Command) -> CommandResult:
    """
    Dispatch a command as a process manager does, with a note in its commit.
    """
    return await dispatcher._dispatch(command, also_commit=note)  # pyright: ignore[reportPrivateUsage]  for the library alone


async def subjects(store: InMemoryEventStore) -> list[str]:
    """
    Where events are, in order.
    """
    return [recorded.subject async for recorded in store.stream()]


async def test_note_and_effect_are_one_commit(store: InMemoryEventStore) -> None:
    """
    Both are there, or neither; and the note is none of the command's own events.
    """
    dispatcher = Dispatcher(store)
    dispatcher.register(LightLamp, light)
    result = await dispatch_with_note(dispatcher, LightLamp(lamp="1"))
    with pytest.raises(RuleBrokenError):
        await dispatch_with_note(dispatcher, LightLamp(lamp="2"))

    assert await subjects(store) == ["/lamps/1", "/notes/1"]
    assert [event.subject for event in result.events] == ["/lamps/1"]


async def test_command_that_does_nothing_has_no_note(store: InMemoryEventStore) -> None:
    """
    There is no commit to put it into.
    """
    dispatcher = Dispatcher(store)
    dispatcher.register(LightLamp, light)
    await dispatch_with_note(dispatcher, LightLamp(lamp="broken"))

    assert await subjects(store) == []


async def test_commands_that_the_handler_dispatches_have_none(store: InMemoryEventStore) -> None:
    """
    It is for the one that was sent.
    """
    dispatcher = Dispatcher(store)
    dispatcher.register(LightLamp, light)

    @dispatcher.handles
    async def light_both(command: LightLamps, work: UnitOfWork) -> None:
        await dispatcher.dispatch(LightLamp(lamp="1"))
        work.emit(LampLit(), at=command.subject)

    await dispatch_with_note(dispatcher, LightLamps(house="9"))

    assert await subjects(store) == ["/lamps/1", "/houses/9", "/notes/1"]


async def test_commands_that_a_middleware_dispatches_have_none(store: InMemoryEventStore) -> None:
    """
    A middleware that dispatches a command of its own first does not take the note of the one that was sent.
    """

    async def light_the_porch(
        command: Command, proceed: Callable[[Command], Awaitable[CommandResult]]
    ) -> CommandResult:
        if isinstance(command, LightLamp) and command.lamp == "1":
            await dispatcher.dispatch(LightLamp(lamp="porch"))
        return await proceed(command)

    dispatcher = Dispatcher(store, middleware=[light_the_porch])
    dispatcher.register(LightLamp, light)
    await dispatch_with_note(dispatcher, LightLamp(lamp="1"))

    assert await subjects(store) == ["/lamps/porch", "/lamps/1", "/notes/1"]
