"""
Closing the books: only the last period is read, and nobody writes to a closed one.
"""

import asyncio
import itertools

import pytest

from eventsource import (
    Aggregate,
    AggregateExistsError,
    AggregateNotFoundError,
    ConflictError,
    DeclarationError,
    Event,
    NewEvent,
    PeriodAggregate,
    Repository,
    RuleBrokenError,
    Snapshots,
    UnitOfWork,
    handles,
    select_events,
    transact,
)
from eventsource.aggregates import AggregateCache, EveryEvents, InMemorySnapshotStore
from eventsource.errors import InvalidSubjectError, PeriodClosedError
from eventsource.testing.contract.chance import rounds, seeded_random
from tests.aggregates.accounts import Account, AccountOpened, InsufficientFundsError
from tests.aggregates.observed_store import ObservedStore
from tests.aggregates.period_accounts import BooksClosed, BooksOpened, Ledger, Moved, Opened, total


@pytest.fixture
def ledgers(store: ObservedStore) -> Repository[Ledger]:
    """
    The accounts by months.
    """
    return Repository(Ledger, store)


async def open_ledger(ledgers: Repository[Ledger], id: str = "1", *, cents: int = 0, period: str = "2026-06") -> None:
    """
    An account with so much in it.
    """
    async with ledgers.create(id, period=period) as ledger:
        ledger.open("Ada")
        ledger.move(cents)


async def types_at(store: ObservedStore, subject: str) -> list[str]:
    """
    The last parts of the types of the events at or below a subject.
    """
    return [event.type.rpartition(".")[2] async for event in store.inner.stream(subject)]


# --- Closing, and going on ---


async def test_the_next_period_begins_with_what_is_carried_over(
    ledgers: Repository[Ledger], store: ObservedStore
) -> None:
    """
    The closing event in the old period, the opening in the new one, in one commit; the state goes on.
    """
    await open_ledger(ledgers, cents=50)
    commits = store.commits

    opened = await ledgers.close_period("1", "2026-07", Ledger.close_books, fee_cents=3)

    assert store.commits == commits + 1
    assert (opened.period, opened.cents, opened.owner, opened.moves) == ("2026-07", 47, "Ada", [])
    assert await types_at(store, "/ledgers/1/2026-06") == ["opened", "moved", "moved", "books-closed"]
    assert await types_at(store, "/ledgers/1/2026-07") == ["books-opened"]


async def test_loading_reads_the_last_period_only(ledgers: Repository[Ledger], store: ObservedStore) -> None:
    """
    However many there were before.
    """
    await open_ledger(ledgers, cents=50)
    for month in range(7, 13):
        for _ in range(10):
            await ledgers.execute("1", Ledger.move, 1)
        await ledgers.close_period("1", f"2026-{month:02}", Ledger.close_books)
    await ledgers.execute("1", Ledger.move, 5)
    store.read.clear()

    ledger = await ledgers.load("1")

    assert (ledger.period, ledger.cents, ledger.version) == ("2026-12", 115, 2)
    assert [event.subject for event in store.read] == ["/ledgers/1/2026-12"] * 2


async def test_all_that_happened_is_still_there(ledgers: Repository[Ledger], store: ObservedStore) -> None:
    """
    A guard under the whole counts over all periods, and a reader finds every event.
    """
    await open_ledger(ledgers, cents=50)
    await ledgers.close_period("1", "2026-07", Ledger.close_books)
    ledger = await ledgers.load("1")
    enough = select_events(Moved).under(ledger.whole).sum(lambda event: event.delta_cents) >= 51

    ledger.move_blindly(-10, enough.named("enough"))
    with pytest.raises(RuleBrokenError) as excinfo:
        await ledgers.save(ledger)

    assert excinfo.value.name == "enough"
    assert ledger.whole == "/ledgers/1"
    assert len(await types_at(store, "/ledgers/1")) == 4


async def test_a_period_is_closed_once(ledgers: Repository[Ledger], store: ObservedStore) -> None:
    """
    A job that runs again, or twice at once, changes nothing.
    """
    await open_ledger(ledgers, cents=50)

    closed = await asyncio.gather(*(ledgers.close_period("1", "2026-07", Ledger.close_books) for _ in range(5)))
    again = await ledgers.close_period("1", "2026-07", Ledger.close_books)

    assert {(each.period, each.cents, each.version) for each in (*closed, again)} == {("2026-07", 50, 1)}
    assert await types_at(store, "/ledgers/1") == ["opened", "moved", "books-closed", "books-opened"]


