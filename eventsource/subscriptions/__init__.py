"""
Following a store: catch up, follow, remember where.
"""

from eventsource.subscriptions.checkpoint import Checkpoint
from eventsource.subscriptions.subscription import find_event, subscribe

__all__ = ["Checkpoint", "find_event", "subscribe"]
