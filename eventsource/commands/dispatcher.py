"""
The dispatcher: from a command to its handler, and to one commit however often the command comes.
"""

from __future__ import annotations

import asyncio
import sys
import time
import types
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, Union, get_args, get_origin

from eventsource.aggregates.transacting import RetryPolicy
from eventsource.commands.command import Command
from eventsource.commands.errors import CommandNotHandledError, ResultNotSeenError
from eventsource.commands.execution import CommandExecution
from eventsource.commands.handlers import handling_of, name_of, parameters_of
from eventsource.commands.middleware import chained
from eventsource.guards.errors import PreconditionFailedError
from eventsource.log import get_logger
from eventsource.root_error import DeclarationError, EventSourceError, StoreError
from eventsource.subscriptions.errors import NotSeenError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from types import FrameType

    from eventsource.aggregates.decider import Decider
    from eventsource.aggregates.loader import Loader
    from eventsource.aggregates.unit_of_work import UnitOfWork
    from eventsource.commands.execution import CommandResult
    from eventsource.commands.middleware import Middleware
    from eventsource.store.interface import EventStore

Handler = TypeVar("Handler", bound="Callable[..., object]")

_log = get_logger(__name__)

# How much longer than asked a read model may take to say that it was not in time, in seconds.
_OVERTIME_S = 0.25


class ReadModel(Protocol):
    """
    What a dispatch can wait for, such as a `Projector`.
    """

    async def seen(self, event_id: str, timeout_s: float = 5.0) -> None:
        """
        Wait until it shows everything up to this event.
        """
        ...


class Dispatcher:
    """
    Takes commands to their handlers and commits what these decide.

    A handler is a function; its first parameter is the command. With a `UnitOfWork` among the others it
    reads and emits through that, and what it emits is committed for it. Without one it returns the events
    that happen at the command's subject, and reads nothing: the rules declared on the command decide.
    Further parameters are dependencies, found by name or type when the handler is registered::

        dispatcher = Dispatcher(store, dependencies={Clock: SystemClock()}, middleware=[logged])


        @dispatcher.handles
        async def withdraw(command: Withdraw, work: UnitOfWork, clock: Clock) -> int:
            account = await work.load(Account, command.account)
            account.withdraw(command.cents, at=clock.now())
            return account.balance


        result = await dispatcher.dispatch(Withdraw(command_id="7", account="42", cents=5_00))

    A command that comes again, with its id and under its subject, commits nothing and gets the events of
    the first time; another command with that id is an error. A handler that emits nothing leaves no record: it is
    simply run again. So is one whose commit conflicts; what a handler does beside deciding, it may do several times.

    Args:
        store: Where the events are.

        middleware: What happens around every command, the first one outermost.

        dependencies: What handlers may ask for, by type or by the name of the parameter.

        retry: How often, and after which pauses, a handler is run again after a conflict.

        loader: Where aggregates come from; by default from the events in the store.
    """

    def __init__(
        self,
        store: EventStore,
        *,
        middleware: Sequence[Middleware] = (),
        dependencies: Mapping[type | str, object] | None = None,
        retry: RetryPolicy | None = None,
        loader: Loader | None = None,
    ) -> None:
        self._middleware = tuple(middleware)
        self._dependencies = dict(dependencies or {})
        self._handlings: dict[type[Command], Callable[[Any, UnitOfWork], Awaitable[Any]]] = {}
        self._names: dict[type[Command], str] = {}
        self._carrying_out = CommandExecution(store, retry or RetryPolicy(), loader)
        self._run = self._chained(None)

    def on(self, store: EventStore, *, loader: Loader | None = None) -> Self:
        """
        The same handlers, as they are registered now, with all they need, over another store: for tests.

        Args:
            store: The other store.

            loader: Where aggregates come from; by default from the events in that store.
        """
        other = type(self)(
            store,
            middleware=self._middleware,
            dependencies=self._dependencies,
            retry=self._carrying_out.retry,
            loader=loader,
        )
        other._handlings.update(self._handlings)  # noqa: SLF001  one of this class
        other._names.update(self._names)  # noqa: SLF001  likewise
        return other

    @property
    def command_classes(self) -> tuple[type[Command], ...]:
        """
        The classes of the commands that have a handler, in the order they were registered.
        """
        return tuple(self._handlings)

    def register(self, command_class: type[Command], handler: Callable[..., object] | Decider[Any]) -> None:
        """
        Let *handler* handle the commands of exactly that class.

        Raises:
            DeclarationError: The class has a handler; the handler cannot take its commands; or a
                dependency that it asks for is missing, or several fit.
        """
        self._register(command_class, handler, sys._getframe(1))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  CPython's documented way

    def handles(self, handler: Handler) -> Handler:
        """
        Register a function for the commands that its first parameter is annotated with; a decorator.

        ``command: Deposit | Withdraw`` registers it for both.

        Raises:
            DeclarationError: The annotation is missing or no command class; otherwise as `register`.
        """
        around = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  CPython's documented way
        parameters = parameters_of(handler, around)
        annotation: Any = parameters[0].annotation if parameters else None
        is_union = get_origin(annotation) in {Union, types.UnionType}
        for command_class in get_args(annotation) if is_union else (annotation,):
            if not (isinstance(command_class, type) and issubclass(command_class, Command)):
                msg = (
                    f"{name_of(handler)} does not say which command it handles: annotate its first parameter with "
                    f"a command class that is imported for real, not {command_class!r}"
                )
                raise DeclarationError(msg)
            self._register(command_class, handler, around)
        return handler

    def _register(
        self, command_class: type[Command], handler: Callable[..., object] | Decider[Any], around: FrameType
    ) -> None:
        if not command_class.subject_template:
            msg = f"{command_class.__name__} is abstract: register a handler for the classes derived from it"
            raise DeclarationError(msg)
        if command_class in self._names:
            msg = f"{command_class.__name__} is handled by {self._names[command_class]}, and not by another one too"
            raise DeclarationError(msg)
        self._handlings[command_class] = handling_of(command_class, handler, self._dependencies, around)
        self._names[command_class] = name_of(handler)

    async def dispatch(
        self, command: Command, *, wait_for: Iterable[ReadModel] = (), wait_timeout_s: float = 5.0
    ) -> CommandResult:
        """
        Carry out a command, or find out that it was carried out before.

        Args:
            wait_for: Read models, such as projectors, that have seen the result when this returns; also
                the result of a repeat.

            wait_timeout_s: How long to wait for them, in seconds.

        Raises:
            CommandNotHandledError: Its class has no handler.
            RuleBrokenError: A rule did not hold.
            ConflictError: In the last of the attempts, too, others were first.
            CommandIdReusedError: Another command, or one with other content, was carried out under its id.
            CommandLeavesNoTraceError: The handler emitted nothing that would tell a repeat.
            CommitOutcomeUnknownError: It may be committed, or not. Dispatch the same command again.
            ResultNotSeenError: It is committed, but a read model did not show it in time.
            Exception: Whatever the handler or a middleware raises; nothing was committed then.
        """
        result = await self._dispatch(command)
        await _wait(command, result, tuple(wait_for), wait_timeout_s)
        return result

    async def _dispatch(
        self, command: Command, *, also_commit: Callable[[UnitOfWork], None] | None = None
    ) -> CommandResult:
        """
        Take a command through the middleware to its handler.

        Args:
            also_commit: Adds events and rules to the commit of the command, as `CommandExecution.run` says. So the
                sender records that the command was carried out in the very commit. It applies to this command,
                and to no command that a middleware or the handler dispatches.
        """
        self._check_handled(command)
        run = self._run if also_commit is None else self._chained(also_commit)
        start = time.perf_counter()
        try:
            result = await run(command)
        except Exception as error:
            _log_failure(command, error, time.perf_counter() - start)
            raise
        _log.info(
            "command.dispatched",
            **_facts(command, time.perf_counter() - start),
            events=len(result.events),
            is_repeat=result.is_repeat,
        )
        return result

    def _chained(
        self, also_commit: Callable[[UnitOfWork], None] | None
    ) -> Callable[[Command], Awaitable[CommandResult]]:
        async def carry_out(command: Command) -> CommandResult:
            # A middleware may have handed on another one.
            self._check_handled(command)
            handling = self._handlings[type(command)]
            return await self._carrying_out.run(command, handling, also_commit=also_commit)

        return chained(self._middleware, carry_out)

    def _check_handled(self, command: Command) -> None:
        if type(command) not in self._handlings:
            raise CommandNotHandledError(type(command).__name__)


