"""
The cache of live aggregates: never stale, never shared, never larger than it may be.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from eventsource import AggregateNotFoundError, ConflictError, NewEvent, Repository, with_metadata
from eventsource.aggregates import AggregateCache
from eventsource.errors import EventDecodingError
from eventsource.events.metadata import Metadata
from eventsource.store import EventStream, InMemoryEventStore, Page
from eventsource.testing.contract.chance import rounds, seeded_random
from tests.aggregates.accounts import Account, AccountOpened, InsufficientFundsError, MoneyMoved
from tests.aggregates.observed_store import ObservedStore


@pytest.fixture
def cache() -> AggregateCache:
    """
    Room for three.
    """
    return AggregateCache(3)


@pytest.fixture
def accounts(store: ObservedStore, cache: AggregateCache) -> Repository[Account]:
    """
    The accounts, with the cache.
    """
    return Repository(Account, store, cache=cache)


async def fill(store: ObservedStore, *ids: str, cents: int = 100) -> None:
    """
    Accounts with money in them, two events each.
    """
    for id in ids:
        subject = Account.subject_of(id)
        events = (AccountOpened(owner="Ada"), MoneyMoved(cents=cents))
        await store.inner.commit([NewEvent.of(event, subject=subject) for event in events])
    store.read.clear()


async def test_only_what_is_new_is_read(accounts: Repository[Account], store: ObservedStore) -> None:
    """
    Whoever wrote it: the store is asked at each load, for what is behind the last known event.
    """
    await fill(store, "1")
    await accounts.load("1")
    assert len(store.read) == 2
    await accounts.load("1")
    assert len(store.read) == 2
    await store.inner.commit([NewEvent.of(MoneyMoved(cents=5), subject="/accounts/1")])

    account = await accounts.load("1")

    assert (account.cents, account.version, len(store.read)) == (105, 3, 3)


async def test_a_failed_command_leaves_nothing_behind(accounts: Repository[Account], store: ObservedStore) -> None:
    """
    What a command emitted before it refused, or before its commit failed, is in its own copy alone.
    """
    await fill(store, "1")

    def refuse(account: Account) -> None:
        account.deposit(1_000)
        account.withdraw(5_000)

    with pytest.raises(InsufficientFundsError):
        await accounts.execute("1", refuse)
    late = await accounts.load("1")
    late.deposit(1)
    await accounts.execute("1", Account.deposit, 1)
    with pytest.raises(ConflictError):
        await accounts.save(late)

    assert (await accounts.load("1")).cents == 101


async def test_the_longest_unused_goes_first(
    accounts: Repository[Account], store: ObservedStore, cache: AggregateCache
) -> None:
    """
    It holds as many as it may, and those that were asked for last.
    """
    await fill(store, "1", "2", "3", "4")
    for id in ("1", "2", "3", "1", "4"):
        await accounts.load(id)
    store.read.clear()

    await accounts.load("1")
    assert (len(cache), len(store.read)) == (3, 0)
    await accounts.load("2")

    assert (len(cache), len(store.read)) == (3, 2)


async def test_one_that_is_not_there_is_not_kept(
    accounts: Repository[Account], store: ObservedStore, cache: AggregateCache
) -> None:
    """
    It is found as soon as it is there.
    """
    with pytest.raises(AggregateNotFoundError):
        await accounts.load("1")
    assert len(cache) == 0
    await fill(store, "1")

    assert (await accounts.load("1")).cents == 100


async def test_stores_do_not_get_into_each_others_way(cache: AggregateCache) -> None:
    """
    One cache may serve several stores: an id means another aggregate in each.
    """
    async with InMemoryEventStore() as one, InMemoryEventStore() as other:
        repositories = [Repository(Account, store, cache=cache) for store in (one, other)]
        await fill(ObservedStore(one), "1", cents=1)
        await fill(ObservedStore(other), "1", cents=2)

        assert [(await accounts.load("1")).cents for accounts in repositories * 2] == [1, 2, 1, 2]


async def test_loads_at_the_same_time_share_a_read(accounts: Repository[Account], store: ObservedStore) -> None:
    """
    Twenty who ask at once read once, and each has an aggregate of its own.
    """
    await fill(store, "1")

    loaded = await asyncio.gather(*(accounts.load("1") for _ in range(20)))
    for account in loaded:
        account.deposit(1)

    assert len(store.read) == 2
    assert [account.cents for account in loaded] == [101] * 20


class SlowStore(ObservedStore):
    """
    Lets go of a stream when it is told to, with what was there when it was asked for.
    """

    def __init__(self, inner: InMemoryEventStore) -> None:
        super().__init__(inner)
        self.go = asyncio.Event()
        self.begun = asyncio.Event()
        self.asked = 0

    def stream(self, *args: Any, **kwargs: Any) -> EventStream:
        """
        Read at once, give out later.
        """
        pages = super().stream(*args, **kwargs).pages()

        async def held() -> AsyncGenerator[Page]:
            self.asked += 1
            self.begun.set()
            found = [page async for page in pages]
            await self.go.wait()
            for page in found:
                yield page

        return EventStream(held())


async def test_a_load_sees_what_was_committed_before_it(cache: AggregateCache) -> None:
    """
    One that comes while another is under way does not take part in that: it may have begun before the last commit.
    """
    async with InMemoryEventStore() as inner:
        store = SlowStore(inner)
        accounts = Repository(Account, store, cache=cache)
        await fill(ObservedStore(inner), "1")
        first = asyncio.create_task(accounts.load("1"))
        await store.begun.wait()
        await inner.commit([NewEvent.of(MoneyMoved(cents=5), subject="/accounts/1")])

        others = [asyncio.create_task(accounts.load("1")) for _ in range(5)]
        await asyncio.sleep(0)
        store.go.set()

        assert (await first).cents == 100
        assert [(await other).cents for other in others] == [105] * 5
        assert store.asked == 2


async def test_one_who_is_cancelled_cancels_nobody_else(cache: AggregateCache) -> None:
    """
    The others get what they came for, though he asked first.
    """
    async with InMemoryEventStore() as inner:
        store = SlowStore(inner)
        accounts = Repository(Account, store, cache=cache)
        await fill(ObservedStore(inner), "1")
        first, second = (asyncio.create_task(accounts.load("1")) for _ in range(2))
        await store.begun.wait()

        first.cancel()
        await asyncio.sleep(0)
        store.go.set()

        assert (await second).cents == 100
        assert first.cancelled()


async def test_an_event_that_cannot_be_read_is_told_each_time(
    accounts: Repository[Account], store: ObservedStore, cache: AggregateCache
) -> None:
    """
    To all who wait, and half an aggregate is never kept.
    """
    await fill(store, "1")
    await accounts.load("1")
    bad = NewEvent(subject="/accounts/1", type=MoneyMoved.event_type, data={"cents": "many"})
    await store.inner.commit([NewEvent.of(MoneyMoved(cents=5), subject="/accounts/1"), bad])

    for _ in range(2):
        results = await asyncio.gather(*(accounts.load("1") for _ in range(3)), return_exceptions=True)
        assert [type(result) for result in results] == [EventDecodingError] * 3

    assert len(cache) == 0


async def test_purging_makes_it_read_all_again(
    accounts: Repository[Account], store: ObservedStore, cache: AggregateCache
) -> None:
    """
    What was erased is gone from the next load on; other aggregates stay.
    """
    await fill(store, "1", "2")
    await accounts.load("1")
    await accounts.load("2")
    store.read.clear()

    assert cache.purge("/accounts/1") == 1
    assert cache.purge("/accounts/1") == 0
    await accounts.load("1")
    await accounts.load("2")

    assert [event.subject for event in store.read] == ["/accounts/1"] * 2
    cache.clear()
    assert len(cache) == 0


async def test_what_is_being_read_while_it_is_purged_is_not_kept(cache: AggregateCache) -> None:
    """
    The read may have begun before the data was erased.
    """
    async with InMemoryEventStore() as inner:
        store = SlowStore(inner)
        accounts = Repository(Account, store, cache=cache)
        await fill(ObservedStore(inner), "1")
        first = asyncio.create_task(accounts.load("1"))
        await store.begun.wait()

        cache.purge("/accounts/1")
        store.go.set()
        await first
        store.read.clear()
        await accounts.load("1")

        assert len(store.read) == 2


async def test_an_old_one_is_read_from_its_first_event(store: ObservedStore) -> None:
    """
    After the age it may have, counted from when it was read in full.
    """
    now = 0.0
    accounts = Repository(Account, store, cache=AggregateCache(max_age_s=10, clock=lambda: now))
    await fill(store, "1")
    read: list[int] = []
    for time in (0.0, 9.0, 10.0, 19.0, 20.0):
        now = time
        store.read.clear()
        await accounts.load("1")
        read.append(len(store.read))

    assert read == [2, 0, 2, 0, 2]


async def test_one_that_is_ahead_of_a_restored_store_is_read_again(cache: AggregateCache) -> None:
    """
    Its last event is not in the store, so it is of another one.
    """
    async with InMemoryEventStore() as inner, InMemoryEventStore() as restored:
        store = ObservedStore(inner)
        accounts = Repository(Account, store, cache=cache)
        await fill(store, "1")
        await restored.restore([entry async for entry in inner.backup()])
        await accounts.execute("1", Account.deposit, 5)
        assert (await accounts.load("1")).cents == 105

        store.inner = restored

        assert (await accounts.load("1")).cents == 100


async def test_a_cache_without_room_is_refused() -> None:
    """
    It could keep nothing.
    """
    with pytest.raises(ValueError, match="at least one"):
        AggregateCache(0)


async def test_the_metadata_of_one_is_not_that_of_another(accounts: Repository[Account], store: ObservedStore) -> None:
    """
    A read that is shared takes nothing from the one who began it into the commits of the others.
    """
    await fill(store, "1")

    async def deposit(actor: str) -> None:
        with with_metadata(Metadata(actor=actor)):
            await accounts.execute("1", Account.deposit, 1)

    await asyncio.gather(*(deposit(f"{number}") for number in range(5)))

    stored = [event async for event in store.inner.stream("/accounts/1")][2:]
    assert sorted(event.metadata.actor or "" for event in stored) == ["0", "1", "2", "3", "4"]


async def test_racing_commands_agree_with_a_plain_load(store: ObservedStore) -> None:
    """
    Many at once over few accounts and fewer places in the cache: no money appears or vanishes.
    """
    rng = seeded_random()
    for number in range(rounds(2, 50)):
        ids = [f"{number}-{each}" for each in range(3)]
        await fill(store, *ids, cents=50)
        accounts = Repository(Account, store, cache=AggregateCache(2))

        async def move(accounts: Repository[Account], id: str, cents: int) -> int:
            try:
                await accounts.execute(id, Account.withdraw, cents)
            except InsufficientFundsError:
                return 0
            return cents

        orders = [(rng.choice(ids), rng.randrange(1, 20)) for _ in range(30)]
        moved = await asyncio.gather(*(move(accounts, id, cents) for id, cents in orders))

        plain = [(await Repository(Account, store).load(id)).cents for id in ids]
        cached = [(await accounts.load(id)).cents for id in ids]
        assert plain == cached
        assert sum(plain) + sum(moved) == 150
        assert min(plain) >= 0
