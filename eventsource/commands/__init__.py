"""
The write side: from a command to a guarded commit.
"""

from eventsource.aggregates.history import Moment
from eventsource.commands.middleware import Middleware, Proceed

__all__ = ["Middleware", "Moment", "Proceed"]
