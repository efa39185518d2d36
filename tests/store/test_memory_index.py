"""
The store in memory finds events by its indexes, and finds what reading the whole log would find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventsource import NewEvent, Subject
from eventsource.errors import IdempotencyKeyReusedError
from eventsource.gdbql import PreparedQuery, parse
from eventsource.store import InMemoryEventStore

if TYPE_CHECKING:
    from eventsource import RecordedEvent

PAID = "io.example.paid"
OPENED = "io.example.opened"
VALUES: tuple[Any, ...] = ("ada", "1", 1, 1.0, True, None, ["ada"], {"name": "ada"})

subjects = st.sampled_from(["/", "/a", "/a/b", "/a/b/c", "/ab", "/a-b", "/b"])
logs = st.lists(
    st.tuples(
        subjects.filter(lambda subject: subject != "/"), st.sampled_from([PAID, OPENED]), st.sampled_from(VALUES)
    ),
    max_size=25,
)

CONDITIONS = [
    "e.subject == '/a'",
    "'/a/b' == e.subject",
    "e.subject == '/nothing'",
    "e.subject UNDER '/a'",
    "e.subject UNDER '/a/'",
    "e.subject UNDER '/'",
    "e.subject UNDER '/a//'",
    "e.subject DESCENDANTS '/a'",
    f"e.type == '{PAID}'",
    "e.type == 'io.example.unknown'",
    f"e.type == '{PAID}' AND e.subject UNDER '/a'",
    f"e.type == '{PAID}' AND e.data.name == 'ada'",
    f"e.type == '{PAID}' AND e.data.name == '1'",
    f"e.type == '{PAID}' AND e.data.name == 1",
    f"e.type == '{OPENED}' AND e.data.name == 'ada'",
    f"e.type == '{PAID}' AND e.data.name == 'ada' AND e.data.name == '1'",
    f"e.type == '{PAID}' OR e.data.name == 'ada'",
    f"NOT e.type == '{PAID}'",
]


async def fill(log: list[tuple[str, str, Any]], *, declare: str) -> InMemoryEventStore:
    """
    A store with the events of *log* and a declared index on ``data.name``, made "before" or "after" them.
    """
    store = InMemoryEventStore()
    if declare == "before":
        await store.create_index(PAID, "data.name")
    for subject, event_type, value in log:
        new = NewEvent(subject=subject, type=event_type, data={"name": value}, store_data_as_reference=True)
        await store.commit([new])
    if declare == "after":
        await store.create_index(PAID, "data.name")
    return store


async def check_queries(store: InMemoryEventStore) -> None:
    """
    Each condition finds in *store* what the reference finds in all of its events.
    """
    rows = [event.to_cloud_event() async for event in store.stream()]
    for condition in CONDITIONS:
        query = f"STREAM e FROM events WHERE {condition} MAP e.id"
        assert [row async for row in store.query(query)] == list(PreparedQuery(parse(query)).rows(iter(rows))), (
            condition
        )


@given(log=logs, declare=st.sampled_from(["before", "after"]))
async def test_queries_find_what_the_reference_finds(log: list[tuple[str, str, Any]], declare: str) -> None:
    """
    Conditions on subject, type and indexed data give the rows of a reading of all events, also after an erasure.
    """
    store = await fill(log, declare=declare)
    await check_queries(store)

    for subject in await store.subjects("/a"):
        await store.erase(subject)
    await check_queries(store)


@given(log=logs, under=subjects)
async def test_reading_finds_what_is_at_and_below(log: list[tuple[str, str, Any]], under: str) -> None:
    """
    Stream, count, last event and subjects agree with a look at every event.
    """
    store = await fill(log, declare="never")
    everything = [event async for event in store.stream()]

    def covered(event: RecordedEvent, *, recursive: bool) -> bool:
        return event.subject == under or (recursive and Subject(event.subject).is_under(under))

    for recursive in (True, False):
        expected = [event for event in everything if covered(event, recursive=recursive)]
        assert [event async for event in store.stream(under, recursive=recursive)] == expected
        assert await store.count(under, recursive=recursive) == len(expected)
        assert await store.last_event(under, recursive=recursive) == (expected[-1] if expected else None)
        for bound in everything[::7]:
            behind = [event for event in expected if event.position > bound.position]
            stream = store.stream(under, recursive=recursive, lower_bound=bound.id)
            assert [event async for event in stream] == behind
            assert await store.count(under, recursive=recursive, lower_bound=bound.id) == len(behind)
        latest = {event.subject: event for event in expected if event.type == PAID}
        stream = store.stream(under, recursive=recursive, latest_by_type=PAID)
        assert [event async for event in stream] == sorted(latest.values(), key=lambda event: event.position)
    assert list(await store.subjects(under)) == sorted(
        {event.subject for event in everything if covered(event, recursive=True)}
    )
    status = await store.status()
    assert (status.events, status.subjects) == (len(everything), len({event.subject for event in everything}))


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("e.subject == '/a'", "subjects"),
        ("e.subject UNDER '/a'", "subjects"),
        (f"e.type == '{PAID}'", "types"),
    ],
)
async def test_an_explanation_names_the_index(condition: str, index: str) -> None:
    """
    `explain` tells which index answers a condition.
    """
    store = await fill([("/a", PAID, "ada"), ("/b", OPENED, "ada")], declare="before")

    (part, *_) = (await store.explain(f"STREAM e FROM events WHERE {condition} MAP e.id")).parts

    assert (part.how, part.index) == ("index", index)


async def test_an_explanation_names_a_declared_index() -> None:
    """
    A declared index that finds the fewest events is named, until it is dropped.
    """
    store = await fill([("/a", PAID, "ada"), ("/a", PAID, "bob"), ("/a", PAID, "eve")], declare="before")
    query = f"STREAM e FROM events WHERE e.type == '{PAID}' AND e.data.name == 'ada' MAP e.id"

    used = {part.index for part in (await store.explain(query)).parts if part.how == "index"}
    await store.drop_index(PAID, "data.name")
    then_used = {part.index for part in (await store.explain(query)).parts if part.how == "index"}

    assert used == {f"{PAID} (data.name)"}
    assert then_used == {"types"}


async def test_the_digest_of_an_erased_request_is_forgotten() -> None:
    """
    After an erasure a repeat of the request that stored the data is refused: its digest is gone, only that one.
    """
    store = InMemoryEventStore()
    requests = [
        [NewEvent(subject=f"/people/{name}", type=PAID, data={"name": name}, store_data_as_reference=True)] * 2
        for name in ("ada", "bob", "eve")
    ]
    stored = [await store.commit(events, idempotency_key=f"key-{n}") for n, events in enumerate(requests)]

    await store.erase("/people/bob")

    assert await store.commit(requests[0], idempotency_key="key-0") == stored[0]
    assert await store.commit(requests[2], idempotency_key="key-2") == stored[2]
    with pytest.raises(IdempotencyKeyReusedError):
        await store.commit(requests[1], idempotency_key="key-1")
