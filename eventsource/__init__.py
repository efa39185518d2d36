"""
Event sourcing on Genesis DB, or on a file of your own.

Subclass `Aggregate`, `Event` and `Projector`; open a store with `connect`; load and save through
a `Repository`; keep read models up to date with a `Worker`.
"""

# The stub beside this file lists the names; each is imported when it is first used.
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
