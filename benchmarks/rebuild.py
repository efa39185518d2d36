"""
Rebuilding a long aggregate from its events, as `Repository.load` does.

The first floor reads the two columns that matter through a bare connection, in the event loop's
own thread, decodes with orjson, which is the fastest JSON decoder for Python, and finds the handler
in a dict: untyped, unchecked, no ids, no hashes, no threads. The second makes a frozen pydantic
model of each event and calls the same handlers: what typed events cost before any framework.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import apsw

from benchmarks.bank import Account, history
from benchmarks.fold import fold_dicts, fold_models
from benchmarks.measurement import Aim, Unit, compare
from benchmarks.setting import rate, rate_of
from eventsource import NewEvent, Repository
from eventsource.store import EmbeddedEventStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from benchmarks.measurement import Line
    from benchmarks.setting import Setting

_AIM = Aim(figure=300_000)
_EVENTS_PER_COMMIT = 1000
_EVENTS_PER_TURN = 10_000


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    A line for each length.
    """
    path = setting.folder / "rebuild.db"
    async with EmbeddedEventStore(path) as store:
        accounts = Repository(Account, store)
        for length in setting.sizes.aggregates:
            await _write(store, length)
            with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as bare:
                yield await _measure(setting, accounts, bare, length)


async def _measure(setting: Setting, accounts: Repository[Account], bare: apsw.Connection, length: int) -> Line:
    id, subject = str(length), Account.subject_of(str(length))
    if not (await accounts.load(id)).balance == fold_dicts(bare, subject) == fold_models(bare, subject):
        msg = "the contenders disagree about the balance"
        raise AssertionError(msg)
    # Several loads to a turn: a thousand events are rebuilt in too short a time to compare.
    loads = max(1, _EVENTS_PER_TURN // length)

    async def load() -> None:
        for _ in range(loads):
            await accounts.load(id)

    def fold(way: Callable[[apsw.Connection, str], int]) -> None:
        for _ in range(loads):
            way(bare, subject)

    return await compare(
        "rebuild",
        f"aggregate of {length:,} events",
        Unit.EVENTS_PER_S,
        rounds=setting.sizes.rounds,
        ours=rate_of(loads * length, load),
        floors={
            "apsw, orjson, dict": rate(loads * length, partial(fold, fold_dicts)),
            "apsw, pydantic, method": rate(loads * length, partial(fold, fold_models)),
        },
        peers=setting.peers_at("rebuild", events=length),
        aim=_AIM,
    )


async def _write(store: EmbeddedEventStore, length: int) -> None:
    subject = Account.subject_of(str(length))
    events = [NewEvent.of(event, subject=subject) for event in history(length)]
    for start in range(0, length, _EVENTS_PER_COMMIT):
        await store.commit(events[start : start + _EVENTS_PER_COMMIT])
