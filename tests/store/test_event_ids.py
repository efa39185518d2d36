"""
The ids that a store gives its events.
"""

import uuid
from pathlib import Path

from eventsource import connect
from eventsource.testing.contract.samples import noted


async def test_ids_are_random_uuids(tmp_path: Path) -> None:
    """
    Each event gets a UUID of version 4 in its usual form, and no two are the same.
    """
    async with connect(f"sqlite:{tmp_path / 'store.db'}") as store:
        recorded = await store.commit([noted("/a", data={"n": n}) for n in range(1_000)])

    ids = [event.id for event in recorded]
    assert len(set(ids)) == 1_000
    for each in ids:
        parsed = uuid.UUID(each)
        assert (str(parsed), parsed.version, parsed.variant) == (each, 4, uuid.RFC_4122)
