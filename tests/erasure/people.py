"""
People these tests know, and what projectors make of them.

Each projector notes how often a handler ran, so that one too many or too few shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, delete, insert, select

from eventsource import Erased, Event, NewEvent, Projector, RecordedEvent, handles

if TYPE_CHECKING:
    from eventsource import EventStore, ReadModelDatabase

# Planted in what a person says, to be looked for in what is left.
PLANTED = "Zebulon Quackenbush"

_METADATA = MetaData()
names = Table("names", _METADATA, Column("person", String, primary_key=True), Column("name", String))
calls = Table(
    "calls", _METADATA, Column("number", Integer, primary_key=True), Column("person", String), Column("what", String)
)
directory = Table("directory", _METADATA, Column("person", String, primary_key=True), Column("line", String))
undeclared = Table("undeclared", _METADATA, Column("name", String))


class PersonRegistered(Event, type="io.example.test.erasure.person-registered"):
    """
    The business fact, which stays.
    """

    branch: int


class PersonNamed(Event, type="io.example.test.erasure.person-named", personal=True):
    """
    What is personal.
    """

    name: str


class NoteTaken(Event, type="io.example.test.erasure.note-taken"):
    """
    What may be stored by reference without being personal by its class.
    """

    text: str


class Names(Projector, name="names", subject="/people", tables=[names, calls]):
    """
    Says what to do about erased names.
    """

    @handles
    def _named(self, event: PersonNamed, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(delete(names).where(names.c.person == recorded.subject))
        tx.execute(insert(names).values(person=recorded.subject, name=event.name))
        tx.execute(insert(calls).values(person=recorded.subject, what="named"))

    @handles
    def _forgotten(self, _: Erased[PersonNamed], recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(delete(names).where(names.c.person == recorded.subject))
        tx.execute(insert(calls).values(person=recorded.subject, what="erased"))


class Directory(Projector, name="directory", tables=[directory]):
    """
    Says nothing about erased names, so it has to be filled again.
    """

    @handles
    def _registered(self, event: PersonRegistered, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(insert(directory).values(person=recorded.subject, line=f"branch {event.branch}"))

    @handles
    def _named(self, event: PersonNamed, recorded: RecordedEvent, tx: Connection) -> None:
        line = f"{event.name}, ".join(["", *tx.scalars(select(directory.c.line)).all()[-1:]])
        tx.execute(directory.update().where(directory.c.person == recorded.subject).values(line=line))


class Elsewhere(Projector, name="elsewhere"):
    """
    Neither says anything nor has tables that could be filled again.
    """

    @handles
    def _named(self, event: PersonNamed, _: RecordedEvent, tx: Connection) -> None:
        undeclared.create(tx, checkfirst=True)
        tx.execute(insert(undeclared).values(name=event.name))


def registered(person: str, name: str | None = None) -> list[NewEvent]:
    """
    A person's first events.
    """
    subject = f"/people/{person}"
    events = [NewEvent.of(PersonRegistered(branch=1), subject=subject)]
    return [*events, NewEvent.of(PersonNamed(name=name), subject=subject)] if name else events


async def fill(store: EventStore) -> None:
    """
    Three people, one of whom is to be forgotten.
    """
    for person, name in (("1", "Ada"), ("2", PLANTED), ("3", "Grace")):
        await store.commit(registered(person, name))


async def fill_in_older_form(store: EventStore) -> None:
    """
    The same three people, as they were stored when their names were not personal by their class.
    """
    for person, name in (("1", "Ada"), ("2", PLANTED), ("3", "Grace")):
        subject = f"/people/{person}"
        named = NewEvent(subject=subject, type=PersonNamed.event_type, data={"name": name})
        await store.commit([*registered(person), named])


async def rows(database: ReadModelDatabase, table: Table) -> list[Any]:
    """
    All rows of a table, as tuples.
    """
    return await database.read(lambda tx: [tuple(row) for row in tx.execute(select(table)).all()])
