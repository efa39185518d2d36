"""
Building declared indexes over a log that was there before them: batch by batch, between commits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource.errors import StoreError
from eventsource.log import get_logger
from eventsource.store.query import IndexState

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventsource.store.embedded.writer import Writer
    from eventsource.store.query import DataIndex

log = get_logger(__name__)


async def build_index(
    writer: Writer, event_type: str, path: str, progress: Callable[[float], None] | None = None
) -> DataIndex | None:
    """
    Enter what is missing in a declared index. Cancelled, it can be called again and goes on where it was.

    Returns:
        The index, ready; None if it was dropped meanwhile.
    """
    while True:
        index = await writer.work(lambda keeper: keeper.build_on(event_type, path))
        if index is None:
            return None
        if progress:
            progress(index.progress)
        if index.state is IndexState.READY:
            return index


async def finish_indexes(writer: Writer) -> None:
    """
    Build on the indexes whose building was interrupted, one after the other.

    What it fails at is logged: nobody waits for it, and queries are answered without the index.
    """
    for event_type, path in writer.unfinished_indexes:
        try:
            index = await build_index(writer, event_type, path)
        except StoreError as error:
            log.warning("index.unfinished", event_type=event_type, path=path, error=str(error))
        else:
            if index:
                log.info("index.finished", event_type=event_type, path=path)
