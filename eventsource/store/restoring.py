"""
Reading a backup: what every store checks of it, in the same way.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, cast, final

import attrs

from eventsource.events.data_reference import DataReference
from eventsource.events.errors import UnstorableDataError
from eventsource.events.event import NewEvent, RecordedEvent, check_event_type
from eventsource.events.hash_chain import GENESIS_HASH
from eventsource.gdbql import to_instant
from eventsource.log import get_logger
from eventsource.root_error import EventSourceError, InvalidSubjectError, MissingExtraError
from eventsource.store.audit import own_hash
from eventsource.store.idempotency import check_idempotency_key
from eventsource.store.log_entry import DIGEST_MEMBER, SALT_MEMBER, LogEntry
from eventsource.store.query import print_data_path, read_data_path
from eventsource.store.schema import SchemaRegistry
from eventsource.wire.backup import (
    BACKUP_FORMAT,
    BEGIN,
    CHECK_MEMBER,
    DECLARATIONS,
    DECLARATIONS_MEMBER,
    END,
    KEY_DIGEST_MEMBER,
    KEY_EVENTS_MEMBER,
    KEY_MEMBER,
    RECORD_MEMBER,
    CommitKey,
    Declarations,
    is_record,
)
from eventsource.wire.errors import BackupInvalidError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_log = get_logger(__name__)

_FIXED: Final = {"specversion": "1.0", "datacontenttype": "application/json"}
_TEXTS: Final = ("source", "subject", "type", "id", "time", "predecessorhash", "hash")
_KNOWN: Final = frozenset(
    [
        *(*_FIXED, *_TEXTS, "data", DIGEST_MEMBER, SALT_MEMBER),
        *(KEY_MEMBER, KEY_DIGEST_MEMBER, KEY_EVENTS_MEMBER, DECLARATIONS_MEMBER, CHECK_MEMBER),
    ]
)

_ID = re.compile(r"[!-~\u00a1-\ud7ff\ue000-\U0010ffff]{1,256}")
_HASH = re.compile("[0-9a-f]{64}")

# In the year 2225: later ones leave no room for the events that follow, which must be later still.
_LATEST_NS: Final = 2**63 - 2**60


@final
class RestoredEvent(NamedTuple):
    """
    An event of a backup.

    Attributes:
        item: Index of the item in the backup, from 0.

        entry: The event.

        key: The idempotency key of the commit that it is the first event of.

        is_emptied: Its data is erased, and it belongs to the commit of a key whose digest is there all the same: the
            erase came while the backup was made.
    """

    item: int
    entry: LogEntry
    key: CommitKey | None
    is_emptied: bool


class BackupReader:
    """
    Takes the items of a backup in order and checks each against those before it.

    Attributes:
        events: Number of events read so far.

        imported: Number of them whose hash does not follow our formula: another kind of store made it.

        schemas: The schemas that have come.

        indexes: Type and path of each declared index that has come.

        repeated_ids: How many events have the id of an earlier one, which only other kinds of stores make. The
            store that is restored counts them.
    """

    def __init__(self) -> None:
        self.events = self.imported = self.repeated_ids = 0
        self.schemas = SchemaRegistry()
        self.indexes: list[tuple[str, str]] = []
        self._items = 0
        self._unknown: set[str] = set()
        self._hash, self._time_ns = GENESIS_HASH, 0
        # The last event of the last commit that has a key.
        self._key_until = 0
        self._is_comparable = False
        # True if an end was announced; True if it has come.
        self._is_framed = self._has_ended = False

    def read(self, members: Mapping[str, Any]) -> RestoredEvent | None:
        """
        Read the next item.

        Returns:
            The event; None where the item is a record, of which this remembers what is to be known.

        Raises:
            BackupInvalidError: The item does not belong in a backup, or does not follow those before it.
            MissingExtraError: There is a schema, and the extra that checks schemas is not installed.
        """
        index = self._items
        try:
            if self._has_ended:
                _refuse("it comes behind the end of the backup")
            restored = self._read_item(members)
        except _UnfitError as error:
            raise BackupInvalidError(error.problem, index=index) from None
        self._items += 1
        return restored

    @property
    def head(self) -> str:
        """
        The hash of the last event that has come; 64 zeros before the first.
        """
        return self._hash

    def repeated_key(self, *, index: int) -> BackupInvalidError:
        """
        The error for an idempotency key that came before: it can stand for one commit only.
        """
        return BackupInvalidError(f"its {KEY_MEMBER} is that of an earlier event", index=index)

    def complete(self) -> None:
        """
        Check that nothing is missing behind the last item. Call it before anything is kept.

        Raises:
            BackupInvalidError: Something is.
        """
        if self._key_until > self.events:
            problem = "it is missing, though the commit of an earlier event has more events"
        elif self._is_framed and not self._has_ended:
            problem = "it is missing: the backup was cut, since it does not end as its beginning announces"
        else:
            return
        raise BackupInvalidError(problem, index=self._items)

    def finish(self) -> None:
        """
        Tell the log what whoever restores should know. Call it once all is stored.
        """
        if self.imported:
            _log.warning("restore.hashes_not_ours", events=self.events, not_ours=self.imported)
        if self.repeated_ids:
            _log.warning("restore.ids_not_unique", events=self.events, repeated=self.repeated_ids)
        if self._unknown:
            _log.warning("restore.members_left_out", members=sorted(self._unknown))

    def _read_item(self, members: Mapping[str, Any]) -> RestoredEvent | None:
        # Callers without a type checker, and bodies of requests.
        if isinstance(cast("object", members), Mapping) and is_record(members):
            self._read_record(members)
            return None
        entry = self._read(members)
        key = _key(members)
        position = self.events + 1
        if key is not None:
            if position <= self._key_until:
                _refuse(f"it has a {KEY_MEMBER}, though it belongs to the commit of an earlier event with one")
            self._key_until = self.events + key.events
            self._is_comparable = key.digest is not None
        if DECLARATIONS_MEMBER in members:
            self._declare(members[DECLARATIONS_MEMBER])
        self.events = position
        self._hash, self._time_ns = entry.event.hash, entry.event.time_ns
        is_erased = entry.reference is not None and entry.reference.is_erased
        is_emptied = is_erased and self._is_comparable and position <= self._key_until
        return RestoredEvent(self._items, entry, key, is_emptied)

    def _read_record(self, members: Mapping[str, Any]) -> None:
        kind = members[RECORD_MEMBER]
        if kind == BEGIN:
            if self._items:
                _refuse("it is the beginning of a backup, behind other items")
            if members.get("format") != BACKUP_FORMAT:
                _refuse("its format is not known here: a newer release of eventsource wrote the backup")
            self._is_framed = True
        elif kind == END:
            if members.get("events") != self.events:
                _refuse(f"it ends a backup of {members.get('events')!r} events, and {self.events} have come")
            if self.events and members.get("head") != self._hash:
                _refuse("it ends a backup whose last event has another hash")
            self._has_ended = True
        elif kind == DECLARATIONS:
            self._declare(members.get(DECLARATIONS_MEMBER))
        else:
            _refuse(f"it is no event, and a record of a kind that is not known here: its {RECORD_MEMBER!r}")

    def _declare(self, text: object) -> None:
        if not isinstance(text, str):
            _refuse(f"its {DECLARATIONS_MEMBER} is no text")
        try:
            schemas, indexes = Declarations.read(text)
            for event_type, schema in schemas.items():
                self.schemas.add(event_type, schema)
            for event_type, path in indexes:
                check_event_type(event_type)
                self.indexes.append((event_type, print_data_path(read_data_path(path))))
        except MissingExtraError:
            raise
        except (EventSourceError, ValueError) as error:
            _refuse(f"its {DECLARATIONS_MEMBER} cannot be read: {error}")

    def _read(self, members: Mapping[str, Any]) -> LogEntry:
        texts = _texts(members)
        new = _as_new_event(texts, members.get("data"))
        time_ns = _time_ns(texts["time"])
        event = RecordedEvent(
            self.events + 1,
            texts["id"],
            time_ns,
            texts["source"],
            texts["subject"],
            texts["type"],
            new.data_json,
            texts["predecessorhash"],
            texts["hash"],
        )
        if event.predecessor_hash != self._hash:
            before = "the hash of the event before it" if self.events else "64 zeros, as that of a first event is"
            _refuse(f"its predecessorhash is not {before}")
        if event.time_ns < self._time_ns:
            _refuse("its time is earlier than that of the event before it")
        reference = _reference(members, event.data_json)
        # Times of our own strictly increase, so one that does not is none of ours.
        is_own = event.hash == own_hash(event, reference) and event.time_ns > self._time_ns
        self.imported += not is_own
        self._unknown |= members.keys() - _KNOWN
        return LogEntry(event, reference, None if is_own else texts["time"])


async def each(events: AsyncIterable[Mapping[str, Any]] | Iterable[Mapping[str, Any]]) -> AsyncIterator[Any]:
    """
    The events of a backup, wherever they come from.
    """
    if isinstance(events, AsyncIterable):
        async for event in events:
            yield event
    else:
        for event in events:
            yield event


@attrs.frozen
class _UnfitError(Exception):
    problem: str


def _refuse(problem: str) -> NoReturn:
    # What lies beneath may quote data.
    raise _UnfitError(problem) from None


def _texts(members: object) -> dict[str, str]:
    if not isinstance(members, Mapping):
        _refuse("it is no JSON object")
    members = cast("Mapping[str, object]", members)
    for name, value in _FIXED.items():
        if members.get(name) != value:
            _refuse(f"its {name} is not {value!r}")
    texts: dict[str, str] = {}
    for name in _TEXTS:
        text = members.get(name)
        if not isinstance(text, str):
            _refuse(f"its {name} is {'no text' if name in members else 'missing'}")
        texts[name] = text
    if not _ID.fullmatch(texts["id"]):
        _refuse("its id is not 1 to 256 visible characters without white space")
    for name in ("predecessorhash", "hash"):
        _check_hash(name, texts[name])
    return texts


def _check_hash(name: str, text: object) -> None:
    if not isinstance(text, str) or not _HASH.fullmatch(text):
        _refuse(f"its {name} is not 64 lower-case hex digits")


def _key(members: Mapping[str, Any]) -> CommitKey | None:
    if KEY_MEMBER not in members:
        for name in (KEY_DIGEST_MEMBER, KEY_EVENTS_MEMBER):
            if name in members:
                _refuse(f"it has a {name} but no {KEY_MEMBER}")
        return None
    text, digest, events = members[KEY_MEMBER], members.get(KEY_DIGEST_MEMBER), members.get(KEY_EVENTS_MEMBER)
    try:
        check_idempotency_key(text)
    except (TypeError, ValueError):
        _refuse(f"its {KEY_MEMBER} is not 1 to 255 visible ASCII characters")
    if digest is not None:
        _check_hash(KEY_DIGEST_MEMBER, digest)
    if type(events) is not int or events < 1:
        _refuse(f"its {KEY_EVENTS_MEMBER} is no number of events")
    return CommitKey(text, None if digest is None else bytes.fromhex(digest), events)


def _as_new_event(texts: Mapping[str, str], data: Any) -> NewEvent:
    try:
        return NewEvent(subject=texts["subject"], type=texts["type"], source=texts["source"], data=data)
    except InvalidSubjectError as error:
        _refuse(f"its subject cannot be one: {error.reason}")
    except UnstorableDataError as error:
        _refuse(f"its data cannot be stored: {error.reason}")
    except ValueError as error:
        _refuse(str(error))


def _time_ns(text: str) -> int:
    instant = to_instant(text)
    if instant is None:
        _refuse("its time is not one of RFC 3339")
    if not 0 <= instant.ns <= _LATEST_NS:
        _refuse("its time is before 1970 or after 2225")
    return instant.ns


def _reference(members: Mapping[str, Any], data_json: str) -> DataReference | None:
    if DIGEST_MEMBER not in members:
        if SALT_MEMBER in members:
            _refuse(f"it has a {SALT_MEMBER} but no {DIGEST_MEMBER}")
        return None
    digest, salt = members[DIGEST_MEMBER], members.get(SALT_MEMBER)
    _check_hash(DIGEST_MEMBER, digest)
    if salt is not None:
        _check_hash(SALT_MEMBER, salt)
    reference = DataReference(salt, digest)
    if not reference.fits(data_json):
        _refuse(
            f"its data is not what its {DIGEST_MEMBER} stands for"
            if salt is not None
            else f"it has no {SALT_MEMBER}, as if its data were erased, but there is data"
        )
    return reference
