"""
The stores side by side: whatever is done to them in whatever order, they and a plain list give the same answers.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from eventsource import NewEvent, Precondition, Subject, SubjectExists, SubjectIsAtVersion, SubjectIsNew
from eventsource.errors import (
    EventNotFoundError,
    IdempotencyKeyReusedError,
    PreconditionFailedError,
    SubjectNotFoundError,
)
from eventsource.events.canonical_json import to_canonical_json
from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from eventsource.testing.contract.chance import rounds
from eventsource.testing.contract.samples import PATIENCE_S, noted

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from eventsource import EventStore, RecordedEvent
    from eventsource.store import EventStream

# So few that most commits meet others, nested, and close to each other in the order of characters.
SUBJECTS = ["/a", "/a/b", "/a/b/c", "/a/c", "/a0", "/b"]
SCOPES = ["/", *SUBJECTS, "/nowhere"]
TYPES = ["io.example.machine.opened", "io.example.machine.changed", "io.example.machine.closed"]

# Small enough that the few events of a run fill several pages, and that a subtree is found in either way.
PAGE_EVENTS = 4
MAX_GATHERED = 6

NEW_EVENTS = st.builds(
    noted,
    st.sampled_from(SUBJECTS),
    type=st.sampled_from(TYPES),
    source=st.none() | st.just("io.example.elsewhere"),
    data=st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3), st.integers(), max_size=2
    ),
    store_data_as_reference=st.booleans(),
)


@attrs.frozen
class Condition:
    """
    A precondition to make when the version of its subject is known.
    """

    kind: str
    subject: str
    # From the true version; mostly 0, so that most conditions hold.
    offset: int

    def made(self, version: int) -> Precondition:
        """
        The precondition for a subject of that version.
        """
        match self.kind:
            case "new":
                return SubjectIsNew(self.subject)
            case "exists":
                return SubjectExists(self.subject)
            case _:
                return SubjectIsAtVersion(self.subject, max(0, version + self.offset))


CONDITIONS = st.builds(
    Condition,
    st.sampled_from(["version", "version", "version", "new", "exists"]),
    st.sampled_from(SCOPES),
    st.sampled_from([0, 0, 0, 0, -1, 1]),
)

COMMITS = st.tuples(st.lists(NEW_EVENTS, min_size=1, max_size=4), st.lists(CONDITIONS, max_size=2))

# A number stands for the event at that place, counted from the end of the log; the last one for an id nobody has.
UNKNOWN = 1_000

SALT = "5a" * 32
BOUNDS = st.none() | st.integers(0, 40) | st.just(UNKNOWN)


class Model:
    """
    What a store is: a list.
    """

    def __init__(self) -> None:
        self.events: list[NewEvent] = []
        self.erased = set[int]()

    def version(self, subject: str) -> int:
        """
        How many events the subject itself has.
        """
        return sum(event.subject == subject for event in self.events)

    def holds(self, condition: Precondition) -> bool:
        """
        Whether a precondition holds now.
        """
        match condition:
            case SubjectIsNew(subject):
                return self.version(subject) == 0
            case SubjectExists(subject):
                return self.version(subject) > 0
            case SubjectIsAtVersion(subject, version):
                return self.version(subject) == version
            case _:
                raise NotImplementedError

    def in_scope(self, subject: str, *, recursive: bool) -> list[int]:
        """
        Positions of a scope.
        """
        segments = Subject(subject).segments
        return [
            position
            for position, event in enumerate(self.events, start=1)
            if event.subject == subject or (recursive and event.subject.segments[: len(segments)] == segments)
        ]

    def erase(self, subject: str) -> list[int]:
        """
        The positions whose data is erased now.
        """
        found = [
            position
            for position, event in enumerate(self.events, start=1)
            if event.subject == subject and event.store_data_as_reference and position not in self.erased
        ]
        self.erased.update(found)
        return found

    def latest(self, positions: list[int], event_type: str) -> list[int]:
        """
        Of *positions* the last one of each subject with an event of the type.
        """
        last = {
            self.events[position - 1].subject: position
            for position in positions
            if self.events[position - 1].type == event_type
        }
        return sorted(last.values())


@attrs.define
class Observer:
    """
    An observer of each store, and how far the model says that they have seen.
    """

    streams: list[EventStream]
    subject: str
    recursive: bool
    position: int


class Stores(RuleBasedStateMachine):
    """
    A store in memory and an embedded one, given the same commits, times and ids.
    """

    def __init__(self) -> None:
        super().__init__()
        self.settings_of_stores = pytest.MonkeyPatch()
        self.settings_of_stores.setattr("eventsource.store.memory.PAGE_EVENTS", PAGE_EVENTS)
        self.settings_of_stores.setattr("eventsource.store.embedded.reader.PAGE_EVENTS", PAGE_EVENTS)
        self.settings_of_stores.setattr("eventsource.store.embedded.reader._MAX_GATHERED", MAX_GATHERED)
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.now_ns = 1_000_000_000
        self.ids = [itertools.count(1), itertools.count(1)]
        self.model = Model()
        self.log: list[RecordedEvent] = []
        self.keyed: dict[str, tuple[list[NewEvent], tuple[RecordedEvent, ...]]] = {}
        self.observers: list[Observer] = []
        self.memory = InMemoryEventStore(
            clock=lambda: self.now_ns, new_id=lambda: f"id-{next(self.ids[0])}", new_salt=lambda: SALT
        )
        self.embedded = self.opened()

    def teardown(self) -> None:
        """
        Close both stores, which ends their observers.
        """
        self.run(self.close_observers())
        self.run(self.embedded.aclose())
        self.run(self.memory.aclose())
        self.runner.close()
        self.folder.cleanup()
        self.settings_of_stores.undo()

    def run(self, action: Coroutine[Any, Any, Any]) -> Any:
        """
        Run *action* to its end.
        """
        return self.runner.run(asyncio.wait_for(action, PATIENCE_S))

    def opened(self) -> EmbeddedEventStore:
        """
        The embedded store, opened on its file.
        """
        store = EmbeddedEventStore(
            Path(self.folder.name) / "store.db",
            clock=lambda: self.now_ns,
            new_id=lambda: f"id-{next(self.ids[1])}",
            new_salt=lambda: SALT,
        )
        self.run(store.__aenter__())
        return store

    def both(self) -> list[EventStore]:
        """
        The stores, in the order of everything that is kept for each.
        """
        return [self.memory, self.embedded]

    @rule(commits=st.lists(COMMITS, min_size=1, max_size=5))
    def commit(self, commits: list[tuple[list[NewEvent], list[Condition]]]) -> None:
        """
        Commits sent together are decided one after the other, each against all before it.
        """
        versions = {scope: self.model.version(scope) for scope in SCOPES}
        requests = [(events, [each.made(versions[each.subject]) for each in wanted]) for events, wanted in commits]

        answers = [self.run(commit_together(store, requests)) for store in self.both()]

        for (events, conditions), *outcomes in zip(requests, *answers, strict=True):
            failing = next((each for each in conditions if not self.model.holds(each)), None)
            if failing is None:
                self.model.events.extend(events)
                assert outcomes[0] == outcomes[1]
                self.log.extend(outcomes[0])
                assert [event.position for event in self.log] == list(range(1, len(self.model.events) + 1))
            else:
                for error in outcomes:
                    assert isinstance(error, PreconditionFailedError)
                    assert error.precondition == type(failing).__name__
                assert str(outcomes[0]) == str(outcomes[1])

    @rule()
    def commit_nothing(self) -> None:
        """
        A commit of nothing is refused.
        """
        for store in self.both():
            with pytest.raises(ValueError, match="at least one event"):
                self.run(store.commit([]))

    @rule(step_ns=st.integers(-(10**18), 10**12))
    def let_the_clock_jump(self, step_ns: int) -> None:
        """
        The clock goes on, or back.
        """
        self.now_ns = max(0, self.now_ns + step_ns)

    @rule(
        subject=st.sampled_from(SCOPES),
        recursive=st.booleans(),
        lower=BOUNDS,
        upper=BOUNDS,
        include_lower=st.booleans(),
        include_upper=st.booleans(),
        latest=st.none() | st.sampled_from(TYPES),
    )
    def stream(
        self,
        subject: str,
        *,
        recursive: bool,
        lower: int | None,
        upper: int | None,
        include_lower: bool,
        include_upper: bool,
        latest: str | None,
    ) -> None:
        """
        A stream has what the list has between its bounds.
        """
        first, lower_bound = self.bound(lower, default=0)
        last, upper_bound = self.bound(upper, default=len(self.log) + 1)
        first -= include_lower
        last += include_upper
        wanted = [each for each in self.model.in_scope(subject, recursive=recursive) if first < each < last]
        if latest is not None:
            wanted = self.model.latest(wanted, latest)

        for store in self.both():
            stream = store.stream(
                subject,
                recursive=recursive,
                lower_bound=lower_bound,
                include_lower_bound=include_lower,
                upper_bound=upper_bound,
                include_upper_bound=include_upper,
                latest_by_type=latest,
            )
            if UNKNOWN in {lower, upper}:
                with pytest.raises(EventNotFoundError):
                    self.run(read_whole(stream))
            else:
                assert self.run(read_whole(stream)) == [self.log[position - 1] for position in wanted]

    @rule(subject=st.sampled_from(SCOPES), recursive=st.booleans(), lower=BOUNDS)
    def count(self, subject: str, *, recursive: bool, lower: int | None) -> None:
        """
        The count is the length of the list.
        """
        first, lower_bound = self.bound(lower, default=0)
        wanted = [each for each in self.model.in_scope(subject, recursive=recursive) if each > first]

        for store in self.both():
            counting = store.count(subject, recursive=recursive, lower_bound=lower_bound)
            if lower == UNKNOWN:
                with pytest.raises(EventNotFoundError):
                    self.run(counting)
            else:
                assert self.run(counting) == len(wanted)

    @rule(subject=st.sampled_from(SCOPES), recursive=st.booleans())
    def overview(self, subject: str, *, recursive: bool) -> None:
        """
        The last event, the subjects and the figures are those of the list.
        """
        scope = self.model.in_scope(subject, recursive=recursive)
        below = self.model.in_scope(subject, recursive=True)
        subjects = {str(each.subject) for each in self.model.events}

        for store in self.both():
            last = self.run(store.last_event(subject, recursive=recursive))
            assert last == (self.log[scope[-1] - 1] if scope else None)
            found = self.run(store.subjects(subject))
            assert found == tuple(sorted({self.log[position - 1].subject for position in below}))
            status = self.run(store.status())
            types = self.run(store.event_types())
            assert (status.events, status.subjects, status.types) == (len(self.log), len(subjects), len(types))

    @rule(events=st.lists(NEW_EVENTS, min_size=1, max_size=3), number=st.integers(0, 3), copies=st.integers(1, 3))
    def commit_with_a_key(self, events: list[NewEvent], number: int, copies: int) -> None:
        """
        A key makes one commit, however often it is sent; another request with it is refused.
        """
        key = f"k-{number}"
        known = self.keyed.get(key)
        for index, store in enumerate(self.both()):
            answers = self.run(send_together(store, events, key, copies))
            if known is None:
                assert len(set(answers)) == 1
                new = answers[0]
                assert [event.position for event in new] == [len(self.log) + 1 + step for step in range(len(events))]
                if index:
                    self.model.events.extend(events)
                    self.log.extend(new)
                    self.keyed[key] = (events, new)
            elif known[0] == events:
                assert answers == [known[1]] * copies
            else:
                assert {type(answer) for answer in answers} == {IdempotencyKeyReusedError}

    @precondition(lambda self: len(self.observers) < 3)
    @rule(subject=st.sampled_from(SCOPES), recursive=st.booleans(), lower=st.none() | st.integers(0, 40))
    def observe(self, subject: str, *, recursive: bool, lower: int | None) -> None:
        """
        An observer starts somewhere in the log.
        """
        position, bound = self.bound(lower, default=0)
        streams = [store.observe(subject, recursive=recursive, lower_bound=bound) for store in self.both()]
        self.observers.append(Observer(streams, subject, recursive, position))

    @precondition(lambda self: self.observers)
    @rule()
    def follow(self) -> None:
        """
        Each observer has seen all of its scope once it has reached the end of the log.
        """
        for observer in self.observers:
            if observer.position == len(self.log):
                continue
            scope = self.model.in_scope(observer.subject, recursive=observer.recursive)
            wanted = [self.log[position - 1] for position in scope if position > observer.position]
            for stream in observer.streams:
                assert self.run(read_until(stream, len(self.log))) == wanted
            observer.position = len(self.log)

    @rule()
    def audit(self) -> None:
        """
        Both stores are intact, of the same length and with the same head.
        """
        reports = [self.run(store.audit()) for store in self.both()]

        assert reports[0] == reports[1]
        assert reports[0].is_intact
        assert reports[0].events == len(self.log)

    @rule(subject=st.sampled_from(SCOPES))
    def erase(self, subject: str) -> None:
        """
        Of the subject itself the data stored by reference is emptied, and nothing else changes.
        """
        if not self.model.version(subject):
            for store in self.both():
                with pytest.raises(SubjectNotFoundError):
                    self.run(store.erase(subject))
            return
        erased = self.model.erase(subject)
        for position in erased:
            event = self.log[position - 1]
            # The data of these events has texts as keys and integers as values.
            self.log[position - 1] = event._replace(data_json=to_canonical_json(dict.fromkeys(event.data, 0)))

        assert [self.run(store.erase(subject)) for store in self.both()] == [len(erased)] * 2

    @rule()
    def back_up_and_restore(self) -> None:
        """
        Both give the same backup, and a store made of it gives it again.
        """

        async def again(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
            async with InMemoryEventStore() as store:
                await store.restore(events)
                assert (await store.audit()).is_intact
                return await backup_of(store)

        backups = [self.run(backup_of(store)) for store in self.both()]

        assert backups[0] == backups[1] == self.run(again(backups[0]))

    @rule()
    def reopen(self) -> None:
        """
        Closing and opening the file changes nothing but ends the observers.
        """
        self.run(self.close_observers())
        self.run(self.embedded.aclose())
        self.embedded = self.opened()

    def bound(self, number: int | None, *, default: int) -> tuple[int, str | None]:
        """
        The position and id of a bound; *default* and None when there is none.
        """
        if number == UNKNOWN:
            return 0, "nobody-has-this-id"
        if number is None or number >= len(self.log):
            return default, None
        event = self.log[len(self.log) - 1 - number]
        return event.position, event.id

    async def close_observers(self) -> None:
        """
        End all observers.
        """
        for observer in self.observers:
            for stream in observer.streams:
                await stream.aclose()
        self.observers.clear()


async def commit_together(
    store: EventStore, requests: Sequence[tuple[list[NewEvent], list[Precondition]]]
) -> list[tuple[RecordedEvent, ...] | BaseException]:
    """
    What becomes of commits sent in one go.
    """
    return await asyncio.gather(*(store.commit(*request) for request in requests), return_exceptions=True)


async def send_together(store: EventStore, events: list[NewEvent], key: str, copies: int) -> list[Any]:
    """
    What becomes of one commit that is sent several times in one go.
    """
    sent = (store.commit(events, idempotency_key=key) for _ in range(copies))
    return await asyncio.gather(*sent, return_exceptions=True)


async def read_whole(stream: EventStream) -> list[RecordedEvent]:
    """
    All events of a stream that ends.
    """
    return [event async for event in stream]


async def backup_of(store: EventStore) -> list[dict[str, Any]]:
    """
    All events of a backup.
    """
    return [event async for event in store.backup()]


async def read_until(stream: EventStream, position: int) -> list[RecordedEvent]:
    """
    What an observer gets until it has reached *position*.
    """
    events: list[RecordedEvent] = []
    async for page in stream.pages():
        events.extend(page.events)
        if page.position >= position:
            break
    return events


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=rounds(60, 3_000), stateful_step_count=30)
