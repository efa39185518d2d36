"""
Databases of a server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource.errors import ImmudbExistsError
from eventsource.immudb.messages import new
from eventsource.immudb.results import Health

if TYPE_CHECKING:
    from eventsource.immudb.conversation import Conversation


class Databases:
    """
    The part of a client that makes, lists and chooses databases.
    """

    _conversation: Conversation

    async def create_database(self, name: str, *, if_not_exists: bool = False) -> bool:
        """
        Make a database. The one in use stays.

        Args:
            if_not_exists: It may be there already.

        Returns:
            Whether it was made now.

        Raises:
            ImmudbExistsError: It is there, and that was not allowed for.
            ImmudbError: It cannot be made.
        """
        request = new("CreateDatabaseRequest", name=name, ifNotExists=if_not_exists)
        async with self._conversation.sessions.current() as session:
            try:
                answer = await self._conversation.tell(session, "CreateDatabaseV2", request, name=name)
            except ImmudbExistsError:
                if not if_not_exists:
                    raise
                return False
        return not answer.read().alreadyExisted

    async def use_database(self, name: str) -> None:
        """
        Choose the database that all later calls mean. Those under way are finished in the one before.

        Raises:
            ImmudbNotFoundError: There is none of that name; the one in use stays.
            ImmudbError: It cannot be used.
        """
        await self._conversation.sessions.use_database(name)

    async def list_databases(self) -> list[str]:
        """
        The names of the databases that the user may see.

        Raises:
            ImmudbError: There is no answer.
        """
        async with self._conversation.sessions.current() as session:
            answer = await self._conversation.ask(session, "DatabaseListV2", new("Empty"))
        return [database.name for database in answer.read().databases]

    async def health(self) -> Health:
        """
        How the server is, by its own word.

        Raises:
            ImmudbError: There is no answer.
        """
        async with self._conversation.sessions.current() as session:
            answer = (await self._conversation.ask(session, "Health", new("Empty"))).read()
        return Health(answer.status, answer.version)
