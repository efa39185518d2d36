"""
An asynchronous client of an immudb, usable alone: what it reads and writes with verification is proved.

It needs the extra ``immudb``.
"""

# The stub beside this file lists the names; each is imported when it is first used.
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false
from typing import Any

import lazy_loader

from eventsource.root_error import MissingExtraError

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    try:
        return _load(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"google", "grpc"}:
            raise
        extra = "immudb"
        raise MissingExtraError(extra, purpose="the client of immudb") from None
