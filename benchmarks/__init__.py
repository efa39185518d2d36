"""
Benchmarks: every figure beside its floor, measured in the same run.

A floor does the same work with the fewest parts it can be done with. One module is one subject and
says what it measures, against what, and why that is fair. ``python -m benchmarks --help``.
"""
