"""
What somebody else has committed together with a command, without its handler knowing.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from eventsource.commands.unit_of_work import UnitOfWork

_current: ContextVar[Callable[[UnitOfWork], None] | None] = ContextVar("eventsource_beside", default=None)


@contextmanager
def committed_beside(add: Callable[[UnitOfWork], None]) -> Generator[None]:
    """
    Have the command that is dispatched in the block committed together with what *add* emits and requires.

    *add* is called behind the handler, each time that runs, if something is to be committed at all. Whoever
    sends a command so records that it was carried out in the very commit, or that it was not: there is no
    moment in between. Commands that the handler itself dispatches are not meant.
    """
    token = _current.set(add)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def taken_beside() -> Generator[Callable[[UnitOfWork], None] | None]:
    """
    What is to be committed beside the command that is carried out in the block; nobody inside it sees it.
    """
    add = _current.get()
    token = _current.set(None)
    try:
        yield add
    finally:
        _current.reset(token)
