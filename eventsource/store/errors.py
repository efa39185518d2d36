"""
Errors of stores that stay in the process: files, formats, locks, forks, schemas that differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource.root_error import StoreError
from eventsource.wire.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class NotAStoreError(StoreError):
    """
    A file is there, but it is no event store.

    Attributes:
        path: The file.

        reason: What was found instead.
    """

    code = "not-a-store"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is not an event store: {reason}")
        self.path = path
        self.reason = reason


class StoreFormatError(StoreError):
    """
    A store file has a format that this version does not read.

    Attributes:
        path: The file.

        found: Its format.

        supported: The newest format this version reads.
    """

    code = "store-format"

    def __init__(self, path: Path, *, found: int, supported: int) -> None:
        super().__init__(
            f"{path} has store format {found}, this version of eventsource reads up to {supported}: "
            "open it with a newer eventsource"
        )
        self.path = path
        self.found = found
        self.supported = supported


class StoreLockedError(StoreError):
    """
    Another store object, here or in another process, already writes to the file.

    Attributes:
        path: The store file.
    """

    code = "store-locked"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is already open for writing: one writer at a time; stop the other one, or open this one "
            "with read_only=True"
        )
        self.path = path


class StoreForkedError(StoreError):
    """
    A store was used in a process that was forked from the one that had opened it.

    Nothing was read or written, and the store goes on in its own process. The same holds for a read-model
    database, and for the files of the notary.

    Attributes:
        opened_by: The id of the process that it belongs to.
    """

    code = "store-forked"

    def __init__(self, name: str, *, opened_by: int) -> None:
        super().__init__(
            f"{name} belongs to process {opened_by}, which this process was forked from: open it after the fork, in "
            "the process that uses it, or start that process with 'spawn'"
        )
        self.opened_by = opened_by


class StoreFileLostError(StoreUnavailableError):
    """
    The files at the path of a store are no longer those that the store has open.

    The store has stopped: it commits and reads nothing more until it is opened again.

    Attributes:
        path: The store file, as it was named.

        what: What became of the files, in words.

        saved: Where the store has saved all that it held; None if it could not, or did not write to the files.

        obstacle: What kept it from saving, in words; None if nothing did.
    """

    code = "store-file-lost"

    def __init__(self, path: Path, what: str, *, saved: Path | None = None, obstacle: str | None = None) -> None:
        super().__init__(
            str(path), f"{what} while the store was open, so the store has stopped; {_advice(saved, obstacle)}"
        )
        self.path = path
        self.what = what
        self.saved = saved
        self.obstacle = obstacle


class PersonalDataRemainsError(StoreError):
    """
    A subject was erased as far as it can be, and events of it still hold personal data.

    They were not stored by reference: their class became personal later, or another program wrote them so. Erasing
    with their types in ``including`` erases them, too.

    Attributes:
        subject: The subject.

        types: How many such events there are, by stored type.

        emptied: The number of events that were emptied.
    """

    code = "personal-data-remains"

    def __init__(self, subject: str, *, types: Mapping[str, int], emptied: int) -> None:
        counted = ", ".join(f"{count} of type {name!r}" for name, count in types.items())
        super().__init__(
            f"events at {subject} still hold personal data: {counted}; they were not stored by reference, so they were "
            f"left ({emptied} events were emptied): erase again and include these types, "
            f"erase_subject(store, {subject!r}, including={list(types)!r})"
        )
        self.subject = subject
        self.types = types
        self.emptied = emptied


class SchemaMismatchError(StoreError):
    """
    A registered schema may refuse what event classes write. Nothing was registered.

    Attributes:
        problems: By event type, each place in the data and what is wrong there.
    """

    code = "schema-mismatch"

    def __init__(self, problems: Mapping[str, tuple[str, ...]]) -> None:
        texts = [f"{event_type}: {', '.join(found)}" for event_type, found in problems.items()]
        super().__init__(
            f"registered schemas may refuse what is written ({'; '.join(texts)}): a schema stays as it is, so write "
            "what fits it, or give the new form a type name of its own"
        )
        self.problems = dict(problems)


def _advice(saved: Path | None, obstacle: str | None) -> str:
    if saved is not None:
        return (
            f"all that it held, its last commit included, is saved in {saved}: find out what touches the files, put "
            "that file in their place and open the store again"
        )
    if obstacle is not None:
        return f"what it held could not be saved ({obstacle}): restore a backup, and find out what touches the files"
    return "open it again to read the files that are there now"
