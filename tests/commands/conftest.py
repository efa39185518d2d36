"""
The stores that the tests of commands run on: those of the aggregates.
"""

from tests.aggregates.conftest import store

__all__ = ["store"]
