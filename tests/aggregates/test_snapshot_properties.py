"""
Over random histories, policies, upcasters and writers: what begins at a snapshot is what all events make.
"""

import asyncio
import random
from collections.abc import Mapping  # noqa: TC003  beside imports that are read
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from eventsource import Aggregate, Event, NewEvent, Repository, Snapshots, handles, upcaster
from eventsource.aggregates import (
    AfterEvent,
    AggregateCache,
    EveryEvents,
    InMemorySnapshotStore,
    SlowerThan,
    SnapshotPolicy,
)
from eventsource.aggregates.state_codec import state_of
from eventsource.events.sameness import are_same
from eventsource.store import InMemoryEventStore
from eventsource.testing.contract.chance import rounds, seeded_random


class ItemAdded(Event, type="io.example.test.snapshot-properties.item-added", version=3):
    """
    Of version 3 by now: `count` was `n` first, and `tags` a text.
    """

    name: str
    count: int
    tags: tuple[str, ...] = ()


class ItemRemoved(Event, type="io.example.test.snapshot-properties.item-removed"):
    """
    What "emptied" became, too.
    """

    name: str


@upcaster("io.example.test.snapshot-properties.item-added", version=1)
def _count(data: dict[str, Any]) -> dict[str, Any] | None:
    return {"name": data["name"], "count": data["n"], "tags": data.get("tags", "")} if data["n"] else None


@upcaster("io.example.test.snapshot-properties.item-added", version=2)
def _tags(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "tags": data["tags"].split()}


@upcaster("io.example.test.snapshot-properties.emptied", version=1, into=[ItemRemoved])
def _emptied(data: dict[str, Any]) -> Any:
    for name in data["names"]:
        yield ItemRemoved, {"name": name}


class Basket(Aggregate, subject="/baskets/{id}"):
    """
    State with an order of its own, mutable parts, and parts that depend on what was before.
    """

    items: dict[str, int] = {}  # noqa: RUF012
    tags: set[str] = set()  # noqa: RUF012
    removed: list[tuple[str, int]] = []  # noqa: RUF012
    checksum: int = 0

    def add(self, name: str, count: int) -> None:
        """
        Add some.
        """
        self.emit(ItemAdded(name=name, count=count, tags=(name, str(count))))

    def remove(self, name: str) -> None:
        """
        Take all of them out.
        """
        self.emit(ItemRemoved(name=name))

    @handles
    def _added(self, event: ItemAdded) -> None:
        self.items[event.name] = self.items.get(event.name, 0) + event.count
        self.tags |= {*event.tags}
        self.checksum = (self.checksum * 31 + event.count) % 1_000_003

    @handles
    def _removed(self, event: ItemRemoved) -> None:
        self.removed.append((event.name, self.items.pop(event.name, 0)))
        self.checksum = (self.checksum * 37 + len(self.removed)) % 1_000_003


NAMES = st.sampled_from("abcd")
ADDED, EMPTIED = ItemAdded.event_type, "io.example.test.snapshot-properties.emptied"
STORED = st.one_of(
    st.builds(lambda name, n: (ADDED, {"name": name, "n": n}), NAMES, st.integers(0, 9)),
    st.builds(
        lambda name, n, tags: (ADDED, {"name": name, "count": n, "tags": tags, "_meta": {"version": 2}}),
        NAMES,
        st.integers(1, 9),
        st.sampled_from(["", "x", "x y"]),
    ),
    st.builds(lambda names: (EMPTIED, {"names": names}), st.lists(NAMES, max_size=3)),
    st.builds(lambda name: (ItemRemoved.event_type, {"name": name}), NAMES),
    st.builds(
        lambda name, n: (ADDED, {"name": name, "count": n, "tags": [name], "_meta": {"version": 3}}),
        NAMES,
        st.integers(1, 9),
    ),
)
POLICIES: st.SearchStrategy[SnapshotPolicy] = st.recursive(
    st.one_of(
        st.builds(EveryEvents, st.integers(1, 7)),
        st.just(SlowerThan(1e-9, least_events=2)),
        st.just(AfterEvent(ItemRemoved)),
    ),
    lambda inner: (
        st.builds(lambda one, other: one | other, inner, inner)
        | st.builds(lambda one, other: one & other, inner, inner)
    ),
    max_leaves=3,
)


