"""
The notary: durable leaves, proofs, verified writes to an immudb, and keeping up with a store.

- Leaves a second into the Merkle log, 1,000 to a batch, each on the disk when the call returns. The floor inserts
  rows of the same shape, index and nodes included, through bare apsw with as many fsyncs; it hashes nothing.
- Proofs a second: an entry by its key with its way to the root, verified. The floor selects the row.
- Entries a second into an immudb, 1,000 to a transaction, verified. The floor is the same client writing the same
  without proofs. Server and client share the process, so the figure is about the client.
- Events a second that a notary takes from a store with history. The floor reads the store and appends as many leaves.
- The import of a real bank's transactions with a notary that follows it, beside the import alone; and how old the
  oldest event that is not notarised gets, at the worst moment of such an import. Where the data set is not there,
  this is left out.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import time
from contextlib import asynccontextmanager, closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import apsw

from benchmarks.measurement import Aim, Unit, compare
from benchmarks.setting import rate, rate_of
from eventsource.immudb import ImmudbClient
from eventsource.notary import EmbeddedLedger, Entry, Notary, NotaryBook
from eventsource.notary.merkle_log import KIND, MerkleLog
from eventsource.store import EmbeddedEventStore
from eventsource.testing.immudb import ImmudbTestServer
from examples.bank.berka import BerkaFiles, Opening, Transaction, read_files
from examples.bank.importer import Progress, import_files

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

    from benchmarks.measurement import Line, Turn
    from benchmarks.setting import Setting

_BATCH: Final = 1_000
# As large as the record of an event.
_VALUE_BYTES: Final = 107
_LINGER_S: Final = 0.25

_DATA: Final = Path(os.environ.get("BERKA_DIR", Path(__file__).resolve().parents[2] / "shared" / "data" / "berka"))


async def measure(setting: Setting) -> AsyncIterator[Line]:
    """
    Four lines, and two more with the data set.
    """
    leaves = max(_BATCH, int(20_000 * setting.sizes.turn))
    names = (setting.folder / f"notary-{number}" for number in itertools.count())
    yield await compare(
        "notary",
        "durable leaves, 1,000 a batch",
        Unit.LEAVES_PER_S,
        rounds=setting.sizes.long_rounds,
        ours=_leaves(names, leaves),
        floors={"the same rows, apsw": _rows(names, leaves)},
        aim=Aim(figure=40_000),
    )
    yield await _proofs(setting, next(names), leaves)
    yield await _immudb(setting)
    yield await _keeping_up(setting, names)
    if _DATA.is_dir():
        files = _first_steps(setting.sizes.medium)
        yield await _import(setting, names, files)
        yield await _lag(setting, names, files)


def _entries(count: int) -> list[Entry]:
    # Keys are as good as random, as ids of events are.
    return [Entry(f"e/bank/{os.urandom(16).hex()}".encode(), os.urandom(_VALUE_BYTES)) for _ in range(count)]


def _batches(leaves: int) -> list[list[Entry]]:
    return [_entries(_BATCH) for _ in range(leaves // _BATCH)]


def _leaves(names: Iterator[Path], leaves: int) -> Turn:
    batches = _batches(leaves)

    async def turn() -> float:
        with closing(MerkleLog(next(names))) as log:
            start = time.perf_counter()
            for batch in batches:
                log.append(batch)
            return leaves / (time.perf_counter() - start)

    return turn


def _rows(names: Iterator[Path], leaves: int) -> Turn:
    batches = _batches(leaves)
    hashed = bytes(32)

    async def turn() -> float:
        with closing(apsw.Connection(str(next(names)))) as connection:
            connection.pragma("journal_mode", "WAL")
            connection.pragma("synchronous", "FULL")
            connection.execute(KIND.schema)
            start, index = time.perf_counter(), 0
            for batch in batches:
                rows = [(at, key, hashed, value) for at, (key, value) in enumerate(batch, start=index)]
                nodes = [
                    (level, at >> level, hashed)
                    for at in range(index + 1, index + len(batch) + 1)
                    for level in range(1, (at & -at).bit_length())
                ]
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany("INSERT INTO leaves VALUES (?, ?, ?, ?)", rows)
                connection.executemany("INSERT INTO nodes VALUES (?, ?, ?)", nodes)
                connection.execute("COMMIT")
                index += len(batch)
            return leaves / (time.perf_counter() - start)

    return turn


async def _proofs(setting: Setting, path: Path, leaves: int) -> Line:
    count = max(20, int(2_000 * setting.sizes.turn))
    with closing(MerkleLog(path)) as log:
        keys: list[bytes] = []
        for batch in _batches(leaves):
            log.append(batch)
            keys += [entry.key for entry in batch]
        asked = random.Random(7).sample(keys, min(count, len(keys)))

        def prove() -> None:
            for key in asked:
                if log.get(key) is None:
                    raise AssertionError(key)

        def select() -> None:
            for key in asked:
                bare.execute("SELECT idx, value FROM leaves WHERE key = ?", (key,)).fetchone()

        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as bare:
            return await compare(
                "notary",
                f"proofs in a log of {len(keys):,} leaves",
                Unit.PROOFS_PER_S,
                rounds=setting.sizes.rounds,
                ours=rate(len(asked), prove),
                floors={"the row, apsw": rate(len(asked), select)},
                aim=Aim(figure=5_000),
            )


async def _immudb(setting: Setting) -> Line:
    count = max(1, int(3 * setting.sizes.turn))
    async with ImmudbTestServer() as server, ImmudbClient(server.url, trust_on_first_use=True) as client:

        async def verified() -> None:
            for _ in range(count):
                await client.verified_set_all(_entries(_BATCH), write_once=True)

        async def unverified() -> None:
            for _ in range(count):
                await client.set_all(_entries(_BATCH), write_once=True)

        return await compare(
            "notary",
            "entries into an immudb, 1,000 a transaction, verified",
            Unit.ENTRIES_PER_S,
            rounds=setting.sizes.long_rounds,
            ours=rate_of(count * _BATCH, verified),
            floors={"without proofs": rate_of(count * _BATCH, unverified)},
        )


async def _keeping_up(setting: Setting, names: Iterator[Path]) -> Line:
    events = setting.sizes.medium
    path = await setting.log(events)
    async with EmbeddedEventStore(path, read_only=True) as store:

        async def notarise() -> None:
            async with _notary(store, next(names)) as notary:
                await notary.caught_up()

        async def copy() -> None:
            # In threads, as the notary's ledger is written.
            with closing(await asyncio.to_thread(MerkleLog, next(names))) as log:
                async for page in store.stream().pages():
                    batch = [Entry(event.id.encode(), bytes(_VALUE_BYTES)) for event in page.events]
                    if batch:
                        await asyncio.to_thread(log.append, batch)

        return await compare(
            "notary",
            f"notarising a store of {events:,} events",
            Unit.EVENTS_PER_S,
            rounds=setting.sizes.long_rounds,
            ours=rate_of(events, notarise),
            floors={"reading and appending, unsalted": rate_of(events, copy)},
            aim=Aim(figure=5_000),
        )


async def _import(setting: Setting, names: Iterator[Path], files: BerkaFiles) -> Line:
    async def beside() -> float:
        async with EmbeddedEventStore(next(names)) as store, _notary(store, next(names)) as notary:
            start, progress = time.perf_counter(), Progress()
            await import_files(store, files, progress)
            await notary.caught_up()
            return progress.events / (time.perf_counter() - start)

    async def alone() -> float:
        async with EmbeddedEventStore(next(names)) as store:
            start, progress = time.perf_counter(), Progress()
            await import_files(store, files, progress)
            return progress.events / (time.perf_counter() - start)

    return await compare(
        "notary",
        "importing a bank, all of it notarised at the end",
        Unit.EVENTS_PER_S,
        rounds=setting.sizes.long_rounds,
        ours=beside,
        floors={"the import alone": alone},
        warm_up=0,
    )


async def _lag(setting: Setting, names: Iterator[Path], files: BerkaFiles) -> Line:
    async def worst() -> float:
        async with EmbeddedEventStore(next(names)) as store, _notary(store, next(names)) as notary:
            importing = asyncio.create_task(import_files(store, files, Progress()))
            found = 0.0
            while not importing.done():
                found = max(found, notary.status.lag_s)
                await asyncio.sleep(0.005)
            await importing
            return max(found, 1e-6) * 1e3

    async def lingering() -> float:
        return _LINGER_S * 1e3

    return await compare(
        "notary",
        "importing a bank: the oldest event not notarised yet, at the worst",
        Unit.MILLISECONDS,
        rounds=setting.sizes.long_rounds,
        ours=worst,
        floors={"what a batch waits for more": lingering},
        warm_up=0,
    )


@asynccontextmanager
async def _notary(store: EmbeddedEventStore, path: Path) -> AsyncGenerator[Notary]:
    async with (
        EmbeddedLedger(path.with_name(f"{path.name}.log")) as ledger,
        NotaryBook(path.with_name(f"{path.name}.book")) as book,
        Notary(store, ledger, book, linger_s=_LINGER_S) as notary,
    ):
        yield notary


def _first_steps(count: int) -> BerkaFiles:
    steps = list(islice(read_files(_DATA).in_order(), count))
    return BerkaFiles(
        tuple(step for step in steps if isinstance(step, Opening)),
        tuple(step for step in steps if isinstance(step, Transaction)),
    )
