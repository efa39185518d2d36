"""
Scenarios of process managers.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self
from unittest.mock import patch

import attrs

from eventsource.aggregates.loader import Loader
from eventsource.aggregates.transacting import RetryPolicy
from eventsource.commands.dispatcher import Dispatcher
from eventsource.processes import ProcessWorker
from eventsource.store.memory import InMemoryEventStore
from eventsource.testing.clock import FixedClock, sequential_ids
from eventsource.testing.scenario.placing import place
from eventsource.testing.scenario.reloading import changes_without_an_event
from eventsource.testing.scenario.running import run
from eventsource.testing.scenario.unchecked import Checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from eventsource.commands.command import Command
    from eventsource.events.event import NewEvent, RecordedEvent
    from eventsource.processes.process_manager import Answer, ProcessManager
    from eventsource.testing.scenario.placing import Placed

# One scenario at a time watches.
_watching = threading.Lock()

_AT_ONCE = RetryPolicy(attempts=1, first_pause_s=0)


class ProcessScenario:
    """
    A process manager, run by a `ProcessWorker` as in production, with a store in memory and a clock that stands.

    Its commands are not carried out but collected; each counts as done, unless `GivenProcess.refusing` says
    otherwise. What a command would have made happen, the scenario says as an event.

    It reads as ``given(events).when(event).then_sent(commands)``::

        given = ProcessScenario(LoanApplication).given

        given(requested, reserved).when(at("/loans/7", LoanSigned())).then_sent(PayIn(account="1", cents=5))

    Args:
        process: Which process manager.

        clock: The time when it begins; it is moved by `GivenProcess.when_time_passes`.
    """

    def __init__(self, process: type[ProcessManager], *, clock: FixedClock | None = None) -> None:
        self._process = process
        self._start = (clock or FixedClock()).now()

    def given(self, *history: Placed) -> GivenProcess:
        """
        What happened before, each event with its place; the process has answered all of it.
        """
        return GivenProcess(self._process, FixedClock(self._start), tuple(place(history, default=None)))


@attrs.frozen
class _Reacted:
    commands: Sequence[Command]
    states: dict[str, ProcessManager]
    changed: Sequence[str]


class GivenProcess:
    """
    A process manager with a history.
    """

    def __init__(self, process: type[ProcessManager], clock: FixedClock, history: tuple[NewEvent, ...]) -> None:
        self._process = process
        self._clock = clock
        self._history = history
        self._refusals: dict[type[Command], Exception] = {}

    def refusing(self, command_class: type[Command], refusal: Exception) -> Self:
        """
        Let every command of this class be refused by *refusal*.
        """
        self._refusals[command_class] = refusal
        return self

    def when(self, *happening: Placed) -> ProcessOutcome:
        """
        Let these events happen; `then_sent` and the others tell what came of them.
        """
        events = tuple(place(happening, default=None))

        async def happen(store: InMemoryEventStore) -> None:
            for event in events:
                await store.commit([event])

        return self._outcome(happen)

    def when_time_passes(self, *, days: float = 0, hours: float = 0) -> ProcessOutcome:
        """
        Let so much time pass; timers that are due by then fire.
        """

        async def wait(_: InMemoryEventStore) -> None:
            self._clock.advance(timedelta(days=days, hours=hours))

        return self._outcome(wait)

    def _outcome(self, happen: Callable[[InMemoryEventStore], Any]) -> ProcessOutcome:
        return ProcessOutcome(run(lambda: self._run(happen)))

    async def _run(self, happen: Callable[[InMemoryEventStore], Any]) -> _Reacted:
        sent: list[Command] = []

        def collect(command: Command) -> tuple[()]:
            sent.append(command)
            if type(command) in self._refusals:
                raise self._refusals[type(command)]
            return ()

        async with InMemoryEventStore(clock=self._clock, new_id=sequential_ids()) as store:
            dispatcher = Dispatcher(store)
            for command_class in self._process.command_classes():
                dispatcher.register(command_class, collect)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  a process sends commands
            for event in self._history:
                await store.commit([event])
            worker = ProcessWorker(store, dispatcher, [self._process], clock=self._clock, retry=_AT_ONCE)
            with _watched(self._process) as reacting:
                async with worker:
                    await worker.settle()
                    sent.clear()
                    await happen(store)
                    await worker.settle()
            changed = await changes_without_an_event(store, reacting)
            prefix = self._process.subject_of("x").rpartition("/")[0]
            ids = [subject.rpartition("/")[2] for subject in await store.subjects(prefix)]
            return _Reacted(sent, {id: await Loader(store).load(self._process, id) for id in ids}, changed)


class ProcessOutcome(Checkable):
    """
    What a process manager did about something. An outcome of which nothing is checked fails the test.
    """

    def __init__(self, reacted: _Reacted) -> None:
        super().__init__()
        self._reacted = reacted

    def then_sent(self, *expected: Command) -> Self:
        """
        Exactly these commands were sent, in this order; their ids do not count.

        Raises:
            AssertionError: Others were; the message shows both.
        """
        __tracebackhide__ = True
        self._check_state()
        one, other = ([_describe(command) for command in commands] for commands in (expected, self._reacted.commands))
        if one != other:
            lines = ["other commands were sent than expected:", *(f"- {line}" for line in one)]
            raise AssertionError("\n".join([*lines, *(f"+ {line}" for line in other)]))
        return self

    def then_nothing_sent(self) -> Self:
        """
        No command was sent.

        Raises:
            AssertionError: One was.
        """
        __tracebackhide__ = True
        return self.then_sent()

    def then_state(self, id: str, **expected: object) -> Self:
        """
        Afterwards the process with this id has these attributes.

        ``is_completed`` and ``is_parked`` tell whether it is over, and whether it waits for somebody.

        Raises:
            AssertionError: One has another value, or there is no such process.
        """
        __tracebackhide__ = True
        self._check_state()
        process = self._reacted.states.get(id)
        if process is None:
            msg = f"there is no process {id!r}, only {sorted(self._reacted.states)}"
            raise AssertionError(msg)
        found = {name: _value(process, name) for name in expected}
        wrong = [f"{name}: expected {expected[name]!r}, found {found[name]!r}" for name in expected]
        if found != expected:
            raise AssertionError("\n".join(["the state is another one:", *wrong]))
        return self

    def _check_state(self) -> None:
        __tracebackhide__ = True
        self._is_checked()
        if self._reacted.changed:
            raise AssertionError(
                "\n".join(["state was changed without an event, so it is lost:", *self._reacted.changed])
            )


@contextmanager
def _watched(process_class: type[ProcessManager]) -> Generator[list[ProcessManager]]:
    """
    Collect the processes of a class that react to something; the last look at each is when it has done so.
    """
    seen: list[ProcessManager] = []
    react = process_class.react

    def watched(self: ProcessManager, cause: RecordedEvent) -> Answer:
        if not any(known is self for known in seen):
            seen.append(self)
        return react(self, cause)

    with _watching, patch.object(process_class, "react", watched):
        yield seen


def _value(process: ProcessManager, name: str) -> object:
    match name:
        case "is_completed":
            return process.book.is_completed
        case "is_parked":
            return process.book.parked is not None
        case _:
            return getattr(process, name)


def _describe(command: Command) -> str:
    fields = ", ".join(
        f"{name}={getattr(command, name)!r}" for name in type(command).model_fields if name != "command_id"
    )
    return f"{type(command).__name__}({fields})"
