"""
Middleware: what happens around every command, as plain functions.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from eventsource.commands.command import Command
from eventsource.commands.execution import CommandResult
from eventsource.events.plain_call import check_has_run, check_is_plain, name_of
from eventsource.root_error import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Sequence

Proceed = Callable[[Command], Awaitable[CommandResult]]
"""
Goes on with a command: the next middleware, in the end the handler and the commit.
"""

Middleware = Callable[[Command, Proceed], Awaitable[CommandResult]]
"""
Takes a command and what goes on with it, and gives the result.

It may look at both, refuse by raising, hand on another command in place of the first, or not go on at
all. It runs once for each dispatch, however often the handler is run again.
"""


def chained(middleware: Sequence[Middleware], innermost: Proceed) -> Proceed:
    """
    All of *middleware* around *innermost*, the first one outermost.

    Raises:
        DeclarationError: One is a generator.
    """
    for each in middleware:
        check_is_plain(each, may_await=True)
    proceed = innermost
    for each in reversed(middleware):
        proceed = functools.partial(_run, each, proceed)
    return proceed


async def _run(middleware: Middleware, proceed: Proceed, command: Command) -> CommandResult:
    returned: object = middleware(command, proceed)
    if inspect.isawaitable(returned):
        returned = await returned
    check_has_run(returned, middleware)
    if not isinstance(returned, CommandResult):
        msg = (
            f"the middleware {name_of(middleware)} returned a value of type {type(returned).__name__} in place of the "
            "result: write `return await proceed(command)`. What the command has led to before that is committed"
        )
        raise DeclarationError(msg)
    return returned
