"""
Dispatching: from a command to its handler and its events; the same command again is the same result.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import attrs
import pytest

from eventsource import (
    AggregateExistsError,
    CommitOutcomeUnknownError,
    ConflictError,
    DeclarationError,
    Dispatcher,
    Event,
    Metadata,
    Repository,
    RetryPolicy,
    RuleBrokenError,
    UnitOfWork,
    with_metadata,
)
from eventsource.aggregates import current_metadata
from eventsource.commands import CommandResult
from eventsource.errors import (
    CommandError,
    CommandLeavesNoTraceError,
    CommandNotHandledError,
    QueryBudgetError,
    StoreUnavailableError,
    UnitOfWorkClosedError,
)
from eventsource.guards.command_guard import NOT_CARRIED_OUT
from eventsource.store import InMemoryEventStore
from tests.aggregates.accounts import Account, AccountOpened, CustomerGreeted, InsufficientFundsError, MoneyMoved
from tests.commands.requests import Deposit, Look, Open, Transfer, Withdraw, make_dispatcher, open_with

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from eventsource import Command, RecordedEvent
    from eventsource.commands import Proceed
    from tests.aggregates.observed_store import ObservedStore


@pytest.fixture
def dispatcher(store: ObservedStore) -> Dispatcher:
    """
    Handles the commands over accounts.
    """
    return make_dispatcher(store, retry=RetryPolicy(attempts=3, first_pause_s=0))


async def log(store: ObservedStore) -> list[RecordedEvent]:
    """
    All events, read past the counting.
    """
    return [event async for event in store.inner.stream()]


async def balance(store: ObservedStore, id: str) -> int:
    """
    What is in an account now.
    """
    return (await Repository(Account, store.inner).load(id)).cents


# --- Once ------------------------------------------------------------------------------


async def test_handler_decides_in_a_unit_of_work(dispatcher: Dispatcher, store: ObservedStore) -> None:
    """
    What it emits is committed at once; what it returns comes back beside the events.
    """
    await open_with(dispatcher, "1", 500)

    result = await dispatcher.dispatch(Withdraw(account="1", cents=200))

    assert (result.value, result.is_repeat) == (300, False)
    assert result.events == tuple((await log(store))[2:])
    assert await balance(store, "1") == 300


async def test_handler_without_a_unit_of_work_returns_events(dispatcher: Dispatcher, store: ObservedStore) -> None:
    """
    They are committed at the command's subject, and nothing is read.
    """
    await dispatcher.dispatch(Open(account="1"))

    result = await dispatcher.dispatch(Deposit(account="1", cents=5))

    assert [(event.subject, event.decode()) for event in result.events] == [("/accounts/1", MoneyMoved(cents=5))]
    assert store.read == []
    assert result.value is None


async def test_rules_of_the_command_travel_with_the_commit(dispatcher: Dispatcher, store: ObservedStore) -> None:
    """
    One that does not hold is told by its name, and is not tried again.
    """
    with pytest.raises(RuleBrokenError) as excinfo:
        await dispatcher.dispatch(Deposit(account="1", cents=5))

    assert excinfo.value.name == "the account is open"
    assert store.commits == 1


async def test_refusal_of_the_handler_is_raised_as_it_is(dispatcher: Dispatcher, store: ObservedStore) -> None:
    """
    Nothing is committed, nothing is tried again.
    """
    await open_with(dispatcher, "1", 500)

    with pytest.raises(InsufficientFundsError):
        await dispatcher.dispatch(Withdraw(account="1", cents=501))

    assert store.commits == 2


async def test_handler_is_run_again_after_a_conflict(dispatcher: Dispatcher, store: ObservedStore) -> None:
    """
    It decides on what is there then; after the last of the attempts the conflict is raised.
    """
    await open_with(dispatcher, "1", 500)
    accounts = Repository(Account, store.inner)
    store.rivals = [lambda: accounts.execute("1", Account.deposit, 1)] * 2

    assert (await dispatcher.dispatch(Withdraw(account="1", cents=200))).value == 302

    store.rivals = [lambda: accounts.execute("1", Account.deposit, 1)] * 3
    with pytest.raises(ConflictError):
        await dispatcher.dispatch(Withdraw(account="1", cents=200))
    assert await balance(store, "1") == 305


async def test_command_without_a_handler_is_an_error(store: ObservedStore) -> None:
    """
    It names the class.
    """
    with pytest.raises(CommandNotHandledError, match="Deposit") as excinfo:
        await Dispatcher(store).dispatch(Deposit(account="1", cents=5))

    assert isinstance(excinfo.value, CommandError)
    assert excinfo.value.command == "Deposit"


# --- Again -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        Open(account="2"),
        Deposit(account="1", cents=5),
        Withdraw(account="1", cents=400),
        Transfer(transfer="7", source="1", target="3", cents=300),
    ],
    ids=lambda command: type(command).__name__,
)
async def test_the_same_command_again_is_the_same_result(
    dispatcher: Dispatcher, store: ObservedStore, command: Command
) -> None:
    """
    Whether the commit refuses it, a rule, or the handler, which finds what it did itself; and however late.
    """
    await open_with(dispatcher, "1", 500)
    await open_with(dispatcher, "3", 0)
    first = await dispatcher.dispatch(command)
    events = await log(store)

    again = await dispatcher.dispatch(command)
    await dispatcher.dispatch(Deposit(account="1", cents=1_000))
    later = await dispatcher.dispatch(type(command).model_validate_json(command.model_dump_json()))

    assert first.events
    assert not first.is_repeat
    assert again == later == CommandResult(first.events, value=None, is_repeat=True)
    assert (await log(store))[: len(events)] == events
    assert len(await log(store)) == len(events) + 1


async def test_the_same_id_elsewhere_is_another_command(dispatcher: Dispatcher) -> None:
    """
    Each has its own result, also when the events stand side by side.
    """
    commands = [Open(command_id="7", account=id) for id in ("1", "2", "3")]

    firsts = [await dispatcher.dispatch(command) for command in commands]
    repeats = [await dispatcher.dispatch(command) for command in commands]

    assert [result.is_repeat for result in firsts] == [False] * 3
    assert [result.is_repeat for result in repeats] == [True] * 3
    assert [result.events for result in repeats] == [result.events for result in firsts]


async def test_result_has_the_events_of_its_own_commit(dispatcher: Dispatcher) -> None:
    """
    All of them, at whichever subject, and none of another command of that id: also where both wrote to one subject.
    """
    for account in ("1", "2"):
        await open_with(dispatcher, account, 500)
    commands = [
        Deposit(command_id="7", account="1", cents=5),
        Transfer(command_id="7", transfer="9", source="1", target="2", cents=300),
        Deposit(command_id="7", account="2", cents=5),
    ]
    firsts = [await dispatcher.dispatch(command) for command in commands]

    assert [sorted(event.subject for event in result.events) for result in firsts] == [
        ["/accounts/1"],
        ["/accounts/1", "/accounts/2", "/transfers/9"],
        ["/accounts/2"],
    ]
    for command, first in zip(commands, firsts, strict=True):
        again = await dispatcher.dispatch(command)
        assert (again.events, again.is_repeat, first.is_repeat) == (first.events, True, False)


class HolderNamed(Event, type="io.example.test.commands.holder-named", personal=True):
    """
    What is about a person, to be erased.
    """

    name: str


async def test_personal_events_beside_the_others_are_not_told(store: ObservedStore) -> None:
    """
    They carry no id, so the result is without them: the first time as later, wherever they stand.
    """
    dispatcher = Dispatcher(store)

    @dispatcher.handles
    def open_account(command: Open, work: UnitOfWork) -> None:
        name = HolderNamed(name=command.owner)
        work.emit(name, at=f"{command.subject}/first")
        work.emit(AccountOpened(owner="see below"), at=command.subject)
        work.emit(name, at=command.subject)
        work.emit(MoneyMoved(cents=1), at="/elsewhere")
        work.emit(name, at=f"{command.subject}/last")

    first = await dispatcher.dispatch(Open(command_id="7", account="1"))
    await dispatcher.dispatch(Open(account="2"))
    again = await dispatcher.dispatch(Open(command_id="7", account="1"))

    assert [event.subject for event in first.events] == ["/accounts/1", "/elsewhere"]
    assert again.events == first.events
    assert await store.count("/accounts/1") == 4


async def test_personal_events_alone_do_not_tell_a_repeat(store: ObservedStore) -> None:
    """
    An event beside them has to.
    """
    dispatcher = Dispatcher(store)

    @dispatcher.handles
    def open_account(command: Open, work: UnitOfWork) -> None:
        work.emit(HolderNamed(name=command.owner), at=command.subject)

    with pytest.raises(CommandLeavesNoTraceError, match="not personal"):
        await dispatcher.dispatch(Open(account="1"))


async def test_first_run_asks_nothing_beforehand(dispatcher: Dispatcher, store: ObservedStore) -> None:
    """
    The guard travels with the commit: one commit is all there is to it.
    """
    await dispatcher.dispatch(Open(account="1"))
    store.queries = 0

    await dispatcher.dispatch(Deposit(account="1", cents=5))

    assert (store.queries, store.commits, store.read) == (0, 2, [])
    assert NOT_CARRIED_OUT in [getattr(each, "name", None) for each in store.preconditions]


async def test_command_that_emits_nothing_is_run_again(dispatcher: Dispatcher) -> None:
    """
    It leaves no record, so it answers by what is there now.
    """
    await open_with(dispatcher, "1", 500)
    command = Look(account="1")

    assert await dispatcher.dispatch(command) == CommandResult((), 500, is_repeat=False)
    await dispatcher.dispatch(Deposit(account="1", cents=1))
    assert await dispatcher.dispatch(command) == CommandResult((), 501, is_repeat=False)


async def test_handler_must_leave_an_event_that_tells_the_repeat(store: ObservedStore) -> None:
    """
    Events elsewhere alone would let the command be carried out twice: nothing is committed.
    """
    dispatcher = Dispatcher(store)

    @dispatcher.handles
    def greet(_: Deposit, work: UnitOfWork) -> None:
        work.emit(CustomerGreeted(), at="/customers/1")

    with pytest.raises(CommandLeavesNoTraceError, match="/accounts/1") as excinfo:
        await dispatcher.dispatch(Deposit(account="1", cents=5))

    assert excinfo.value.subject == "/accounts/1"
    assert store.commits == 0


async def test_refused_command_is_carried_out_once_it_can_be(dispatcher: Dispatcher) -> None:
    """
    A refusal is no result: it is not remembered.
    """
    await open_with(dispatcher, "1", 500)
    command = Withdraw(account="1", cents=501)
    with pytest.raises(InsufficientFundsError):
        await dispatcher.dispatch(command)
    await dispatcher.dispatch(Deposit(account="1", cents=1))

    assert (await dispatcher.dispatch(command)).value == 0
    with pytest.raises(AggregateExistsError):
        await dispatcher.dispatch(Open(account="1"))


# --- Lost answers ----------------------------------------------------------------------


async def lose() -> None:
    """
    What happens to a commit that never arrives, as far as its sender knows.
    """
    store = "the store"
    raise CommitOutcomeUnknownError(store, "the answer is lost")


async def be_down() -> None:
    """
    What happens to a commit when the store is away.
    """
    store = "the store"
    raise StoreUnavailableError(store, "it is down")


@pytest.mark.parametrize(("lost", "stored"), [(1, 0), (0, 1), (1, 1), (2, 0), (0, 2)])
async def test_lost_answer_is_resolved_by_sending_again(
    dispatcher: Dispatcher, store: ObservedStore, lost: int, stored: int
) -> None:
    """
    Whether the commit was stored or not, it is stored once and its events come back.
    """
    await open_with(dispatcher, "1", 500)
    store.rivals, store.answers_lost = [lose] * lost, stored

    result = await dispatcher.dispatch(Withdraw(account="1", cents=400))

    assert [event.decode() for event in result.events] == [MoneyMoved(cents=-400)]
    assert result.is_repeat == bool(stored)
    assert await balance(store, "1") == 100


@pytest.mark.parametrize("rivals", [[lose] * 3, [lose, be_down]], ids=["lost", "down"])
async def test_outcome_that_cannot_be_found_out_stays_unknown(
    dispatcher: Dispatcher, store: ObservedStore, rivals: list[Callable[[], Awaitable[None]]]
) -> None:
    """
    After some attempts the error says so, also if the store is away in the end.
    """
    await open_with(dispatcher, "1", 500)
    store.rivals = [*rivals]

    with pytest.raises(CommitOutcomeUnknownError):
        await dispatcher.dispatch(Withdraw(account="1", cents=400))


async def test_refusal_after_a_lost_answer_is_no_refusal(dispatcher: Dispatcher, store: ObservedStore) -> None:
    """
    What was sent first may still be on its way when the handler refuses: the outcome stays unknown.
    """
    await open_with(dispatcher, "1", 500)

    async def take_all_and_lose() -> None:
        await Repository(Account, store.inner).execute("1", Account.withdraw, 500)
        await lose()

    store.rivals = [take_all_and_lose]
    with pytest.raises(CommitOutcomeUnknownError) as excinfo:
        await dispatcher.dispatch(Withdraw(account="1", cents=400))

    assert isinstance(excinfo.value.__cause__, InsufficientFundsError)


async def test_refusal_that_cannot_be_looked_up_is_not_called_one(
    dispatcher: Dispatcher, store: ObservedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    It may be that of a repeat.
    """
    await open_with(dispatcher, "1", 500)

    def query(*_: object, **__: object) -> object:
        budget = "time"
        raise QueryBudgetError(budget, limit=2.0)

    monkeypatch.setattr(store, "query", query)
    with pytest.raises(QueryBudgetError) as excinfo:
        await dispatcher.dispatch(Withdraw(account="1", cents=501))

    assert isinstance(excinfo.value.__cause__, InsufficientFundsError)