async def check_same(loaded: Basket, store: InMemoryEventStore) -> None:
    """
    It is what a plain load gives, in all that can be seen and guarded.
    """
    full = await Repository(Basket, store).load("1")
    assert are_same(state_of(loaded), state_of(full))
    assert (loaded.version, loaded.last_event_id) == (full.version, full.last_event_id)
    assert loaded.preconditions == full.preconditions


@settings(max_examples=rounds(60, 2_000), deadline=None)
@given(
    policy=POLICIES,
    commits=st.lists(st.lists(STORED, min_size=1, max_size=4), min_size=1, max_size=12),
    has_cache=st.booleans(),
)
def test_a_load_from_a_snapshot_is_a_full_load(
    policy: SnapshotPolicy,
    commits: list[list[tuple[str, dict[str, Any]]]],
    has_cache: bool,  # noqa: FBT001
) -> None:
    """
    Whatever was stored, in whichever versions, and whenever snapshots were taken.
    """

    async def run() -> None:
        async with InMemoryEventStore() as store:
            snapshots = Snapshots(InMemorySnapshotStore(), {Basket: policy})
            cache = AggregateCache() if has_cache else None
            baskets = Repository(Basket, store, snapshots=snapshots, cache=cache)
            for batch in commits:
                await store.commit([NewEvent(subject="/baskets/1", type=name, data=data) for name, data in batch])
                await check_same(await baskets.load("1"), store)
                await snapshots.settle()
                await check_same(await baskets.load("1"), store)
                await baskets.execute("1", Basket.add, "z", 1)

    asyncio.run(run())


async def test_concurrent_writers_leave_no_wrong_snapshot() -> None:
    """
    Several writers, each with snapshots or a cache or both, and blind ones between them.
    """
    rng = seeded_random()
    for _ in range(rounds(6, 200)):
        async with InMemoryEventStore() as store:
            kept = InMemorySnapshotStore()
            policies: Mapping[type[Aggregate], SnapshotPolicy] = {
                Basket: EveryEvents(rng.randrange(1, 6)) | AfterEvent(ItemRemoved)
            }
            services = [Snapshots(kept, policies) for _ in range(3)]
            shared = AggregateCache(2)
            repositories = [
                Repository(Basket, store, snapshots=each, cache=shared if rng.random() < 0.5 else None)
                for each in services
            ]
            async with repositories[0].create("1") as basket:
                basket.add("a", 1)

            async def write(baskets: Repository[Basket], own: random.Random) -> None:
                for _ in range(12):
                    match own.randrange(4):
                        case 0:
                            await baskets.execute("1", Basket.remove, own.choice("abc"))
                        case 1:
                            blind = Basket("1")
                            blind.emit(ItemAdded(name="d", count=2), unversioned=True)
                            await baskets.save(blind)
                        case 2:
                            loaded = await baskets.load("1")
                            loaded.emit(ItemAdded(name="e", count=3), unversioned=True)
                            await asyncio.sleep(0)
                            await baskets.save(loaded)
                        case _:
                            await baskets.execute("1", Basket.add, own.choice("abc"), own.randrange(1, 9))

            await asyncio.gather(*(write(each, random.Random(rng.random())) for each in repositories))  # noqa: S311
            for each in services:
                await each.settle()

            for baskets in repositories:
                await check_same(await baskets.load("1"), store)
            await check_same(await Repository(Basket, store, snapshots=Snapshots(kept, policies)).load("1"), store)
