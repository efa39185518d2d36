"""
What every `EventStore` promises, as tests: for a store of one's own, too. See ``docs/contract-suite.md``.
"""

from eventsource.testing.contract.kinds import Capability, OpenStore, StoreKind, random_id

__all__ = ["Capability", "OpenStore", "StoreKind", "random_id"]
