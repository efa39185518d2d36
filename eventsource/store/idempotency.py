"""
Idempotency keys: what a key may be, and what makes two commits the same request.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, assert_never

import attrs

from eventsource.domain.precondition import QueryIsTrue, SubjectExists, SubjectIsAtVersion, SubjectIsNew

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsource.domain.event import NewEvent
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
    def of(cls, text: str, events: Sequence[NewEvent], preconditions: Sequence[Precondition]) -> IdempotencyKey:
        """
        The key *text* for a commit of *events* under *preconditions*.

        Raises:
            ValueError: *text* is no key.
        """
        if not _KEY.fullmatch(text):
            msg = "an idempotency key is 1 to 255 visible ASCII characters, without white space"
            raise ValueError(msg)
        content = [
            [attrs.asdict(event, recurse=False, filter=_is_given) for event in events],
            [_described(precondition) for precondition in preconditions],
        ]
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return cls(text, sha256(canonical.encode()).digest())


def _is_given(attribute: attrs.Attribute[Any], value: object) -> bool:
    # A field that is added later counts too, and leaves the digests of commits that do not use it as they are stored.
    return bool(value != attribute.default)


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
