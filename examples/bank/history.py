"""
How an account came to be what it is: every event of it, and what it was right after.

Nothing of this is stored anywhere: the events are, and any past moment is folded from them.
"""

import attrs

from eventsource import AggregateNotFoundError, EventStore, RecordedEvent, Repository
from examples.bank.account import Account
from examples.bank.events import Booking
from examples.bank.refusals import NoSuchAccountError


@attrs.frozen
class Step:
    """
    One event of an account.

    Attributes:
        event: What happened.

        text: The same in words.

        cents: What it added to the balance.

        balance_cents: The balance right after it.
    """

    event: RecordedEvent
    text: str
    cents: int
    balance_cents: int


async def steps_of(store: EventStore, account: str) -> list[Step]:
    """
    Every event of an account, oldest first: together they explain its balance.

    Raises:
        NoSuchAccountError: It is not there.
    """
    steps: list[Step] = []
    balance_cents = 0
    try:
        async for event, state in Repository(Account, store).history(account):
            change_cents = state.balance_cents - balance_cents
            balance_cents = state.balance_cents
            steps.append(Step(event, _in_words(event), change_cents, balance_cents))
    except AggregateNotFoundError as error:
        raise NoSuchAccountError(account) from error
    return steps


async def account_at(store: EventStore, account: str, event_id: str) -> Account:
    """
    An account as it was right after an event, read only.

    Raises:
        NoSuchAccountError: It was not there yet.
    """
    try:
        return await Repository(Account, store).load(account, at=event_id)
    except AggregateNotFoundError as error:
        raise NoSuchAccountError(account) from error


def _in_words(recorded: RecordedEvent) -> str:
    name = recorded.type.rpartition(".")[2].replace("-", " ")
    [event] = recorded.decode_all()
    return event.text if isinstance(event, Booking) and event.text else name
