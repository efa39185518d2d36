"""
Loading from snapshots: never another state than that of the events, and no command fails by it.
"""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from eventsource import (
    Aggregate,
    ConflictError,
    Erased,
    Event,
    NewEvent,
    ReadModelDatabase,
    Repository,
    Snapshots,
    erase_subject,
    handles,
    scoped,
    select_events,
    transact,
)
from eventsource.aggregates import (
    AfterEvent,
    AggregateCache,
    EveryEvents,
    FoundSnapshot,
    InMemorySnapshotStore,
    Loader,
    SlowerThan,
    Snapshot,
    SnapshotPolicy,
    SqlSnapshotStore,
)
from eventsource.errors import NotAReadModelDatabaseError, UnstorableStateError
from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from tests.aggregates.accounts import Account, AccountOpened, MoneyMoved
from tests.aggregates.observed_store import ObservedStore

BY_TEN: Mapping[type[Aggregate], SnapshotPolicy] = {Account: EveryEvents(10)}


@pytest.fixture
def kept() -> InMemorySnapshotStore:
    """
    Where the snapshots are.
    """
    return InMemorySnapshotStore()


@pytest.fixture
def snapshots(kept: InMemorySnapshotStore) -> Snapshots:
    """
    A snapshot every ten events.
    """
    return Snapshots(kept, BY_TEN)


@pytest.fixture
def accounts(store: ObservedStore, snapshots: Snapshots) -> Repository[Account]:
    """
    The accounts, with snapshots.
    """
    return Repository(Account, store, snapshots=snapshots)


async def fill(store: ObservedStore, count: int, *, id: str = "1") -> None:
    """
    So many deposits of one cent, behind the opening of the account.
    """
    subject = Account.subject_of(id)
    moved = [NewEvent.of(MoneyMoved(cents=1), subject=subject) for _ in range(count)]
    await store.inner.commit([NewEvent.of(AccountOpened(owner="Ada"), subject=subject), *moved])


async def load(accounts: Repository[Account], snapshots: Snapshots, store: ObservedStore) -> tuple[int, int]:
    """
    The balance, and how many events were read for it.
    """
    store.read.clear()
    account = await accounts.load("1")
    await snapshots.settle()
    return account.cents, len(store.read)


def only(kept: InMemorySnapshotStore) -> Snapshot:
    """
    The one snapshot there is.
    """
    [found] = [snapshot for each in kept._snapshots.values() for snapshot in each.values()]
    return found


def put_in_place(kept: InMemorySnapshotStore, snapshot: Snapshot) -> None:
    """
    Change the one snapshot there is behind everybody's back.
    """
    kept._snapshots[snapshot.subject, snapshot.aggregate][only(kept).fingerprint] = snapshot


# --- Taking and using them ---


async def test_what_a_load_folded_is_not_folded_again(
    accounts: Repository[Account], snapshots: Snapshots, store: ObservedStore
) -> None:
    """
    The first load reads all, the next the last event of the snapshot and what is behind it.
    """
    await fill(store, 24)
    assert await load(accounts, snapshots, store) == (24, 25)
    assert await load(accounts, snapshots, store) == (24, 1)

    await accounts.execute("1", Account.deposit, 5)

    assert await load(accounts, snapshots, store) == (29, 2)
    assert (await accounts.load("1")).version == 26


async def test_one_is_taken_after_the_commit_that_makes_it_due(
    accounts: Repository[Account], snapshots: Snapshots, store: ObservedStore, kept: InMemorySnapshotStore
) -> None:
    """
    In the background, of what is stored.
    """
    await fill(store, 8)
    await accounts.execute("1", Account.deposit, 5)
    await snapshots.settle()

    assert (only(kept).version, only(kept).last_event_id) == (10, (await accounts.load("1")).last_event_id)
    assert await load(accounts, snapshots, store) == (13, 1)


