"""
Reading SQLite's write-ahead log, to see what really went to the file.

Source:
    https://www.sqlite.org/fileformat2.html#the_write_ahead_log
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24


def transactions(store: Path) -> int:
    """
    How many transactions stand in the log of a store since it was last started over.
    """
    log = store.with_name(f"{store.name}-wal").read_bytes()
    if not log:
        return 0
    (page_bytes,) = struct.unpack(">I", log[8:12])
    salts = log[16:24]
    frames = range(_HEADER_BYTES, len(log), _FRAME_HEADER_BYTES + page_bytes)
    headers = [log[start : start + _FRAME_HEADER_BYTES] for start in frames]
    # The last page of a transaction tells the size of the database after it; those before it tell 0. Frames with
    # other salts are left over from before the log was started over.
    return sum(header[8:16] == salts and header[4:8] != b"\0\0\0\0" for header in headers)


def size_bytes(store: Path) -> int:
    """
    How large the log of a store is.
    """
    return store.with_name(f"{store.name}-wal").stat().st_size
