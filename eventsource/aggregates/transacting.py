"""
Runs a function with a unit of work and commits what it decides, again after a conflict.
"""

from __future__ import annotations

import asyncio
import inspect
import random
from typing import TYPE_CHECKING, Final, TypeVar, overload

import attrs

from eventsource.aggregates.errors import ConflictError, RuleBrokenError, UnitOfWorkClosedError
from eventsource.aggregates.loader import Loader, ReadSet
from eventsource.aggregates.unit_of_work import UnitOfWork
from eventsource.events.plain_call import check_has_run, check_is_plain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from typing import Never

    from eventsource.events.event import RecordedEvent
    from eventsource.events.metadata import Metadata
    from eventsource.store.interface import EventStore


Result = TypeVar("Result")

_LENT: Final = "lent"


class LentUnitOfWork(UnitOfWork):
    """
    A unit of work that a function decides in, and that is committed when the function returns.
    """

    async def commit(self, *, idempotency_key: str | None = None, tells_events: bool = True) -> Never:  # noqa: ARG002  as in UnitOfWork
        """
        Refused: whoever runs the function commits.

        Raises:
            UnitOfWorkClosedError: Always. Nothing is committed.
        """
        raise UnitOfWorkClosedError(_LENT)

    def carry(self, metadata: Metadata) -> None:
        """
        Let the events that are committed carry *metadata*.
        """
        self._metadata = metadata

    async def commit_for_caller(self, *, tells_events: bool) -> tuple[RecordedEvent, ...]:
        """
        Commit: see `UnitOfWork.commit`.
        """
        return await super().commit(tells_events=tells_events)


@overload
async def transact(
    store: EventStore,
    function: Callable[[UnitOfWork], Awaitable[Result]],
    *,
    retry: RetryPolicy | None = None,
    metadata: Metadata | None = None,
    loader: Loader | None = None,
) -> Result: ...
@overload
async def transact(
    store: EventStore,
    function: Callable[[UnitOfWork], Result],
    *,
    retry: RetryPolicy | None = None,
    metadata: Metadata | None = None,
    loader: Loader | None = None,
) -> Result: ...
async def transact(
    store: EventStore,
    function: Callable[[UnitOfWork], Awaitable[Result] | Result],
    *,
    retry: RetryPolicy | None = None,
    metadata: Metadata | None = None,
    loader: Loader | None = None,
) -> Result:
    """
    Run *function* over a new unit of work and commit what it decided; after a conflict run it again.

    The next attempt reads only what is new since the last one. A rule that compares with something *function* asks
    for itself, such as a sum, breaks when others commit in between: `RetryPolicy.retried_rules` names such rules.

    Args:
        function: Reads, decides and emits; asynchronous or plain. It may run several times, so what it
            does beside that, it does several times.

        retry: How often, and after which pauses.

        metadata, loader: As of `UnitOfWork`.

    Returns:
        What *function* returned in the run that was committed.

    Raises:
        DeclarationError: *function* is a generator, or returned something that has not run, such as a coroutine.
        RuleBrokenError: A rule did not hold. That is run again only for the rules that *retry* names; then it did not
            hold in the last of the attempts either.
        ConflictError: In the last of the attempts, too, others were first.
        Exception: Whatever *function* raises, and other refusals of `UnitOfWork.commit`; that is not
            run again.
    """
    check_is_plain(function, may_await=True)
    attempts = Attempts(store, retry, metadata=metadata, loader=loader)
    while True:
        work = attempts.begin()
        returned = function(work)
        result: Result = await returned if inspect.isawaitable(returned) else returned  # pyright: ignore[reportAssignmentType]  no awaitable
        check_has_run(result, function)
        if await attempts.commit(work):
            return result


class Attempts:
    """
    The attempts at one decision: each has a unit of work of its own, and reads only what is new since the last one.

    Args:
        store, metadata, loader: As of `UnitOfWork`.

        retry: How often, and after which pauses.
    """

    def __init__(
        self,
        store: EventStore,
        retry: RetryPolicy | None = None,
        *,
        metadata: Metadata | None = None,
        loader: Loader | None = None,
    ) -> None:
        self._store = store
        self._policy = retry or RetryPolicy()
        self._metadata = metadata
        self._read_set = ReadSet(store, loader or Loader(store), are_kept=self._policy.attempts > 1)
        self._failures = 0

    def begin(self) -> LentUnitOfWork:
        """
        The unit of work of the next attempt.
        """
        return LentUnitOfWork(self._store, metadata=self._metadata, read_set=self._read_set)

    async def commit(self, work: LentUnitOfWork) -> bool:
        """
        Commit what was decided in the unit of work of this attempt.

        Returns:
            False if there was a conflict and another attempt is to be made. The pause before it is over then.

        Raises:
            Exception: As `UnitOfWork.commit`; a conflict only in the last attempt.
        """
        is_last = self._failures + 1 >= self._policy.attempts
        try:
            await work.commit_for_caller(tells_events=is_last)
        except ConflictError:
            if is_last:
                raise
        except RuleBrokenError as error:
            if is_last or error.name not in self._policy.retried_rules:
                raise
        else:
            return True
        self._failures += 1
        await asyncio.sleep(self._policy.pause_s(self._failures))
        return False


def _as_names(names: Iterable[str]) -> frozenset[str]:
    given: Iterable[object] = names
    # A text is an iterable of texts, too.
    found = [names] if isinstance(given, str) else [*given]
    if isinstance(given, str) or not all(isinstance(name, str) and name for name in found):
        msg = f"retried_rules is a list of names of rules, such as ['the books add up'], not {names!r}"
        raise ValueError(msg)
    return frozenset(names)


@attrs.frozen
class RetryPolicy:
    """
    How often and after which pauses a command is run again when others committed first.

    A broken rule is mostly a refusal ("sufficient funds"): the same again would be refused again, so nothing runs
    again. A rule that only checks that something read is still so ("the books add up") is another kind of conflict;
    name it, and the command reads and decides anew::

        RetryPolicy(retried_rules=["the books add up"])

    The pause is drawn evenly between nothing and a ceiling that doubles each time ("full
    jitter"), so that those who collided once do not collide again.

    Attributes:
        attempts: How many times it is run in all; 1 never runs it again.

        first_pause_s: Ceiling of the first pause, in seconds.

        longest_pause_s: What the ceiling never exceeds, in seconds.

        uniform: Draws a number between two others; ``random.uniform`` unless you need it repeatable.

        retried_rules: The names of the rules that are conflicts when they break; by default none are. A rule
            without a name is never among them.

    Raises:
        ValueError: There is no attempt, a pause is negative, or *retried_rules* is not a list of names.

    Source:
        M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
    """

    attempts: int = attrs.field(default=16, validator=attrs.validators.ge(1))
    first_pause_s: float = attrs.field(default=0.002, validator=attrs.validators.ge(0))
    longest_pause_s: float = attrs.field(default=0.25, validator=attrs.validators.ge(0))
    uniform: Callable[[float, float], float] = random.uniform
    retried_rules: frozenset[str] = attrs.field(default=frozenset[str](), converter=_as_names)

    def pause_s(self, failures: int) -> float:
        """
        How long to wait after the given number of failures, in seconds.
        """
        # Beyond 2**1023 a float ends, and any pause is the longest one long before.
        ceiling_s = self.first_pause_s * 2.0 ** min(failures - 1, 1023)
        return self.uniform(0, min(self.longest_pause_s, ceiling_s))
