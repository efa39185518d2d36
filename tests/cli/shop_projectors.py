"""
Projectors as a user has them, for commands to find. Tests copy this file to where a command runs.
"""

import os
import sys
import time

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert, update

from eventsource import Event, Projector, RecordedEvent, handles

METADATA = MetaData()
balance = Table("balances", METADATA, Column("account", String, primary_key=True), Column("cents", Integer))
sale = Table("sales", METADATA, Column("position", Integer, primary_key=True), Column("cents", Integer))


class Paid(Event, type="io.example.shop.paid"):
    """
    Somebody paid.
    """

    cents: int


class Refused(Event, type="io.example.shop.refused"):
    """
    A payment was refused.
    """

    reason: str


class Balances(Projector, name="balances", subject="/accounts", tables=[balance]):
    """
    What each account has paid.
    """

    @handles
    def _paid(self, event: Paid, recorded: RecordedEvent, tx: Connection) -> None:
        time.sleep(float(os.environ.get("SHOP_PAUSE_S", "0")))
        where = balance.c.account == recorded.subject
        if not tx.execute(update(balance).where(where).values(cents=balance.c.cents + event.cents)).rowcount:
            tx.execute(insert(balance).values(account=recorded.subject, cents=event.cents))


class Sales(Projector, name="sales", tables=[sale]):
    """
    All payments, by position.
    """

    @handles
    def _paid(self, event: Paid, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(insert(sale).values(position=recorded.position, cents=event.cents))

    @handles
    def _refused(self, event: Refused, _recorded: RecordedEvent, _tx: Connection) -> None:
        message = f"cannot book {event.reason}"
        raise ValueError(message)


class Stuck(Projector, name="stuck"):
    """
    Never comes to an end.
    """

    @handles
    def _paid(self, _event: Paid, _recorded: RecordedEvent, _tx: Connection) -> None:
        sys.stdout.write("stuck\n")
        sys.stdout.flush()
        time.sleep(600)


class Needy(Projector, name="needy"):
    """
    Cannot be made without being told a currency.
    """

    def __init__(self, currency: str) -> None:
        self.currency = currency


class Abstract(Projector, abstract=True):
    """
    Is no projector yet.
    """


needy = Needy("EUR")
NOT_A_PROJECTOR = 42
