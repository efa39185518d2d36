"""
The repository: aggregates out of a store and back, guarded.
"""

import pytest

from eventsource import (
    AggregateExistsError,
    AggregateNotFoundError,
    ConflictError,
    NewEvent,
    Repository,
    SubjectIsAtVersion,
    SubjectIsNew,
)
from eventsource.errors import EventDecodingError, PreconditionFailedError, UnknownEventTypeError
from tests.aggregates.accounts import (
    Account,
    AccountOpened,
    CardIssued,
    Customer,
    InsufficientFundsError,
    MoneyMoved,
    transfer,
)
from tests.aggregates.observed_store import ObservedStore


@pytest.fixture
def accounts(store: ObservedStore) -> Repository[Account]:
    """
    The accounts in the store.
    """
    return Repository(Account, store)


async def open_account(accounts: Repository[Account], id: str, *, cents: int) -> None:
    """
    An account with money in it: two events.
    """
    async with accounts.create(id) as account:
        account.open("Ada")
        account.deposit(cents)


async def stored(store: ObservedStore, subject: str = "/") -> list[object]:
    """
    All events from *subject* on, decoded.
    """
    return [recorded.decode() async for recorded in store.stream(subject)]


# --- load ------------------------------------------------------------------------------


async def test_loaded_aggregate_has_the_state_of_its_events(accounts: Repository[Account]) -> None:
    """
    What was saved is loaded again, with its version and nothing pending.
    """
    await open_account(accounts, "1", cents=500)

    account = await accounts.load("1")

    assert (account.owner, account.cents, account.version, account.pending_events) == ("Ada", 500, 2, ())


async def test_loading_what_does_not_exist_is_an_error_with_facts(accounts: Repository[Account]) -> None:
    """
    Without events there is no aggregate; the error names subject and class.
    """
    with pytest.raises(AggregateNotFoundError) as excinfo:
        await accounts.load("1")

    assert (excinfo.value.subject, excinfo.value.aggregate) == ("/accounts/1", "Account")


async def test_events_below_the_subject_are_not_the_aggregates(
    accounts: Repository[Account], store: ObservedStore
) -> None:
    """
    An aggregate is made of exactly its subject's events: neither those below it nor its neighbours'.
    """
    await open_account(accounts, "1", cents=500)
    await open_account(accounts, "10", cents=7)
    await store.commit([NewEvent.of(CardIssued(number="1"), subject="/accounts/1/cards/1")])

    account = await accounts.load("1")

    assert (account.cents, account.version) == (500, 2)


async def test_events_below_the_subject_are_no_conflict(accounts: Repository[Account], store: ObservedStore) -> None:
    """
    The guard counts the subject's own events only.
    """
    await store.commit([NewEvent.of(CardIssued(number="1"), subject="/accounts/1/cards/1")])
    await open_account(accounts, "1", cents=500)

    async with accounts.change("1") as account:
        await store.commit([NewEvent.of(CardIssued(number="2"), subject="/accounts/1/cards/2")])
        account.deposit(1)

    assert (await accounts.load("1")).cents == 501


async def test_event_the_aggregate_does_not_know_is_an_error(
    accounts: Repository[Account], store: ObservedStore
) -> None:
    """
    A type without a handler stops the load; the aggregate is not silently incomplete.
    """
    await store.commit([NewEvent.of(CardIssued(number="1"), subject="/accounts/1")])

    with pytest.raises(UnknownEventTypeError) as excinfo:
        await accounts.load("1")

    assert excinfo.value.event_type == CardIssued.event_type


async def test_event_that_does_not_fit_is_an_error(accounts: Repository[Account], store: ObservedStore) -> None:
    """
    Data that does not fit its class stops the load.
    """
    await store.commit([NewEvent(subject="/accounts/1", type=MoneyMoved.event_type, data={"cents": "many"})])

    with pytest.raises(EventDecodingError):
        await accounts.load("1")


async def test_long_history_is_loaded_whole(accounts: Repository[Account], store: ObservedStore) -> None:
    """
    More events than a page holds are all folded, once each.
    """
    await store.commit([NewEvent.of(MoneyMoved(cents=1), subject="/accounts/1")] * 2_500)

    account = await accounts.load("1")

    assert (account.cents, account.version) == (2_500, 2_500)


# --- create ----------------------------------------------------------------------------


