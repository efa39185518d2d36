"""
Time travel: an aggregate as it was, its history, and what changed between two moments.
"""

from datetime import UTC, datetime, timedelta, timezone

import attrs
import pytest

from eventsource import (
    Aggregate,
    AggregateNotFoundError,
    Event,
    NewEvent,
    RecordedEvent,
    Repository,
    UnitOfWork,
    handles,
)
from eventsource.aggregates import Change
from eventsource.errors import AggregateReadOnlyError, EventNotFoundError
from tests.aggregates.accounts import Account, AccountOpened, CustomerGreeted, MoneyMoved
from tests.aggregates.observed_store import ObservedStore
from tests.aggregates.period_accounts import Ledger


@pytest.fixture
def accounts(store: ObservedStore) -> Repository[Account]:
    """
    The accounts in the store.
    """
    return Repository(Account, store)


@pytest.fixture
async def moves(store: ObservedStore) -> list[RecordedEvent]:
    """
    An account that is opened and gets 1, 2, 4 and 8 cents, with events of others in between.
    """
    found: list[RecordedEvent] = []
    for event in (AccountOpened(owner="Ada"), *(MoneyMoved(cents=2**power) for power in range(4))):
        found += await store.inner.commit([NewEvent.of(event, subject="/accounts/1")])
        found += await store.inner.commit([NewEvent.of(CustomerGreeted(), subject="/customers/7")])
    return found


# --- As it was ---


async def test_right_after_any_event(accounts: Repository[Account], moves: list[RecordedEvent]) -> None:
    """
    What happened up to the event belongs to it, whether the event is the aggregate's or not.
    """
    balances = [(await accounts.load("1", at=event.id)).cents for event in moves]

    assert balances == [0, 0, 1, 1, 3, 3, 7, 7, 15, 15]


async def test_at_any_time(accounts: Repository[Account], moves: list[RecordedEvent]) -> None:
    """
    At the time of an event it has happened, a microsecond before it has not; the zone does not matter.
    """
    tick = timedelta(microseconds=1)
    for index, event in enumerate(moves[2::2]):
        local = event.time.astimezone(timezone(timedelta(hours=-7)))
        assert (await accounts.load("1", at=local)).cents == 2 ** (index + 1) - 1
        before = await accounts.load("1", at=event.time - tick)
        # Where a store is fast, the event before may have come in the same microsecond.
        assert before.cents <= 2**index - 1
    assert (await accounts.load("1", at=datetime(2999, 1, 1, tzinfo=UTC))).cents == 15


async def test_only_what_is_needed_is_folded(
    accounts: Repository[Account], moves: list[RecordedEvent], store: ObservedStore
) -> None:
    """
    An event behind the moment that this class cannot read is in nobody's way.
    """
    bad = NewEvent(subject="/accounts/1", type="io.example.test.nobody-knows", data={})
    await store.inner.commit([bad])

    assert (await accounts.load("1", at=moves[-1].id)).cents == 15
    assert (await accounts.load("1", at=moves[-1].time)).cents == 15


async def test_before_its_first_event_it_is_not_there(
    accounts: Repository[Account], moves: list[RecordedEvent]
) -> None:
    """
    As if it had no events at all.
    """
    with pytest.raises(AggregateNotFoundError):
        await accounts.load("1", at=moves[0].time - timedelta(seconds=1))
    with pytest.raises(AggregateNotFoundError):
        await accounts.load("2", at=moves[-1].id)


async def test_a_moment_that_is_none_is_refused(accounts: Repository[Account], moves: list[RecordedEvent]) -> None:
    """
    An id that is not in the store, a time that may be anybody's.
    """
    with pytest.raises(EventNotFoundError):
        await accounts.load("1", at="no such event")
    with pytest.raises(ValueError, match="no zone"):
        await accounts.load("1", at=moves[0].time.replace(tzinfo=None))


async def test_the_past_is_read_only(
    accounts: Repository[Account], moves: list[RecordedEvent], store: ObservedStore
) -> None:
    """
    It can neither emit nor take part in a commit, not even as one that others were decided by.
    """
    past, present = await accounts.load("1", at=moves[-1].id), await accounts.load("1")

    assert (past.is_read_only, present.is_read_only) == (True, False)
    with pytest.raises(AggregateReadOnlyError) as excinfo:
        past.deposit(1)
    assert (excinfo.value.subject, excinfo.value.version) == ("/accounts/1", 5)
    assert past.cents == 15
    for save in (accounts.save, UnitOfWork(store).add):
        with pytest.raises(AggregateReadOnlyError):
            await save(past)  # type: ignore[misc]
    present.deposit(1)
    with pytest.raises(AggregateReadOnlyError):
        await accounts.save(present, past)
    assert (await accounts.load("1")).cents == 15


# --- History ---


async def test_history_is_each_event_with_the_state_after_it(
    accounts: Repository[Account], moves: list[RecordedEvent]
) -> None:
    """
    Each state is one of its own, read only: kept ones do not change.
    """
    entries = [entry async for entry in accounts.history("1")]

    assert [event.id for event, _ in entries] == [event.id for event in moves[::2]]
    assert [account.cents for _, account in entries] == [0, 1, 3, 7, 15]
    assert [account.version for _, account in entries] == [1, 2, 3, 4, 5]
    assert all(account.is_read_only for _, account in entries)