async def test_there_is_another_one_after_as_many_events_again(
    accounts: Repository[Account], snapshots: Snapshots, store: ObservedStore, kept: InMemorySnapshotStore
) -> None:
    """
    Counted from the last snapshot, whoever commits.
    """
    await fill(store, 9)
    await load(accounts, snapshots, store)
    for number in range(1, 25):
        await accounts.execute("1", Account.deposit, 1)
        await snapshots.settle()
        assert only(kept).version == 10 + number // 10 * 10


async def test_one_can_be_taken_at_an_event(store: ObservedStore, kept: InMemorySnapshotStore) -> None:
    """
    Right after the commit it was part of; for an aggregate nobody has loaded, too.
    """
    snapshots = Snapshots(kept, {Account: AfterEvent(AccountOpened)})
    accounts = Repository(Account, store, snapshots=snapshots)

    async with accounts.create("1") as account:
        account.open("Ada")
    await snapshots.settle()
    await accounts.execute("1", Account.deposit, 1)
    await snapshots.settle()

    assert only(kept).version == 1


async def test_one_is_taken_of_what_was_slow_to_load(store: ObservedStore, kept: InMemorySnapshotStore) -> None:
    """
    A limit that no load is under makes one of each; one that no load is over of none.
    """
    await fill(store, 30)
    for limit_s, count in ((1e9, 0), (1e-9, 1)):
        snapshots = Snapshots(kept, {Account: SlowerThan(limit_s)})
        await Repository(Account, store, snapshots=snapshots).load("1")
        await snapshots.settle()
        assert len(kept._snapshots) == count


async def test_decisions_over_several_aggregates_begin_there_too(
    accounts: Repository[Account], snapshots: Snapshots, store: ObservedStore
) -> None:
    """
    Whatever loads through a `Loader` has the same snapshots.
    """
    await fill(store, 20)
    await load(accounts, snapshots, store)
    store.read.clear()

    async def deposit(work: Any) -> int:
        account: Account = await work.load(Account, "1")
        return account.deposit(1)

    assert await transact(store, deposit, loader=Loader(store, snapshots=snapshots)) == 21
    assert len(store.read) == 1


async def test_a_conflict_is_found_behind_a_snapshot(
    accounts: Repository[Account], snapshots: Snapshots, store: ObservedStore
) -> None:
    """
    The guard of an aggregate that began at a snapshot is on all of its events.
    """
    await fill(store, 20)
    await load(accounts, snapshots, store)
    account = await accounts.load("1")
    await accounts.execute("1", Account.deposit, 5)

    account.deposit(1)
    with pytest.raises(ConflictError):
        await accounts.save(account)


# --- What is never used ---


async def test_another_fold_never_meets_the_snapshot(store: ObservedStore, kept: InMemorySnapshotStore) -> None:
    """
    The class as it was before and as it is now, of one name, each has its own.
    """

    def declare(factor: int) -> type[Aggregate]:
        class Doubled(Aggregate, subject="/accounts/{id}"):
            cents: int = 0

            @handles
            def _opened(self, event: AccountOpened) -> None: ...

            @handles
            def _moved(self, event: MoneyMoved) -> None:
                self.cents += event.cents * factor

        return Doubled

    await fill(store, 20)
    for factor in (1, 2, 1, 2):
        cls = declare(factor)
        snapshots = Snapshots(kept, {cls: EveryEvents(5)})
        account: Any = await Repository(cls, store, snapshots=snapshots).load("1")
        await snapshots.settle()
        assert account.cents == 20 * factor
    assert [len(each) for each in kept._snapshots.values()] == [2]


