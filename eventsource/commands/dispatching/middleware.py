"""
Middleware: what happens around every command, as plain functions.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from eventsource.commands.dispatching.command import Command
from eventsource.commands.dispatching.result import CommandResult

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
    """
    proceed = innermost
    for each in reversed(middleware):
        proceed = functools.partial(_run, each, proceed)
    return proceed


async def _run(middleware: Middleware, proceed: Proceed, command: Command) -> CommandResult:
    return await middleware(command, proceed)
