"""
The suite: ``from eventsource.testing.contract.suite import *`` beside a fixture `store_kind` runs all of it.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from eventsource.testing.contract import (
    aggregates,
    audit,
    backup,
    commands,
    commit,
    count,
    data,
    decisions,
    erasure,
    idempotency,
    last_event,
    lifecycle,
    lost_update,
    observe,
    overview,
    preconditions,
    query,
    racers,
    restored,
    schemas,
    stream,
)
from eventsource.testing.contract.fixtures import open_store, rng, store
from eventsource.testing.contract.kinds import Capability, needs

if TYPE_CHECKING:
    from types import ModuleType

__all__ = [
    "TestAggregates",
    "TestAudit",
    "TestBackup",
    "TestCommands",
    "TestCommit",
    "TestCount",
    "TestData",
    "TestDecisions",
    "TestErasure",
    "TestIdempotency",
    "TestLastEvent",
    "TestLifecycle",
    "TestLostUpdate",
    "TestObserve",
    "TestOverview",
    "TestPreconditions",
    "TestQuery",
    "TestRacers",
    "TestRestored",
    "TestSchemas",
    "TestStream",
    "open_store",
    "rng",
    "store",
]


def _tests_of(module: ModuleType, *needed: Capability) -> type[Any]:
    """
    A class for pytest to collect, so that tests of the same name in two modules are two.

    Args:
        needed: What all of its tests need.
    """
    tests = {
        # Whoever runs the suite may not run pytest-asyncio in its mode `auto`.
        name: staticmethod(pytest.mark.asyncio(test) if inspect.iscoroutinefunction(test) else test)
        for name, test in vars(module).items()
        if name.startswith("test_")
    }
    return needs(*needed)(type(module.__name__, (), {"__doc__": module.__doc__, **tests}))


TestAggregates = _tests_of(aggregates)
TestAudit = _tests_of(audit, Capability.WHOLE)
TestBackup = _tests_of(backup, Capability.WHOLE)
TestCommands = _tests_of(commands)
TestCommit = _tests_of(commit)
TestCount = _tests_of(count)
TestData = _tests_of(data)
TestDecisions = _tests_of(decisions)
TestErasure = _tests_of(erasure)
TestIdempotency = _tests_of(idempotency)
TestLastEvent = _tests_of(last_event)
TestLifecycle = _tests_of(lifecycle)
TestLostUpdate = _tests_of(lost_update)
TestObserve = _tests_of(observe)
TestOverview = _tests_of(overview)
TestPreconditions = _tests_of(preconditions)
TestQuery = _tests_of(query)
TestRacers = _tests_of(racers)
TestRestored = _tests_of(restored, Capability.WHOLE)
TestSchemas = _tests_of(schemas, Capability.WHOLE)
TestStream = _tests_of(stream)
