"""
Sizes of the contract: on uvloop all are small, so that each promise is tried past a page, a group and a block, too.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import uvloop

from tests.small_sizes import turn_down

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@pytest.fixture(autouse=True)
async def sizes() -> AsyncGenerator[None]:
    """
    Usual ones on asyncio's loop, small ones on uvloop: the suite runs twice, and once is enough for each of the four.
    """
    with pytest.MonkeyPatch.context() as patch:
        if isinstance(asyncio.get_running_loop(), uvloop.Loop):
            turn_down(patch)
        yield
