"""
Commands and deciders as type checkers see them.
"""

from typing import assert_type

from eventsource import Command, Decider, Dispatcher, EventStore, RecordedEvent, Subject, UnitOfWork
from eventsource.commands import CommandResult, Middleware, Proceed
from tests.typing.bank import Account, AccountOpened


class Open(Command, subject="/accounts/{account}"):
    """
    A command.
    """

    account: str


def commands_have_their_fields() -> None:
    """
    And an id and a subject, which are not given in the wrong form.
    """
    command = Open(command_id="7", account="1")
    assert_type(command.subject, Subject)
    assert_type(command.command_id, str)
    Open(account=1)  # type: ignore[arg-type]
    Open(acount="1")  # type: ignore[call-arg]


async def dispatching_gives_a_result(dispatcher: Dispatcher) -> None:
    """
    For commands, and nothing else.
    """
    result = await dispatcher.dispatch(Open(account="1"))
    assert_type(result, CommandResult)
    assert_type(result.events, tuple[RecordedEvent, ...])
    await dispatcher.dispatch("open")  # type: ignore[arg-type]


def handlers_stay_what_they_are(dispatcher: Dispatcher) -> None:
    """
    The decorator gives back the function.
    """

    @dispatcher.handles
    async def open_account(command: Open, work: UnitOfWork) -> int:
        return work.create(Account, command.account).version

    dispatcher.register(Open, open_account)
    dispatcher.register(Account, open_account)  # type: ignore[arg-type]


async def middleware_is_a_function(store: EventStore) -> None:
    """
    From a command and what goes on with it to a result.
    """

    async def fine(command: Command, proceed: Proceed) -> CommandResult:
        return await proceed(command)

    async def forgetful(command: Command, proceed: Proceed) -> None:
        await proceed(command)

    middleware: Middleware = fine
    Dispatcher(store, middleware=[middleware])
    Dispatcher(store, middleware=[forgetful])  # type: ignore[list-item]


def deciders_fold_into_their_state() -> None:
    """
    The state is that of initial and evolve.
    """
    decider = Decider(events=[AccountOpened], initial=0, decide=lambda *_: None, evolve=lambda state, _: state + 1)
    assert_type(decider, Decider[int])
    assert_type(decider.fold([]), int)
