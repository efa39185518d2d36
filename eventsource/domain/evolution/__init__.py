"""
Evolution: recorded events of any age, or erased, read as the events of today.
"""
