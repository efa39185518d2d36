"""
The embedded event store, in one SQLite file.
"""

from eventsource.store.embedded.store import EmbeddedEventStore

__all__ = ["EmbeddedEventStore"]