# --- Metadata --------------------------------------------------------------------------


async def test_metadata_flows_from_the_command_into_each_event(store: ObservedStore) -> None:
    """
    The command begins the story unless it is part of one; who asked and the trace are passed on.
    """
    dispatcher = Dispatcher(store)
    seen: list[Metadata] = []

    @dispatcher.handles
    async def withdraw(command: Withdraw, work: UnitOfWork) -> None:
        async def look() -> None:
            seen.append(current_metadata())

        await asyncio.create_task(look())
        work.emit(MoneyMoved(cents=-command.cents), at=command.subject)

    alone = await dispatcher.dispatch(Withdraw(command_id="7", account="1", cents=5))
    with with_metadata(Metadata(correlation_id="story", causation_id="e-1", actor="ada", traceparent="00-a-b-01")):
        part = await dispatcher.dispatch(Withdraw(command_id="8", account="1", cents=5))

    assert seen == [
        Metadata(correlation_id="7", causation_id="7"),
        Metadata(correlation_id="story", causation_id="8", actor="ada", traceparent="00-a-b-01"),
    ]
    stored = [attrs.evolve(event.metadata, command_digest=None) for event in (*alone.events, *part.events)]
    assert stored == [attrs.evolve(seen[0], command_id="7"), attrs.evolve(seen[1], command_id="8")]
    assert current_metadata() == Metadata()


