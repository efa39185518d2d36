"""
A projector of personal data as a user has it. Tests copy this file to where a command runs.
"""

from sqlalchemy import Column, Connection, MetaData, String, Table, delete, insert

from eventsource import Erased, Event, Projector, RecordedEvent, handles

names = Table("names", MetaData(), Column("person", String), Column("name", String))


class Named(Event, type="io.example.shop.named", personal=True):
    """
    A person has a name.
    """

    name: str


class Names(Projector, name="names", subject="/people", tables=[names]):
    """
    The names, as long as they are there.
    """

    @handles
    def _named(self, event: Named, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(insert(names).values(person=recorded.subject, name=event.name))

    @handles
    def _forgotten(self, _: Erased[Named], recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(delete(names).where(names.c.person == recorded.subject))
