"""
Translates subjects, keys and errors between a part of a store and the whole.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, assert_never

from eventsource.events.errors import EventTooLargeError, ReservedNameError, SchemaViolationError
from eventsource.events.event import RecordedEvent
from eventsource.events.subject import Subject
from eventsource.gdbql import print_expression
from eventsource.gdbql.errors import QueryLimitError
from eventsource.guards.errors import PreconditionFailedError
from eventsource.guards.preconditions import QueryHolds, SubjectExists, SubjectIsAtVersion, SubjectIsNew
from eventsource.root_error import InvalidSubjectError
from eventsource.store.commit import ByTree
from eventsource.store.idempotency import check_idempotency_key
from eventsource.store.scope.queries import Confinement
from eventsource.wire.errors import ErasureUnfinishedError, IdempotencyKeyReusedError, SubjectNotFoundError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from eventsource.gdbql import Query
    from eventsource.guards.preconditions import Precondition


class Placement:
    """
    Translates between a part of a store and the whole.

    Args:
        prefix: The subject that the part lies below.

    Raises:
        InvalidSubjectError: *prefix* is ``/`` or no subject.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = Subject(prefix)
        if self.prefix.is_root:
            raise InvalidSubjectError(self.prefix, "a scope needs a subject below '/'")
        self._confinement = Confinement(self.prefix)
        # The same tree for the same tree: stores remember trees by what they are, not by what they say.
        self._rewritten = ByTree(self._confinement.rewritten)

    # --- Into the whole ---

    def scope(self, subject: Subject) -> Subject:
        """
        The subject to search in the whole store for events at and below *subject*.
        """
        return self.prefix if subject.is_root else self.exact(subject)

    def exact(self, subject: Subject) -> Subject:
        """
        Where *subject* itself is. Events at ``/`` there are none, neither in the part nor in the whole.

        Raises:
            InvalidSubjectError: Together with the prefix it is too long.
        """
        if subject.is_root:
            return subject
        try:
            return Subject(self.prefix + subject)
        except InvalidSubjectError as error:
            # Right by itself, so it can only be too much of it.
            reason = f"below {self.prefix}, {error.reason}"
            raise InvalidSubjectError(subject, reason) from None

    def query(self, query: Query) -> Query:
        """
        The query over the whole store.

        Raises:
            QueryLimitError: It nests too deeply.
        """
        return self._rewritten.find(query)

    def precondition(self, precondition: Precondition) -> Precondition:
        """
        The precondition on the whole store.
        """
        match precondition:
            case SubjectIsNew(subject):
                return SubjectIsNew(self.exact(subject))
            case SubjectExists(subject):
                return SubjectExists(self.exact(subject))
            case SubjectIsAtVersion(subject, version):
                return SubjectIsAtVersion(self.exact(subject), version)
            case QueryHolds(tree, name):
                return QueryHolds(self.query(tree), name)
            case _:
                assert_never(precondition)

    def key(self, key: str) -> str:
        """
        The idempotency key in the whole store: no other part has it.

        Raises:
            ValueError: *key* is not valid.
        """
        check_idempotency_key(key)
        # A key may be as long as one can be, so the two cannot be put together.
        return hashlib.sha256(f"{self.prefix} {key}".encode()).hexdigest()

    # --- Back ---

    def holds(self, subject: str) -> bool:
        """
        True if events at this subject of the whole store belong to the part.
        """
        return subject.startswith(self.prefix) and subject[len(self.prefix) :].startswith("/")

    def relative(self, subject: str) -> str:
        """
        The name within the part of a subject of the whole store.
        """
        return subject[len(self.prefix) :] if self.holds(subject) else "/"

    def event(self, event: RecordedEvent) -> RecordedEvent:
        """
        An event of the part with its subject there.
        """
        # Twice as fast as replacing by name; reading does it for each event.
        return RecordedEvent._make((*event[:4], event.subject[len(self.prefix) :], *event[5:]))

    @contextmanager
    def errors(self, preconditions: Sequence[Precondition] = (), *, key: str | None = None) -> Generator[None]:
        """
        Make errors speak of the part, as if nothing were around it.

        Args:
            preconditions: The preconditions of the commit, as they were given.

            key: Its idempotency key, as it was given.
        """
        try:
            yield
        # Nothing of what was raised is kept as a cause: its message names the prefix.
        except PreconditionFailedError as error:
            raise self._failed_precondition(error, preconditions) from None
        except SubjectNotFoundError as error:
            raise SubjectNotFoundError(self.relative(error.subject)) from None
        except ErasureUnfinishedError as error:
            raise ErasureUnfinishedError(
                error.name, subject=self.relative(error.subject), events=error.events, reason=error.reason
            ) from None
        except EventTooLargeError as error:
            raise EventTooLargeError(
                event_type=error.event_type,
                subject=self.relative(error.subject),
                size_bytes=error.size_bytes,
                limit_bytes=error.limit_bytes,
            ) from None
        except ReservedNameError as error:
            name = self.relative(error.name) if error.kind == "subject" else error.name
            raise ReservedNameError(name, kind=error.kind) from None
        except SchemaViolationError as error:
            raise SchemaViolationError(
                event_index=error.event_index,
                event_type=error.event_type,
                subject=self.relative(error.subject),
                path=error.path,
                rule=error.rule,
            ) from None
        except QueryLimitError as error:
            # Over HTTP it has the text that was sent.
            raise QueryLimitError(error.limit, maximum=error.maximum) from None
        except IdempotencyKeyReusedError as error:
            raise IdempotencyKeyReusedError(key or error.idempotency_key) from None

    def _failed_precondition(
        self, error: PreconditionFailedError, preconditions: Sequence[Precondition]
    ) -> PreconditionFailedError:
        failed = self._failed_rule(error, preconditions)
        projection = failed.tree.projection if failed is not None else None
        return PreconditionFailedError(
            subject=None if error.subject is None else self.relative(error.subject),
            precondition=type(failed).__name__ if failed is not None else error.precondition,
            expected=error.expected,
            found=error.found,
            name=error.name,
            query=None if failed is None else failed.query,
            asked=None
            if failed is None or projection is None
            else print_expression(projection, alias=failed.tree.alias),
        )

    def _failed_rule(self, error: PreconditionFailedError, preconditions: Sequence[Precondition]) -> QueryHolds | None:
        if error.query is None:
            return None
        for precondition in preconditions:
            # An equal one before it would have failed before it.
            if (
                isinstance(precondition, QueryHolds)
                and precondition.name == error.name
                and QueryHolds(self.query(precondition.tree)).query == error.query
            ):
                return precondition
        return None
