"""
The metadata of whatever is committed in a piece of code, however deep inside it.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from eventsource.events.metadata import Metadata

if TYPE_CHECKING:
    from collections.abc import Generator

_current: ContextVar[Metadata] = ContextVar("eventsource_metadata")
_NONE = Metadata()


def current_metadata() -> Metadata:
    """
    The metadata that is in force here.
    """
    return _current.get(_NONE)


@contextmanager
def with_metadata(metadata: Metadata) -> Generator[None]:
    """
    Put *metadata* in force for the block and all that it calls or starts as a task.

    What is committed there through repositories and commands carries it. It takes the place of what was
    in force before: derive it with ``attrs.evolve(current_metadata(), actor="ada")`` to keep the rest.
    """
    token = _current.set(metadata)
    try:
        yield
    finally:
        _current.reset(token)
