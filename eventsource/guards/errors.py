"""
Errors of preconditions and of rules that cannot be written as a query.
"""

from __future__ import annotations

from eventsource.gdbql.errors import QueryError
from eventsource.root_error import StoreError


class GuardError(QueryError, ValueError):
    """
    A rule over events cannot be written as one query, or could never hold, so it is not made.

    A field that the event class does not have, a text compared with a number, two different choices
    of events in one rule. The message never quotes a value: it may be personal.
    """

    code = "guard"


class PreconditionFailedError(StoreError):
    """
    A precondition did not hold when the commit came to its place in the log. Nothing was written.

    Attributes:
        subject: The subject the precondition speaks of; None for a rule over several.

        precondition: The precondition as text.

        expected: What it demands, in words.

        found: What was there, in words.

        name: What the rule is called, if it has a name.

        query: The GDBQL text of the rule, if it is a query; may hold values that were given to it.

        asked: The part of the query that did not hold, such as ``SUM(e.data.delta) >= 500``.

        index: Over HTTP, which of the commit's preconditions it was, counted from 0; None where the
            server did not say.

        type: Over HTTP, its type on the wire, such as "isSubjectNew"; None where it is not known.

        text: Over HTTP, what the server said in words of its own; empty if it said nothing.
    """

    code = "precondition-failed"

    def __init__(
        self,
        *,
        subject: str | None,
        precondition: str,
        expected: str,
        found: str,
        name: str | None = None,
        query: str | None = None,
        asked: str | None = None,
        index: int | None = None,
        type: str | None = None,
        text: str = "",
    ) -> None:
        where = f"{subject}: " if subject else ""
        which = "" if index is None else f" (precondition {index}, counted from 0{f', {type}' if type else ''})"
        said = f"; the server says: {text}" if text else ""
        super().__init__(f"precondition failed: {where}expected {expected}, found {found}{which}{said}")
        self.subject = subject
        self.precondition = precondition
        self.expected = expected
        self.found = found
        self.name = name
        self.query = query
        self.asked = asked
        self.index = index
        self.type = type
        self.text = text
