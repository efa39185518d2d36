"""
All benchmarks, by name, in the order they run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import (
    audit,
    client,
    commits,
    content,
    decision,
    dispatch,
    fanout,
    growth,
    guard,
    hot,
    imports,
    load,
    notary,
    opening,
    projection,
    queries,
    rebuild,
    rules,
    seen,
    server,
    snapshots,
    streaming,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from benchmarks.measurement import Line
    from benchmarks.setting import Setting

BENCHMARKS: dict[str, Callable[[Setting], AsyncIterator[Line]]] = {
    "commits": commits.measure,
    "content": content.measure,
    "guard": guard.measure,
    "rules": rules.measure,
    "hot": hot.measure,
    "decision": decision.measure,
    "dispatch": dispatch.measure,
    "queries": queries.measure,
    "load": load.measure,
    "rebuild": rebuild.measure,
    "snapshots": snapshots.measure,
    "projection": projection.measure,
    "seen": seen.measure,
    "audit": audit.measure,
    "opening": opening.measure,
    "imports": imports.measure,
    "growth": growth.measure,
    "streaming": streaming.measure,
    "client": client.measure,
    "server": server.measure,
    "fanout": fanout.measure,
    "notary": notary.measure,
}
