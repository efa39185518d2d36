"""
Writes payments to a store, one commit each, and holds the store open in between: another process than the readers.

    python shopper.py URL COUNT PAUSE_S
"""

import asyncio
import sys

from eventsource import NewEvent, connect


async def main(url: str, count: int, pause_s: float) -> None:
    """
    Commit *count* payments of one cent.
    """
    async with connect(url) as store:
        for _ in range(count):
            await store.commit([NewEvent(subject="/accounts/1", type="io.example.shop.paid", data={"cents": 1})])
            await asyncio.sleep(pause_s)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
