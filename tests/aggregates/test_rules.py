"""
Events that bring rules of their own: the store decides these in place of the version.
"""

import asyncio
from collections.abc import Callable, Iterable

import pytest

from eventsource import (
    Aggregate,
    AggregateExistsError,
    AggregateNotFoundError,
    ConflictError,
    Event,
    Guard,
    NewEvent,
    Precondition,
    QueryHolds,
    Repository,
    RuleBrokenError,
    SubjectExists,
    SubjectIsAtVersion,
    SubjectIsNew,
    handles,
    select_events,
)
from eventsource.errors import PreconditionFailedError
from tests.aggregates.observed_store import ObservedStore


class PurseMade(Event, type="io.example.test.commands.purse-made"):
    """
    The first event of a purse.
    """


class CoinsMoved(Event, type="io.example.test.commands.coins-moved"):
    """
    Coins came in, or with a negative number went out.
    """

    coins: int


class Purse(Aggregate, subject="/purses/{id}"):
    """
    Has commands that decide by what was read, and such that leave it to the store.
    """

    coins: int = 0

    def make(self) -> None:
        """
        Make it.
        """
        self.emit(PurseMade())

    def empty(self) -> "Purse":
        """
        Take out all that is seen in it.
        """
        self.emit(CoinsMoved(coins=-self.coins))
        return self

    def put(self, coins: int) -> None:
        """
        Put coins in; it only has to be there.
        """
        self.emit(CoinsMoved(coins=coins), rules=[SubjectExists(self.subject)])

    def take(self, coins: int) -> None:
        """
        Take coins out, if there are enough when the store comes to it.
        """
        self.emit(CoinsMoved(coins=-coins), rules=[enough(self.subject, coins)])

    def lose(self, coins: int) -> None:
        """
        Whatever is or is not in it.
        """
        self.emit(CoinsMoved(coins=-coins), unversioned=True)

    @handles
    def _made(self, _: PurseMade) -> None:
        pass

    @handles
    def _moved(self, event: CoinsMoved) -> None:
        self.coins += event.coins


def enough(subject: str, coins: int) -> Guard:
    """
    So many coins are in the purse.
    """
    return (select_events(CoinsMoved).at(subject).sum("coins") >= coins).named("enough coins")


@pytest.fixture
def purses(store: ObservedStore) -> Repository[Purse]:
    """
    The purses in the store.
    """
    return Repository(Purse, store)


async def make_purse(purses: Repository[Purse], coins: int) -> None:
    """
    A purse with coins in it: two events.
    """
    async with purses.create("1") as purse:
        purse.make()
    async with purses.change("1") as purse:
        purse.put(coins)


# --- What an aggregate is saved under --------------------------------------------------


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ([], [SubjectIsNew("/purses/1")]),
        (["make"], [SubjectIsNew("/purses/1")]),
        (["put"], [SubjectExists("/purses/1")]),
        (["put", "put"], [SubjectExists("/purses/1")]),
        (["put", "take"], [SubjectExists("/purses/1"), enough("/purses/1", 1)]),
        (["put", "make"], [SubjectIsNew("/purses/1"), SubjectExists("/purses/1")]),
        (["lose"], []),
    ],
    ids=lambda value: "-".join(value) or "nothing" if all(isinstance(each, str) for each in value) else "",
)
def test_preconditions_are_the_rules_of_all_pending_events(
    commands: list[str], expected: Iterable[Precondition]
) -> None:
    """
    Each event's rules count once; one event without rules is enough for the version to count, too.
    """
    purse = Purse("1")
    calls: dict[str, Callable[[], None]] = {
        "make": purse.make,
        "put": lambda: purse.put(1),
        "take": lambda: purse.take(1),
        "lose": lambda: purse.lose(1),
    }

    for command in commands:
        calls[command]()

    assert purse.preconditions == tuple(expected)


def test_preconditions_name_the_version_that_was_read() -> None:
    """
    Once something is committed, it is the version that must not have changed.
    """
    purse = Purse("1")
    purse.put(1)
    purse.mark_committed("x")

    purse.make()

    assert purse.preconditions == (SubjectIsAtVersion("/purses/1", 1),)


# --- Saving ----------------------------------------------------------------------------


async def test_aggregate_that_was_not_read_is_saved_under_its_rules(
    purses: Repository[Purse], store: ObservedStore
) -> None:
    """
    What the store decides needs no history: nothing is read, and the event is there.
    """
    await make_purse(purses, 5)
    store.read.clear()
    purse = Purse("1")
    purse.take(3)

    [recorded] = await purses.save(purse)

    assert store.read == []
    assert (purse.last_event_id, purse.pending_events) == (recorded.id, ())
    assert (await purses.load("1")).coins == 2


