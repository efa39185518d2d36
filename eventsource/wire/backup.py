"""
The items of a backup: events, each with what belongs to it, and the few records that are no events.

What a store keeps beside its events travels on them, in members of its own that CloudEvents allows and
that other readers pass over: so every item is an event wherever there are enough of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast, final

from eventsource.events.canonical_json import quote_json
from eventsource.wire.strict_json import read_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence

# On the first event of a commit that was made with an idempotency key: the key, the digest of what was asked for
# (missing once data of the commit was erased), and how many events it stands for.
KEY_MEMBER: Final = "commitkey"
KEY_DIGEST_MEMBER: Final = "commitdigest"
KEY_EVENTS_MEMBER: Final = "commitevents"

# On the first events: JSON text, an object with "schemas" by event type and "indexes", a list of type and path.
DECLARATIONS_MEMBER: Final = "storedeclarations"

# What makes an item a record in place of an event; its value says which kind of record.
RECORD_MEMBER: Final = "backup"
BEGIN, END, DECLARATIONS = "begin", "end", "declarations"

# The last member of a line in a file: CRC-32 of the line without it, eight hex digits.
CHECK_MEMBER: Final = "check"

# The version of records that `begin` announces.
BACKUP_FORMAT: Final = 1

# Of one item. A schema takes at most half of it.
_DECLARATIONS_CHARACTERS: Final = 128 * 1024


@final
class CommitKey(NamedTuple):
    """
    The idempotency key of a commit, as a backup has it.

    Attributes:
        text: The key.

        digest: Digest of the request; None if it cannot be compared any more.

        events: Number of events of the commit.
    """

    text: str
    digest: bytes | None
    events: int

    def members(self) -> dict[str, Any]:
        """
        The members that the first event of the commit has beside its own.
        """
        digest = {} if self.digest is None else {KEY_DIGEST_MEMBER: self.digest.hex()}
        return {KEY_MEMBER: self.text, **digest, KEY_EVENTS_MEMBER: self.events}


@final
class Declarations(NamedTuple):
    """
    The schemas and the declared indexes of a store.

    Attributes:
        schemas: Canonical JSON, by event type.

        indexes: Type and path of each.
    """

    schemas: Mapping[str, str]
    indexes: Sequence[tuple[str, str]]

    def parts(self) -> Iterator[str]:
        """
        All of it as JSON texts, each small enough for one item of a backup.
        """
        schemas: list[str] = []
        indexes: list[str] = []
        size = 0
        declared = [(schemas, f"{quote_json(name)}:{text}") for name, text in sorted(self.schemas.items())]
        declared += [(indexes, f"[{quote_json(name)},{quote_json(path)}]") for name, path in self.indexes]
        for kind, text in declared:
            if size and size + len(text) > _DECLARATIONS_CHARACTERS:
                yield _print_part(schemas, indexes)
                schemas.clear()
                indexes.clear()
                size = 0
            kind.append(text)
            size += len(text)
        if size:
            yield _print_part(schemas, indexes)

    @classmethod
    def read(cls, text: str) -> tuple[dict[str, dict[str, Any]], list[tuple[str, str]]]:
        """
        Schemas and indexes of one part.

        Raises:
            ValueError: It is none.
        """
        found: Any = read_json(text.encode())
        if not isinstance(found, dict):
            msg = "it is no JSON object"
            raise ValueError(msg)  # noqa: TRY004  the backup is wrong, not the caller
        members = cast("dict[str, Any]", found)
        schemas, indexes = members.get("schemas", {}), members.get("indexes", [])
        if not isinstance(schemas, dict) or not isinstance(indexes, list):
            msg = "its schemas are no object or its indexes no list"
            raise ValueError(msg)  # noqa: TRY004  the backup is wrong, not the caller
        return cast("dict[str, dict[str, Any]]", schemas), [_read_index(index) for index in indexes]  # pyright: ignore[reportUnknownVariableType]  # mypy knows it


def _print_part(schemas: Iterable[str], indexes: Iterable[str]) -> str:
    return f'{{"schemas":{{{",".join(schemas)}}},"indexes":[{",".join(indexes)}]}}'


def _read_index(found: Any) -> tuple[str, str]:
    match found:
        case [str(event_type), str(path)]:
            return event_type, path
        case _:
            msg = "an index is a list of a type and a path"
            raise ValueError(msg)


async def framed(items: AsyncIterable[Mapping[str, Any]]) -> AsyncIterator[Mapping[str, Any]]:
    """
    A backup between a record that announces an end and the record that is it: so a part of it is told from all of it.
    """
    yield {RECORD_MEMBER: BEGIN, "format": BACKUP_FORMAT}
    events, head = 0, ""
    async for item in items:
        if not is_record(item):
            events += 1
            head = item.get("hash", "")
        yield item
    yield {RECORD_MEMBER: END, "events": events, "head": head}


def is_record(item: Mapping[str, Any]) -> bool:
    """
    True if an item of a backup is a record in place of an event.
    """
    return RECORD_MEMBER in item and "specversion" not in item
