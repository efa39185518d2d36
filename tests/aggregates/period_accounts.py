"""
Accounts that close their books.
"""

from collections.abc import Iterator

from eventsource import Event, Guard, PeriodAggregate, handles, select_events
from tests.aggregates.accounts import InsufficientFundsError


class Opened(Event, type="io.example.test.periods.opened"):
    """
    The first event of an account.
    """

    owner: str


class Moved(Event, type="io.example.test.periods.moved"):
    """
    Money came in, or with a negative amount went out.
    """

    delta_cents: int


class BooksClosed(Event, type="io.example.test.periods.books-closed"):
    """
    The last event of a period.
    """

    balance_cents: int


class BooksOpened(Event, type="io.example.test.periods.books-opened"):
    """
    The first event of the next one.
    """

    owner: str
    balance_cents: int


class Ledger(PeriodAggregate, subject="/ledgers/{id}/{period}", closed_by=BooksClosed):
    """
    An account by months.
    """

    owner: str = ""
    cents: int = 0
    moves: list[int] = []  # noqa: RUF012  copied for each instance

    def open(self, owner: str) -> None:
        """
        Begin.
        """
        self.emit(Opened(owner=owner))

    def move(self, cents: int) -> int:
        """
        Move money, if there is enough; gives the new balance.
        """
        if self.cents + cents < 0:
            raise InsufficientFundsError
        self.emit(Moved(delta_cents=cents))
        return self.cents

    def move_blindly(self, cents: int, *rules: Guard) -> None:
        """
        Move money under rules that the store decides.
        """
        self.emit(Moved(delta_cents=cents), rules=rules or None, unversioned=not rules)

    def close_books(self, *, fee_cents: int = 0) -> BooksOpened:
        """
        The last of this period, and the first of the next.
        """
        if fee_cents:
            self.move(-fee_cents)
        self.emit(BooksClosed(balance_cents=self.cents))
        return BooksOpened(owner=self.owner, balance_cents=self.cents)

    def close_for_good(self) -> Iterator[Event]:
        """
        Open nothing.
        """
        self.emit(BooksClosed(balance_cents=self.cents))
        yield from ()

    def forget_to_close(self) -> BooksOpened:
        """
        Do not say that the period ends.
        """
        return BooksOpened(owner=self.owner, balance_cents=self.cents)

    @handles
    def _opened(self, event: Opened) -> None:
        self.owner = event.owner

    @handles
    def _moved(self, event: Moved) -> None:
        self.cents += event.delta_cents
        self.moves.append(event.delta_cents)

    @handles
    def _books_opened(self, event: BooksOpened) -> None:
        self.owner, self.cents = event.owner, event.balance_cents


def total(id: str) -> Guard:
    """
    Over all periods: never below nothing.
    """
    return select_events(Moved).under(f"/ledgers/{id}").sum(lambda event: event.delta_cents) >= 0
