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
    print_blob=True,
)
# New examples at every run; a failure prints the blob that replays it.
settings.register_profile("ci", settings.get_profile("default"), derandomize=False, database=None)
settings.register_profile("long", settings.get_profile("default"), max_examples=5_000)

if os.environ.get("EVENTSOURCE_LONG") == "1":
    settings.load_profile("long")
elif os.environ.get("CI"):
    settings.load_profile("ci")
else:
    settings.load_profile("default")