async def test_what_was_handed_out_goes_on_in_the_new_period(ledgers: Repository[Ledger], store: ObservedStore) -> None:
    """
    A command that meets a closed period is run again in the one that follows, like after any conflict.
    """
    await open_ledger(ledgers, cents=50)

    async def close() -> None:
        await Repository(Ledger, store.inner).close_period("1", "2026-07", Ledger.close_books)

    store.rivals.append(close)

    assert await ledgers.execute("1", Ledger.move, 5) == 55

    assert await types_at(store, "/ledgers/1/2026-07") == ["books-opened", "moved"]


async def test_a_closer_that_meets_a_writer_closes_with_what_is_there(
    ledgers: Repository[Ledger], store: ObservedStore
) -> None:
    """
    The balance that is carried over is that of all the events of the period.
    """
    await open_ledger(ledgers, cents=50)

    async def move() -> None:
        await Repository(Ledger, store.inner).execute("1", Ledger.move, 7)

    store.rivals.append(move)

    assert (await ledgers.close_period("1", "2026-07", Ledger.close_books)).cents == 57


# --- Nobody writes to a closed period ---


async def test_one_that_was_read_before_cannot_be_saved(ledgers: Repository[Ledger]) -> None:
    """
    Neither under its version nor under rules in place of it.
    """
    await open_ledger(ledgers, cents=50)
    guarded, blind = await ledgers.load("1"), await ledgers.load("1")
    await ledgers.close_period("1", "2026-07", Ledger.close_books)

    guarded.move(1)
    blind.move_blindly(1)

    for late in (guarded, blind):
        with pytest.raises(ConflictError):
            await ledgers.save(late)


async def test_one_that_was_not_read_needs_an_open_period(ledgers: Repository[Ledger]) -> None:
    """
    Commands that the store decides are refused in periods that are closed or were never begun.
    """
    await open_ledger(ledgers, cents=50)
    await ledgers.close_period("1", "2026-07", Ledger.close_books)
    now, past, future = (Ledger("1", period=f"2026-0{month}") for month in (7, 6, 8))
    for ledger in (now, past, future):
        ledger.move_blindly(-5, total("1"))

    await ledgers.save(now)
    with pytest.raises(RuleBrokenError) as excinfo:
        await ledgers.save(past)
    with pytest.raises(AggregateNotFoundError):
        await ledgers.save(future)

    assert excinfo.value.name == "the books are open"
    assert (await ledgers.load("1")).cents == 45


async def test_a_closed_one_emits_nothing(ledgers: Repository[Ledger]) -> None:
    """
    The closing event is the last, also before it is committed.
    """
    await open_ledger(ledgers)
    ledger = await ledgers.load("1")
    ledger.close_books()

    with pytest.raises(PeriodClosedError) as excinfo:
        ledger.move(1)

    assert excinfo.value.subject == "/ledgers/1/2026-06"
    assert ledger.is_closed


async def test_books_can_be_closed_for_good(ledgers: Repository[Ledger]) -> None:
    """
    What has no next period can be looked at, and neither changed nor closed again.
    """
    await open_ledger(ledgers, cents=50)
    async with ledgers.change("1") as ledger:
        ledger.emit(BooksClosed(balance_cents=50))

    last = await ledgers.load("1")

    assert (last.is_closed, last.cents) == (True, 50)
    with pytest.raises(PeriodClosedError):
        await ledgers.execute("1", Ledger.move, 1)
    with pytest.raises(PeriodClosedError):
        await ledgers.close_period("1", "2026-07", Ledger.close_books)


async def test_there_is_one_first_period(ledgers: Repository[Ledger]) -> None:
    """
    Two who create the same account in different months are not both let in.
    """
    await open_ledger(ledgers, period="2026-06")

    for period in ("2026-05", "2026-06", "2026-07"):
        with pytest.raises(AggregateExistsError):
            await open_ledger(ledgers, period=period)


# --- What is refused ---


