"""
Programs to learn from. They import public names only.
"""
