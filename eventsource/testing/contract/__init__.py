"""
What every `EventStore` promises, as tests: for a store of one's own, too. See ``docs/contract-suite.md``.
"""

from eventsource.testing.contract.kinds import Capability, OpenStore, StoreKind, random_id
from eventsource.testing.contract.subtree import SubtreeStore

__all__ = ["Capability", "OpenStore", "StoreKind", "SubtreeStore", "random_id"]
