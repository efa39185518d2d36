"""
Functions whose call runs nothing of them: carried out, or refused before anything is committed.
"""

import asyncio
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest

from eventsource import (
    Aggregate,
    Command,
    Decider,
    DeclarationError,
    Dispatcher,
    Event,
    Guard,
    NewEvent,
    Repository,
    UnitOfWork,
    handles,
    rule,
    select_events,
    transact,
)
from eventsource.commands import CommandResult, Proceed
from eventsource.errors import EventDecodingError, EventSourceError
from eventsource.store import InMemoryEventStore
from tests.aggregates.accounts import Account, MoneyMoved
from tests.aggregates.observed_store import ObservedStore


async def waits(account: Account) -> None:
    """
    A coroutine function.
    """
    account.deposit(1)


def yields(account: Account) -> Iterator[None]:
    """
    A generator function.
    """
    account.deposit(1)
    yield


async def waits_and_yields(account: Account) -> AsyncIterator[None]:
    """
    An asynchronous generator function.
    """
    account.deposit(1)
    yield


def promises(account: Account) -> Coroutine[Any, Any, None]:
    """
    A plain function that returns an awaitable.
    """
    return waits(account)


def starts(account: Account) -> Awaitable[None]:
    """
    A plain function that starts a task.
    """
    return asyncio.ensure_future(waits(account))


class Waiting:
    """
    An object that is called like a function, and has to be awaited.
    """

    async def __call__(self, account: Account) -> None:
        """
        See `waits`.
        """
        account.deposit(1)

    async def method(self, account: Account) -> None:
        """
        A bound method.
        """
        account.deposit(1)

    @classmethod
    async def made(cls, account: Account) -> None:
        """
        A class method.
        """
        account.deposit(1)


@functools.wraps(waits)
def wrapped(account: Account) -> object:
    """
    A function in front of another one.
    """
    return waits(account)


UNRUN = [
    waits,
    yields,
    waits_and_yields,
    promises,
    starts,
    Waiting(),
    Waiting().method,
    Waiting.made,
    functools.partial(waits),
    functools.partial(functools.partial(Waiting())),
    lambda account: waits(account),  # noqa: PLW0108  a lambda is what is tried
    lambda account: (account.deposit(cents) for cents in (1, 2)),
    wrapped,
]


@pytest.fixture
async def accounts(store: ObservedStore) -> Repository[Account]:
    """
    One account, opened.
    """
    accounts = Repository(Account, store)
    async with accounts.create("1") as account:
        account.open("Ada")
    return accounts


@pytest.mark.parametrize("command", UNRUN, ids=range(len(UNRUN)))
async def test_a_command_that_does_not_run_is_refused(
    accounts: Repository[Account], store: ObservedStore, command: Callable[[Account], object]
) -> None:
    """
    Whatever hides it; nothing is committed, and no coroutine is left behind.
    """
    with pytest.raises(DeclarationError, match=r"must be a plain function|has not run"):
        await accounts.execute("1", command)
    with pytest.raises(DeclarationError, match=r"must be a plain function|has not run"):
        await accounts.execute_across(["1"], command)
    await asyncio.sleep(0)

    assert await store.count() == 1


async def test_a_method_of_the_aggregate_that_does_not_run_is_refused(store: ObservedStore) -> None:
    """
    The error names the method.
    """

    class Slow(Account, subject="/accounts/{id}"):
        async def deposit_slowly(self) -> None:
            self.deposit(1)

    accounts = Repository(Slow, store)
    async with accounts.create("1") as account:
        account.open("Ada")

    with pytest.raises(DeclarationError, match=r"Slow\.deposit_slowly must be a plain function, and is async"):
        await accounts.execute("1", Slow.deposit_slowly)  # type: ignore[unused-coroutine]  # the mistake under test
    assert (await accounts.load("1")).cents == 0


