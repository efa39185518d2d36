"""
A bank: aggregates, read models, an importer of a real bank's files, and a web page.

Read it in this order: `events`, `account`, `balances`, `bank`; the rest as you need it.
"""
