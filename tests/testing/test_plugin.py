"""
The plugin in a test run of its own, as a user starts it.
"""

import subprocess
import sys
from pathlib import Path

CONFTEST = 'pytest_plugins = ["eventsource.testing.plugin"]\n'

TESTS = """
import asyncio
from eventsource import Event, NewEvent

class LampLit(Event, type="io.example.test.plugin.lamp-lit"):
    watts: int

def test_fixtures(event_store, flaky_store, fixed_clock):
    fixed_clock.advance(hours=1)
    [recorded] = asyncio.run(event_store.commit([NewEvent.of(LampLit(watts=5), subject="/lamps/1")]))
    assert recorded.id == "event-1"
    assert recorded.time.isoformat() == "2026-01-01T13:00:00+00:00"
    assert asyncio.run(flaky_store.count()) == 1

def test_difference():
    assert [LampLit(watts=5), LampLit(watts=60)] == [LampLit(watts=5), LampLit(watts=40)]
"""


def run_tests(folder: Path, conftest: str, tests: str) -> str:
    """
    What pytest says about these tests.
    """
    (folder / "conftest.py").write_text(conftest)
    (folder / "test_lamps.py").write_text(tests)
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", str(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return result.stdout + result.stderr


def test_fixtures_and_differences(tmp_path: Path) -> None:
    """
    The fixtures share one clock, and a failing comparison of events shows the field.
    """
    said = run_tests(tmp_path, CONFTEST, TESTS)

    assert "1 failed, 1 passed" in said, said
    lines = [line.removeprefix("E").strip() for line in said.splitlines() if line.startswith("E")]
    assert lines[-5:] == [
        "LampLit at /-",
        "watts = 5",
        "LampLit at /-",
        "-    watts = 40",
        "+    watts = 60",
    ]


LAMPS = """
import asyncio
import pytest
from eventsource import Aggregate, Event, handles
from eventsource.testing import AggregateScenario, DecisionScenario, ProjectorScenario, at

class Lit(Event, type="io.example.test.plugin.lit"):
    pass

class Lamp(Aggregate, subject="/lamps/{id}"):
    def light(self):
        self.emit(Lit())

    @handles
    def _lit(self, event: Lit) -> None:
        pass

given = AggregateScenario(Lamp).given
"""

FORGETTING = (
    LAMPS
    + """
def test_forgets():
    given().when(Lamp.light)

def test_forgets_one_that_it_holds():
    outcome = given().when(Lamp.light)
    given().when(Lamp.light).then(Lit())

def test_forgets_one_in_a_circle():
    around = [given().when(Lamp.light)]
    around.append(around)

async def test_forgets_in_a_loop():
    DecisionScenario().given().when(lambda work: work.emit(Lit(), at="/lamps/1"))

def test_fails_by_itself():
    outcome = given().when(Lamp.light)
    assert "its own" == "failure"

def test_asserts():
    given().when(Lamp.light).then(Lit())
    first, second = given().when(Lamp.light), given().when(Lamp.light)
    first.then_state()
    assert len(second.events) == 1

def test_makes_a_history_for_others():
    given(Lit())
"""
)


def test_a_scenario_without_a_then_fails(tmp_path: Path) -> None:
    """
    With the plugin, a test that runs a scenario and asserts nothing of it fails, with the line of the scenario.
    """
    said = run_tests(tmp_path, CONFTEST, FORGETTING)

    assert "5 failed, 2 passed" in said
    # Where CI is set, pytest repeats each message in its summary.
    failures = [line for line in said.splitlines() if line.startswith("E ") and "UncheckedScenarioError: " in line]
    assert len(failures) == 4
    assert all("a scenario has no `then`, so it asserts nothing" in line for line in failures)
    line = FORGETTING.splitlines().index("    given().when(Lamp.light)") + 1
    assert f"test_lamps.py:{line} in test_forgets" in said


def test_the_next_scenario_tells_where_there_is_no_plugin(tmp_path: Path) -> None:
    """
    Without the plugin the next scenario fails in place of the one without a `then`; one behind the last is printed.
    """
    tests = (
        LAMPS
        + """
def test_forgets():
    given().when(Lamp.light)

def test_next():
    given().when(Lamp.light).then(Lit())

def test_last():
    given().when(Lamp.light)
"""
    )
    said = run_tests(tmp_path, "", tests)

    assert "1 failed, 2 passed" in said
    assert "FAILED test_lamps.py::test_next" in said or "test_lamps.py::test_next - " in said
    assert said.rstrip().splitlines()[-1].startswith("a scenario has no `then`")
    assert "in test_last" in said.rstrip().splitlines()[-1]


SCOPED = """
import pytest
from eventsource import Event
from eventsource.events import event_types

@pytest.mark.parametrize("n", [1, 2])
def test_one(event_types_scope, n):
    class Lit(Event, type="io.example.test.plugin.scoped"):
        watts: int
    assert event_types.find("io.example.test.plugin.scoped") is Lit

async def test_two(event_types_scope):
    class LampLit(Event, type="io.example.test.plugin.scoped"):
        lumen: int
    assert event_types.find("io.example.test.plugin.scoped") is LampLit

def test_three():
    assert event_types.find("io.example.test.plugin.scoped") is None
"""


def test_a_scope_for_a_test(tmp_path: Path) -> None:
    """
    Tests that ask for the fixture may declare one event type, plain tests and asynchronous ones.
    """
    said = run_tests(tmp_path, CONFTEST, SCOPED)

    assert "4 passed" in said, said
