"""
A store that goes away, and comes back.
"""

from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from eventsource import EventStore
from eventsource.errors import StoreUnavailableError
from eventsource.store import EventStream, Page
from tests.processes.bank import Bank
from tests.processes.lending import MoneyReserved


class FlakyStore:
    """
    Breaks off what is observed, so many times.
    """

    def __init__(self, inner: EventStore, *, breaks: int) -> None:
        self._inner = inner
        self.breaks = breaks

    def observe(self, *arguments: Any, **options: Any) -> EventStream:
        """
        Observe for a page.
        """
        return EventStream(self._pages(self._inner.observe(*arguments, **options)))

    async def _pages(self, stream: EventStream) -> AsyncGenerator[Page]:
        try:
            async for page in stream.pages():
                yield page
                if self.breaks:
                    self.breaks -= 1
                    msg = "flaky"
                    raise StoreUnavailableError(msg, "the line is cut")
        finally:
            await stream.aclose()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


async def test_worker_waits_for_a_store_that_is_away(memory_bank: Bank) -> None:
    """
    It begins where it was, and does everything once.
    """
    flaky = FlakyStore(memory_bank.store, breaks=2)
    bank = Bank(cast("EventStore", flaky), memory_bank.clock)
    await bank.open("1")
    await bank.request("7", "1")
    await bank.work()

    assert flaky.breaks == 0
    assert await bank.count(MoneyReserved) == 1


async def test_worker_that_finds_no_store_at_its_start_says_so(memory_bank: Bank) -> None:
    """
    Then somebody is there to look.
    """

    class Away(FlakyStore):
        def stream(self, *_arguments: Any, **_options: Any) -> EventStream:
            raise StoreUnavailableError("flaky", "nobody is there")  # noqa: EM101

    away = Bank(cast("EventStore", Away(memory_bank.store, breaks=0)), memory_bank.clock)
    with pytest.raises(StoreUnavailableError):
        await away.work()
