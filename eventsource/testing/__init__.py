"""
What tests are made with: scenarios, clocks and ids, a store that fails. Needs the extra ``testing``.

The contract of event stores, for a store of one's own, is in `eventsource.testing.contract`.
"""

import pytest

# Else a failed assertion of the suite would not say what the values were.
pytest.register_assert_rewrite("eventsource.testing.contract")

from eventsource.events.event_types import event_types  # noqa: E402  the line above comes first
from eventsource.testing.clock import FixedClock, sequential_ids  # noqa: E402  the line above comes first
from eventsource.testing.flaky_store import Fault, FlakyStore  # noqa: E402  likewise
from eventsource.testing.scenario import (  # noqa: E402  likewise
    AggregateScenario,
    CommandScenario,
    DecisionScenario,
    Outcome,
    ProcessScenario,
    ProjectorScenario,
    UncheckedScenarioError,
    at,
    raise_for_unchecked,
)

event_types_scope = event_types.scope

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
    "UncheckedScenarioError",
    "at",
    "event_types_scope",
    "raise_for_unchecked",
    "sequential_ids",
]
