"""
Data stored by reference: what the hash chain knows of it, and what is left of it once it is erased.

The hash of such an event covers a digest of its data instead of the data, and the digest is salted.
So the data and the salt can go while the chain still holds, and nobody can find out what the data
was by trying values against the digest.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, NamedTuple, Self, cast, final

from eventsource.events.canonical_json import parse_json, to_canonical_json


@final
class DataReference(NamedTuple):
    """
    What ties an event to data that can be erased.

    Attributes:
        salt: 64 lower-case hex digits of chance; None once the data is erased.

        digest: SHA-256 over the salt's digits and the canonical data, 64 lower-case hex digits.
    """

    salt: str | None
    digest: str

    @classmethod
    def to_data(cls, data_json: str, *, salt: str) -> Self:
        """
        The reference to *data_json*, which is canonical.
        """
        return cls(salt, _digest(salt, data_json))

    @property
    def is_erased(self) -> bool:
        """
        Whether the data is gone.
        """
        return self.salt is None

    def fits(self, data_json: str) -> bool:
        """
        Whether *data_json* can be what it refers to: the data itself, or what erasing leaves.
        """
        if self.salt is None:
            return emptied(data_json) == data_json
        return _digest(self.salt, data_json) == self.digest

    def erased(self) -> Self:
        """
        The same without the salt.
        """
        return self._replace(salt=None)


def emptied(data_json: str) -> str:
    """
    What erasing leaves of event data: its shape, without a value.

    Texts become empty, numbers 0 and booleans false; null stays. Objects keep their keys and arrays
    their length, and are emptied inside. Canonical JSON stays canonical.

    >>> emptied('{"age":36,"lines":["a","b"],"name":"Ada"}')
    '{"age":0,"lines":["",""],"name":""}'

    Source:
        Genesis DB leaves the same keys with ``""`` for texts, as its JavaScript SDK's own test
        expects (client.integration.test.ts). The other kinds are our extension of that.
    """
    return to_canonical_json(_emptied(parse_json(data_json)))


def _emptied(value: Any) -> Any:
    match value:
        case None:
            return None
        case bool():
            return False
        case str():
            return ""
        case dict():
            return {key: _emptied(member) for key, member in cast("dict[str, Any]", value).items()}
        case list():
            return [_emptied(item) for item in value]  # pyright: ignore[reportUnknownVariableType]  # mypy knows it
        case _:
            return 0


def _digest(salt: str, data_json: str) -> str:
    return sha256(f"{salt}{data_json}".encode()).hexdigest()