async def test_an_aggregate_without_a_period_emits_nothing(ledgers: Repository[Ledger]) -> None:
    """
    It would have no place.
    """
    with pytest.raises(InvalidSubjectError, match="no period yet"):
        async with ledgers.create("1") as ledger:
            ledger.open("Ada")


async def test_a_command_that_does_not_close_is_refused(ledgers: Repository[Ledger], store: ObservedStore) -> None:
    """
    So is one that gives nothing to open with; nothing is written.
    """
    await open_ledger(ledgers)

    with pytest.raises(DeclarationError, match="BooksClosed"):
        await ledgers.close_period("1", "2026-07", Ledger.forget_to_close)
    with pytest.raises(DeclarationError, match="no event"):
        await ledgers.close_period("1", "2026-07", Ledger.close_for_good)
    for period in ("2026/07", "July"):
        with pytest.raises(InvalidSubjectError, match="digit"):
            await ledgers.close_period("1", period, Ledger.close_books)

    assert await types_at(store, "/ledgers/1") == ["opened", "moved"]


async def test_a_refusal_of_the_command_closes_nothing(ledgers: Repository[Ledger], store: ObservedStore) -> None:
    """
    The error is the command's own.
    """
    await open_ledger(ledgers, cents=1)

    with pytest.raises(InsufficientFundsError):
        await ledgers.close_period("1", "2026-07", Ledger.close_books, fee_cents=2)

    assert await types_at(store, "/ledgers/1") == ["opened", "moved"]


async def test_what_does_not_exist_is_not_closed(ledgers: Repository[Ledger]) -> None:
    """
    It is an error with the subject of the whole.
    """
    with pytest.raises(AggregateNotFoundError) as excinfo:
        await ledgers.close_period("1", "2026-07", Ledger.close_books)

    assert excinfo.value.subject == "/ledgers/1"


def test_declarations_that_could_not_work_are_refused() -> None:
    """
    The period is the last segment, an event closes it, and the names in use are taken.
    """
    with pytest.raises(DeclarationError, match="must end with the period"):

        class _First(PeriodAggregate, subject="/periods/{period}/{id}", closed_by=BooksClosed): ...

    with pytest.raises(DeclarationError, match="closed_by"):

        class _Second(PeriodAggregate, subject="/p/{id}/{period}"): ...

    with pytest.raises(DeclarationError, match="period"):

        class _Third(PeriodAggregate, subject="/p/{id}/{period}", closed_by=BooksClosed):
            period: str = ""

    with pytest.raises(DeclarationError, match="exactly one segment"):

        class _Fourth(Aggregate, subject="/p/{id}/{period}"): ...


def test_a_handler_for_the_closing_event_is_run() -> None:
    """
    It may be declared, and need not be; subclasses close as their base does.
    """

    class Base(PeriodAggregate, abstract=True, closed_by=BooksClosed):
        last: int = 0

        @handles
        def _closed(self, event: BooksClosed) -> None:
            self.last = event.balance_cents

    class Derived(Base, subject="/derived/{id}/{period}"):
        pass

    derived = Derived("1", period="1")
    derived.emit(BooksClosed(balance_cents=7))

    assert (derived.last, derived.is_closed) == (7, True)


# --- With everything else ---


async def test_what_stands_below_a_period_is_in_nobodys_way(ledgers: Repository[Ledger], store: ObservedStore) -> None:
    """
    The last event of all may be one of a card of an old period.
    """
    await open_ledger(ledgers, cents=50)
    await ledgers.close_period("1", "2026-07", Ledger.close_books)
    await store.inner.commit([NewEvent.of(Opened(owner="card"), subject="/ledgers/1/2026-06/cards/9")])
    await store.inner.commit([NewEvent.of(Opened(owner="card"), subject="/ledgers/10/2030-01")])
    await store.inner.commit([NewEvent.of(Opened(owner="card"), subject="/ledgers/1/cards")])

    assert (await ledgers.load("1")).period == "2026-07"