async def test_rule_that_does_not_hold_is_told_by_its_name(purses: Repository[Purse]) -> None:
    """
    The error has the rule's name and what it asked, and nothing is committed.
    """
    await make_purse(purses, 5)
    purse = Purse("1")
    purse.take(6)

    with pytest.raises(PreconditionFailedError) as excinfo:
        await purses.save(purse)

    assert type(excinfo.value) is RuleBrokenError
    assert (excinfo.value.name, excinfo.value.asked) == ("enough coins", "SUM(e.data.coins) >= 6")
    assert (await purses.load("1")).coins == 5


async def test_named_rule_about_the_version_keeps_its_name(purses: Repository[Purse], store: ObservedStore) -> None:
    """
    A rule of one's own that counts the subject's events is no conflict but that rule.
    """
    await make_purse(purses, 5)
    untouched = QueryHolds(SubjectIsAtVersion("/purses/1", 1).query, name="untouched")
    purse = Purse("1")
    purse.emit(CoinsMoved(coins=1), rules=[untouched])

    with pytest.raises(PreconditionFailedError) as excinfo:
        await purses.save(purse)

    assert (type(excinfo.value), excinfo.value.name) == (RuleBrokenError, "untouched")
    assert await store.count() == 2


async def test_rule_that_it_exists_is_told_like_loading_it(purses: Repository[Purse], store: ObservedStore) -> None:
    """
    What is not there is not there, whoever finds out.
    """
    purse = Purse("1")
    purse.put(1)

    with pytest.raises(AggregateNotFoundError) as excinfo:
        await purses.save(purse)

    assert (excinfo.value.subject, excinfo.value.aggregate) == ("/purses/1", "Purse")
    assert await store.count() == 0


async def test_unread_aggregate_without_rules_is_a_new_one(purses: Repository[Purse]) -> None:
    """
    Forgetting to read, where a command decides by the state, overwrites nothing.
    """
    await make_purse(purses, 5)

    with pytest.raises(AggregateExistsError):
        await purses.save(Purse("1").empty())


async def test_command_under_rules_never_conflicts(purses: Repository[Purse], store: ObservedStore) -> None:
    """
    What others committed meanwhile is no reason to run again as long as the rule holds.
    """
    await make_purse(purses, 5)
    store.rivals = [lambda: store.inner.commit([NewEvent.of(CoinsMoved(coins=-1), subject="/purses/1")])]
    store.commits = 0

    await purses.execute("1", Purse.take, 4)

    assert store.commits == 1
    assert (await purses.load("1")).coins == 0


async def test_command_whose_rule_fails_is_not_run_again(purses: Repository[Purse], store: ObservedStore) -> None:
    """
    The store has decided; deciding again would change nothing.
    """
    await make_purse(purses, 5)
    store.commits = 0

    with pytest.raises(PreconditionFailedError, match="enough coins"):
        await purses.execute("1", Purse.take, 6)

    assert store.commits == 1


async def test_version_guards_what_follows_a_commit_under_rules(
    purses: Repository[Purse], store: ObservedStore
) -> None:
    """
    What others wrote beside it is not in the state, so deciding by the state is refused.
    """
    await make_purse(purses, 5)
    purse = await purses.load("1")
    store.rivals = [lambda: store.inner.commit([NewEvent.of(CoinsMoved(coins=1), subject="/purses/1")])]
    purse.take(2)
    await purses.save(purse)

    with pytest.raises(ConflictError):
        await purses.save(purse.empty())

    assert (await purses.load("1")).coins == 4


async def test_aggregate_in_hand_goes_on_if_nobody_else_wrote(purses: Repository[Purse]) -> None:
    """
    Commands under rules and under the version can follow one another on the same aggregate.
    """
    await make_purse(purses, 5)
    purse = await purses.load("1")
    purse.take(2)
    await purses.save(purse)

    await purses.save(purse.empty())

    assert (await purses.load("1")).coins == 0


async def test_many_takers_at_once_never_take_too_much(purses: Repository[Purse], store: ObservedStore) -> None:
    """
    Of 16 who take at once, as many get something as there is for, each in one commit.
    """
    await make_purse(purses, 5)
    store.commits = 0

    async def take() -> None:
        purse = Purse("1")
        purse.take(1)
        await purses.save(purse)

    outcomes = await asyncio.gather(*(take() for _ in range(16)), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes if outcome] == [RuleBrokenError] * 11
    assert store.commits == 16
    assert (await purses.load("1")).coins == 0


# --- After a command -------------------------------------------------------------------


async def test_command_that_returns_its_aggregate_gives_it_as_saved(
    purses: Repository[Purse], store: ObservedStore
) -> None:
    """
    Also after a conflict: its last event is the one that was committed, for whoever waits to see it.
    """
    await make_purse(purses, 5)
    store.rivals = [lambda: store.inner.commit([NewEvent.of(CoinsMoved(coins=1), subject="/purses/1")])]

    emptied = await purses.execute("1", Purse.empty)

    recorded = [event async for event in store.stream("/purses/1")]
    assert (emptied.last_event_id, emptied.version, emptied.coins) == (recorded[-1].id, 4, 0)
    assert recorded[-1].data == {"coins": -6}
