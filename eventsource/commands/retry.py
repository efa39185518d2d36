"""
Running again after a conflict.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable


@attrs.frozen
class RetryPolicy:
    """
    How often and after which pauses a command is run again when others committed first.

    The pause is drawn evenly between nothing and a ceiling that doubles each time ("full
    jitter"), so that those who collided once do not collide again.

    Attributes:
        attempts: How many times it is run in all; 1 never runs it again.

        first_pause_s: Ceiling of the first pause, in seconds.

        longest_pause_s: What the ceiling never exceeds, in seconds.

        uniform: Draws a number between two others; ``random.uniform`` unless you need it repeatable.

    Source:
        M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
    """

    attempts: int = attrs.field(default=16, validator=attrs.validators.ge(1))
    first_pause_s: float = attrs.field(default=0.002, validator=attrs.validators.ge(0))
    longest_pause_s: float = attrs.field(default=0.25, validator=attrs.validators.ge(0))
    uniform: Callable[[float, float], float] = random.uniform

    def pause_s(self, failures: int) -> float:
        """
        How long to wait after the given number of failures, in seconds.
        """
        # Beyond 2**1023 a float ends, and any pause is the longest one long before.
        ceiling_s = self.first_pause_s * 2.0 ** min(failures - 1, 1023)
        return self.uniform(0, min(self.longest_pause_s, ceiling_s))
