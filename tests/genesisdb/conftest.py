"""
What tests of the client share.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
import uvloop

from eventsource.testing.contract.chance import seeded_random

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def pytest_asyncio_loop_factories(
    item: pytest.Item,  # noqa: ARG001  as pytest-asyncio calls it
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """
    Run each asynchronous test on asyncio's loop and on uvloop, or on the one that EVENTSOURCE_LOOP names.
    """
    wanted = os.environ.get("EVENTSOURCE_LOOP")
    return {wanted: LOOPS[wanted]} if wanted else LOOPS


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A machine that has a Genesis DB of its own changes nothing; the token is no one's.
    """
    for name in ("GENESISDB_API_URL", "GENESISDB_URL", "GENESISDB_API_VERSION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GENESISDB_AUTH_TOKEN", "t0ken-of-the-tests")


@pytest.fixture
def rng() -> random.Random:
    """
    Random numbers that can be had again.
    """
    return seeded_random()
