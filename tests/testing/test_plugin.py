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


def test_fixtures_and_differences(tmp_path: Path) -> None:
    """
    The fixtures share one clock, and a failing comparison of events shows the field.
    """
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_lamps.py").write_text(TESTS)

    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert "1 failed, 1 passed" in result.stdout, result.stdout + result.stderr
    lines = [line.removeprefix("E").strip() for line in result.stdout.splitlines() if line.startswith("E")]
    assert lines[-5:] == [
        "LampLit at /-",
        "watts = 5",
        "LampLit at /-",
        "-    watts = 40",
        "+    watts = 60",
    ]
