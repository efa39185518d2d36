"""
Erasing data: it is gone for every reader, and everything else stays as it was.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from eventsource import Erased, Event, NewEvent, QueryHolds, SubjectIsAtVersion
from eventsource.errors import (
    IdempotencyKeyReusedError,
    InvalidSubjectError,
    NotSupportedError,
    PreconditionFailedError,
    StoreClosedError,
    SubjectNotFoundError,
)
from eventsource.testing.contract.kinds import Capability, needs
from eventsource.testing.contract.samples import NOTED, commit_each, is_intact, noted, read

if TYPE_CHECKING:
    from eventsource import EventStore, RecordedEvent
    from eventsource.testing.contract.kinds import OpenStore

ADA = {
    "name": "Ada",
    "age": 36,
    "height": 1.7,
    "known": True,
    "left": None,
    "lines": ["a", {"b": 2}],
    "more": {"c": "d"},
}
NOBODY = {"name": "", "age": 0, "height": 0, "known": False, "left": None, "lines": ["", {"b": 0}], "more": {"c": ""}}


class PersonNamed(Event, type="io.example.contract.person-named"):
    """
    Something about a person.
    """

    name: str


class AddressGiven(Event, type="io.example.contract.address-given", personal=True):
    """
    Something else about one, declared as what it is.
    """

    street: str
    number: int | None


def personal(subject: str, data: dict[str, Any], *, type: str = NOTED) -> NewEvent:
    """
    A new event whose data can be erased.
    """
    return NewEvent(subject=subject, type=type, data=data, store_data_as_reference=True)


async def rows(store: EventStore, query: str) -> list[Any]:
    """
    The rows of a query.
    """
    return [row async for row in store.query(query)]


def but_for_data(events: list[RecordedEvent]) -> list[RecordedEvent]:
    """
    The events without their data.
    """
    return [event._replace(data_json="") for event in events]


@needs(Capability.WHOLE)
async def test_data_by_reference_is_read_like_any_other(store: EventStore) -> None:
    """
    Until it is erased nobody sees a difference, and the log is intact.
    """
    (recorded,) = await store.commit([personal("/people/1", ADA)])

    assert recorded.data == ADA
    assert await read(store.stream()) == [recorded]
    assert await rows(store, "STREAM e FROM events WHERE e.data.name == 'Ada' MAP e.data.age") == [36]
    assert await is_intact(store)


async def test_an_event_class_is_stored_by_reference_too(store: EventStore) -> None:
    """
    `NewEvent.of` takes the option as well.
    """
    await store.commit([NewEvent.of(PersonNamed(name="Ada"), subject="/people/1", store_data_as_reference=True)])

    assert await store.erase("/people/1") == 1
    (event,) = await read(store.stream())
    assert event.decode_all() == (Erased(PersonNamed),)


async def test_a_personal_event_is_read_as_erased(store: EventStore) -> None:
    """
    Its data is stored by reference without being asked for, and no reader takes what is left for an address.
    """
    given = AddressGiven(street="Main Street", number=None)
    await store.commit([NewEvent.of(given, subject="/people/1")])
    (before,) = await read(store.stream())

    assert await store.erase("/people/1") == 1

    (after,) = await read(store.stream())
    assert before.decode_all() == (given,)
    assert after.decode_all() == (Erased(AddressGiven),)


async def test_erasing_empties_the_data_and_keeps_the_event(store: EventStore) -> None:
    """
    Ids, times, hashes and keys stay, values go, and the audit still finds the chain whole.
    """
    await store.commit([personal("/people/1", ADA), noted("/people/2"), personal("/people/1", {"name": "Ada King"})])
    before = await read(store.stream())

    erased = await store.erase("/people/1")

    after = await read(store.stream())
    assert erased == 2
    assert [event.data for event in after] == [NOBODY, {}, {"name": ""}]
    assert but_for_data(after) == but_for_data(before)
    assert await is_intact(store)


async def test_only_the_subject_itself_and_only_data_by_reference_is_erased(store: EventStore) -> None:
    """
    Subjects around and below it keep their data, and so do its events whose data is not stored by reference.
    """
    await store.commit(
        [
            personal("/people/1", {"name": "Ada"}),
            noted("/people/1", data={"name": "kept"}),
            personal("/people/1/notes", {"name": "below"}),
            personal("/people", {"name": "above"}),
            personal("/people/10", {"name": "beside"}),
        ]
    )

    assert await store.erase("/people/1") == 1

    assert [event.data["name"] for event in await read(store.stream())] == ["", "kept", "below", "above", "beside"]


async def test_erasing_again_is_fine(store: EventStore) -> None:
    """
    What is erased already is not counted again; what came since is.
    """
    await store.commit([personal("/people/1", {"name": "Ada"})])

    assert await store.erase("/people/1") == 1
    assert await store.erase("/people/1") == 0
    await store.commit([personal("/people/1", {"name": "Ada"})])
    assert await store.erase("/people/1") == 1


async def test_types_are_erased_however_they_were_stored(store: EventStore) -> None:
    """
    Data that was not stored by reference goes, too, where its type is named; a store that cannot do it says so.
    """
    ids = {"command": "7"}
    await store.commit(
        [
            personal("/people/1", {"name": "Ada"}),
            noted("/people/1", data={"name": "Ada", "age": 36, "_meta": ids}),
            noted("/people/1", type="io.example.contract.kept", data={"name": "kept"}),
            noted("/people/1/notes", data={"name": "below"}),
            noted("/people/1", data={"name": "Ada King"}),
        ]
    )
    before = await read(store.stream())
    try:
        erased = await store.erase("/people/1", including=[NOTED, "io.example.contract.of-nobody"])
    except NotSupportedError:
        assert [event.data["name"] for event in await read(store.stream())][:2] == ["", "Ada"]
        return

    after = await read(store.stream())
    assert erased == 3
    assert [event.data["name"] for event in after] == ["", "", "kept", "below", ""]
    assert after[1].data == {"name": "", "age": 0, "_meta": {"command": ""}}
    assert but_for_data(after) == but_for_data(before)
    assert await store.erase("/people/1", including=[NOTED]) == 0
    assert await rows(store, "STREAM e FROM events WHERE e.data.name == 'Ada' MAP e.id") == []
    assert await is_intact(store)


async def test_a_subject_without_data_by_reference_has_nothing_to_erase(store: EventStore) -> None:
    """
    A subject with events, none of them erasable, is no error.
    """
    await commit_each(store, ["/a"])

    assert await store.erase("/a") == 0


@pytest.mark.parametrize("subject", ["/nobody", "/people", "/"])
async def test_a_subject_without_events_is_refused(store: EventStore, subject: str) -> None:
    """
    Erasing where nothing is, or only something below, tells so: it may be a misspelt subject.
    """
    await store.commit([personal("/people/1", {"name": "Ada"})])

    with pytest.raises(SubjectNotFoundError) as refusal:
        await store.erase(subject)

    assert refusal.value.subject == subject
    with pytest.raises(InvalidSubjectError):
        await store.erase("people")


@needs(Capability.WHOLE)
async def test_queries_do_not_find_erased_values(store: EventStore) -> None:
    """
    Neither with an index nor without one, also when the same was asked before.
    """
    await store.create_index(NOTED, "data.email")
    await store.commit([personal(f"/people/{number}", {"email": f"{number}@example.com"}) for number in range(20)])
    found = "STREAM e FROM events WHERE e.type == '{}' AND e.data.email == '{}' MAP e.subject"
    assert await rows(store, found.format(NOTED, "7@example.com")) == ["/people/7"]

    await store.erase("/people/7")

    assert await rows(store, found.format(NOTED, "7@example.com")) == []
    assert await rows(store, found.format(NOTED, "8@example.com")) == ["/people/8"]
    assert await rows(store, found.format(NOTED, "")) == ["/people/7"]
    assert await rows(store, "STREAM e FROM events WHERE e.data.email == '7@example.com' MAP e.id") == []


async def test_guards_see_what_is_left(store: EventStore) -> None:
    """
    A rule that was decided before is decided anew from what the events hold now.
    """
    await store.commit([personal("/people/1", {"cents": 500}), personal("/people/2", {"cents": 70})])

    def at_least(cents: int) -> QueryHolds:
        return QueryHolds(f"STREAM e FROM events WHERE e.type == '{NOTED}' MAP SUM(e.data.cents) >= {cents}")

    await store.commit([noted("/a")], [at_least(570)])
    await store.erase("/people/1")

    with pytest.raises(PreconditionFailedError):
        await store.commit([noted("/a")], [at_least(71)])
    await store.commit([noted("/a")], [at_least(70), SubjectIsAtVersion("/people/1", 1)])


async def test_observers_are_not_told(store: EventStore) -> None:
    """
    An erase is no event: an observer gets the next commit and nothing before it.
    """
    (recorded,) = await store.commit([personal("/people/1", {"name": "Ada"})])
    pages = store.observe(lower_bound=recorded.id).pages()
    assert (await anext(pages)).events in ((), [])
    waiting = asyncio.ensure_future(anext(pages))

    await store.erase("/people/1")
    (following,) = await store.commit([noted("/a")])

    assert list((await waiting).events) == [following]
    await pages.aclose()


async def test_commits_and_reads_go_on_while_data_is_erased(store: EventStore) -> None:
    """
    Erases, commits and reads at the same time: each event is there once, with its data or emptied.
    """
    await store.commit([personal(f"/people/{number % 5}", {"name": "Ada"}) for number in range(100)])

    async def write() -> None:
        for _ in range(20):
            await store.commit([personal("/others/1", {"name": "Bob"})])

    async def look() -> None:
        for _ in range(10):
            assert {event.data["name"] for event in await read(store.stream("/people"))} <= {"Ada", ""}

    erased, *_ = await asyncio.gather(
        asyncio.gather(*(store.erase(f"/people/{number}") for number in range(5))), write(), look(), write()
    )

    assert erased == [20] * 5
    assert [event.data["name"] for event in await read(store.stream())] == [""] * 100 + ["Bob"] * 40
    assert await is_intact(store)


async def test_a_closed_store_erases_nothing(open_store: OpenStore) -> None:
    """
    After closing it is refused like everything else.
    """
    async with open_store() as store:
        await store.commit([personal("/people/1", {"name": "Ada"})])

    with pytest.raises(StoreClosedError):
        await store.erase("/people/1")


async def test_an_erased_commit_cannot_be_tried_out_by_its_key(store: EventStore) -> None:
    """
    The same request under the same key would tell whether a guess at the data is right.
    """
    await store.commit([personal("/people/1", ADA)], idempotency_key="k-1")
    await store.commit([noted("/a")], idempotency_key="k-2")
    await store.erase("/people/1")

    with pytest.raises(IdempotencyKeyReusedError):
        await store.commit([personal("/people/1", ADA)], idempotency_key="k-1")
    await store.commit([noted("/a")], idempotency_key="k-2")

    assert await store.count() == 2
