"""
A small domain to write scenarios about: a library lends books.
"""

from __future__ import annotations

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table
from sqlalchemy.dialects.sqlite import insert

from eventsource import Aggregate, Event, Projector, RecordedEvent, handles, select_events


class BookBought(Event, type="io.example.test.kit.book-bought"):
    """
    The library has a book.
    """

    title: str


class BookLent(Event, type="io.example.test.kit.book-lent"):
    """
    A reader took it home.
    """

    reader: str


class BookReturned(Event, type="io.example.test.kit.book-returned"):
    """
    It is back.
    """


class AlreadyLentError(Exception):
    """
    Somebody else has it.
    """


class Book(Aggregate, subject="/books/{id}"):
    """
    One book.
    """

    reader: str | None = None

    def buy(self, title: str) -> None:
        """
        Buy it.
        """
        self.emit(BookBought(title=title))

    def lend(self, reader: str) -> None:
        """
        Lend it, unless it is lent; to nobody is no lending.
        """
        if self.reader is not None:
            raise AlreadyLentError
        if reader:
            self.emit(BookLent(reader=reader))

    def lend_to_the_modest(self, reader: str) -> None:
        """
        Lend it to somebody who has no other book: the store decides that.
        """
        has_none = (select_events(BookLent).where(reader=reader).count() == 0).named("one book for each reader")
        self.emit(BookLent(reader=reader), rules=[has_none])

    @handles
    def _bought(self, _: BookBought) -> None:
        pass

    @handles
    def _lent(self, event: BookLent) -> None:
        self.reader = event.reader

    @handles
    def _returned(self, _: BookReturned) -> None:
        self.reader = None


lendings = Table(
    "lendings", MetaData(), Column("reader", String(50), primary_key=True), Column("times", Integer, nullable=False)
)


class Lendings(Projector, name="lendings", subject="/books", tables=[lendings]):
    """
    How often each reader borrowed.
    """

    @handles
    def _lent(self, event: BookLent, _: RecordedEvent, tx: Connection) -> None:
        row = insert(lendings).values(reader=event.reader, times=1)
        tx.execute(row.on_conflict_do_update(index_elements=["reader"], set_={"times": lendings.c.times + 1}))
