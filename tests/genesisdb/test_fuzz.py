"""
Mutated answers: each is read as a strict parser reads it, or refused.

A few thousand at every run, 100,000 in the long form. The seed is printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from eventsource.errors import (
    CommitOutcomeUnknownError,
    EventSourceError,
    StoreUnavailableError,
)
from eventsource.genesisdb import Client, Limits, Transport
from eventsource.testing.contract.chance import rounds
from tests.genesisdb.answers import hostile, mutated, read_strictly

if TYPE_CHECKING:
    import random

_EVENT = {"source": "s", "subject": "/a", "type": "t", "data": {}}


@pytest.mark.timeout(3600)
async def test_an_answer_taken_as_whole_is_whole(rng: random.Random) -> None:
    """
    Status and body are those that a strict parser finds, and the answer came to its end by its own length.
    """
    taken = 0
    async with hostile(rng) as server, Transport() as transport:
        for _ in range(rounds(800, 50_000)):
            server.answer = answer = mutated(rng)
            waits = {"connect": 30.0, "read": 30.0, "write": 30.0, "pool": 30.0}
            request = httpx.Request("POST", server.url, content=b"{}", extensions={"timeout": waits})
            try:
                response = await transport.handle_async_request(request)
                body = await response.aread()
            except httpx.TransportError:
                continue
            taken += 1
            strict = read_strictly(answer)
            assert strict.is_whole, answer
            assert (response.status_code, body) == (strict.status, strict.body), answer

    assert taken


@pytest.mark.timeout(3600)
async def test_no_answer_gives_a_commit_a_wrong_outcome(rng: random.Random) -> None:
    """
    A commit is stored, refused or certainly not done only where a strict parser finds a head that says so.
    """
    outcomes = dict.fromkeys(("stored", "refused", "unavailable", "unknown"), 0)
    async with hostile(rng) as server, Client(server.url, limits=Limits(commit_tries=1)) as client:
        for _ in range(rounds(700, 50_000)):
            server.answer = answer = mutated(rng)
            strict = read_strictly(answer)
            status = strict.status or 0
            try:
                await client.commit_events([_EVENT])
            except CommitOutcomeUnknownError:
                outcomes["unknown"] += 1
            except StoreUnavailableError:
                outcomes["unavailable"] += 1
                assert status in {429, 503}, answer
            except EventSourceError:
                outcomes["refused"] += 1
                assert 300 <= status < 500, answer
            else:
                outcomes["stored"] += 1
                assert 200 <= status < 300, answer

    assert all(outcomes.values()), outcomes
