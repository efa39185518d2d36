"""
What tests of the client share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eventsource.testing.contract.chance import seeded_random

if TYPE_CHECKING:
    import random


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A machine that has a Genesis DB of its own changes nothing.
    """
    for name in ("GENESISDB_API_URL", "GENESISDB_API_VERSION", "GENESISDB_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def rng() -> random.Random:
    """
    Random numbers that can be had again.
    """
    return seeded_random()
