"""
Reading a backup: what every store checks of it, in the same way.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

import attrs

from eventsource.domain.data_reference import DataReference
from eventsource.domain.event import NewEvent, RecordedEvent
from eventsource.domain.hash_chain import GENESIS_HASH
from eventsource.errors import BackupInvalidError, InvalidSubjectError, UnstorableDataError
from eventsource.gdbql import to_instant
from eventsource.log import get_logger
from eventsource.store.audit import own_hash
from eventsource.store.log_entry import DIGEST_MEMBER, SALT_MEMBER, LogEntry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_log = get_logger(__name__)

_FIXED: Final = {"specversion": "1.0", "datacontenttype": "application/json"}
_TEXTS: Final = ("source", "subject", "type", "id", "time", "predecessorhash", "hash")
_KNOWN: Final = frozenset([*_FIXED, *_TEXTS, "data", DIGEST_MEMBER, SALT_MEMBER])

_ID = re.compile(r"[!-~\u00a1-\ud7ff\ue000-\U0010ffff]{1,256}")
_HASH = re.compile("[0-9a-f]{64}")

# In the year 2225: later ones leave no room for the events that follow, which must be later still.
_LATEST_NS: Final = 2**63 - 2**60


class BackupReader:
    """
    Takes the events of a backup in order and checks each against the one before it.
    """

    def __init__(self) -> None:
        self.events = 0
        self._imported = 0
        self._unknown: set[str] = set()
        self._hash, self._time_ns = GENESIS_HASH, 0

    def read(self, members: Mapping[str, Any]) -> LogEntry:
        """
        Read the next event.

        Raises:
            BackupInvalidError: It is none, or does not follow the one before it.
        """
        try:
            entry = self._read(members)
        except _UnfitError as error:
            raise BackupInvalidError(error.problem, index=self.events) from None
        self.events += 1
        self._hash, self._time_ns = entry.event.hash, entry.event.time_ns
        return entry

    def repeated_id(self, *, index: int, first: int) -> BackupInvalidError:
        """
        The error for an id that came before: a listener could not tell where it was.
        """
        return BackupInvalidError(f"its id is that of event {first}", index=index)

    def finish(self) -> None:
        """
        Tell the log what whoever restores should know. Call it once all is stored.
        """
        if self._imported:
            _log.warning("restore.hashes_not_ours", events=self.events, not_ours=self._imported)
        if self._unknown:
            _log.warning("restore.members_left_out", members=sorted(self._unknown))

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
        self._imported += not is_own
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
