"""
Events: their classes and types, stored forms and upcasters, metadata, erased values.
"""

# The stub beside this file lists the names; each is imported when it is first used.
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false
import importlib
import sys
import types
import warnings
from typing import Any

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


# What the loader has made of the module: names that a file has, too, are found in it.
_Loaded: type[types.ModuleType] = type(sys.modules[__name__])


class _CalledAsBefore(_Loaded):  # type: ignore[valid-type, misc]  # known at run time only
    # `eventsource.events` was the function that is called `select_events` now.
    def __call__(self, *event_classes: Any, **options: Any) -> Any:
        warnings.warn(
            "eventsource.events(...) is select_events(...) now; the former name goes with the next release",
            DeprecationWarning,
            stacklevel=2,
        )
        return importlib.import_module("eventsource.guards").select_events(*event_classes, **options)


sys.modules[__name__].__class__ = _CalledAsBefore