@pytest.mark.parametrize(
    "damage",
    [
        {"state": '{"cents":1000000,"owner":"Ada"}'},
        {"version": 20},
        {"last_event_id": "other"},
        {"checksum": ""},
        {"subject": "/accounts/2"},
        {"passed_over": 1},
    ],
    ids=lambda damage: next(iter(damage)),
)
async def test_a_damaged_one_is_none(  # noqa: PLR0917  fixtures
    accounts: Repository[Account],
    snapshots: Snapshots,
    store: ObservedStore,
    kept: InMemorySnapshotStore,
    damage: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    It is told in the log, forgotten, and the events are read; the next one is whole again.
    """
    await fill(store, 20)
    await load(accounts, snapshots, store)
    found = only(kept)
    kept._snapshots["/accounts/1", "Account"][found.fingerprint] = attrs.evolve(found, **damage)

    assert await load(accounts, snapshots, store) == (20, 21)

    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "snapshot.discarded" in caplog.text
    assert "Ada" not in caplog.text
    assert await load(accounts, snapshots, store) == (20, 1)


async def test_a_well_made_one_that_no_state_is_in_is_none(
    accounts: Repository[Account], snapshots: Snapshots, store: ObservedStore, kept: InMemorySnapshotStore
) -> None:
    """
    Not even the right checksum helps text that is no state of the class.
    """
    await fill(store, 20)
    await load(accounts, snapshots, store)
    facts = attrs.asdict(only(kept))
    del facts["checksum"]
    put_in_place(kept, Snapshot(**{**facts, "state": '{"cents":"many"}'}))

    assert await load(accounts, snapshots, store) == (20, 21)


async def test_one_that_is_ahead_of_a_restored_store_is_none(kept: InMemorySnapshotStore) -> None:
    """
    After a backup from before the snapshot was restored, the events decide; new snapshots are taken.
    """
    snapshots = Snapshots(kept, BY_TEN)
    async with InMemoryEventStore() as inner:
        await fill(ObservedStore(inner), 10)
        entries = [entry async for entry in inner.backup()]
        accounts = Repository(Account, inner, snapshots=snapshots)
        for _ in range(12):
            await accounts.execute("1", Account.deposit, 100)
            await snapshots.settle()
        await accounts.load("1")
        await snapshots.settle()
        assert only(kept).version > 11

    async with InMemoryEventStore() as restored:
        await restored.restore(entries)
        store = ObservedStore(restored)
        again = Repository(Account, store, snapshots=snapshots)

        assert await load(again, snapshots, store) == (10, 11)
        assert await load(again, snapshots, store) == (10, 1)


async def test_one_of_another_history_is_none(
    accounts: Repository[Account], snapshots: Snapshots, store: ObservedStore, kept: InMemorySnapshotStore
) -> None:
    """
    The same id is not enough: the hash, which is over all that came before, is another one.
    """
    await fill(store, 20)
    await load(accounts, snapshots, store)
    facts = attrs.asdict(only(kept))
    del facts["checksum"]
    put_in_place(kept, Snapshot(**{**facts, "last_event_hash": "0" * 64, "state": '{"cents":1}'}))

    assert await load(accounts, snapshots, store) == (20, 1 + 21)


# --- Whatever goes wrong ---


class BrokenSnapshotStore:
    """
    Fails, or hangs, at every call.
    """

    def __init__(self, *, hangs: bool) -> None:
        self.hangs = hangs

    async def find(self, **_: str) -> FoundSnapshot:
        """
        Fail.
        """
        raise await self._failure()

    async def put(self, *_: Any, **__: Any) -> bool:
        """
        Fail.
        """
        raise await self._failure()

    async def discard(self, **_: str) -> None:
        """
        Fail.
        """
        raise await self._failure()

    async def purge(self, *_: Any) -> int:
        """
        Fail.
        """
        raise await self._failure()

    async def _failure(self) -> OSError:
        if self.hangs:
            await asyncio.Event().wait()
        return OSError("Ada's disk is full")


@pytest.mark.parametrize("hangs", [False, True], ids=["fails", "hangs"])
async def test_no_command_fails_by_the_store_of_the_snapshots(
    store: ObservedStore,
    hangs: bool,  # noqa: FBT001
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    The events are read, as if there were no snapshots; the log tells of it, without what the error says.
    """
    snapshots = Snapshots(BrokenSnapshotStore(hangs=hangs), BY_TEN, patience_s=0.01)
    accounts = Repository(Account, store, snapshots=snapshots)
    await fill(store, 20)

    assert await accounts.execute("1", Account.deposit, 5) == 25
    assert (await accounts.load("1")).cents == 25

    assert {record.message for record in caplog.records} == {
        f"snapshots.unavailable aggregate='Account' error='{'TimeoutError' if hangs else 'OSError'}'"
    }


async def test_one_that_cannot_be_put_is_passed_over(
    store: ObservedStore, kept: InMemorySnapshotStore, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Reading works and writing does not: loads go on.
    """

    async def put(*_: Any, **__: Any) -> bool:
        raise OSError

    kept.put = put  # type: ignore[method-assign]
    snapshots = Snapshots(kept, BY_TEN)
    accounts = Repository(Account, store, snapshots=snapshots)
    await fill(store, 20)

    assert await load(accounts, snapshots, store) == (20, 21)

    assert "snapshots.unavailable" in caplog.text


class Tagged(Event, type="io.example.test.snapshots.tagged"):
    """
    Its field may hold anything.
    """

    tag: Any


class Tags(Aggregate, subject="/tags/{id}"):
    """
    State whose annotation promises less than it holds.
    """

    last: Any = None
    count: int = 0

    @handles
    def _tagged(self, event: Tagged) -> None:
        self.last = (event.tag,)
        self.count += 1


async def test_a_state_that_would_come_back_otherwise_is_not_saved(
    store: ObservedStore, kept: InMemorySnapshotStore, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A tuple where nothing says that it is one: the log names the attribute, and the command goes on.
    """
    await store.commit([NewEvent.of(Tagged(tag=1), subject="/tags/1") for _ in range(5)])
    snapshots = Snapshots(kept, {Tags: EveryEvents(2)})

    tags = await Repository(Tags, store, snapshots=snapshots).load("1")
    await snapshots.settle()

    assert (tags.last, tags.count) == ((1,), 5)
    assert kept._snapshots == {}
    assert "snapshot.refused aggregate='Tags' attribute='last'" in caplog.text


class Handle:
    """
    Something that cannot be written down.
    """


class Unstorable(Aggregate, subject="/unstorable/{id}"):
    """
    Its state cannot be saved.
    """

    handle: Handle | None = None

    @handles
    def _opened(self, event: AccountOpened) -> None: ...


def test_a_class_that_cannot_be_saved_is_refused_at_once(kept: InMemorySnapshotStore) -> None:
    """
    When snapshots are switched on, not when one is due.
    """
    with pytest.raises(UnstorableStateError, match=r"Unstorable\.handle"):
        Snapshots(kept, {Unstorable: EveryEvents(2)})


# --- Commits that are not guarded by the version ---


async def test_blind_commits_do_not_get_into_the_way(
    accounts: Repository[Account], snapshots: Snapshots, store: ObservedStore
) -> None:
    """
    One that others wrote to while it committed under rules of its own lacks their events: a snapshot has them.
    """
    await fill(store, 8)
    account = await accounts.load("1")
    await accounts.execute("1", Account.deposit, 1_000)
    account.emit(MoneyMoved(cents=5), unversioned=True)
    await accounts.save(account)
    await snapshots.settle()

    assert account.cents == 13
    assert (await load(accounts, snapshots, store))[0] == 1_013
    assert (await accounts.load("1")).version == 11


class Deposits(Aggregate, subject="/accounts/{id}", unknown_events="ignore"):
    """
    Passes over all events but one kind, and is guarded by that kind alone.
    """

    cents: int = 0

    @handles
    def _moved(self, event: MoneyMoved) -> None:
        self.cents += event.cents


async def test_what_was_passed_over_is_known_behind_a_snapshot(
    store: ObservedStore, kept: InMemorySnapshotStore
) -> None:
    """
    An aggregate that is guarded by the events it handles is guarded by as many as without the snapshot.
    """
    snapshots = Snapshots(kept, {Deposits: EveryEvents(5)})
    deposits = Repository(Deposits, store, snapshots=snapshots)
    await fill(store, 20)
    before = (await deposits.load("1")).preconditions
    await snapshots.settle()

    account = await deposits.load("1")
    account.emit(MoneyMoved(cents=1))
    await store.inner.commit([NewEvent.of(AccountOpened(owner="Eve"), subject="/accounts/1")])

    assert account.preconditions == before == (select_events(MoneyMoved).at("/accounts/1").count() == 20,)
    await deposits.save(account)


# --- Erasing ---


class Named(Event, type="io.example.test.snapshots.named", personal=True):
    """
    What is about a person.
    """

    name: str


class Renamed(Event, type="io.example.test.snapshots.renamed"):
    """
    What is not.
    """


class Person(Aggregate, subject="/people/{id}"):
    """
    Holds what may be erased.
    """

    name: str = ""
    renamed: int = 0

    def rename(self) -> None:
        """
        Count.
        """
        self.emit(Renamed())

    @handles
    def _named(self, event: Named) -> None:
        self.name = event.name

    @handles
    def _erased(self, _: Erased[Named]) -> None:
        self.name = "(erased)"

    @handles
    def _renamed(self, _: Renamed) -> None:
        self.renamed += 1


async def test_purged_snapshots_do_not_come_back_by_another_program(
    store: ObservedStore, kept: InMemorySnapshotStore
) -> None:
    """
    One that loaded a person before she was erased, and commits afterwards, brings nothing of her back.
    """
    here, there = (Snapshots(kept, {Person: EveryEvents(2)}) for _ in range(2))
    people = Repository(Person, store, snapshots=here)
    await store.commit([NewEvent.of(Named(name="Ada"), subject="/people/1")])
    late = await Repository(Person, store, snapshots=there).load("1")
    await people.execute("1", Person.rename)
    await here.settle()
    assert (await people.load("1")).name == "Ada"

    await store.erase("/people/1")
    await here.purge("/people/1")
    there.take(late, subject=late.subject, last_event=store.read[0], purges=0)
    await there.settle()

    assert kept._snapshots == {}
    assert (await people.load("1")).name == "(erased)"
    await here.settle()
    assert "Ada" not in only(kept).state


async def test_tenants_do_not_get_into_each_others_way(store: ObservedStore, kept: InMemorySnapshotStore) -> None:
    """
    Accounts of one id in two parts of a store have a snapshot and a place in the cache each, and are erased alone.
    """
    snapshots, cache = Snapshots(kept, {Person: EveryEvents(1)}), AggregateCache()
    for tenant in ("acme", "bolt"):
        await store.commit([NewEvent.of(Named(name=f"Ada of {tenant}"), subject=f"/tenants/{tenant}/people/1")])

    def people(tenant: str) -> Repository[Person]:
        # Each request has a scope of its own.
        return Repository(Person, scoped(store.inner, f"/tenants/{tenant}"), snapshots=snapshots, cache=cache)

    for tenant in ("acme", "bolt", "acme", "bolt"):
        assert (await people(tenant).load("1")).name == f"Ada of {tenant}"
        await snapshots.settle()
    assert (len(cache), len(kept._snapshots)) == (2, 2)

    await erase_subject(scoped(store.inner, "/tenants/acme"), "/people/1", purge=[snapshots, cache])

    assert (len(cache), [subject for subject, _ in kept._snapshots]) == (1, ["/tenants/bolt/people/1"])
    assert (await people("acme").load("1")).name == "(erased)"
    assert (await people("bolt").load("1")).name == "Ada of bolt"
    await erase_subject(store.inner, "/tenants/bolt/people/1", purge=[snapshots, cache])
    assert (await people("bolt").load("1")).name == "(erased)"


async def test_snapshots_in_the_file_of_the_store_are_refused(tmp_path: Path) -> None:
    """
    A store of snapshots on the file of an event store is a mistake, not an outage: loading tells of it by name.
    """
    path = tmp_path / "store.db"
    async with EmbeddedEventStore(path) as store, ReadModelDatabase(f"sqlite:///{path}") as database:
        await store.commit([NewEvent.of(AccountOpened(owner="Ada"), subject="/accounts/1")])
        accounts = Repository(Account, store, snapshots=Snapshots(SqlSnapshotStore(database), BY_TEN))

        with pytest.raises(NotAReadModelDatabaseError):
            await accounts.load("1")
        assert await store.count() == 1
