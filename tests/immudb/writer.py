"""
Writes with verification from a process of its own: ``python writer.py URL TRUST-FILE NAME COUNT``.
"""

import asyncio
import sys

from eventsource.immudb import ImmudbClient


async def main(url: str, trust: str, name: str, count: int) -> None:
    """
    Write *count* keys, each in its transaction.
    """
    async with ImmudbClient(url, trust=trust, trust_on_first_use=True, ledger="shared") as client:
        for number in range(count):
            await client.verified_set(f"{name}-{number}".encode(), b"value", write_once=True)


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
