"""
Process managers, the pure part: what one decides, and what it remembers.
"""
