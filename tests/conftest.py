"""
What every test shares: how hard Hypothesis searches, how long is waited, and the event loops that async tests run on.
"""

from __future__ import annotations

import faulthandler
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from hypothesis import HealthCheck, settings

from eventsource import Dispatcher, Projector
from tests.event_loops import LOOPS

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Generator, Mapping

# Time is no fault here: machines are shared, and stores wait for the disk.
settings.register_profile(
    "default",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    # The same examples at every run, so that one that fails is about the change.
    derandomize=True,
    database=None,
)
# New examples at every run; a failure prints the blob that replays it.
settings.register_profile(
    "long", settings.get_profile("default"), max_examples=5_000, derandomize=False, print_blob=True
)

settings.load_profile("long" if os.environ.get("EVENTSOURCE_LONG") == "1" else "default")

# Folders and files whose async tests run on each loop at every run, and not only where EVENTSOURCE_LOOP asks for it.
_ON_EACH_LOOP: Final = (
    "contract",
    "genesisdb",
    "processes/test_process_worker.py",
    "processes/test_two_workers.py",
    "projections/test_seen.py",
    "projections/test_watch.py",
    "projections/test_worker.py",
    "store/test_commit_keys.py",
    "store/test_connect.py",
    "store/test_genesisdb.py",
    "store/test_group_commit.py",
    "store/test_readers.py",
    "store/test_reopening.py",
    "store/test_writer_lock.py",
)
_TESTS: Final = Path(__file__).parent


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """
    Tell pytest-asyncio which loops a test runs on: the one that EVENTSOURCE_LOOP names, or asyncio's.

    A folder or file of ``_ON_EACH_LOOP`` runs on each where EVENTSOURCE_LOOP is not set.
    """
    wanted = os.environ.get("EVENTSOURCE_LOOP")
    if wanted:
        return {wanted: LOOPS[wanted]}
    place = item.path.relative_to(_TESTS) if item.path.is_relative_to(_TESTS) else Path()
    if any(place.is_relative_to(each) for each in _ON_EACH_LOOP):
        return LOOPS
    return {"asyncio": LOOPS["asyncio"]}


# Longer than the time limit of a test.
_PATIENCE_S: Final = 3_600.0


@pytest.fixture(autouse=True, scope="session")
def patience() -> Generator[None]:
    """
    Whoever waits for a read model and names no time waits as long as it takes: how fast the machine is decides nothing.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Projector.seen, "__defaults__", (_PATIENCE_S,))
        patch.setattr(Dispatcher.dispatch, "__kwdefaults__", {"wait_for": (), "wait_timeout_s": _PATIENCE_S})
        yield


# How long the end of a test's fixtures may take, in seconds.
_TIDYING_S: Final = 120.0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """
    End the process, so that pytest-xdist names the test, where one that has failed hangs once more in its fixtures.

    The limit of a test is used up when it has failed by it, and pytest's own is given up at any failure.
    """
    faulthandler.dump_traceback_later(_TIDYING_S, file=item.config.stash[fault_handler_stderr_fd_key], exit=True)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