async def test_history_can_begin_and_end(accounts: Repository[Account], moves: list[RecordedEvent]) -> None:
    """
    Behind a moment, up to a moment, given as a time or as an event of anybody.
    """

    async def balances(**moments: str | datetime) -> list[int]:
        return [account.cents async for _, account in accounts.history("1", **moments)]

    assert await balances(since=moves[3].id) == [3, 7, 15]
    assert await balances(until=moves[3].id) == [0, 1]
    assert await balances(since=moves[2].time, until=moves[6].time) == [3, 7]
    assert await balances(since=moves[0].time - timedelta(seconds=1)) == [0, 1, 3, 7, 15]
    assert await balances(since=moves[-1].id) == []


@pytest.mark.usefixtures("moves")
async def test_history_of_nothing_is_an_error(accounts: Repository[Account]) -> None:
    """
    At its first step.
    """
    with pytest.raises(AggregateNotFoundError):
        await anext(accounts.history("2"))
    with pytest.raises(EventNotFoundError):
        await anext(accounts.history("1", since="no such event"))


# --- Difference ---


async def test_diff_is_what_changed_and_by_what(accounts: Repository[Account], moves: list[RecordedEvent]) -> None:
    """
    The attributes that are not what they were, before and after, and the events in between.
    """
    found = await accounts.diff("1", moves[2].id, moves[6].time)

    assert dict(found.changes) == {"cents": Change(1, 7)}
    assert [event.id for event in found.events] == [moves[4].id, moves[6].id]
    assert (found.before.version, found.after.version) == (2, 4)
    assert found.before.is_read_only
    assert found.after.is_read_only


@pytest.mark.usefixtures("moves")
async def test_diff_from_the_beginning_until_now(accounts: Repository[Account]) -> None:
    """
    Before its first event it had the defaults of its class.
    """
    found = await accounts.diff("1", None)

    assert dict(found.changes) == {"owner": ("", "Ada"), "cents": (0, 15)}
    assert len(found.events) == 5


async def test_diff_of_a_moment_with_itself_is_empty(accounts: Repository[Account], moves: list[RecordedEvent]) -> None:
    """
    Nothing happened between an event of the account and one of others right behind it.
    """
    for before, after in ((moves[4].id, moves[5].id), (moves[5].id, moves[4].id), (moves[4].id, moves[4].time)):
        found = await accounts.diff("1", before, after)
        assert (dict(found.changes), found.events) == ({}, ())


async def test_diff_backwards_is_refused(accounts: Repository[Account], moves: list[RecordedEvent]) -> None:
    """
    The first moment has to come first.
    """
    with pytest.raises(ValueError, match="later than"):
        await accounts.diff("1", moves[6].id, moves[2].id)
    with pytest.raises(AggregateNotFoundError):
        await accounts.diff("2", moves[2].id)


class Filled(Event, type="io.example.test.time-travel.filled"):
    """
    Something is put into a box.
    """

    name: str


@attrs.define
class Content:
    """
    A part of the state that changes in place.
    """

    names: list[str] = attrs.field(factory=list)


class Box(Aggregate, subject="/boxes/{id}"):
    """
    State within state.
    """

    content: Content = Content()
    sizes: dict[str, int] = {}  # noqa: RUF012

    @handles
    def _filled(self, event: Filled) -> None:
        self.content.names.append(event.name)
        self.sizes[event.name] = len(event.name)


async def test_states_share_nothing(store: ObservedStore) -> None:
    """
    What changes in place later does not change the states before.
    """
    boxes = Repository(Box, store)
    await store.commit([NewEvent.of(Filled(name=name), subject="/boxes/1") for name in ("a", "bb", "ccc")])

    entries = [entry async for entry in boxes.history("1")]
    found = await boxes.diff("1", entries[0].event.id)

    assert [entry.state.content.names for entry in entries] == [["a"], ["a", "bb"], ["a", "bb", "ccc"]]
    assert found.changes["sizes"] == ({"a": 1}, {"a": 1, "bb": 2, "ccc": 3})
    assert found.changes["content"] == (Content(["a"]), Content(["a", "bb", "ccc"]))


# --- Periods ---


async def test_the_past_of_closed_books(store: ObservedStore) -> None:
    """
    A moment in an old period shows that period; history and difference go through all of them.
    """
    ledgers = Repository(Ledger, store)
    async with ledgers.create("1", period="2026-06") as ledger:
        ledger.open("Ada")
        ledger.move(10)
    await ledgers.close_period("1", "2026-07", Ledger.close_books)
    await ledgers.execute("1", Ledger.move, 5)
    await ledgers.close_period("1", "2026-08", Ledger.close_books)
    await ledgers.execute("1", Ledger.move, -3)
    stored = [event async for event in store.inner.stream("/ledgers/1")]

    past = [await ledgers.load("1", at=event.id) for event in stored]
    by_time = [await ledgers.load("1", at=event.time) for event in stored[-2:]]
    entries = [entry async for entry in ledgers.history("1", since=stored[1].id)]
    found = await ledgers.diff("1", stored[1].id)

    assert [(each.period[-2:], each.cents) for each in past] == [
        ("06", 0),
        ("06", 10),
        ("06", 10),
        ("07", 10),
        ("07", 15),
        ("07", 15),
        ("08", 15),
        ("08", 12),
    ]
    assert [each.cents for each in by_time] == [15, 12]
    assert [(event.id, state.cents) for event, state in entries] == [
        (event.id, state.cents) for event, state in zip(stored[2:], past[2:], strict=True)
    ]
    assert dict(found.changes) == {"cents": (10, 12), "moves": ([10], [-3])}
    assert [event.id for event in found.events] == [event.id for event in stored[2:]]
    with pytest.raises(ValueError, match="later than"):
        await ledgers.diff("1", stored[-1].id, stored[1].id)
