"""
The sizes that the package works by, turned down: a dozen events fill several pages, groups and blocks.

With its usual sizes a test has to write thousands of events to come to the second page of anything, and most write
fewer. Each size is a constant of a module; one that was renamed there is an error here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

PAGES: Final[Mapping[str, int]] = {
    # Events in a page that is read of the log.
    "eventsource.store.memory.PAGE_EVENTS": 7,
    "eventsource.store.embedded.reader.PAGE_EVENTS": 7,
    "eventsource.store.embedded.audit.PAGE_EVENTS": 7,
    "eventsource.store.embedded.store.PAGE_EVENTS": 7,
    # Events of a subtree that are found by the index; of more the log is walked.
    "eventsource.store.embedded.reader._MAX_GATHERED": 20,
    # Rows of a result that are handed on at a time.
    "eventsource.store.query.ROWS_AT_A_TIME": 5,
}
"""
What is read at a time.
"""

QUERIES: Final[Mapping[str, int]] = {
    "eventsource.store.embedded.query.run._FIRST_PAGE": 2,
    "eventsource.store.embedded.query.run._PAGE": 5,
    "eventsource.store.embedded.query.run._WINDOW": 11,
    "eventsource.store.embedded.query.plan._MAX_AT_ONCE": 5,
    # When an index is preferred to reading along the log.
    "eventsource.store.embedded.query.access._ALWAYS_WORTH_A_SEARCH": 3,
    "eventsource.store.embedded.query.access._FIRST_COUNT": 2,
    "eventsource.store.embedded.query.data_index.BATCH_EVENTS": 5,
    "eventsource.store.embedded.query.data_index.BATCH_POSITIONS": 13,
    "eventsource.store.embedded.query.data_index._MAX_CHARACTERS": 4,
}
"""
What the planner of queries goes by, and what is read of a result at a time.
"""

COMMITS: Final[Mapping[str, int]] = {
    # Commits in one transaction.
    "eventsource.store.embedded.writer.MAX_GROUP": 3,
    "eventsource.store.embedded.writer._MAX_CACHED_VERSIONS": 3,
    # Aggregates of rules that are kept, and how they are carried forward.
    "eventsource.store.embedded.query.guards._MAX_KEPT": 3,
    "eventsource.store.embedded.query.guards._NEWEST_EVENTS": 6,
    "eventsource.store.embedded.query.guards._FEW": 4,
    "eventsource.store.embedded.query.guards._FIRST_STRETCH": 9,
    "eventsource.store.embedded.query.guards._FIRST_NARROW_STRETCH": 9,
    "eventsource.store.embedded.query.lookup._MAX_KEPT": 3,
    # Pages of the write-ahead log before it is moved into the file, and before it is cut.
    "eventsource.store.embedded.writer._CHECKPOINT_PAGES": 12,
    "eventsource.store.embedded.writer._TRUNCATE_PAGES": 30,
}
"""
What the writer decides and writes at a time, and what it remembers.
"""

SERVER: Final[Mapping[str, int]] = {
    "eventsource.server.queries._ROWS_AT_A_TIME": 5,
    "eventsource.server.queries._HELD_BYTES": 200,
    "eventsource.server.administration._EVENTS_AT_A_TIME": 5,
    "eventsource.server.exchange._BLOCK_BYTES": 256,
    "eventsource.server.bodies._SMALL_BYTES": 1_000,
    # What is kept for observers who are late.
    "eventsource.server.tail._MAX_KEPT_BYTES": 4_096,
    "eventsource.server.tail._KEPT_PRINTED": 2,
}
"""
What the server sends and keeps at a time.
"""

SMALL: Final[Mapping[str, int]] = {**PAGES, **QUERIES, **COMMITS, **SERVER}
"""
All of them.
"""


def turn_down(patch: pytest.MonkeyPatch, sizes: Mapping[str, int] = SMALL) -> None:
    """
    Set *sizes* until *patch* is undone. Stores and servers that are opened from then on go by them.
    """
    for name, size in sizes.items():
        patch.setattr(name, size)
