"""
What is logged when a backup of another kind of store is restored.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from eventsource import connect
from eventsource.testing.contract.backup import foreign

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("url", ["memory:", "sqlite:{}/store.db"])
async def test_whoever_restores_is_told_of_hashes_that_cannot_be_checked(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """
    One warning says how many, another which members were left out.
    """
    events = foreign()
    events[1]["traceparent"] = "00-1"

    with caplog.at_level(logging.WARNING):
        async with connect(url.format(tmp_path)) as store:
            await store.restore(events)

    assert [record.getMessage() for record in caplog.records] == [
        "restore.hashes_not_ours events=3 not_ours=3",
        "restore.members_left_out members=['traceparent']",
    ]
