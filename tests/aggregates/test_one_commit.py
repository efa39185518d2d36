"""
One commit for each unit of work and for each emitted event, however often and from wherever it is asked for.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from eventsource import (
    AggregateNotFoundError,
    CommitOutcomeUnknownError,
    ConflictError,
    EventStore,
    NewEvent,
    Precondition,
    RecordedEvent,
    Repository,
    RetryPolicy,
    RuleBrokenError,
    SubjectExists,
    UnitOfWork,
    connect,
    transact,
)
from eventsource.errors import AggregateInCommitError, EventDecodingError, StoreUnavailableError, UnitOfWorkClosedError
from eventsource.store import EventStream
from eventsource.store.delegating import DelegatingEventStore
from eventsource.store.interface import Page
from tests.aggregates.accounts import Account, CardIssued, MoneyMoved
from tests.aggregates.observed_store import ObservedStore


class HeldStore(DelegatingEventStore):
    """
    Lets a commit in when *gate* is set, and says by *reached* that one has come.

    Attributes:
        inner: The store that commits.

        open_streams: How many streams were begun and not ended.
    """

    def __init__(self, inner: EventStore) -> None:
        super().__init__(inner)
        self.inner = inner
        self.gate = asyncio.Event()
        self.reached = asyncio.Event()
        self.error: BaseException | None = None
        self.open_streams = 0

    async def commit(
        self,
        events: Sequence[NewEvent],
        preconditions: Sequence[Precondition] = (),
        *,
        idempotency_key: str | None = None,
    ) -> tuple[RecordedEvent, ...]:
        """
        Commit once the gate is open, then raise *error* if there is one.
        """
        self.reached.set()
        await self.gate.wait()
        recorded = await self.inner.commit(events, preconditions, idempotency_key=idempotency_key)
        if self.error is not None:
            raise self.error
        return recorded

    def stream(
        self,
        subject: str = "/",
        *,
        recursive: bool = True,
        lower_bound: str | None = None,
        include_lower_bound: bool = False,
        upper_bound: str | None = None,
        include_upper_bound: bool = False,
        latest_by_type: str | None = None,
    ) -> EventStream:
        """
        Count the streams that are open.
        """
        stream = self.inner.stream(
            subject,
            recursive=recursive,
            lower_bound=lower_bound,
            include_lower_bound=include_lower_bound,
            upper_bound=upper_bound,
            include_upper_bound=include_upper_bound,
            latest_by_type=latest_by_type,
        )

        async def pages() -> AsyncGenerator[Page]:
            self.open_streams += 1
            try:
                async for page in stream.pages():
                    yield page
            finally:
                self.open_streams -= 1
                await stream.aclose()

        return EventStream(pages())


@pytest.fixture
async def held(tmp_path: Path) -> AsyncGenerator[HeldStore]:
    """
    A store in a file that holds commits back.
    """
    async with connect(f"sqlite:{tmp_path / 'held.db'}") as inner:
        yield HeldStore(inner)


async def begun(store: HeldStore, commit: Awaitable[object]) -> asyncio.Task[object]:
    """
    A commit that has come to the store and waits there.
    """
    task = asyncio.ensure_future(commit)
    await store.reached.wait()
    return task


# --- A unit of work --------------------------------------------------------------------


async def test_a_unit_of_work_committed_twice_at_once_is_stored_once(store: ObservedStore) -> None:
    """
    The second call is refused by name while the first is under way.
    """
    work = UnitOfWork(store)
    work.emit(CardIssued(number="1"), at="/cards/1")

    outcomes = await asyncio.gather(*(work.commit() for _ in range(5)), return_exceptions=True)

    assert await store.count() == 1
    assert sum(isinstance(each, UnitOfWorkClosedError) for each in outcomes) == 4


async def test_a_committed_unit_of_work_takes_nothing_more(store: ObservedStore) -> None:
    """
    Everything that reads, decides or commits says that a new one is needed.
    """
    work = UnitOfWork(store)
    work.emit(CardIssued(number="1"), at="/cards/1")
    await work.commit()

    uses: list[Callable[[], object]] = [
        lambda: work.emit(CardIssued(number="2"), at="/cards/1"),
        lambda: work.require(SubjectExists("/cards/1")),
        lambda: work.create(Account, "1"),
        lambda: work.add(Account("1")),
    ]
    for use in uses:
        with pytest.raises(UnitOfWorkClosedError, match="make a new one"):
            use()
    for awaited in (work.commit(), work.load(Account, "1"), work.commit(idempotency_key="k")):
        with pytest.raises(UnitOfWorkClosedError, match="make a new one"):
            await awaited
    assert await store.count() == 1


async def test_nothing_joins_a_commit_that_is_under_way(held: HeldStore) -> None:
    """
    What is emitted on the unit of work or on its aggregate meanwhile is refused, not lost.
    """
    work = UnitOfWork(held)
    account = work.create(Account, "1")
    account.open("Ada")
    commit = await begun(held, work.commit())

    with pytest.raises(UnitOfWorkClosedError, match="being committed"):
        work.emit(CardIssued(number="2"), at="/cards/1")
    with pytest.raises(AggregateInCommitError, match="being committed"):
        account.deposit(5)
    held.gate.set()
    await commit

    assert (account.cents, account.version, account.pending_events) == (0, 1, ())
    account.deposit(5)
    assert len(account.pending_events) == 1


@pytest.mark.parametrize("is_written", [True, False])
async def test_a_unit_of_work_of_unknown_outcome_stays_closed(store: ObservedStore, *, is_written: bool) -> None:
    """
    It is not sent a second time, whether the first was written or not.
    """
    work = UnitOfWork(store)
    work.emit(CardIssued(number="1"), at="/cards/1")
    if is_written:
        store.answers_lost = 1
    else:

        async def lose() -> None:
            place = "the store"
            raise CommitOutcomeUnknownError(place, "the request is lost")

        store.rivals.append(lose)
    with pytest.raises(CommitOutcomeUnknownError):
        await work.commit()

    for key in (None, "k-1"):
        with pytest.raises(UnitOfWorkClosedError, match="not known") as refused:
            await work.commit(idempotency_key=key)
        assert refused.value.state == "unknown"
    assert await store.count() == (1 if is_written else 0)


async def test_a_commit_with_a_key_may_be_repeated_with_that_key(store: ObservedStore) -> None:
    """
    It is the very same commit, so the store answers with what it has stored, and the aggregate is settled.
    """
    work = UnitOfWork(store)
    account = work.create(Account, "1")
    account.open("Ada")
    store.answers_lost = 1
    with pytest.raises(CommitOutcomeUnknownError):
        await work.commit(idempotency_key="k-1")
    with pytest.raises(UnitOfWorkClosedError):
        await work.commit(idempotency_key="k-2")

    recorded = await work.commit(idempotency_key="k-1")

    assert await store.count() == 1
    assert (account.version, account.last_event_id, account.pending_events) == (1, recorded[0].id, ())


@pytest.mark.parametrize("when", ["before the store has it", "when it is written"])
async def test_a_cancelled_commit_is_unknown(held: HeldStore, when: str) -> None:
    """
    A cancelled call leaves the unit of work and its aggregates as an answer that was lost does.
    """
    work = UnitOfWork(held)
    account = work.add(Account("1"))
    account.emit(MoneyMoved(cents=1), unversioned=True)
    commit = await begun(held, work.commit())
    if when == "when it is written":
        held.error = asyncio.CancelledError()
        held.gate.set()
    else:
        commit.cancel()
    with pytest.raises(asyncio.CancelledError):
        await commit
    held.error = None
    held.gate.set()

    with pytest.raises(UnitOfWorkClosedError, match="not known"):
        await work.commit()
    with pytest.raises(AggregateInCommitError, match="load it again"):
        await Repository(Account, held).save(account)
    assert await held.count() == (1 if when == "when it is written" else 0)


async def test_a_refused_commit_leaves_the_unit_of_work_open(store: ObservedStore) -> None:
    """
    Nothing was written, so it may be committed once more, under the same rules.
    """
    work = UnitOfWork(store)
    work.emit(CardIssued(number="1"), at="/cards/1", rules=[SubjectExists("/accounts/1")])
    with pytest.raises(RuleBrokenError):
        await work.commit()
    with pytest.raises(RuleBrokenError):
        await work.commit()

    await store.inner.commit([NewEvent.of(MoneyMoved(cents=1), subject="/accounts/1")])
    await work.commit()

    assert await store.count("/cards/1") == 1


async def test_a_store_that_is_away_leaves_the_unit_of_work_open(store: ObservedStore) -> None:
    """
    An error that says that nothing was written is no reason to decide again.
    """

    async def away() -> None:
        place = "the store"
        raise StoreUnavailableError(place, "it is away")

    work = UnitOfWork(store)
    work.create(Account, "1").open("Ada")
    store.rivals.append(away)
    with pytest.raises(StoreUnavailableError):
        await work.commit()

    await work.commit()

    assert await store.count() == 1


async def test_a_bad_key_is_told_before_anything_is_marked(store: ObservedStore) -> None:
    """
    The unit of work can be committed with a good key afterwards.
    """
    work = UnitOfWork(store)
    work.create(Account, "1").open("Ada")
    with pytest.raises(ValueError, match="idempotency key"):
        await work.commit(idempotency_key="with blanks")

    await work.commit(idempotency_key="k-1")

    assert await store.count() == 1


async def test_a_function_that_decides_does_not_commit(store: ObservedStore) -> None:
    """
    `transact` commits when the function returns; a commit of the function's own is refused before it is sent.
    """

    async def issue(work: UnitOfWork) -> None:
        work.emit(CardIssued(number="1"), at="/cards/1")
        await work.commit()

    with pytest.raises(UnitOfWorkClosedError, match="leave out the call"):
        await transact(store, issue)
    assert store.commits == 0


# --- An aggregate ----------------------------------------------------------------------


async def test_an_aggregate_saved_twice_at_once_is_stored_once(store: ObservedStore) -> None:
    """
    Also where no version would tell the second save from the first.
    """
    accounts = Repository(Account, store)
    account = Account("1")
    account.emit(MoneyMoved(cents=1), unversioned=True)

    outcomes = await asyncio.gather(*(accounts.save(account) for _ in range(3)), return_exceptions=True)

    assert await store.count() == 1
    assert all(isinstance(each, (tuple, AggregateInCommitError)) for each in outcomes)
    assert await accounts.save(account) == ()


async def test_an_aggregate_is_in_one_commit_at_a_time(held: HeldStore) -> None:
    """
    A second unit of work that has it refuses to commit, and lets go of the others it has.
    """
    account, other = Account("1"), Account("2")
    account.open("Ada")
    other.open("Bob")
    first, second = UnitOfWork(held), UnitOfWork(held)
    first.add(account)
    second.add(other)
    second.add(account)
    commit = await begun(held, first.commit())

    with pytest.raises(AggregateInCommitError):
        await second.commit()
    held.gate.set()
    await commit
    await second.commit()

    assert [event.subject for event in await _all(held)] == ["/accounts/1", "/accounts/2"]


async def test_an_aggregate_of_unknown_outcome_is_loaded_again(store: ObservedStore) -> None:
    """
    It is not saved again, and emits nothing more; what the store has decides.
    """
    accounts = Repository(Account, store)
    account = Account("1")
    account.emit(MoneyMoved(cents=1), unversioned=True)
    store.answers_lost = 1
    with pytest.raises(CommitOutcomeUnknownError):
        await accounts.save(account)

    with pytest.raises(AggregateInCommitError, match="load it again") as refused:
        await accounts.save(account)
    with pytest.raises(AggregateInCommitError):
        account.deposit(1)

    assert refused.value.is_unknown
    assert (await accounts.load("1")).cents == 1


async def test_a_refused_aggregate_can_be_saved_once_it_may(store: ObservedStore) -> None:
    """
    After a conflict it is neither lost nor locked: another save is refused in the same way.
    """
    accounts = Repository(Account, store)
    async with accounts.create("1") as account:
        account.open("Ada")
    stale = await accounts.load("1")
    stale.deposit(1)
    await accounts.execute("1", Account.deposit, 2)

    for _ in range(2):
        with pytest.raises(ConflictError):
            await accounts.save(stale)
    assert (await accounts.load("1")).cents == 2


async def test_a_save_within_the_block_is_the_only_one(store: ObservedStore) -> None:
    """
    A block that saves by itself commits nothing more when it ends.
    """
    accounts = Repository(Account, store)
    async with accounts.create("1") as account:
        account.open("Ada")
        await accounts.save(account)

    assert (store.commits, await store.count()) == (1, 1)


# --- Reading ---------------------------------------------------------------------------


async def test_a_load_that_fails_stops_its_siblings(store: ObservedStore) -> None:
    """
    Of several aggregates the error of the first that failed is raised, and none goes on reading.
    """
    accounts = Repository(Account, store)
    for id in ("1", "2"):
        async with accounts.create(id) as account:
            account.open("Ada")
    tasks = len(asyncio.all_tasks())
    work = UnitOfWork(store)

    with pytest.raises(AggregateNotFoundError) as missing:
        await work.load_all(Account, ["1", "none", "2"])

    assert missing.value.subject == "/accounts/none"
    assert len(asyncio.all_tasks()) == tasks


@pytest.mark.parametrize("reads", ["load", "transact", "history", "at"])
async def test_a_fold_that_fails_leaves_no_stream_open(held: HeldStore, reads: str) -> None:
    """
    The stream is closed when the error is raised, not when the garbage collector comes by.
    """
    held.gate.set()
    bad = NewEvent(subject="/accounts/1", type=MoneyMoved.event_type, data={"cents": "many"})
    await held.inner.commit([NewEvent.of(MoneyMoved(cents=1), subject="/accounts/1"), bad])
    accounts = Repository(Account, held)

    async def read() -> None:
        if reads == "load":
            await accounts.load("1")
        elif reads == "transact":
            await accounts.execute("1", Account.deposit, 1)
        elif reads == "at":
            await accounts.load("1", at=(await _all(held))[-1].id)
        else:
            async for _ in accounts.history("1"):
                pass

    with pytest.raises(EventDecodingError):
        await read()
    assert held.open_streams == 0


async def test_a_failed_reading_is_not_gone_on_with(store: ObservedStore) -> None:
    """
    After a conflict what is new is read; if that fails the error is raised, and nothing half-read is decided on.
    """
    accounts = Repository(Account, store, retry=RetryPolicy(attempts=3, first_pause_s=0))
    async with accounts.create("1") as account:
        account.open("Ada")
    bad = NewEvent(subject="/accounts/1", type=MoneyMoved.event_type, data={"cents": "many"})
    store.rivals.append(lambda: store.inner.commit([bad]))

    with pytest.raises(EventDecodingError):
        await accounts.execute("1", Account.deposit, 5)
    assert await store.count() == 2


async def _all(store: HeldStore) -> list[RecordedEvent]:
    return [event async for event in store.inner.stream()]