async def test_a_function_that_decides_may_be_awaited(store: ObservedStore) -> None:
    """
    Asynchronous functions are carried out, in whatever form they come; those that yield are refused.
    """

    async def emit(work: UnitOfWork) -> None:
        work.emit(MoneyMoved(cents=1), at="/accounts/1")

    class Emitting:
        async def __call__(self, work: UnitOfWork) -> None:
            await emit(work)

    for function in (emit, functools.partial(emit), Emitting(), lambda work: emit(work)):  # noqa: PLW0108  likewise
        await transact(store, function)
    assert await store.count() == 4

    def emit_and_yield(work: UnitOfWork) -> Iterator[None]:
        work.emit(MoneyMoved(cents=1), at="/accounts/1")
        yield

    async def emit_and_wait(work: UnitOfWork) -> AsyncIterator[None]:
        work.emit(MoneyMoved(cents=1), at="/accounts/1")
        yield

    async def promise(work: UnitOfWork) -> object:
        return emit(work)

    for refused in (emit_and_yield, emit_and_wait, promise, lambda work: emit_and_yield(work)):  # noqa: PLW0108  likewise
        with pytest.raises(DeclarationError):
            await transact(store, refused)
    assert await store.count() == 4


# --- Handlers of commands, and what happens around them --------------------------------


class Pay(Command, subject="/accounts/{account}"):
    """
    Put one cent in.
    """

    account: str = "1"


async def test_a_handler_of_a_command_that_does_not_run_is_refused(store: ObservedStore) -> None:
    """
    Generators beside a unit of work are refused when they are registered, hidden ones when they have returned.
    """

    def with_work(command: Pay, work: UnitOfWork) -> Iterator[None]:
        work.emit(MoneyMoved(cents=1), at=command.subject)
        yield

    async def with_work_async(command: Pay, work: UnitOfWork) -> AsyncGenerator[None]:
        work.emit(MoneyMoved(cents=1), at=command.subject)
        yield

    async def for_events(command: Pay) -> AsyncGenerator[Event]:
        yield MoneyMoved(cents=len(command.account))

    for handler in (with_work, with_work_async, for_events):
        with pytest.raises(DeclarationError, match="must be a plain function, and is a generator"):
            Dispatcher(store).register(Pay, handler)

    async def promising(command: Pay, work: UnitOfWork) -> object:
        return with_work(command, work)

    dispatcher = Dispatcher(store)
    dispatcher.register(Pay, promising)
    with pytest.raises(DeclarationError, match="has not run"):
        await dispatcher.dispatch(Pay())
    assert await store.count() == 0


async def test_a_handler_that_yields_its_events_is_carried_out(store: ObservedStore) -> None:
    """
    What it yields are the events, so nothing of it is lost.
    """

    def pay(command: Pay) -> Iterator[Event]:
        yield MoneyMoved(cents=1)
        yield MoneyMoved(cents=len(command.account))

    dispatcher = Dispatcher(store)
    dispatcher.register(Pay, pay)

    assert len((await dispatcher.dispatch(Pay())).events) == 2


async def _forgets_to_await(command: Command, proceed: Proceed) -> object:
    return proceed(command)


async def _forgets_to_return(command: Command, proceed: Proceed) -> None:
    await proceed(command)


async def _yields(command: Command, proceed: Proceed) -> AsyncIterator[CommandResult]:
    yield await proceed(command)


@pytest.mark.parametrize(
    ("middleware", "stored"),
    [(_forgets_to_await, 0), (_forgets_to_return, 1), (_yields, 0)],
    ids=["not awaited", "not returned", "a generator"],
)
async def test_middleware_that_gives_no_result_is_told(store: ObservedStore, middleware: Any, stored: int) -> None:
    """
    One that did not go on committed nothing; one that lost the result is told that it is committed.
    """

    async def dispatch() -> None:
        dispatcher = Dispatcher(store, middleware=[middleware])
        dispatcher.register(Pay, lambda _: MoneyMoved(cents=1))
        await dispatcher.dispatch(Pay())

    with pytest.raises(DeclarationError, match=r"has not run|return await proceed|is a generator"):
        await dispatch()

    assert await store.count() == stored


async def test_plain_middleware_is_carried_out(store: ObservedStore) -> None:
    """
    A plain function that hands on what comes next is as good as an asynchronous one.
    """

    def plain(command: Command, proceed: Proceed) -> Awaitable[CommandResult]:
        result: Awaitable[CommandResult] = proceed(command)
        return result

    dispatcher = Dispatcher(store, middleware=[plain])
    dispatcher.register(Pay, lambda _: MoneyMoved(cents=1))

    assert len((await dispatcher.dispatch(Pay())).events) == 1


