"""
Results that can be awaited as a whole or taken one by one.
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
    from types import TracebackType

Item = TypeVar("Item")


class Rows(Coroutine[Any, Any, list[Item]]):
    """
    ``await`` it for a list, or go through it with ``async for`` in the memory of a page.

    Each of the two asks the server anew. It is a coroutine, too, so `asyncio.create_task` and `asyncio.run`
    take it as they take what a method of the official SDK returns.
    """

    def __init__(self, pages: Callable[[], AsyncGenerator[list[Item]]]) -> None:
        self._pages = pages
        # Made when it is run as a coroutine.
        self._running: Coroutine[Any, Any, list[Item]] | None = None

    def __await__(self) -> Generator[Any, None, list[Item]]:
        return self._all().__await__()

    async def __aiter__(self) -> AsyncIterator[Item]:
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                for item in page:
                    yield item

    def send(self, value: Any, /) -> Any:
        """
        Run it on, as an event loop does.
        """
        return self._coroutine().send(value)

    def throw(self, kind: Any, value: Any = None, trace: TracebackType | None = None, /) -> Any:
        """
        Raise an error where it waits, as an event loop does.
        """
        error: BaseException = value if isinstance(value, BaseException) else kind
        return self._coroutine().throw(error if trace is None else error.with_traceback(trace))

    def close(self) -> None:
        """
        Give it up, as an event loop does.
        """
        if self._running is not None:
            self._running.close()

    def _coroutine(self) -> Coroutine[Any, Any, list[Item]]:
        if self._running is None:
            self._running = self._all()
        return self._running

    async def _all(self) -> list[Item]:
        async with aclosing(self._pages()) as pages:
            return [item async for page in pages for item in page]
