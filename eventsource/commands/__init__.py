"""
The write side: from a command to a guarded commit.
"""

from eventsource.commands.context import current_metadata, with_metadata
from eventsource.commands.loading import Loader
from eventsource.commands.repository import Repository
from eventsource.commands.retry import RetryPolicy

__all__ = ["Loader", "Repository", "RetryPolicy", "current_metadata", "with_metadata"]
