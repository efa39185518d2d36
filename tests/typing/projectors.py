"""
Projectors as type checkers see them.
"""

from typing import assert_type

from sqlalchemy import Connection, text

from eventsource import EventStore, ProjectionWorker, Projector, ReadModelDatabase, RecordedEvent, handles
from eventsource.projections import RunningProgress, rebuild
from tests.typing.bank import Account, AccountOpened


class Owners(Projector, name="typing-owners", subject="/accounts"):
    """
    A projector with a handler.
    """

    @handles
    def _opened(self, event: AccountOpened, recorded: RecordedEvent, tx: Connection) -> None:
        tx.execute(text("SELECT :owner, :id"), {"owner": event.owner, "id": recorded.id})


async def workers_take_projectors(store: EventStore, database: ReadModelDatabase) -> None:
    """
    A worker takes projectors, and a URL or an open database.
    """
    async with ProjectionWorker(store, "sqlite:///read.db", [Owners()]) as worker:
        assert_type(worker, ProjectionWorker)
        assert_type(worker.progress["typing-owners"], RunningProgress)
    ProjectionWorker(store, database, [Owners])  # type: ignore[list-item]
    ProjectionWorker(store, database, [Account("1")])  # type: ignore[list-item]
    ProjectionWorker(database, store, [Owners()])  # type: ignore[arg-type]
    assert_type(await rebuild(Owners(), store, database), RunningProgress)
    Owners().watch(store, "sqlite:///read.db")  # type: ignore[arg-type]


async def questions_have_their_answers_type(database: ReadModelDatabase) -> None:
    """
    What a question or a change gives comes back as it is.
    """

    def count(tx: Connection) -> int:
        return tx.execute(text("SELECT 1")).rowcount

    assert_type(await database.read(count), int)
    assert_type(await database.write(count), int)
    await database.read("SELECT 1")  # type: ignore[arg-type]
