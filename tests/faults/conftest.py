"""
What the tests of faults share: a quick folder, and randomness that can be had again.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from eventsource.testing.contract.chance import seeded_random

if TYPE_CHECKING:
    import random
    from collections.abc import Generator

_MEMORY = Path("/dev/shm")  # noqa: S108  temporary files are what it is for


@pytest.fixture
def quick_folder(tmp_path: Path) -> Generator[Path]:
    """
    A folder in memory where there is one: for faults that are made in the program, not by the disk.
    """
    if not os.access(_MEMORY, os.W_OK):
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(dir=_MEMORY))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def rng() -> random.Random:
    """
    Random numbers that can be had again.
    """
    return seeded_random()
