"""
The notary: tamper evidence for an event store, from outside of it.
"""

# The stub beside this file lists the names; each is imported when it is first used.
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
