"""
What tests are made with: scenarios, clocks and ids, a store that fails. Needs the extra ``testing``.

The contract of event stores, for a store of one's own, is in `eventsource.testing.contract`.
"""

import pytest

# Else a failed assertion of the suite would not say what the values were.
pytest.register_assert_rewrite("eventsource.testing.contract")

from eventsource.testing.clock import FixedClock, sequential_ids  # noqa: E402  the line above comes first
from eventsource.testing.flaky_store import Fault, FlakyStore  # noqa: E402
from eventsource.testing.scenario import AggregateScenario, Outcome, ProjectorScenario, at  # noqa: E402

__all__ = [
    "AggregateScenario",
    "Fault",
    "FixedClock",
    "FlakyStore",
    "Outcome",
    "ProjectorScenario",
    "at",
    "sequential_ids",
]
