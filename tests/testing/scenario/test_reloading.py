"""
Scenarios pass only what a reload gives.
"""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from eventsource import (
    Aggregate,
    Command,
    Dispatcher,
    Event,
    ProcessManager,
    RecordedEvent,
    Repository,
    UnitOfWork,
    handles,
    starts,
)
from eventsource.errors import UnstorableEventError
from eventsource.projections import Projector
from eventsource.store import InMemoryEventStore
from eventsource.testing import (
    AggregateScenario,
    CommandScenario,
    DecisionScenario,
    ProcessScenario,
    ProjectorScenario,
    at,
)


class Moved(Event, type="io.example.test.reload.moved"):
    """
    It moved.
    """

    to: Any = None
    path: list[int] = []  # noqa: RUF012


class Mark:
    """
    Compares by identity.
    """

    def __init__(self, text: str) -> None:
        self.text = text


class Counter(Aggregate, subject="/counters/{id}"):
    """
    With commands that do what they must not.
    """

    n: int = 0
    path: list[int] = []  # noqa: RUF012
    mark: Mark | None = None

    def move(self, to: object = None) -> None:
        """
        As it should be.
        """
        self.emit(Moved(to=to, path=[1]))

    def move_and_count(self) -> None:
        """
        Counts twice, once without an event.
        """
        self.n += 1
        self.emit(Moved())

    def only_count(self) -> None:
        """
        Counts without an event at all.
        """
        self.n += 1

    def note(self) -> None:
        """
        Sets what no class declares.
        """
        self.emit(Moved())
        self.noted = "something"

    def append(self) -> None:
        """
        Changes a list that a handler has kept.
        """
        self.emit(Moved(path=[1]))
        self.path.append(2)

    @handles
    def _moved(self, event: Moved) -> None:
        self.n += 1
        self.path = event.path
        self.mark = Mark(str(event.to))


given = AggregateScenario(Counter).given


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (Counter.move_and_count, "n is 2, and 1 when it is loaded again"),
        (Counter.only_count, "n is 1, and 0 when it is loaded again"),
        (Counter.note, "noted is 'something', and not set when it is loaded again"),
        (Counter.append, r"path is \[1, 2\], and \[1\] when it is loaded again"),
    ],
)
@pytest.mark.parametrize("history", [0, 2])
def test_state_that_no_event_has_made(command: Any, says: str, history: int) -> None:
    """
    A command that changes the state itself fails each check, with the name of the attribute.
    """
    before = [Moved() for _ in range(history)]
    says = says.replace("n is 2, and 1", f"n is {2 + history}, and {1 + history}")
    says = says.replace("n is 1, and 0", f"n is {1 + history}, and {history}")

    outcome = given(*before).when(command)
    with pytest.raises(AssertionError, match=says):
        outcome.then_state()
    with pytest.raises(AssertionError, match=says):
        outcome.then_nothing()
    with pytest.raises(AssertionError, match=says):
        outcome.then(Moved(), Moved())


def test_what_is_right_stays_right() -> None:
    """
    State that handlers make passes, whatever it consists of, and the state to look at is that of a load.
    """
    given(Moved()).when(Counter.move).then(Moved(path=[1])).then_state(n=2, path=[1])
    given().when(Counter.move).then_state(n=1)


def test_an_event_that_does_not_come_back() -> None:
    """
    An event that would be read as another one fails the scenario, wherever it stands in it.
    """
    with pytest.raises(UnstorableEventError):
        given(Moved(to=(1, 2)))

    outcome = given().when(Counter.move, (1, 2))
    with pytest.raises(AssertionError, match=r"Moved cannot be stored: its field to"):
        outcome.then(Moved(to=(1, 2)))


@pytest.mark.parametrize("by", [ValueError, TypeError, Exception])
def test_a_slip_is_no_refusal(by: type[Exception]) -> None:
    """
    An event that does not come back is no refusal of the command, though the error is a ValueError, too.
    """
    outcome = given().when(Counter.move, (1, 2))

    with pytest.raises(AssertionError, match=r"Moved cannot be stored: its field to"):
        outcome.then_refused(by)
    outcome.then_refused(UnstorableEventError)


async def decide_wrongly(work: UnitOfWork) -> None:
    """
    Change the state of one aggregate, and emit for another.
    """
    first = await work.load(Counter, "1")
    first.only_count()
    work.create(Counter, "2").move()


def test_a_decision() -> None:
    """
    A decision that changes an aggregate without an event fails, though another aggregate emits one.
    """
    outcome = DecisionScenario().given(at("/counters/1", Moved())).when(decide_wrongly)

    with pytest.raises(AssertionError, match="Counter '1': n is 2, and 1 when it is loaded again"):
        outcome.then(at("/counters/2", Moved(path=[1])))


class Move(Command, subject="/counters/{counter}"):
    """
    Move it.
    """

    counter: str


async def move(command: Move, work: UnitOfWork) -> None:
    """
    With the aggregate's own fault.
    """
    (await work.load_or_new(Counter, command.counter)).move_and_count()


def test_a_command() -> None:
    """
    A command's handler is found out in the same way.
    """
    dispatcher = Dispatcher(InMemoryEventStore())
    dispatcher.register(Move, move)
    outcome = CommandScenario(dispatcher).given().when(Move(counter="1"))

    with pytest.raises(AssertionError, match="Counter '1': n is 2, and 1 when it is loaded again"):
        outcome.then(at("/counters/1", Moved()))


class Asked(Event, type="io.example.test.reload.asked"):
    """
    Begins a process.
    """


class Answering(ProcessManager, name="reload-answering", by="/questions/{id}", sends=[Move]):
    """
    Remembers without an event.
    """

    asked: int = 0

    @starts
    def was_asked(self, _: Asked) -> None:
        """
        Count, and send.
        """
        self.asked += 1
        self.send(Move(counter=self.id))


def test_a_process() -> None:
    """
    A reaction that remembers something itself, and not by an event, fails whatever is checked.
    """
    outcome = ProcessScenario(Answering).given().when(at("/questions/7", Asked()))

    with pytest.raises(AssertionError, match="Answering '7': asked is 1, and 0 when it is loaded again"):
        outcome.then_sent(Move(counter="7"))


moves = sa.Table("moves", sa.MetaData(), sa.Column("id", sa.Text, primary_key=True), sa.Column("n", sa.Integer))


class Rows(Projector, name="reload-rows", subject="/counters", tables=[moves]):
    """
    Numbers its rows by what it remembers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.n = 0

    @handles
    def _moved(self, _: Moved, recorded: RecordedEvent, tx: sa.Connection) -> None:
        self.n += 1
        tx.execute(moves.insert().values(id=recorded.id, n=self.n))


def test_a_projector_that_remembers() -> None:
    """
    A projector whose rows depend on what it remembers fails: after a restart it remembers nothing.
    """
    scenario = ProjectorScenario(Rows).given(at("/counters/1", Moved(), Moved()))

    with pytest.raises(AssertionError, match="with a restart each time"):
        scenario.then_rows(moves, [{"id": "event-1", "n": 1}, {"id": "event-2", "n": 2}])


async def test_repositories_agree_with_the_scenario() -> None:
    """
    The state that a scenario passes is the one that a repository loads.
    """
    async with InMemoryEventStore() as store:
        counters = Repository(Counter, store)
        async with counters.create("1") as counter:
            counter.move()

        given().when(Counter.move).then_state(n=(await counters.load("1")).n)
