"""
Parts of the page that keep themselves up to date.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence

from eventsource import RecordedEvent
from examples.bank.bank import Bank
from examples.bank.page.tape import Tape


class LiveView(ABC):
    """
    Shows what read models say, and asks them again after each event.
    """

    def __init__(self, bank: Bank, tape: Tape) -> None:
        self._bank = bank
        self._drawing = asyncio.Lock()
        tape.listen(self._follow)

    async def refresh(self) -> None:
        """
        Draw it as it is now.
        """
        # One after the other, or an answer that is late would replace a newer one.
        async with self._drawing:
            await self._draw()

    @abstractmethod
    async def _draw(self) -> None:
        """
        Ask the read models and show the answers.
        """

    def _concerns(self, events: Sequence[RecordedEvent]) -> bool:  # noqa: ARG002  most views show what any event may change
        return True

    async def _follow(self, events: Sequence[RecordedEvent]) -> None:
        if self._concerns(events):
            await self.refresh()
