"""
Preconditions of a commit, and rules written with event classes.
"""
