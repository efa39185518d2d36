"""
Preconditions: what must hold at a commit's place in the log, or nothing of it is written.
"""

from __future__ import annotations

import attrs

from eventsource.domain.subject import Subject
from eventsource.errors import DeclarationError


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
        return f"STREAM e FROM events WHERE e.subject == {quote_text(self.subject)} MAP COUNT() == {self.version}"


@attrs.frozen
class QueryIsTrue:
    """
    A GDBQL query whose result is true.

    Attributes:
        query: The text of the query.

        name: What the rule is called, for the error of a commit that breaks it.
    """

    query: str
    name: str | None = None


Precondition = SubjectIsNew | SubjectExists | SubjectIsAtVersion | QueryIsTrue


def quote_text(text: str) -> str:
    """
    Print *text* as a GDBQL string.

    Raises:
        DeclarationError: It has both kinds of quote or a backslash; how GDBQL escapes them is not public.
    """
    if "\\" not in text:
        for quote in "'\"":
            if quote not in text:
                return f"{quote}{text}{quote}"
    msg = f"{text!r} has both kinds of quote, or a backslash: GDBQL text cannot carry it"
    raise DeclarationError(msg)
