"""
Idempotency keys: what a key may be, and what makes two commits the same request.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, assert_never

import attrs

from eventsource.domain.event import NewEvent
from eventsource.domain.precondition import QueryIsTrue, SubjectExists, SubjectIsAtVersion, SubjectIsNew

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsource.domain.precondition import Precondition

_KEY = re.compile(r"[!-~]{1,255}")


@attrs.frozen
class IdempotencyKey:
    """
    The key of a commit, and what the commit asked for.

    Attributes:
        text: The key.

        digest: SHA-256 over events and preconditions, 32 bytes.
    """

    text: str
    digest: bytes

    @classmethod
    def of(
        cls,
        text: str,
        events: Sequence[NewEvent],
        preconditions: Sequence[Precondition],
        *,
        source: str = "eventsource",
    ) -> IdempotencyKey:
        """
        The key *text* for a commit of *events* under *preconditions*.

        Args:
            source: The source of events that name none. Over HTTP each names its own: the digest is the same.

        Raises:
            ValueError: *text* is no key.
        """
        check_idempotency_key(text)
        content = [[_given(event, source) for event in events], list(map(_described, preconditions))]
        return cls(text, sha256(_print(content).encode()).digest())


def check_idempotency_key(text: str) -> None:
    """
    Check that *text* can name a commit.

    Raises:
        ValueError: It cannot.
    """
    if not _KEY.fullmatch(text):
        msg = "an idempotency key is 1 to 255 visible ASCII characters, without white space"
        raise ValueError(msg)


# Made once: each commit under a key is printed.
_print = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_USUAL_SOURCE = "eventsource"
_DEFAULTS = tuple((field.name, field.default) for field in attrs.fields(NewEvent))


def _given(event: NewEvent, source: str) -> dict[str, Any]:
    # A field that is added later counts too, and leaves the digests of commits that do not use it as they are stored.
    given = {name: value for name, default in _DEFAULTS if (value := getattr(event, name)) != default}
    given["source"] = event.source or source
    if given["source"] == _USUAL_SOURCE:
        del given["source"]
    return given


def _described(precondition: Precondition) -> list[str]:
    # A rule by its text, whatever it is called: over HTTP a version is a query, and names are not sent.
    match precondition:
        case SubjectIsNew(subject):
            return ["new", subject]
        case SubjectExists(subject):
            return ["existing", subject]
        case SubjectIsAtVersion() | QueryIsTrue():
            return ["query", precondition.query]
        case _:
            assert_never(precondition)
