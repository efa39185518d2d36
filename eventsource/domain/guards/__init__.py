"""
Guards: rules over event classes, compiled to queries that the store decides.
"""
