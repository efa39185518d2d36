"""
Event sourcing on Genesis DB, or on a file of your own.

Subclass `Aggregate`, `Event` and `Projector`; open a store with `connect`; load and save through
a `Repository`; keep read models up to date with a `ProjectionWorker`.
"""

# The stub beside this file lists the names; each is imported when it is first used.
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false
import importlib
import warnings
from typing import Any, Final

import lazy_loader

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

# Where the names are that this module had before, and those of them that are called otherwise now.
_ROOMS: Final = ("errors", "aggregates", "commands", "erasure", "events", "guards", "processes", "projections", "store")
_RENAMED: Final = {
    "At": "AfterEvent",
    "ProcessState": "ProcessStatus",
    "QueryIsTrue": "QueryHolds",
    "Worker": "ProjectionWorker",
    "decide": "transact",
    "purging": "purge_caches",
}


def __getattr__(name: str) -> Any:
    try:
        return _load(name)
    except AttributeError:
        if name.startswith("__"):
            raise
    now = _RENAMED.get(name, name)
    for place in (__name__, *(f"{__name__}.{room}" for room in _ROOMS)):
        module = importlib.import_module(place)
        if now in module.__all__:
            warnings.warn(
                f"{__name__}.{name} has moved: use {place}.{now}; the former name goes with the next release",
                DeprecationWarning,
                stacklevel=2,
            )
            return getattr(module, now)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
