"""
Accounts: the rules about money, and nothing else.

A command method checks the rules and emits; a handler takes what happened into the state. Only
commands refuse: tighten a rule tomorrow, and yesterday's events still fold.
"""

from datetime import date

from eventsource import Aggregate, handles
from examples.bank.events import (
    AccountOpened,
    BankAccount,
    MoneyDeposited,
    MoneyWithdrawn,
    OverdraftGranted,
    TransferReceived,
    TransferSent,
)
from examples.bank.refusals import (
    AlreadyOpenError,
    AmountRefusedError,
    LimitRefusedError,
    NoSuchAccountError,
    NotCoveredError,
    SameAccountError,
)

# Ten billion. It keeps every sum far within 64 bits, in the read models too.
MOST_CENTS = 1_000_000_000_000


class Account(Aggregate, subject="/accounts/{id}"):
    """
    One account: who owns it, what it holds, how far below zero it may go.
    """

    owner: str = ""
    balance_cents: int = 0
    overdraft_limit_cents: int = 0
    references: set[str] = set()  # noqa: RUF012  an aggregate copies its defaults, each instance has its own

    def open(self, owner: str, *, on: date, overdraft_limit_cents: int = 0) -> None:
        """
        Open the account for the customer *owner*.

        Raises:
            AlreadyOpenError: It is open.
            LimitRefusedError: The overdraft limit is none this bank grants.
        """
        if self.owner:
            raise AlreadyOpenError(self.id)
        self.emit(AccountOpened(owner=owner, opened_on=on))
        if overdraft_limit_cents:
            self.grant_overdraft(overdraft_limit_cents)

    def grant_overdraft(self, limit_cents: int) -> None:
        """
        Let the balance go so far below zero from now on.

        Raises:
            LimitRefusedError: The limit is none this bank grants.
        """
        self._must_be_open()
        if not 0 <= limit_cents <= MOST_CENTS:
            raise LimitRefusedError(limit_cents=limit_cents, most_cents=MOST_CENTS)
        self.emit(OverdraftGranted(limit_cents=limit_cents))

    def deposit(
        self, cents: int, *, on: date, against: BankAccount = "cash", text: str = "Deposit", reference: str = ""
    ) -> None:
        """
        Put money in; the bank's account *against* has the other side of it.

        A *reference* that is booked already changes nothing.

        Raises:
            AmountRefusedError: The amount is not positive, or absurd.
        """
        self._must_be_open()
        if reference in self.references:
            return
        _check_amount(cents)
        self.emit(MoneyDeposited(cents=cents, booked_on=on, text=text, reference=reference, against=against))

    def withdraw(
        self, cents: int, *, on: date, against: BankAccount = "cash", text: str = "Withdrawal", reference: str = ""
    ) -> None:
        """
        Take money out; the bank's account *against* has the other side of it.

        A *reference* that is booked already changes nothing.

        Raises:
            AmountRefusedError: The amount is not positive, or absurd.
            NotCoveredError: The account does not have it.
        """
        self._must_be_open()
        if reference in self.references:
            return
        self._must_cover(cents)
        self.emit(MoneyWithdrawn(cents=cents, booked_on=on, text=text, reference=reference, against=against))

    def send(self, cents: int, *, to: str, on: date) -> None:
        """
        Half of a `transfer`: let money go to the account *to*.

        Raises:
            AmountRefusedError: The amount is not positive, or absurd.
            NotCoveredError: The account does not have it.
        """
        self._must_be_open()
        self._must_cover(cents)
        self.emit(TransferSent(cents=cents, booked_on=on, text=f"Transfer to {to}", to_account=to))

    def receive(self, cents: int, *, sender: str, on: date) -> None:
        """
        The other half of a `transfer`: take money from the account *sender*.

        Raises:
            AmountRefusedError: The amount is not positive, or absurd.
        """
        self._must_be_open()
        _check_amount(cents)
        self.emit(TransferReceived(cents=cents, booked_on=on, text=f"Transfer from {sender}", from_account=sender))

    @handles
    def _opened(self, event: AccountOpened) -> None:
        self.owner = event.owner

    @handles
    def _overdraft_granted(self, event: OverdraftGranted) -> None:
        self.overdraft_limit_cents = event.limit_cents

    @handles
    def _came_in(self, event: MoneyDeposited | TransferReceived) -> None:
        self.balance_cents += event.cents
        self._note_reference(event.reference)

    @handles
    def _went_out(self, event: MoneyWithdrawn | TransferSent) -> None:
        self.balance_cents -= event.cents
        self._note_reference(event.reference)

    def _note_reference(self, reference: str) -> None:
        if reference:
            self.references.add(reference)

    def _must_be_open(self) -> None:
        if not self.owner:
            raise NoSuchAccountError(self.id)

    def _must_cover(self, cents: int) -> None:
        _check_amount(cents)
        if cents > self.balance_cents + self.overdraft_limit_cents:
            raise NotCoveredError(
                account=self.id,
                balance_cents=self.balance_cents,
                overdraft_limit_cents=self.overdraft_limit_cents,
                requested_cents=cents,
            )


def transfer(sender: Account, receiver: Account, cents: int, *, on: date) -> None:
    """
    Move money between two accounts of this bank.

    It is a command over two aggregates: `Repository.execute_across` loads both, and saves both in
    one commit that is guarded for each. So the money is never gone from one and not in the other,
    whoever else writes to either at the same time.

    Raises:
        SameAccountError: Both are the same.
        AmountRefusedError: The amount is not positive, or absurd.
        NotCoveredError: *sender* does not have it.
    """
    if sender.id == receiver.id:
        raise SameAccountError(sender.id)
    sender.send(cents, to=receiver.id, on=on)
    receiver.receive(cents, sender=sender.id, on=on)


def account_of(subject: str) -> str:
    """
    The number of the account that an event's subject names.

    >>> account_of("/accounts/42")
    '42'
    """
    return subject.rpartition("/")[2]


def _check_amount(cents: int) -> None:
    if not 0 < cents <= MOST_CENTS:
        raise AmountRefusedError(cents=cents, most_cents=MOST_CENTS)
