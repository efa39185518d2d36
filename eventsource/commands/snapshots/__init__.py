"""
Where loading may begin in place of the first event: snapshots, and aggregates kept in memory.
"""
