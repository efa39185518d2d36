"""
Carrying out one command: one decision, committed once however often the command comes.

The guard "no event carries this command's id" travels with the commit, so nothing is asked beforehand.
Only where the command is refused is it looked up whether it was carried out before: that may be just
what refuses it now. Where the answer to a commit is lost it is decided again, under the same guard: of
all that was sent at most one commit is accepted.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any, Final

import attrs

from eventsource.commands.beside import taken_beside
from eventsource.commands.context import current_metadata, with_metadata
from eventsource.commands.decide import LentUnitOfWork, decide
from eventsource.commands.dispatching.command_digest import digest_of, own_events
from eventsource.commands.dispatching.result import CommandResult, find_events
from eventsource.domain.guards.command_guard import not_carried_out
from eventsource.domain.guards.rule import rules_of_command
from eventsource.domain.subject import prefix_below
from eventsource.errors import (
    CommandError,
    CommandLeavesNoTraceError,
    CommitOutcomeUnknownError,
    DeclarationError,
    EventSourceError,
    PreconditionFailedError,
    StoreError,
    UnitOfWorkClosedError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from eventsource.commands.dispatching.command import Command
    from eventsource.commands.loading import Loader
    from eventsource.commands.retry import RetryPolicy
    from eventsource.commands.unit_of_work import UnitOfWork
    from eventsource.domain.event import RecordedEvent
    from eventsource.domain.metadata import Metadata
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
class CarryingOut:
    """
    How commands are carried out on one store.
    """

    store: EventStore
    retry: RetryPolicy
    loader: Loader | None

    async def run(self, command: Command, handling: Callable[[Any, UnitOfWork], Awaitable[Any]]) -> CommandResult:
        """
        Decide by *handling* and commit, or find what was committed before.

        Raises:
            CommandIdReusedError: Another command was carried out under its id.
            CommandLeavesNoTraceError: Its events would not tell a repeat.
            CommitOutcomeUnknownError: It is committed, or not.
            Exception: Whatever *handling* and the commit raise: it is refused, and was not carried out before.
        """
        with with_metadata(metadata_within(command)), taken_beside() as beside:
            doubt: CommitOutcomeUnknownError | None = None
            for sending in range(1, _SENDINGS + 1):
                try:
                    return await self._decide(command, handling, beside)
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
        beside: Callable[[UnitOfWork], None] | None,
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
            if emitted and beside is not None:
                beside(work)
            assert isinstance(work, LentUnitOfWork)  # noqa: S101  `decide` makes such
            digest = digest_of(command, is_about_person=not all(carrying))
            work.carry(attrs.evolve(metadata, command_digest=digest))
            last = work, carrying
            return value

        metadata = attrs.evolve(current_metadata(), command_id=command_id, command_subject=str(subject))
        value: object = await decide(self.store, run, retry=self.retry, metadata=metadata, loader=self.loader)
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
