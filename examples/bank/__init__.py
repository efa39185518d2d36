"""
A bank: aggregates, read models, processes, an importer of a real bank's files, and a web page.

Read it in this order: `events`, `account`, `commands`, `balances`, `bank`, `loans`; the rest as you need it.
"""
