"""
The time that a rule may take: its own work, and nothing that the program or the machine does meanwhile.
"""

import time

from eventsource.store.query import QueryLimits, Spending, work_clock


def spin(seconds: float) -> None:
    """
    Work for so long.
    """
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_one_long_stop_is_not_the_rules_time() -> None:
    """
    A garbage collection that takes longer than the rule may take leaves it its time.
    """
    with Spending(QueryLimits(time_s=0.25), during="precondition", clock=work_clock()) as spending:
        spin(0.4)

        spending.check_time()


def test_work_that_is_looked_at_uses_the_time_up() -> None:
    """
    Work between looks at the clock counts, piece by piece.
    """
    with Spending(QueryLimits(time_s=0.1), during="precondition", clock=work_clock()) as spending:
        found: list[bool] = []
        for _ in range(100):
            spin(0.005)
            found.append(spending.is_out_of_time)

    assert not found[0]
    assert found[-1]
