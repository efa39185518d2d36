"""
What every test shares: how hard Hypothesis searches.
"""

import os

from hypothesis import HealthCheck, settings

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