async def test_what_a_handler_has_others_commit_is_not_its_result(store: ObservedStore) -> None:
    """
    It is part of the story, but not under the command's guard: the command is carried out all the same.
    """
    dispatcher = Dispatcher(store)

    async def deposit(command: Deposit) -> MoneyMoved:
        async with Repository(Account, store.inner).create(command.account) as account:
            account.open("Ada")
        return MoneyMoved(cents=command.cents)

    dispatcher.register(Deposit, deposit)
    result = await dispatcher.dispatch(Deposit(command_id="7", account="1", cents=5))

    assert not result.is_repeat
    assert [event.decode() for event in result.events] == [MoneyMoved(cents=5)]
    assert (await log(store))[0].metadata == Metadata(correlation_id="7", causation_id="7")


# --- Middleware ------------------------------------------------------------------------


async def test_middleware_runs_around_every_command(store: ObservedStore) -> None:
    """
    In the order given, once for each dispatch, with the result in its hands.
    """
    told: list[str] = []

    async def outer(command: Command, proceed: Proceed) -> CommandResult:
        told.append("outer")
        result = await proceed(command)
        told.append(f"{len(result.events)} events")
        return result

    async def inner(command: Command, proceed: Proceed) -> CommandResult:
        told.append("inner")
        return await proceed(command)

    dispatcher = make_dispatcher(store, [outer, inner])
    await dispatcher.dispatch(Open(account="1"))

    assert told == ["outer", "inner", "1 events"]


