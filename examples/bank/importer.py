"""
Importing: one command for each line of the files, through the same aggregates as everything else.

It can be stopped at any moment, killed even, and run again. What is booked already is known by its
reference, so nothing is booked twice and nothing is left out.
"""

import asyncio

import attrs

from eventsource import Aggregate, AggregateExistsError, AggregateNotFoundError, EventStore, Repository
from examples.bank.account import Account
from examples.bank.berka import BerkaError, BerkaFiles, Opening, Step, Transaction
from examples.bank.customer import Customer
from examples.bank.refusals import OtherOwnerError, RefusedError

# How many accounts are worked on at the same time. The store commits what arrives together with one write to the
# disk, so the more wait, the less each one costs.
LANES = 128

# Steps that may wait in one lane: the lanes stay this close together, so the log is roughly in the order of dates.
_LANE_LENGTH = 4


@attrs.define
class Progress:
    """
    How far an import is.

    Attributes:
        total: How many accounts and transactions the files have.

        steps: How many of them are done, by this import or an earlier one.

        events: Events committed by this import.
    """

    total: int = 0
    steps: int = 0
    events: int = 0


async def import_files(store: EventStore, files: BerkaFiles, progress: Progress) -> None:
    """
    Book everything in *files* that is not booked yet.

    No read model is needed for that. They catch up afterwards, in large batches: that is twice as fast as
    following each commit.

    Args:
        progress: Is kept up to date while this runs.

    Raises:
        BerkaError: The bank refuses what a line asks for.
        OtherOwnerError: An account in the bank is not the one in the files.
        StoreError: The store gives up.
    """
    progress.total = len(files.openings) + len(files.transactions)
    run = _Import(store, progress)
    lane_of = {opening.account: number % LANES for number, opening in enumerate(files.openings)}
    lanes = [asyncio.Queue[Step | None](_LANE_LENGTH) for _ in range(LANES)]
    try:
        async with asyncio.TaskGroup() as group:
            for lane in lanes:
                group.create_task(run.work_off(lane))
            for step in files.in_order():
                await lanes[lane_of[step.account]].put(step)
            for lane in lanes:
                await lane.put(None)
    except ExceptionGroup as failures:
        # The first one is the reason; it stopped the others.
        raise failures.exceptions[0] from None


class _Import:
    """
    What the lanes of one import share.
    """

    def __init__(self, store: EventStore, progress: Progress) -> None:
        self._accounts = Repository(Account, store)
        self._progress = progress

    async def work_off(self, lane: asyncio.Queue[Step | None]) -> None:
        """
        Take one step after the other until there are no more. A lane has its accounts to itself.

        So they are kept, and what is booked on them is decided by what was read: nobody else's writes are
        to be expected, and the version that guards each commit costs the store next to nothing.
        """
        accounts: dict[str, Account] = {}
        while (step := await lane.get()) is not None:
            if isinstance(step, Opening):
                accounts[step.account] = await self._open(step)
            else:
                await self._book(accounts[step.account], step)
            self._progress.steps += 1

    async def _open(self, opening: Opening) -> Account:
        customer, account = Customer(opening.owner), Account(opening.account)
        # The files have no names, and we invent none.
        customer.register(f"Client {opening.owner}", on=opening.on)
        account.open(opening.owner, on=opening.on, overdraft_limit_cents=opening.overdraft_limit_cents)
        try:
            await self._save(customer, account)
        except AggregateExistsError:
            # An earlier import has been here, or the customer has several accounts.
            return await self._find_or_open(opening)
        return account

    async def _find_or_open(self, opening: Opening) -> Account:
        try:
            account = await self._accounts.load(opening.account)
        except AggregateNotFoundError:
            account = Account(opening.account)
            account.open(opening.owner, on=opening.on, overdraft_limit_cents=opening.overdraft_limit_cents)
        if account.owner != opening.owner:
            raise OtherOwnerError(account=account.id, owner=account.owner, claimed=opening.owner)
        if account.overdraft_limit_cents < opening.overdraft_limit_cents:
            account.grant_overdraft(opening.overdraft_limit_cents)
        await self._save(account)
        return account

    async def _book(self, account: Account, transaction: Transaction) -> None:
        try:
            account.book(
                transaction.cents,
                on=transaction.on,
                against=transaction.against,
                text=transaction.text,
                reference=transaction.reference,
            )
        except RefusedError as error:
            raise BerkaError(transaction.file, transaction.line, str(error)) from error
        await self._save(account)

    async def _save(self, *aggregates: Aggregate) -> None:
        recorded = await self._accounts.save(*aggregates)
        self._progress.events += len(recorded)
