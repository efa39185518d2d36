"""
Waiting for what happens elsewhere.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


async def until(holds: Callable[[], bool]) -> None:
    """
    Return when it holds.
    """
    while not holds():  # noqa: ASYNC110  no event tells what a server has seen
        await asyncio.sleep(0.002)