# --- Handlers of events, rules and deciders --------------------------------------------


class Rung(Event, type="io.example.test.unrun.rung"):
    """
    A bell was rung.
    """


def test_a_handler_that_promises_changes_nothing() -> None:
    """
    Emitting is refused, and so is folding: the event would leave no trace in the state.
    """

    async def later() -> None: ...

    class Bell(Aggregate, subject="/bells/{id}"):
        @handles
        def _rung(self, _: Rung) -> object:
            return later()

    bell = Bell("1")
    with pytest.raises(DeclarationError, match=r"Bell\._rung returned a coroutine, which has not run"):
        bell.emit(Rung())
    assert bell.pending_events == ()


async def test_a_handler_that_promises_is_told_when_it_folds(store: ObservedStore) -> None:
    """
    Also where the event comes from the store.
    """

    class Chime(Aggregate, subject="/chimes/{id}"):
        @handles
        def _rung(self, _: Rung) -> object:
            return (number for number in range(3))

    await store.commit([NewEvent.of(Rung(), subject="/chimes/1")])
    with pytest.raises(DeclarationError, match=r"Chime\._rung returned a generator"):
        await Repository(Chime, store).load("1")


def test_rules_are_plain() -> None:
    """
    An asynchronous one is refused when it is declared; one that gives no guards when it is asked.
    """

    def bad_class(method: Callable[..., object]) -> Callable[..., object]:
        return rule("never twice")(method)

    async def waiting(self: Aggregate, event: Rung) -> None: ...

    with pytest.raises(DeclarationError, match="must be a plain function"):
        bad_class(waiting)

    async def later() -> Guard:
        return select_events(Rung).count() == 0

    answers: list[Callable[[], object]] = [lambda: None, lambda: True, later, lambda: 7, lambda: ["text"]]
    for answer in answers:

        class Bell(Aggregate, subject="/bells/{id}"):
            rung: bool = False
            answer_of = staticmethod(answer)

            @rule("never twice")
            def _once(self, _: Rung) -> Any:
                return self.answer_of()

            @handles
            def _rung(self, _: Rung) -> None:
                self.rung = True

        bell = Bell("1")
        with pytest.raises(DeclarationError):
            bell.emit(Rung())
        assert (bell.rung, bell.pending_events) == (False, ())


def test_a_rule_may_yield_its_guards() -> None:
    """
    What it yields are the guards.
    """

    class Bell(Aggregate, subject="/bells/{id}"):
        @rule("never twice")
        def _once(self, event: Rung) -> Iterator[Guard]:
            yield select_events(type(event)).at(self.subject).count() == 0

        @handles
        def _rung(self, _: Rung) -> None:
            pass

    bell = Bell("1")
    bell.emit(Rung())

    assert len(bell.pending_rules) == 1


def test_deciders_are_plain() -> None:
    """
    Both functions are looked at when the decider is made, and `evolve` again when it has returned.
    """

    async def waiting(state: int, _: object) -> int:
        return state

    def fine(state: int, _: object) -> int:
        return state

    for decides, evolves in ((waiting, fine), (fine, waiting), (fine, functools.partial(waiting))):
        with pytest.raises(DeclarationError, match="must be a plain function"):
            Decider(events=[Rung], initial=0, decide=decides, evolve=evolves)  # type: ignore[arg-type]  # the mistake under test

    promising = Decider(events=[Rung], initial=0, decide=lambda *_: None, evolve=lambda *_: waiting(0, None))  # type: ignore[arg-type]  # likewise
    with pytest.raises(DeclarationError, match="has not run"):
        promising.fold([Rung()])


async def test_errors_of_reading_are_not_hidden() -> None:
    """
    An event that cannot be read is told as such, not as a handler that did not run.
    """
    async with InMemoryEventStore() as store:
        await store.commit([NewEvent(subject="/accounts/1", type=MoneyMoved.event_type, data={"cents": "many"})])
        with pytest.raises(EventDecodingError) as excinfo:
            await Repository(Account, store).load("1")
    assert isinstance(excinfo.value, EventSourceError)