async def test_created_aggregate_is_saved_at_the_end_of_the_block(
    accounts: Repository[Account], store: ObservedStore
) -> None:
    """
    All its events are one commit, guarded by "no events yet".
    """
    async with accounts.create("1") as account:
        account.open("Ada")
        account.deposit(5)
        assert store.commits == 0

    assert await stored(store) == [AccountOpened(owner="Ada"), MoneyMoved(cents=5)]
    assert (store.commits, store.preconditions) == (1, [SubjectIsNew("/accounts/1")])
    assert (account.version, account.pending_events) == (2, ())


async def test_creating_what_exists_is_an_error_with_facts(accounts: Repository[Account], store: ObservedStore) -> None:
    """
    The second creation writes nothing; the error says what was there.
    """
    await open_account(accounts, "1", cents=500)

    with pytest.raises(AggregateExistsError) as excinfo:
        await open_account(accounts, "1", cents=7)

    error = excinfo.value
    assert (error.subject, error.expected, error.found) == ("/accounts/1", "no events", "2 events")
    assert isinstance(error.__cause__, PreconditionFailedError)
    assert await store.count() == 2


async def test_creating_without_an_event_commits_nothing(accounts: Repository[Account], store: ObservedStore) -> None:
    """
    A block that emits nothing leaves no trace.
    """
    async with accounts.create("1"):
        pass

    assert store.commits == 0


async def test_error_in_the_block_of_create_commits_nothing(
    accounts: Repository[Account], store: ObservedStore
) -> None:
    """
    What was emitted before the block raised is not saved.
    """
    with pytest.raises(InsufficientFundsError):  # noqa: PT012  raised at the end of the block
        async with accounts.create("1") as account:
            account.open("Ada")
            account.withdraw(1)

    assert store.commits == 0


# --- change ----------------------------------------------------------------------------


async def test_change_is_saved_at_the_end_of_the_block(accounts: Repository[Account], store: ObservedStore) -> None:
    """
    The events are one commit, guarded by the version that was loaded.
    """
    await open_account(accounts, "1", cents=500)

    async with accounts.change("1") as account:
        account.withdraw(200)
        account.deposit(1)

    assert await stored(store) == [
        AccountOpened(owner="Ada"),
        MoneyMoved(cents=500),
        MoneyMoved(cents=-200),
        MoneyMoved(cents=1),
    ]
    assert store.preconditions == [SubjectIsAtVersion("/accounts/1", 2)]
    assert account.version == 4


async def test_changing_what_does_not_exist_is_an_error(accounts: Repository[Account], store: ObservedStore) -> None:
    """
    There is nothing to change, and the block does not run.
    """
    with pytest.raises(AggregateNotFoundError):
        async with accounts.change("1"):
            pytest.fail("the block must not run")

    assert store.commits == 0


async def test_changing_what_others_changed_meanwhile_is_a_conflict_with_facts(
    accounts: Repository[Account], store: ObservedStore
) -> None:
    """
    Who comes second writes nothing, and is told what was there.
    """
    await open_account(accounts, "1", cents=500)

    with pytest.raises(ConflictError) as excinfo:  # noqa: PT012  raised at the end of the block
        async with accounts.change("1") as mine:
            async with accounts.change("1") as theirs:
                theirs.withdraw(500)
            mine.withdraw(500)

    error = excinfo.value
    assert (error.subject, error.expected, error.found) == ("/accounts/1", "2 events", "3 events")
    assert (await accounts.load("1")).cents == 0
    assert await store.count() == 3


async def test_change_that_emits_nothing_commits_nothing(accounts: Repository[Account], store: ObservedStore) -> None:
    """
    Looking is free.
    """
    await open_account(accounts, "1", cents=500)

    async with accounts.change("1") as account:
        account.look()

    assert store.commits == 1


async def test_error_in_the_block_of_change_commits_nothing(
    accounts: Repository[Account], store: ObservedStore
) -> None:
    """
    What was emitted before the block raised is not saved.
    """
    await open_account(accounts, "1", cents=500)

    with pytest.raises(InsufficientFundsError):  # noqa: PT012  raised at the end of the block
        async with accounts.change("1") as account:
            account.withdraw(400)
            account.withdraw(400)

    assert store.commits == 1
    assert (await accounts.load("1")).cents == 500


# --- save ------------------------------------------------------------------------------


async def test_saving_gives_what_was_committed(accounts: Repository[Account]) -> None:
    """
    The recorded events come back, in the order emitted.
    """
    account = Account("1")
    account.open("Ada")
    account.deposit(5)

    recorded = await accounts.save(account)

    assert [event.decode() for event in recorded] == [AccountOpened(owner="Ada"), MoneyMoved(cents=5)]
    assert [event.position for event in recorded] == [1, 2]
    assert account.last_event_id == recorded[-1].id


