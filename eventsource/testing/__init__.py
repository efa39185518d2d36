"""
What tests are made with: scenarios, clocks and ids, a store that fails. Needs the extra ``testing``.

The contract of event stores, for a store of one's own, is in `eventsource.testing.contract`.
"""

import pytest

# Else a failed assertion of the suite would not say what the values were.
pytest.register_assert_rewrite("eventsource.testing.contract")

from eventsource.testing.clock import FixedClock, sequential_ids  # noqa: E402  the line above comes first
from eventsource.testing.flaky_store import Fault, FlakyStore  # noqa: E402  likewise
from eventsource.testing.scenario import (  # noqa: E402  likewise
    AggregateScenario,
    CommandScenario,
    DecisionScenario,
    Outcome,
    ProcessScenario,
    ProjectorScenario,
    at,
)

__all__ = [
    "AggregateScenario",
    "CommandScenario",
    "DecisionScenario",
    "Fault",
    "FixedClock",
    "FlakyStore",
    "Outcome",
    "ProcessScenario",
    "ProjectorScenario",
    "at",
    "sequential_ids",
]
