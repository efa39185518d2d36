"""
The write side: from a command to a guarded commit.
"""

from eventsource.commands.command import Command
from eventsource.commands.context import current_metadata, with_metadata
from eventsource.commands.decide import decide
from eventsource.commands.dispatcher import Dispatcher
from eventsource.commands.loading import Loader
from eventsource.commands.middleware import Middleware, Proceed
from eventsource.commands.repository import Repository
from eventsource.commands.result import CommandResult
from eventsource.commands.retry import RetryPolicy
from eventsource.commands.unit_of_work import UnitOfWork

__all__ = [
    "Command",
    "CommandResult",
    "Dispatcher",
    "Loader",
    "Middleware",
    "Proceed",
    "Repository",
    "RetryPolicy",
    "UnitOfWork",
    "current_metadata",
    "decide",
    "with_metadata",
]
