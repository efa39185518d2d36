"""
Building declared indexes over a log that was there before them: batch by batch, between commits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource.store.query import IndexState

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventsource.store.embedded.writer import Writer
    from eventsource.store.query import DataIndex


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