async def _wait(command: Command, result: CommandResult, read_models: Sequence[ReadModel], timeout_s: float) -> None:
    if not result.events or not read_models:
        return
    last = result.events[-1].id
    name = type(command).__name__
    tasks = [asyncio.ensure_future(each.seen(last, timeout_s)) for each in read_models]
    try:
        # They keep their time themselves and can say more; this is for one that does not.
        await asyncio.wait(tasks, timeout=timeout_s + _OVERTIME_S)
        for task in tasks:
            if not task.done():
                raise ResultNotSeenError(name, result=result, reason=NotSeenError.code)
            outcome = task.exception()
            if isinstance(outcome, EventSourceError | TimeoutError):
                reason = outcome.code if isinstance(outcome, EventSourceError) else NotSeenError.code
                raise ResultNotSeenError(name, result=result, reason=reason) from outcome
            if outcome is not None:
                raise outcome
    finally:
        for task in tasks:
            task.cancel()
            task.add_done_callback(lambda done: done.cancelled() or done.exception())


def _facts(command: Command, duration_s: float) -> dict[str, Any]:
    # Fields may be personal. A subject is not: it is stored in the clear, and for ever.
    return {
        "command": type(command).__name__,
        "command_id": command.command_id,
        "subject": str(command.subject),
        "duration_ms": round(1000 * duration_s, 3),
    }


def _log_failure(command: Command, error: Exception, duration_s: float) -> None:
    facts = _facts(command, duration_s) | {"error": type(error).__name__}
    if isinstance(error, StoreError) and not isinstance(error, PreconditionFailedError):
        _log.warning("command.failed", **facts)
    else:
        _log.info("command.refused", **facts, rule=getattr(error, "name", None))
