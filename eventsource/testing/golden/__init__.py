"""
Golden events: an example of each stored form, kept beside the tests, that has to stay readable.
"""

from eventsource.testing.golden.check import check_golden_events

__all__ = ["check_golden_events"]
