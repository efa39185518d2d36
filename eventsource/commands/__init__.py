"""
The write side: from a command to a guarded commit.
"""

from eventsource.commands.repository import Repository
from eventsource.commands.retry import RetryPolicy

__all__ = ["Repository", "RetryPolicy"]
