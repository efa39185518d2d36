"""
Snapshots: the state of an aggregate as JSON, and the fingerprint of the fold that made it.
"""
