"""
The write side: from a command to a guarded commit.
"""

from eventsource.commands.dispatching.middleware import Middleware, Proceed
from eventsource.commands.past import Moment

__all__ = ["Middleware", "Moment", "Proceed"]
