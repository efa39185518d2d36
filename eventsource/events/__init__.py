"""
Events: classes, stored forms, upcasting, erased values.
"""
