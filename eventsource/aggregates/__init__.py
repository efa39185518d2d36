"""
Aggregates, their repository, units of work, history and snapshots.
"""