async def test_saved_aggregate_can_be_changed_and_saved_again(accounts: Repository[Account]) -> None:
    """
    Saving brings the aggregate to its new version, so it goes on from there.
    """
    account = Account("1")
    account.open("Ada")
    await accounts.save(account)

    account.deposit(5)
    await accounts.save(account)

    assert account.version == 2
    assert (await accounts.load("1")).cents == 5


async def test_saving_without_pending_events_commits_nothing(
    accounts: Repository[Account], store: ObservedStore
) -> None:
    """
    There is nothing to write, and nothing comes back.
    """
    await open_account(accounts, "1", cents=500)

    recorded = await accounts.save(await accounts.load("1"))

    assert recorded == ()
    assert store.commits == 1


async def test_after_a_conflict_the_aggregate_is_as_it_was(accounts: Repository[Account]) -> None:
    """
    What could not be saved is still pending, and the version is the one that was loaded.
    """
    await open_account(accounts, "1", cents=500)
    account = await accounts.load("1")
    await accounts.execute("1", Account.deposit, 1)
    account.withdraw(500)

    with pytest.raises(ConflictError):
        await accounts.save(account)

    assert (account.version, account.pending_events) == (2, (MoneyMoved(cents=-500),))


async def test_aggregates_of_different_classes_are_saved_in_one_commit(
    accounts: Repository[Account], store: ObservedStore
) -> None:
    """
    All their events are one commit, in the order given; each aggregate has its own version and last event.
    """
    account, customer = Account("1"), Customer("7")
    account.open("Ada")
    customer.greet()
    account.deposit(5)

    recorded = await accounts.save(account, customer)

    assert [event.subject for event in recorded] == ["/accounts/1", "/accounts/1", "/customers/7"]
    assert store.commits == 1
    assert (account.version, account.last_event_id) == (2, recorded[1].id)
    assert (customer.version, customer.last_event_id) == (1, recorded[2].id)


async def test_conflict_of_one_aggregate_saves_none(accounts: Repository[Account], store: ObservedStore) -> None:
    """
    All are saved or none is; the error names the one that others changed.
    """
    await open_account(accounts, "1", cents=500)
    await open_account(accounts, "2", cents=0)
    source, target = await accounts.load("1"), await accounts.load("2")
    await accounts.execute("2", Account.deposit, 1)
    transfer(source, target, 500)

    with pytest.raises(ConflictError) as excinfo:
        await accounts.save(source, target)

    assert excinfo.value.subject == "/accounts/2"
    assert (await accounts.load("1")).cents == 500
    assert await store.count() == 5
    assert (source.version, target.version) == (2, 2)


async def test_aggregate_that_emitted_nothing_is_guarded_too(accounts: Repository[Account]) -> None:
    """
    What was only read may have decided: if others changed it, the commit fails.
    """
    await open_account(accounts, "1", cents=500)
    await open_account(accounts, "2", cents=0)
    limit, account = await accounts.load("1"), await accounts.load("2")
    await accounts.execute("1", Account.withdraw, 500)
    account.deposit(limit.look())

    with pytest.raises(ConflictError) as excinfo:
        await accounts.save(limit, account)

    assert excinfo.value.subject == "/accounts/1"


async def test_aggregate_that_emitted_nothing_stays_as_it_is(accounts: Repository[Account]) -> None:
    """
    Being guarded only, it keeps version and last event.
    """
    await open_account(accounts, "1", cents=500)
    await open_account(accounts, "2", cents=0)
    limit, account = await accounts.load("1"), await accounts.load("2")
    last_event_id = limit.last_event_id
    account.deposit(1)

    await accounts.save(limit, account)

    assert (limit.version, limit.last_event_id) == (2, last_event_id)
    assert account.version == 3


async def test_same_aggregate_twice_in_one_commit_is_refused(
    accounts: Repository[Account], store: ObservedStore
) -> None:
    """
    Two objects of one subject would each be guarded against the other; nothing is written.
    """
    await open_account(accounts, "1", cents=500)
    one, same = await accounts.load("1"), await accounts.load("1")
    one.withdraw(500)
    same.withdraw(500)

    with pytest.raises(ValueError, match="saved twice"):
        await accounts.save(one, same)

    assert store.commits == 1
    assert one.pending_events == (MoneyMoved(cents=-500),)
