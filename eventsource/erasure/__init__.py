"""
Erasing as a whole: the data, and what was made of it.
"""

from eventsource.erasure.erase import Cleanable, Erasure, Purgeable, erase_subject
from eventsource.erasure.plan import ErasurePlan, PlannedEvent, plan_erasure
from eventsource.erasure.purging import purging

__all__ = [
    "Cleanable",
    "Erasure",
    "ErasurePlan",
    "PlannedEvent",
    "Purgeable",
    "erase_subject",
    "plan_erasure",
    "purging",
]
