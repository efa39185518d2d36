"""
How long to wait before a command is run again.
"""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventsource import RetryPolicy

PAUSES = st.just(0.0) | st.floats(1e-6, 100)


@given(first=PAUSES, longest=PAUSES, failures=st.integers(1, 10_000))
def test_ceiling_doubles_up_to_the_longest(first: float, longest: float, failures: int) -> None:
    """
    The pause is drawn from nothing to a ceiling that doubles with each failure and then stays.
    """
    policy = RetryPolicy(first_pause_s=first, longest_pause_s=longest, uniform=lambda _, high: high)

    ceiling = policy.pause_s(failures)

    assert 0 <= ceiling <= longest
    assert policy.pause_s(failures + 1) == min(longest, 2 * ceiling)
    assert policy.pause_s(1) == min(longest, first)


@given(st.integers(1, 10_000), st.randoms(use_true_random=False))
def test_pause_stays_below_its_ceiling(failures: int, source: random.Random) -> None:
    """
    Whatever is drawn, it is between nothing and the longest pause.
    """
    policy = RetryPolicy(uniform=source.uniform)

    assert 0 <= policy.pause_s(failures) <= policy.longest_pause_s


def test_pauses_differ() -> None:
    """
    Those who collided once must not wait equally long.
    """
    policy = RetryPolicy()

    assert len({policy.pause_s(5) for _ in range(10)}) > 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": 0},
        {"first_pause_s": -1},
        {"longest_pause_s": -0.1},
        {"retried_rules": "the books add up"},
        {"retried_rules": [None]},
        {"retried_rules": [""]},
    ],
    ids=str,
)
def test_impossible_policy_is_refused(wrong: dict[str, Any]) -> None:
    """
    A command runs at least once, no pause is negative, and rules are named in a list.
    """
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RetryPolicy(**wrong)
