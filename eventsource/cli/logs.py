"""
Log lines on standard error. The library only logs; where lines go, and which, the command says.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import structlog

from eventsource.cli.output import escape, write_error

if TYPE_CHECKING:
    from collections.abc import Callable


_KEY_VALUES = structlog.processors.LogfmtRenderer(key_order=["time", "level", "event"], bool_as_flag=False)


def log_in_words() -> None:
    """
    One line of ``key=value`` for each change of state: what a service manager collects.
    """
    _configure(_KEY_VALUES, logging.INFO, write_error)


def log_in_json() -> None:
    """
    Warnings and worse as JSON, one line each: changes of state are on standard output already.
    """
    _configure(structlog.processors.JSONRenderer(ensure_ascii=False), logging.WARNING, write_error)


def choose_logs(*, as_json: bool) -> None:
    """
    The logging that goes with what a worker prints.
    """
    if as_json:
        log_in_json()
    else:
        log_in_words()


def log_above_bars(write: Callable[[str], None]) -> None:
    """
    Warnings and worse, above what a terminal shows.
    """
    _configure(_KEY_VALUES, logging.WARNING, write)


def _configure(renderer: Callable[..., Any], level: int, write: Callable[[str], None]) -> None:
    """
    Let Python's logging and structlog, which modules with projectors may use, write through *renderer*.

    Args:
        level: From which on the package's own lines are shown; those of others are shown from warnings on.
    """
    # A module with projectors that has set up either has its reasons.
    if not logging.getLogger().hasHandlers():
        facts: list[Any] = [
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
        ]
        formatter = structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=facts,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
        logging.basicConfig(level=logging.WARNING, handlers=[_Lines(write, formatter)])
        logging.getLogger("eventsource").setLevel(level)
    if not structlog.is_configured():
        # Unconfigured it prints to standard output, between the results.
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.filter_by_level,
                structlog.stdlib.render_to_log_kwargs,
            ],
            wrapper_class=structlog.stdlib.BoundLogger,
            logger_factory=structlog.stdlib.LoggerFactory(),
        )


class _Lines(logging.Handler):
    """
    Hands finished lines on, safe to show.
    """

    def __init__(self, write: Callable[[str], None], formatter: logging.Formatter) -> None:
        super().__init__()
        self._write = write
        self.setFormatter(formatter)
        # The command reports itself what failed, with more.
        self.addFilter(lambda record: getattr(record, "event", "") not in {"projector.failed", "process.failed"})

    def emit(self, record: logging.LogRecord) -> None:
        self._write(escape(self.format(record)))
