"""
What is folded from events and decides: aggregates, decision states, deciders, and their handlers.
"""