async def test_middleware_may_refuse_or_hand_on_another_command(store: ObservedStore) -> None:
    """
    What it hands on is carried out under its own id.
    """

    async def halve(command: Command, proceed: Proceed) -> CommandResult:
        if isinstance(command, Withdraw):
            raise PermissionError
        if isinstance(command, Deposit):
            command = command.model_copy(update={"cents": command.cents // 2, "command_id": "half"})
        return await proceed(command)

    dispatcher = make_dispatcher(store, [halve])
    await dispatcher.dispatch(Open(account="1"))
    result = await dispatcher.dispatch(Deposit(account="1", cents=10))

    assert [(event.data["cents"], event.metadata.command_id) for event in result.events] == [(5, "half")]
    with pytest.raises(PermissionError):
        await dispatcher.dispatch(Withdraw(account="1", cents=1))


# --- The log lines ---------------------------------------------------------------------


async def test_log_tells_what_became_of_a_command_and_no_field(
    dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Class, id, subject, duration, and the rule or the kind of error.
    """
    caplog.set_level(logging.INFO, "eventsource")
    await dispatcher.dispatch(Open(command_id="7", account="1", owner="Augusta"))
    with pytest.raises(RuleBrokenError):
        await dispatcher.dispatch(Deposit(account="2", cents=5))

    done, refused = (vars(record) for record in caplog.records)
    assert (done["event"], done["command"], done["command_id"], done["subject"], done["is_repeat"]) == (
        "command.dispatched",
        "Open",
        "7",
        "/accounts/1",
        False,
    )
    assert done["duration_ms"] >= 0
    assert (refused["event"], refused["error"], refused["rule"]) == (
        "command.refused",
        "RuleBrokenError",
        "the account is open",
    )
    assert "Augusta" not in caplog.text


# --- Handlers --------------------------------------------------------------------------


async def test_handlers_serve_another_store(store: ObservedStore) -> None:
    """
    The same handlers with all they need, with nothing of one store in the other.
    """
    async with InMemoryEventStore() as production:
        dispatcher = make_dispatcher(production)
        await dispatcher.on(store).dispatch(Open(account="1"))

        assert len(await log(store)) == 1
        assert await production.count() == 0
        assert Open in dispatcher.on(store).command_classes


async def test_handler_that_commits_is_refused(store: ObservedStore) -> None:
    """
    The dispatcher commits; a handler that does so itself is told at the call, and nothing is written.
    """
    dispatcher = Dispatcher(store)

    @dispatcher.handles
    async def open_account(command: Open, work: UnitOfWork) -> None:
        work.create(Account, command.account).open(command.owner)
        await work.commit()

    with pytest.raises(UnitOfWorkClosedError, match="leave out the call of commit"):
        await dispatcher.dispatch(Open(account="1"))
    assert await store.count() == 0


async def test_handler_is_registered_once(dispatcher: Dispatcher) -> None:
    """
    A second one for the class is an error that names both.
    """
    with pytest.raises(DeclarationError, match=r"Deposit is handled by .*deposit"):
        dispatcher.register(Deposit, lambda command: MoneyMoved(cents=command.cents))
