"""
Idempotency keys: what a key may be, and what makes two commits the same request.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, assert_never

import attrs

from eventsource.events.event import NewEvent
from eventsource.guards.preconditions import QueryHolds, SubjectExists, SubjectIsAtVersion, SubjectIsNew

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsource.guards.preconditions import Precondition

_KEY = re.compile(r"[!-~]{1,255}")


@attrs.frozen
class IdempotencyKey:
    """
    The key of a commit, and what the commit asked for.

    Attributes:
        text: The key.

        digest: SHA-256 over events and preconditions, 32 bytes.

        older_digest: The same as it was computed before the source of a store counted.
    """

    text: str
    digest: bytes
    older_digest: bytes

    def names(self, digest: bytes) -> bool:
        """
        True if this is the request that was stored with *digest*.
        """
        return digest in {self.digest, self.older_digest}

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
            ValueError: *text* is not a valid key.
        """
        check_idempotency_key(text)
        described = list(map(_described, preconditions))
        given = [_given(event) for event in events]
        sourced = [_with_source(one, source) for one in given]
        digest = _digest([sourced, described])
        return cls(text, digest, digest if sourced == given else _digest([given, described]))


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


def _digest(content: list[Any]) -> bytes:
    return sha256(_print(content).encode()).digest()


def _given(event: NewEvent) -> dict[str, Any]:
    # A field that is added later counts too, and leaves the digests of commits that do not use it as they are stored.
    return {name: value for name, default in _DEFAULTS if (value := getattr(event, name)) != default}


def _with_source(given: dict[str, Any], source: str) -> dict[str, Any]:
    named = given.get("source") or source
    others = {name: value for name, value in given.items() if name != "source"}
    return others if named == _USUAL_SOURCE else others | {"source": named}


def _described(precondition: Precondition) -> list[str]:
    # A rule by its text, whatever it is called: over HTTP a version is a query, and names are not sent.
    match precondition:
        case SubjectIsNew(subject):
            return ["new", subject]
        case SubjectExists(subject):
            return ["existing", subject]
        case SubjectIsAtVersion() | QueryHolds():
            return ["query", precondition.query]
        case _:
            assert_never(precondition)
