"""
Event stores: the port and its kinds.
"""
