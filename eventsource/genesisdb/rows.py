"""
Results that can be awaited as a whole or taken one by one.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator

Item = TypeVar("Item")


class Rows(Generic[Item]):
    """
    ``await`` it for a list, or go through it with ``async for`` in the memory of a page.

    Each of the two asks the server anew.
    """

    def __init__(self, pages: Callable[[], AsyncGenerator[list[Item]]]) -> None:
        self._pages = pages

    def __await__(self) -> Generator[None, None, list[Item]]:
        return self._all().__await__()

    async def __aiter__(self) -> AsyncIterator[Item]:
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                for item in page:
                    yield item

    async def _all(self) -> list[Item]:
        async with aclosing(self._pages()) as pages:
            return [item async for page in pages for item in page]