async def test_who_wrote_past_the_guards_does_not_move_the_last_period(
    ledgers: Repository[Ledger], store: ObservedStore
) -> None:
    """
    An event committed straight to a closed period is not taken for the latest state.
    """
    await open_ledger(ledgers, cents=50)
    await ledgers.close_period("1", "2026-07", Ledger.close_books)
    await store.inner.commit([NewEvent.of(Moved(delta_cents=1), subject="/ledgers/1/2026-06")])

    assert ((await ledgers.load("1")).period, (await ledgers.load("1")).cents) == ("2026-07", 50)


async def test_decisions_over_several_read_the_last_periods(ledgers: Repository[Ledger], store: ObservedStore) -> None:
    """
    A transfer between two accounts in different periods, beside an aggregate without any.
    """
    await open_ledger(ledgers, "1", cents=50)
    await open_ledger(ledgers, "2", cents=0)
    await ledgers.close_period("1", "2026-07", Ledger.close_books)

    async def transfer(work: UnitOfWork) -> None:
        one, two = await work.load_all(Ledger, ["1", "2"])
        assert await work.load(Ledger, "1") is one
        one.move(-20)
        two.move(20)
        work.create(Account, "9").emit(AccountOpened(owner="Eve"))

    async def close() -> None:
        await Repository(Ledger, store.inner).close_period("2", "2026-07", Ledger.close_books)

    store.rivals.append(close)
    await transact(store, transfer)

    assert [(each.period, each.cents) for each in [await ledgers.load("1"), await ledgers.load("2")]] == [
        ("2026-07", 30),
        ("2026-07", 20),
    ]


async def test_the_absence_of_one_guards_a_decision(ledgers: Repository[Ledger], store: ObservedStore) -> None:
    """
    Who decided since an account was not there is told when one was opened meanwhile, in whichever period.
    """
    work = UnitOfWork(store)
    with pytest.raises(AggregateNotFoundError):
        await work.load(Ledger, "1")
    work.create(Account, "9").emit(AccountOpened(owner="Eve"))
    await open_ledger(ledgers)

    with pytest.raises(ConflictError):
        await work.commit()


@pytest.mark.parametrize("has_cache", [False, True], ids=["snapshots", "snapshots and cache"])
async def test_writers_and_closers_at_once_lose_nothing(store: ObservedStore, has_cache: bool) -> None:  # noqa: FBT001
    """
    The balance is the sum of all moves, a period opens with what was closed with, nothing stands behind a closing.
    """
    rng = seeded_random()
    for number in range(rounds(2, 60)):
        id = f"{number}"
        repositories = [
            Repository(
                Ledger,
                store,
                snapshots=Snapshots(InMemorySnapshotStore(), {Ledger: EveryEvents(3)}),
                cache=AggregateCache() if has_cache else None,
            )
            for _ in range(3)
        ]
        await open_ledger(repositories[0], id, cents=100, period="00")
        moved = [100]
        periods = itertools.count(1)

        async def write(
            ledgers: Repository[Ledger], choice: float, next_period: str, id: str, moved: list[int]
        ) -> None:
            cents = int(choice * 97) - 30
            try:
                if choice < 0.3:
                    await ledgers.close_period(id, next_period, Ledger.close_books)
                    return
                if choice < 0.6:
                    ledger = await ledgers.load(id)
                    ledger.move_blindly(cents)
                    await ledgers.save(ledger)
                else:
                    await ledgers.execute(id, Ledger.move, cents)
            except (InsufficientFundsError, ConflictError, PeriodClosedError):
                return
            moved.append(cents)

        await asyncio.gather(
            *(write(rng.choice(repositories), rng.random(), f"{next(periods):02}", id, moved) for _ in range(40))
        )

        loaded = [await ledgers.load(id) for ledgers in (*repositories, Repository(Ledger, store.inner))]
        assert {each.cents for each in loaded} == {sum(moved)}
        by_period: dict[str, list[Event]] = {}
        async for recorded in store.inner.stream(f"/ledgers/{id}"):
            by_period.setdefault(recorded.subject, []).append(recorded.decode())
        for earlier, later in itertools.pairwise(by_period.values()):
            assert isinstance(earlier[-1], BooksClosed)
            assert isinstance(later[0], BooksOpened)
            assert later[0].balance_cents == earlier[-1].balance_cents
        closings = [event for each in by_period.values() for event in each if isinstance(event, BooksClosed)]
        assert len(closings) == len(by_period) - 1
