"""
Loggers: constant event names with key-values, into Python's own logging.

The package configures nothing and prints nothing: information appears where an application lets
`logging` show it, and warnings and errors reach standard error unless it says otherwise. Each
record's message reads ``projector.failed projector='balances'``; for formatters that write JSON
the same pairs are its attributes, the name being ``event``. No event data is ever logged.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """
    The logger of a module.
    """
    return cast(
        "structlog.stdlib.BoundLogger",
        structlog.wrap_logger(
            logging.getLogger(name),
            processors=[structlog.stdlib.filter_by_level, _to_record],
            wrapper_class=structlog.stdlib.BoundLogger,
        ),
    )


def _to_record(_logger: WrappedLogger, _method: str, facts: EventDict) -> EventDict:
    pairs = " ".join(f"{key}={value!r}" for key, value in facts.items() if key != "event")
    return {"msg": f"{facts['event']} {pairs}".rstrip(), "extra": facts}
