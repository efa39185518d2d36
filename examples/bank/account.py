"""
Accounts: the commands about money.

There are two kinds. `deposit`, `withdraw`, `close` and `transfer` leave every decision to the store:
they look at nothing but their arguments, and emit their events under the rules of
`examples.bank.rules`. So they run on an account of which nothing is read, ``Account("42")``, take the
same time whatever its history, and never conflict with one another.

`open`, `grant_overdraft` and `book` decide by what was read, so they are committed only if it is still
true: under the account's version.

A handler takes what happened into the state. Only commands refuse: tighten a rule tomorrow, and
yesterday's events still fold.
"""

from datetime import date

from eventsource import Aggregate, Precondition, SubjectExists, handles
from examples.bank import rules
from examples.bank.events import (
    AccountClosed,
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
    ClosedError,
    LimitRefusedError,
    NoSuchAccountError,
    NotCoveredError,
    SameAccountError,
    UnsavedError,
)

# Ten billion. It keeps every sum far within 64 bits, in the read models too.
MOST_CENTS = 1_000_000_000_000


class Account(Aggregate, subject="/accounts/{id}"):
    """
    One account: who owns it, what it holds, how far below zero it may go.
    """

    owner: str = ""
    is_closed: bool = False
    balance_cents: int = 0
    overdraft_limit_cents: int = 0
    references: set[str] = set()  # noqa: RUF012  an aggregate copies its defaults, each instance has its own

    # --- Decided by the store ---

    def deposit(self, cents: int, *, on: date) -> None:
        """
        Put cash in.

        It is refused unless the account is there, `rules.is_open` and `rules.is_in_open_month`.

        Raises:
            AmountRefusedError: The amount is not positive, or absurd.
            UnsavedError: Something else is to be committed with it.
        """
        check_amount(cents)
        self.emit(
            MoneyDeposited(delta_cents=cents, booked_on=on, text="Deposit", against="cash"),
            rules=self._open_for_business(on),
        )

    def take_loan(self, cents: int, *, loan: str, on: date) -> None:
        """
        Get what the bank lends. It is refused where a deposit is.

        Raises:
            AmountRefusedError: The amount is not positive, or absurd.
            UnsavedError: Something else is to be committed with it.
        """
        check_amount(cents)
        self.emit(
            MoneyDeposited(delta_cents=cents, booked_on=on, text=f"Loan {loan}", against="clearing"),
            rules=self._open_for_business(on),
        )

    def withdraw(self, cents: int, *, customer: str, on: date) -> None:
        """
        Take cash out, as its owner *customer* does.

        It is refused unless the account is there, `rules.is_open`, `rules.is_in_open_month` and `rules.covers` it, and
        `rules.is_within_daily_limit` of the customer, whose other accounts count as well.

        Raises:
            AmountRefusedError: The amount is not positive, or absurd.
            UnsavedError: Something else is to be committed with it.
        """
        check_amount(cents)
        allowance = rules.allowance_of(customer, on)
        self.emit(
            MoneyWithdrawn(delta_cents=-cents, booked_on=on, text="Withdrawal", against="cash", allowance=allowance),
            rules=[
                *self._open_for_business(on),
                rules.covers(self.subject, cents),
                rules.is_within_daily_limit(allowance, cents),
            ],
        )

    def send(self, cents: int, *, to: str, on: date) -> None:
        """
        Half of a `transfer`: let money go to the account *to*.

        It is refused unless the account is there, `rules.is_open`, `rules.is_in_open_month` and `rules.covers` it.

        Raises:
            AmountRefusedError: The amount is not positive, or absurd.
            UnsavedError: Something else is to be committed with it.
        """
        check_amount(cents)
        self.emit(
            TransferSent(delta_cents=-cents, booked_on=on, text=f"Transfer to {to}", to_account=to),
            rules=[*self._open_for_business(on), rules.covers(self.subject, cents)],
        )

    def receive(self, cents: int, *, sender: str, on: date) -> None:
        """
        The other half of a `transfer`: take money from the account *sender*.

        It is refused unless the account is there, `rules.is_open` and `rules.is_in_open_month`.

        Raises:
            AmountRefusedError: The amount is not positive, or absurd.
            UnsavedError: Something else is to be committed with it.
        """
        check_amount(cents)
        self.emit(
            TransferReceived(delta_cents=cents, booked_on=on, text=f"Transfer from {sender}", from_account=sender),
            rules=self._open_for_business(on),
        )

    def close(self, *, on: date) -> None:
        """
        Book nothing on it any more.

        It is refused unless the account is there, `rules.is_open`, `rules.is_in_open_month` and
        `rules.is_empty`. A deposit at the same time is either before it, and the account is not empty, or
        behind it, and refused.

        Raises:
            UnsavedError: Something else is to be committed with it.
        """
        self.emit(AccountClosed(closed_on=on), rules=[*self._open_for_business(on), rules.is_empty(self.subject)])

    def _open_for_business(self, day: date) -> list[Precondition]:
        # Rules see nothing of the commit they guard: a second command in it would be decided as if the first were not.
        if self.pending_events:
            raise UnsavedError(self.id)
        return [SubjectExists(self.subject), rules.is_open(self.subject), rules.is_in_open_month(day)]

    # --- Decided by what was read ---

    def open(self, owner: str, *, on: date, overdraft_limit_cents: int = 0) -> None:
        """
        Open the account for the customer *owner*.

        Raises:
            AlreadyOpenError: It was opened before.
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
            ClosedError: It is closed.
        """
        self._must_be_open()
        if not 0 <= limit_cents <= MOST_CENTS:
            raise LimitRefusedError(limit_cents=limit_cents, most_cents=MOST_CENTS)
        self.emit(OverdraftGranted(limit_cents=limit_cents, delta_cents=limit_cents - self.overdraft_limit_cents))

    def book(self, cents: int, *, on: date, against: BankAccount, text: str, reference: str) -> None:
        """
        Book what was done elsewhere: into the account, or with a negative amount out of it.

        A *reference* that is booked already changes nothing. No daily limit applies.

        Raises:
            AmountRefusedError: The amount is zero or absurd.
            NotCoveredError: The account does not have it.
            ClosedError: It is closed.
        """
        self._must_be_open()
        if reference in self.references:
            return
        check_amount(abs(cents))
        if cents > 0:
            self.emit(MoneyDeposited(delta_cents=cents, booked_on=on, text=text, reference=reference, against=against))
            return
        if -cents > self.balance_cents + self.overdraft_limit_cents:
            raise NotCoveredError(
                account=self.id,
                balance_cents=self.balance_cents,
                overdraft_limit_cents=self.overdraft_limit_cents,
                requested_cents=-cents,
            )
        self.emit(MoneyWithdrawn(delta_cents=cents, booked_on=on, text=text, reference=reference, against=against))

    def _must_be_open(self) -> None:
        if not self.owner:
            raise NoSuchAccountError(self.id)
        if self.is_closed:
            raise ClosedError(self.id)

    # --- What happened ---

    @handles
    def _opened(self, event: AccountOpened) -> None:
        self.owner = event.owner

    @handles
    def _closed(self, _: AccountClosed) -> None:
        self.is_closed = True

    @handles
    def _overdraft_granted(self, event: OverdraftGranted) -> None:
        self.overdraft_limit_cents = event.limit_cents

    @handles
    def _booked(self, event: MoneyDeposited | MoneyWithdrawn | TransferReceived | TransferSent) -> None:
        self.balance_cents += event.delta_cents
        if event.reference:
            self.references.add(event.reference)


def transfer(sender: Account, receiver: Account, cents: int, *, on: date) -> None:
    """
    Move money between two accounts of this bank.

    It is a command over two aggregates: `Repository.save` commits both at once, under the rules of
    both. So the money is never gone from one and not in the other, whoever else writes to either at
    the same time.

    Raises:
        SameAccountError: Both are the same.
        AmountRefusedError: The amount is not positive, or absurd.
        UnsavedError: Something else is to be committed with it.
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


def check_amount(cents: int) -> None:
    """
    Check that this can be an amount.

    Raises:
        AmountRefusedError: It is not positive, or absurd.
    """
    if not 0 < cents <= MOST_CENTS:
        raise AmountRefusedError(cents=cents, most_cents=MOST_CENTS)
