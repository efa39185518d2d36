"""
Executing commands: load, run, save, and run again when others were first.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from eventsource import AggregateNotFoundError, ConflictError, Repository, RetryPolicy
from tests.aggregates.accounts import Account, InsufficientFundsError, MoneyMoved, transfer
from tests.aggregates.observed_store import ObservedStore

NO_PAUSE = RetryPolicy(attempts=3, first_pause_s=0)


@pytest.fixture
def accounts(store: ObservedStore) -> Repository[Account]:
    """
    The accounts in the store; a command is run three times at the most.
    """
    return Repository(Account, store, retry=NO_PAUSE)


async def open_account(accounts: Repository[Account], id: str, *, cents: int) -> None:
    """
    An account with money in it: two events.
    """
    async with accounts.create(id) as account:
        account.open("Ada")
        account.deposit(cents)


def deposit_first(store: ObservedStore, cents: int, *, id: str = "1") -> Callable[[], Awaitable[object]]:
    """
    A rival who puts money in just before a commit arrives, past the store that calls it.
    """
    return lambda: Repository(Account, store.inner).execute(id, Account.deposit, cents)


# --- One aggregate ---------------------------------------------------------------------


async def test_command_is_loaded_run_and_saved(accounts: Repository[Account]) -> None:
    """
    The command gets the aggregate and the arguments; its result comes back.
    """
    await open_account(accounts, "1", cents=500)

    balance = await accounts.execute("1", Account.withdraw, 100, fee_cents=1)

    assert balance == 399
    assert (await accounts.load("1")).cents == 399


async def test_command_may_be_any_function(accounts: Repository[Account]) -> None:
    """
    What takes the aggregate first is a command, method or not.
    """
    await open_account(accounts, "1", cents=500)

    owner = await accounts.execute("1", lambda account: account.owner)

    assert owner == "Ada"


async def test_command_on_what_does_not_exist_is_an_error(accounts: Repository[Account], store: ObservedStore) -> None:
    """
    A command changes what is there; it creates nothing.
    """
    with pytest.raises(AggregateNotFoundError):
        await accounts.execute("1", Account.deposit, 1)

    assert store.commits == 0


async def test_refused_command_commits_nothing_and_is_not_run_again(
    accounts: Repository[Account], store: ObservedStore
) -> None:
    """
    The application's own refusal is raised as it is, at once.
    """
    await open_account(accounts, "1", cents=500)

    with pytest.raises(InsufficientFundsError):
        await accounts.execute("1", Account.withdraw, 501)

    assert store.commits == 1


async def test_command_that_emits_nothing_commits_nothing(accounts: Repository[Account], store: ObservedStore) -> None:
    """
    Its result comes back all the same.
    """
    await open_account(accounts, "1", cents=500)

    assert await accounts.execute("1", Account.look) == 500

    assert store.commits == 1


async def test_command_is_run_again_after_a_conflict(accounts: Repository[Account], store: ObservedStore) -> None:
    """
    The second run decides on what is there now, and its result is the one that comes back.
    """
    await open_account(accounts, "1", cents=500)
    store.rivals = [deposit_first(store, 1000)]

    balance = await accounts.execute("1", Account.withdraw, 100)

    assert balance == 1400
    assert (await accounts.load("1")).cents == 1400


async def test_rule_is_checked_again_after_a_conflict(accounts: Repository[Account], store: ObservedStore) -> None:
    """
    A command that was fine when it was first run is refused if it is not any more.
    """
    await open_account(accounts, "1", cents=500)
    store.rivals = [deposit_first(store, -450)]

    with pytest.raises(InsufficientFundsError):
        await accounts.execute("1", Account.withdraw, 100)

    assert (await accounts.load("1")).cents == 50


async def test_only_what_is_new_is_read_after_a_conflict(accounts: Repository[Account], store: ObservedStore) -> None:
    """
    The aggregate is not loaded from its first event again.
    """
    await open_account(accounts, "1", cents=500)
    store.rivals = [deposit_first(store, cents) for cents in (1, 2)]
    store.read.clear()

    await accounts.execute("1", Account.withdraw, 100)

    assert [event.decode() for event in store.read[2:]] == [MoneyMoved(cents=1), MoneyMoved(cents=2)]


async def test_each_event_of_a_run_that_was_not_saved_is_gone(
    accounts: Repository[Account], store: ObservedStore
) -> None:
    """
    Only the events of the saved run are committed, once.
    """
    await open_account(accounts, "1", cents=500)
    store.rivals = [deposit_first(store, 1), deposit_first(store, 1)]

    await accounts.execute("1", Account.withdraw, 100)

    amounts = [event.data["cents"] async for event in store.stream() if event.type == MoneyMoved.event_type]
    assert amounts == [500, 1, 1, -100]


async def test_attempts_are_bounded(accounts: Repository[Account], store: ObservedStore) -> None:
    """
    After the last of the attempts the conflict is raised, and nothing of the command is written.
    """
    await open_account(accounts, "1", cents=500)
    store.rivals = [deposit_first(store, 1) for _ in range(3)]
    store.commits = 0

    with pytest.raises(ConflictError) as excinfo:
        await accounts.execute("1", Account.withdraw, 100)

    assert excinfo.value.subject == "/accounts/1"
    assert store.commits == 3
    assert (await accounts.load("1")).cents == 503


async def test_one_attempt_never_runs_again(store: ObservedStore) -> None:
    """
    With one attempt the first conflict is raised.
    """
    accounts = Repository(Account, store, retry=RetryPolicy(attempts=1))
    await open_account(accounts, "1", cents=500)
    store.rivals = [deposit_first(store, 1)]

    with pytest.raises(ConflictError):
        await accounts.execute("1", Account.withdraw, 100)


async def test_pauses_are_drawn_from_the_policy(store: ObservedStore) -> None:
    """
    After each conflict but the last one a pause is drawn, from ceilings that double.
    """
    drawn: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return 0

    policy = RetryPolicy(attempts=4, first_pause_s=1, longest_pause_s=3, uniform=uniform)
    accounts = Repository(Account, store, retry=policy)
    await open_account(accounts, "1", cents=500)
    store.rivals = [deposit_first(store, 1) for _ in range(4)]

    with pytest.raises(ConflictError):
        await accounts.execute("1", Account.withdraw, 100)

    assert drawn == [(0, 1), (0, 2), (0, 3)]


async def test_many_at_once_all_get_their_turn(store: ObservedStore) -> None:
    """
    Commands on one aggregate at the same time are all run, each exactly once.
    """
    accounts = Repository(Account, store, retry=RetryPolicy(attempts=100, first_pause_s=0.0001, longest_pause_s=0.01))
    await open_account(accounts, "1", cents=0)

    balances = await asyncio.gather(*(accounts.execute("1", Account.deposit, 1) for _ in range(20)))

    assert sorted(balances) == list(range(1, 21))
    assert (await accounts.load("1")).version == 22


# --- Several aggregates ----------------------------------------------------------------


async def test_command_across_aggregates_is_one_commit(accounts: Repository[Account], store: ObservedStore) -> None:
    """
    The command gets all aggregates in the order of their ids, then the arguments.
    """
    await open_account(accounts, "1", cents=500)
    await open_account(accounts, "2", cents=0)
    store.commits = 0

    balances = await accounts.execute_across(["1", "2"], transfer, 200)

    assert balances == (300, 200)
    assert store.commits == 1
    assert [(await accounts.load(id)).cents for id in "12"] == [300, 200]


@pytest.mark.parametrize("changed", ["1", "2"])
async def test_command_across_aggregates_is_run_again_if_any_changed(
    accounts: Repository[Account], store: ObservedStore, changed: str
) -> None:
    """
    Whichever of them others changed first, the command decides anew.
    """
    await open_account(accounts, "1", cents=500)
    await open_account(accounts, "2", cents=0)
    store.rivals = [deposit_first(store, 10, id=changed)]

    await accounts.execute_across(["1", "2"], transfer, 200)

    total = sum([(await accounts.load(id)).cents for id in "12"])
    assert total == 510


async def test_refused_command_across_aggregates_changes_none(accounts: Repository[Account]) -> None:
    """
    Money does not arrive that did not leave.
    """
    await open_account(accounts, "1", cents=500)
    await open_account(accounts, "2", cents=0)

    with pytest.raises(InsufficientFundsError):
        await accounts.execute_across(["1", "2"], transfer, 501)

    assert [(await accounts.load(id)).cents for id in "12"] == [500, 0]


async def test_command_across_what_does_not_exist_is_an_error(
    accounts: Repository[Account], store: ObservedStore
) -> None:
    """
    One that is missing is enough, and is named.
    """
    await open_account(accounts, "1", cents=500)

    with pytest.raises(AggregateNotFoundError) as excinfo:
        await accounts.execute_across(["1", "2"], transfer, 100)

    assert excinfo.value.subject == "/accounts/2"
    assert store.commits == 1


async def test_command_across_the_same_aggregate_twice_is_refused(
    accounts: Repository[Account], store: ObservedStore
) -> None:
    """
    A transfer from an account to itself would be decided on two copies of it.
    """
    await open_account(accounts, "1", cents=500)

    with pytest.raises(ValueError, match="saved twice"):
        await accounts.execute_across(["1", "1"], transfer, 100)

    assert store.commits == 1


async def test_transfers_in_circles_lose_no_money(store: ObservedStore) -> None:
    """
    Many transfers at once between few accounts keep the total, and none is lost.
    """
    accounts = Repository(Account, store, retry=RetryPolicy(attempts=200, first_pause_s=0.0001, longest_pause_s=0.01))
    for id in "123":
        await open_account(accounts, id, cents=1000)
    routes = [("1", "2"), ("2", "3"), ("3", "1"), ("2", "1")] * 4

    await asyncio.gather(*(accounts.execute_across(route, transfer, 10) for route in routes))

    assert [(await accounts.load(id)).cents for id in "123"] == [1000 + 40, 1000 - 40, 1000]
    assert await store.count() == 6 + 2 * len(routes)
