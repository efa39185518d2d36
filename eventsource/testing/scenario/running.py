"""
Running what is asynchronous from a plain test.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

Result = TypeVar("Result")


def run(work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """
    Run *work* to its end in an event loop of its own.

    A test that is asynchronous itself has a loop in this thread, so another thread takes the work. A
    scenario is never awaited: a forgotten ``await`` would make a test that cannot fail.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    with ThreadPoolExecutor(1, thread_name_prefix="eventsource-scenario") as thread:
        return thread.submit(copy_context().run, lambda: asyncio.run(work())).result()
