"""
Schemas that take long to check: refused when they are registered, or checked while others have their turn.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from eventsource import EventStore, NewEvent, connect
from eventsource.errors import InvalidSchemaError, SchemaBudgetError, SchemaViolationError
from eventsource.store.schema.validator import DataValidator

TYPE = "io.example.written"
DIALECT = {"$schema": "https://json-schema.org/draft/2020-12/schema"}


@pytest.fixture(params=["memory", "embedded"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[EventStore]:
    """
    Each kind of store that checks schemas itself.
    """
    async with connect("memory:" if request.param == "memory" else f"sqlite:{tmp_path / 'a.db'}") as opened:
        yield opened


def doubled(link: str, **names: str) -> dict[str, Any]:
    """
    Thirty definitions, each of which refers twice to the next one: a thousand million checks for one value.
    """
    definitions: dict[str, Any] = {
        f"a{n}": dict.fromkeys(names, f"a{n}") | {"allOf": [{link: names_of(names, n + 1)}] * 2} for n in range(30)
    }
    definitions["a30"] = dict.fromkeys(names, "a30") | {"type": "object"}
    return {"$defs": definitions, "allOf": [{link: names_of(names, 0)}]}


def names_of(names: dict[str, str], number: int) -> str:
    """
    How a definition is referred to.
    """
    return f"#a{number}" if names else f"#/$defs/a{number}"


TOO_MUCH: dict[str, dict[str, Any]] = {
    "pattern": {"properties": {"a": {"pattern": r"(\w{500}){100}"}}},
    "pattern of names": {"patternProperties": {r"(\w{500}){100}": {}}},
    "names by pattern": {"propertyNames": {"pattern": r"(\w{500}){100}"}},
    "many large patterns": {"properties": {"a": {"allOf": [{"pattern": rf"(\w{{500}}){{4}}{n}"} for n in range(200)]}}},
    "one pattern again and again": {"properties": {"a": {"allOf": [{"pattern": r"(\w{500}){4}"}] * 2_000}}},
    "look-ahead": {"properties": {"a": {"pattern": "(?=a)b"}}},
    "references": doubled("$ref"),
    "anchors": doubled("$ref", **{"$anchor": ""}),
    "dynamic": doubled("$dynamicRef", **{"$dynamicAnchor": ""}),
    "choice of lists": {"properties": {"a": {"items": {"enum": [[n] for n in range(9_000)]}}}},
    "choice of fractions": {"properties": {"a": {"items": {"enum": [n + 0.5 for n in range(6_000)]}}}},
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", TOO_MUCH)
async def test_schema_that_asks_for_too_much_is_refused(store: EventStore, kind: str) -> None:
    """
    When it is registered, not when an event comes; the type is free for a simpler one.
    """
    with pytest.raises(InvalidSchemaError) as failure:
        await store.register_schema(TYPE, DIALECT | TOO_MUCH[kind])

    assert len(str(failure.value)) < 1_000
    await store.register_schema(TYPE, {"properties": {"a": {"type": "string"}}})


COMMON = {
    "e-mail": (r"^[\w.+-]{1,64}@[\w-]{1,63}(\.[\w-]{2,63}){1,8}$", "ada.lovelace@example.com"),
    "any text of a length": ("^.{1,256}$", "a" * 256),
    "name": (r"^\w{1,256}$", "a" * 256),
    "IBAN": ("^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$", "DE89370400440532013000"),
    "UUID": ("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "123e4567-e89b-12d3-a456-426614174000"),
    "slug": ("^[a-z0-9]+(?:-[a-z0-9]+)*$", "a-b-c"),
}


@pytest.mark.parametrize("kind", COMMON)
async def test_common_patterns_are_taken(store: EventStore, kind: str) -> None:
    """
    And say what they always did.
    """
    pattern, text = COMMON[kind]
    await store.register_schema(TYPE, DIALECT | {"properties": {"a": {"pattern": pattern}}})

    await store.commit([NewEvent(subject="/a", type=TYPE, data={"a": text})])
    with pytest.raises(SchemaViolationError):
        await store.commit([NewEvent(subject="/a", type=TYPE, data={"a": ""})])


async def test_event_that_would_take_too_long_to_check_is_refused(store: EventStore) -> None:
    """
    A named error, before the check; a small event of the type is checked as ever.
    """
    schema = DIALECT | {"properties": {"a": {"items": {"oneOf": [{"const": n} for n in range(2_500)]}}}}
    await store.register_schema(TYPE, schema)

    with pytest.raises(SchemaBudgetError) as failure:
        await store.commit([NewEvent(subject="/a", type=TYPE, data={"a": [2_499] * 9_000})])

    assert failure.value.event_type == TYPE
    assert failure.value.work > failure.value.limit
    assert await store.count() == 0
    await store.commit([NewEvent(subject="/a", type=TYPE, data={"a": [2_499]})])
    with pytest.raises(SchemaViolationError):
        await store.commit([NewEvent(subject="/a", type=TYPE, data={"a": [2_500]})])


SLOW = DIALECT | {"properties": {"a": {"pattern": r"^(\w{500}){4}$"}}}


@pytest.mark.parametrize("last", ["a", "-"], ids=["right", "wrong"])
async def test_others_have_their_turn_while_a_large_commit_is_checked(
    store: EventStore, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Between its events other work goes on; right or wrong, the commit is answered as if it were small.
    """
    await store.register_schema(TYPE, SLOW)
    others, gone_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    check = DataValidator.first_problem

    def check_when_others_had_their_turn(validator: DataValidator, data: object) -> object:
        # In the event loop this would wait in vain: it is what lets the others go on.
        loop.call_soon_threadsafe(others.set)
        assert gone_on.wait(60)
        return check(validator, data)

    monkeypatch.setattr(DataValidator, "first_problem", check_when_others_had_their_turn)
    texts = ["a" * 2_000] * 1_999 + [last * 2_000]
    commit = asyncio.ensure_future(
        store.commit([NewEvent(subject="/a", type=TYPE, data={"a": text}) for text in texts])
    )
    await asyncio.wait_for(others.wait(), 60)
    gone_on.set()

    if last == "a":
        assert len(await commit) == 2_000
    else:
        with pytest.raises(SchemaViolationError) as failure:
            await commit
        assert failure.value.event_index == 1_999
        assert await store.count() == 0


async def test_schema_that_comes_while_a_large_commit_is_checked_counts(store: EventStore) -> None:
    """
    Events are checked by the schemas there are when they are stored.
    """
    await store.register_schema(TYPE, SLOW)
    large = [NewEvent(subject="/a", type=TYPE, data={"a": "a" * 2_000}) for _ in range(2_000)]
    other = NewEvent(subject="/a", type="io.example.other", data={"a": 1})
    commit = asyncio.ensure_future(store.commit([*large, other]))
    await asyncio.sleep(0)
    await store.register_schema("io.example.other", {"properties": {"a": {"type": "string"}}})

    with pytest.raises(SchemaViolationError):
        await commit
    assert await store.count() == 0
