"""
Given, when, then: what was decided, what happens, and what must come of it. See ``docs/testing.md``.
"""

from eventsource.testing.scenario.aggregate import AggregateScenario
from eventsource.testing.scenario.command import CommandScenario
from eventsource.testing.scenario.decision import DecisionScenario
from eventsource.testing.scenario.outcome import Outcome
from eventsource.testing.scenario.placing import at
from eventsource.testing.scenario.process import ProcessScenario
from eventsource.testing.scenario.projector import ProjectorScenario
from eventsource.testing.scenario.unchecked import UncheckedScenarioError, raise_for_unchecked

__all__ = [
    "AggregateScenario",
    "CommandScenario",
    "DecisionScenario",
    "Outcome",
    "ProcessScenario",
    "ProjectorScenario",
    "UncheckedScenarioError",
    "at",
    "raise_for_unchecked",
]
