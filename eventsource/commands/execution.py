"""
Executes a command once: the guard on its id, its result, and events committed together with it.
"""

from __future__ import annotations

import asyncio
import itertools
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import attrs

from eventsource.aggregates.context import current_metadata, with_metadata
from eventsource.aggregates.errors import UnitOfWorkClosedError
from eventsource.aggregates.transacting import LentUnitOfWork, transact
from eventsource.commands.command_digest import digest_of, own_events
from eventsource.commands.errors import CommandError, CommandLeavesNoTraceError
from eventsource.events.subject import prefix_below
from eventsource.guards.command_guard import events_of_command, not_carried_out
from eventsource.guards.errors import PreconditionFailedError
from eventsource.guards.rules import rules_of_command
from eventsource.root_error import DeclarationError, EventSourceError, StoreError
from eventsource.store.query import QueryLimits
from eventsource.wire.errors import CommitOutcomeUnknownError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from eventsource.aggregates.loader import Loader
    from eventsource.aggregates.transacting import RetryPolicy
    from eventsource.aggregates.unit_of_work import UnitOfWork
    from eventsource.commands.command import Command
    from eventsource.events.event import RecordedEvent
    from eventsource.events.metadata import Metadata
    from eventsource.events.subject import Subject
    from eventsource.store.interface import EventStore


# How often a command is decided and sent while nobody knows whether it is committed. The client of a Genesis DB
# has tried several times by itself before it says so.
_SENDINGS: Final = 3


def metadata_within(command: Command) -> Metadata:
    """
    What is in force while *command* is carried out: the story it belongs to, itself as the cause, and the rest.

    Its id is not: that is stored with what is committed under its guard and with nothing else, or something
    that its handler had somebody else commit would be taken for its result.
    """
    current = current_metadata()
    return attrs.evolve(
        current,
        command_id=None,
        command_subject=None,
        command_digest=None,
        causation_id=command.command_id,
        correlation_id=current.correlation_id or command.command_id,
    )


@attrs.frozen
class CommandExecution:
    """
    How commands are carried out on one store.
    """

    store: EventStore
    retry: RetryPolicy
    loader: Loader | None

    async def run(
        self,
        command: Command,
        handling: Callable[[Any, UnitOfWork], Awaitable[Any]],
        *,
        also_commit: Callable[[UnitOfWork], None] | None = None,
    ) -> CommandResult:
        """
        Decide by *handling* and commit, or find what was committed before.

        Args:
            also_commit: Adds events and rules to the commit of the command. It runs after *handling*, once per
                attempt, and only if *handling* emitted something.

        Raises:
            CommandIdReusedError: Another command was carried out under its id.
            CommandLeavesNoTraceError: Its events would not tell a repeat.
            CommitOutcomeUnknownError: It is committed, or not.
            Exception: Whatever *handling* and the commit raise: it is refused, and was not carried out before.
        """
        with with_metadata(metadata_within(command)):
            doubt: CommitOutcomeUnknownError | None = None
            for sending in range(1, _SENDINGS + 1):
                try:
                    return await self._decide(command, handling, also_commit)
                except CommitOutcomeUnknownError as error:
                    doubt = error
                except Exception as refusal:
                    found = own_events(command, await self._find(command, refusal, doubt))
                    if found:
                        return CommandResult(found, is_repeat=True)
                    if doubt is not None:
                        # What was sent may still be on its way, so that nobody can say that it is refused.
                        raise doubt from refusal
                    raise
                if sending < _SENDINGS:
                    await asyncio.sleep(self.retry.pause_s(sending))
            assert doubt is not None  # noqa: S101  else it has returned or raised
            raise doubt

    async def _decide(
        self,
        command: Command,
        handling: Callable[[Any, UnitOfWork], Awaitable[Any]],
        also_commit: Callable[[UnitOfWork], None] | None,
    ) -> CommandResult:
        subject, command_id = command.subject, command.command_id
        rules = (not_carried_out(subject, command_id), *rules_of_command(command))
        below = prefix_below(subject)
        last: tuple[UnitOfWork, list[bool]] | None = None

        async def run(work: UnitOfWork) -> object:
            nonlocal last
            work.require(rules)
            value = await handling(command, work)
            emitted = work.emitted
            # Personal events carry no metadata.
            carrying = [not event.event_is_personal for event, _ in emitted]
            if emitted and not any(
                carries and (place == subject or place.startswith(below))
                for carries, (_, place) in zip(carrying, emitted, strict=True)
            ):
                raise CommandLeavesNoTraceError(type(command).__name__, subject=subject)
            if emitted and also_commit is not None:
                also_commit(work)
            assert isinstance(work, LentUnitOfWork)  # noqa: S101  `transact` makes such
            digest = digest_of(command, is_about_person=not all(carrying))
            work.carry(attrs.evolve(metadata, command_digest=digest))
            last = work, carrying
            return value

        metadata = attrs.evolve(current_metadata(), command_id=command_id, command_subject=str(subject))
        value: object = await transact(self.store, run, retry=self.retry, metadata=metadata, loader=self.loader)
        assert last is not None  # noqa: S101  it was run
        work, carrying = last
        return CommandResult(tuple(itertools.compress(work.recorded, carrying)), value)

    async def _find(
        self, command: Command, refusal: Exception, doubt: CommitOutcomeUnknownError | None
    ) -> tuple[RecordedEvent, ...]:
        """
        What was committed for a command that is refused now.
        """
        if isinstance(refusal, (CommandError, DeclarationError, UnitOfWorkClosedError)):
            # It could not have been carried out.
            return ()
        if isinstance(refusal, StoreError) and not isinstance(refusal, PreconditionFailedError):
            return ()
        try:
            return await find_events(self.store, command.subject, command.command_id)
        except EventSourceError as error:
            # To say that it is refused could be wrong.
            raise doubt or error from refusal


@attrs.frozen
class CommandResult:
    """
    What a command has done.

    Attributes:
        events: The events that were committed for it and carry its id, in order: the same ones however
            often the command is dispatched. Personal events carry none, so they are not among them.

        value: What the handler returned. It is stored nowhere, so it is None for a repeat: let what must
            be known then be in the events.

        is_repeat: Whether nothing was committed now, since the command was carried out before: by an
            earlier dispatch, by one at the same time, or by this one when the answer to its commit was lost.
    """

    events: tuple[RecordedEvent, ...] = ()
    value: Any = None
    is_repeat: bool = False


# An index finds them; on a machine that is busy with other things that takes longer, too.
_LIMITS: Final = QueryLimits(time_s=10.0, rows=1_000_000)


async def find_events(store: EventStore, subject: Subject, command_id: str) -> tuple[RecordedEvent, ...]:
    """
    The events that were committed for a command; none if it was not carried out.

    Raises:
        StoreError, QueryError: They cannot be read.
    """
    question = events_of_command(subject, command_id)
    async with aclosing(store.query(question, limits=_LIMITS)) as rows:
        ids: list[str] = [row["id"] async for row in rows]
    if not ids:
        return ()
    # A row of a query does not tell its position. Events of one commit stand side by side.
    found = store.stream(lower_bound=ids[0], include_lower_bound=True, upper_bound=ids[-1], include_upper_bound=True)
    async with aclosing(found) as stream:
        return tuple([event async for event in stream if event.id in ids])
