"""
Randomness that can be had again: each test prints its seed, and ``EVENTSOURCE_SEED`` sets it.

Every run of the suite asks the same, so that one that fails is about the change; the long form asks anew.
"""

from __future__ import annotations

import os
import random
import secrets

# The long form of the suite: more rounds of the same.
IS_LONG = os.environ.get("EVENTSOURCE_LONG") == "1"


_USUAL_SEED = 850_180_971


def seeded_random() -> random.Random:
    """
    Random numbers from a printed seed. pytest shows what was printed when the test fails.
    """
    seed = int(os.environ.get("EVENTSOURCE_SEED") or (secrets.randbits(32) if IS_LONG else _USUAL_SEED))
    print(f"Replay with EVENTSOURCE_SEED={seed}")  # noqa: T201  for whoever reads the failure
    return random.Random(seed)  # noqa: S311  nothing secret


def rounds(short: int, long: int) -> int:
    """
    How often to repeat: *short* at every run, *long* in the long form.
    """
    return long if IS_LONG else short
