"""
Preconditions: what must hold at a commit's place in the log, or nothing of it is written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

from eventsource.events.subject import Subject
from eventsource.gdbql import Aggregate, Comparison, Constant, Path, Query, print_query
from eventsource.gdbql.prepared import read_query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsource.guards.errors import PreconditionFailedError

# Subjects that a query writes as they are.
_PLAIN = re.compile(r"[A-Za-z0-9/_.:@+~-]+")


@attrs.frozen
class SubjectIsNew:
    """
    The subject itself has no events; those below it do not count.
    """

    subject: Subject = attrs.field(converter=Subject)


@attrs.frozen
class SubjectExists:
    """
    The subject itself has at least one event.
    """

    subject: Subject = attrs.field(converter=Subject)


@attrs.frozen
class SubjectIsAtVersion:
    """
    The subject itself has exactly *version* events: still the version that was read.

    Genesis DB has no such precondition; there it is sent as `query`. Our stores answer it from a
    counter, at the same cost for any size of the log.
    """

    subject: Subject = attrs.field(converter=Subject)
    version: int = attrs.field(validator=attrs.validators.ge(0))

    @property
    def query(self) -> str:
        """
        The same as GDBQL.
        """
        if _PLAIN.fullmatch(self.subject):
            # What the printer would say, in a fiftieth of the time: over HTTP each guarded commit carries it.
            return f"STREAM e FROM events WHERE e.subject == '{self.subject}' MAP COUNT() == {self.version}"
        return print_query(
            Query(
                where=Comparison("==", Path(("subject",)), Constant(str(self.subject))),
                projection=Comparison("==", Aggregate("COUNT"), Constant(self.version)),
            )
        )


@attrs.frozen
class QueryHolds:
    """
    A GDBQL query whose result is true: there are rows, and all of them are truthy.

    >>> QueryHolds("FROM e IN events WHERE e.data.email = 'ada@example.com' PROJECT INTO COUNT() = 0").query
    "STREAM e FROM events WHERE e.data.email == 'ada@example.com' MAP COUNT() == 0"

    Attributes:
        tree: The query; given as `query`, a text or a tree.

        name: What the rule is called, for the error of a commit that breaks it.

    Raises:
        QuerySyntaxError, QueryLimitError: The text is no query.
    """

    tree: Query = attrs.field(alias="query", converter=read_query)
    name: str | None = None

    @property
    def query(self) -> str:
        """
        The query as text, in the one form that all of its spellings have.
        """
        return print_query(self.tree)


Precondition = SubjectIsNew | SubjectExists | SubjectIsAtVersion | QueryHolds


def failed_index(error: PreconditionFailedError, preconditions: Sequence[Precondition]) -> int | None:
    """
    Which of a commit's *preconditions* the store refused it for; None if the store did not say.
    """
    # An equal one before it would have failed before it.
    return next((index for index, each in enumerate(preconditions) if _is_at_fault(each, error)), None)


def _is_at_fault(precondition: Precondition, error: PreconditionFailedError) -> bool:
    if type(precondition).__name__ != error.precondition:
        return False
    if isinstance(precondition, QueryHolds):
        return precondition.query == error.query and precondition.name == error.name
    return precondition.subject == error.subject
