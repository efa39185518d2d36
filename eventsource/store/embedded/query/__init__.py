"""
Queries on a store file: from the tree to SQL, and what SQL cannot decide to the reference evaluator.
"""
