"""
A kind of store: how the suite opens one, and what of the contract it cannot have.
"""

from __future__ import annotations

import enum
import time
import uuid
from typing import TYPE_CHECKING, Protocol, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from eventsource import EventStore

_Test = TypeVar("_Test", bound="Callable[..., object]")


class Capability(enum.Enum):
    """
    What not every kind of store can have; the value says what it is. All else holds for each.
    """

    POSITIONS = "positions are 1, 2, 3 … and counted for observers of other subjects, too"
    CLOCK = "the test says what time it is and which ids there are"
    DIRECT = "calls take effect in the order they are made, cancelled or not, and nothing is sent or read ahead"
    WHOLE = "the store is the test's own and no part of another: so are its hash chain, its schemas, its indexes"


class OpenStore(Protocol):
    """
    Opens a new, empty store of the kind under test.
    """

    def __call__(
        self,
        *,
        source: str = "io.example.contract",
        clock: Callable[[], int] = time.time_ns,
        new_id: Callable[[], str] = ...,
    ) -> AbstractAsyncContextManager[EventStore]:
        """
        Time and ids come from *clock* and *new_id*, wherever in the store they are made.
        """
        ...


class OpenIn(Protocol):
    """
    Opens a new, empty store that keeps what it has to keep in *folder*, a new one each time.

    Whatever it starts, a server for example, it also stops.
    """

    def __call__(
        self, folder: Path, *, source: str, clock: Callable[[], int], new_id: Callable[[], str]
    ) -> AbstractAsyncContextManager[EventStore]:
        """
        A kind without `Capability.CLOCK` may ignore *clock* and *new_id*.
        """
        ...


@attrs.frozen
class StoreKind:
    """
    A kind of store.

    Attributes:
        open: Opens a new, empty one.

        lacks: What it cannot have; the tests that need it are skipped, and say so.

        effort: How often random tests repeat, as a share of what is usual. A store that takes long for each call
            is tried less often.
    """

    open: OpenIn
    lacks: frozenset[Capability] = frozenset()
    effort: float = 1.0

    def rounds(self, usual: int) -> int:
        """
        How often to repeat what is usually repeated *usual* times.
        """
        return max(1, round(usual * self.effort))


def random_id() -> str:
    """
    What the stores of this package make ids with.
    """
    return str(uuid.uuid4())


def needs(*capabilities: Capability) -> Callable[[_Test], _Test]:
    """
    Say of a test that it makes sense only for kinds that have all of *capabilities*.
    """

    def mark(test: _Test) -> _Test:
        test.needed_capabilities = frozenset(capabilities)  # type: ignore[attr-defined]
        return test

    return mark


def needed_by(test: object) -> frozenset[Capability]:
    """
    What `needs` said.
    """
    found: frozenset[Capability] = getattr(test, "needed_capabilities", frozenset())
    return found
