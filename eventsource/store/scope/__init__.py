"""
A part of a store as a store of its own: the events below one subject.
"""

from eventsource.store.scope.store import ScopedEventStore, place_of, scoped

__all__ = ["ScopedEventStore", "place_of", "scoped"]
