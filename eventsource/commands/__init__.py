"""
The write side: from a command to a guarded commit.
"""

from eventsource.commands.context import current_metadata, with_metadata
from eventsource.commands.decide import decide
from eventsource.commands.dispatching.command import Command
from eventsource.commands.dispatching.dispatcher import Dispatcher
from eventsource.commands.dispatching.middleware import Middleware, Proceed
from eventsource.commands.dispatching.result import CommandResult
from eventsource.commands.loading import Loader
from eventsource.commands.past import Change, Difference, HistoryEntry, Moment
from eventsource.commands.repository import Repository
from eventsource.commands.retry import RetryPolicy
from eventsource.commands.snapshots.aggregate_cache import AggregateCache
from eventsource.commands.snapshots.snapshot_store import FoundSnapshot, InMemorySnapshotStore, SnapshotStore
from eventsource.commands.snapshots.snapshots import Snapshots
from eventsource.commands.snapshots.sql_snapshot_store import SqlSnapshotStore
from eventsource.commands.unit_of_work import UnitOfWork

__all__ = [
    "AggregateCache",
    "Change",
    "Command",
    "CommandResult",
    "Difference",
    "Dispatcher",
    "FoundSnapshot",
    "HistoryEntry",
    "InMemorySnapshotStore",
    "Loader",
    "Middleware",
    "Moment",
    "Proceed",
    "Repository",
    "RetryPolicy",
    "SnapshotStore",
    "Snapshots",
    "SqlSnapshotStore",
    "UnitOfWork",
    "current_metadata",
    "decide",
    "with_metadata",
]
