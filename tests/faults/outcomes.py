"""
What became of commits, as their callers were told, compared with what is in the file afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from eventsource import CommitOutcomeUnknownError, NewEvent
from eventsource.errors import StoreFullError, StoreUnavailableError
from eventsource.store import EmbeddedEventStore

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from eventsource import EventStore, RecordedEvent


@attrs.define
class Outcomes:
    """
    Commits by name, each in one of three states.

    Attributes:
        acknowledged: The ids of the events as they were returned.

        refused: Certainly not stored.

        unknown: Stored whole, or not at all.
    """

    acknowledged: dict[str, list[str]] = attrs.field(factory=dict)
    refused: dict[str, Exception] = attrs.field(factory=dict)
    unknown: dict[str, Exception] = attrs.field(factory=dict)

    async def attempt(self, store: EventStore, name: str, size: int, *, text: str = "") -> None:
        """
        Make a commit of *size* events, and note what its caller is told.
        """
        try:
            recorded = await store.commit(commit_of(name, size, text=text))
        except CommitOutcomeUnknownError as error:
            self.unknown[name] = error
        except (StoreFullError, StoreUnavailableError) as error:
            self.refused[name] = error
        else:
            self.acknowledged[name] = [event.id for event in recorded]

    def check(self, events: Iterable[RecordedEvent]) -> None:
        """
        Compare with the whole log of the store.

        Raises:
            AssertionError: Something acknowledged is missing or there twice, something refused is
                there, a commit is there in part, or one that nobody made.
        """
        found = whole_commits(events)
        missing = [name for name, ids in self.acknowledged.items() if found.get(name) != ids]
        assert not missing, f"acknowledged, but not stored: {missing}"
        risen = [name for name in self.refused if name in found]
        assert not risen, f"refused, but stored: {risen}"
        assert found.keys() <= self.acknowledged.keys() | self.unknown.keys()


def commit_of(name: str, size: int, *, text: str = "") -> list[NewEvent]:
    """
    The events of a commit that tell which one they belong to, and where in it they stand.
    """
    return [
        NewEvent(
            subject=f"/a/{index % 3}",
            type="io.example.faults.noted",
            data={"commit": name, "index": index, "size": size, "text": text},
        )
        for index in range(size)
    ]


def whole_commits(events: Iterable[RecordedEvent]) -> dict[str, list[str]]:
    """
    The ids of the events of each commit in a log.

    Raises:
        AssertionError: There is a gap, or a commit is there in part or twice.
    """
    commits: dict[str, list[str]] = {}
    open_name, left = "", 0
    for place, event in enumerate(events, start=1):
        data = event.data
        assert event.position == place, f"a gap before position {event.position}"
        if not left:
            open_name, left = data["commit"], data["size"]
            assert open_name not in commits, f"commit {open_name} is stored twice"
            commits[open_name] = []
        assert (data["commit"], data["index"]) == (open_name, data["size"] - left), f"commit {open_name} is torn"
        commits[open_name].append(event.id)
        left -= 1
    assert not left, f"commit {open_name} is torn"
    return commits


async def check_reopened(path: Path, outcomes: Outcomes) -> None:
    """
    Open the store, compare it with what the callers were told, and see that it works again.
    """
    async with EmbeddedEventStore(path) as store:
        report = await store.audit()
        assert report.is_intact, report.problems
        outcomes.check([event async for event in store.stream()])
        await store.commit(commit_of("afterwards", 2))
        assert (await store.audit()).is_intact
