"""
From a command to its handler, and to one commit however often it comes.
"""
