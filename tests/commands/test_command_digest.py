"""
An id names one command: the same again is a repeat, another one is an error that names both.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import attrs
import pytest
from pydantic import Field

from eventsource import Command, DeclarationError, Dispatcher, Event, EventStore, Metadata, NewEvent, connect, scoped
from eventsource.errors import CommandIdReusedError
from eventsource.store import InMemoryEventStore
from eventsource.store.genesisdb import GenesisDBEventStore
from tests.aggregates.accounts import MoneyMoved
from tests.store.http_server import TOKEN, serving


class Tier(Enum):
    """
    How somebody is treated.
    """

    PLAIN = "plain"
    GOLD = "gold"


class Pay(Command, subject="/digests/{account}"):
    """
    Put money in.
    """

    account: str
    cents: int = 0
    at: datetime | None = None
    rate: Decimal | None = None
    tier: Tier | None = None
    tags: frozenset[str] = frozenset()
    lines: list[dict[str, int]] = Field(default_factory=list)
    drawn: datetime = Field(default_factory=lambda: datetime.now(UTC))


class Fine(Command, subject="/digests/{account}"):
    """
    Take money out: another command with the same fields.
    """

    account: str
    cents: int = 0


class Audit(Command, subject="/digests"):
    """
    About what lies above.
    """


class NameGiven(Event, type="io.example.test.digests.name-given", personal=True):
    """
    What somebody is called.
    """

    name: str


class Introduced(Event, type="io.example.test.digests.introduced"):
    """
    That somebody has a name.
    """


class Introduce(Command, subject="/digests/{account}"):
    """
    Give a name; the class does not say which of its fields are personal.
    """

    account: str
    name: str
    cents: int = 0


class Rename(Introduce, subject="/digests/{account}", personal=["name"]):
    """
    The same; the class says.
    """


def pay(command: Pay) -> Event:
    """
    One event.
    """
    return MoneyMoved(cents=command.cents)


def introduce(command: Introduce) -> Iterator[Event]:
    """
    One personal event, one that is not.
    """
    yield NameGiven(name=command.name)
    yield Introduced()


def dispatcher_on(store: EventStore) -> Dispatcher:
    """
    Handles all of them.
    """
    dispatcher = Dispatcher(store)
    dispatcher.register(Pay, pay)
    dispatcher.register(Fine, lambda command: MoneyMoved(cents=-command.cents))
    dispatcher.register(Audit, lambda _: MoneyMoved(cents=0))
    dispatcher.register(Introduce, introduce)
    dispatcher.register(Rename, introduce)
    return dispatcher


@asynccontextmanager
async def opened(kind: str, folder: Path) -> AsyncGenerator[EventStore]:
    """
    An empty store of some kind.
    """
    if kind == "memory":
        async with InMemoryEventStore() as store:
            yield store
    elif kind == "embedded":
        async with connect(f"sqlite:{folder / 'digests.db'}") as store:
            yield store
    elif kind == "scoped":
        async with connect(f"sqlite:{folder / 'digests.db'}") as store:
            yield scoped(store, "/tenants/acme")
    else:
        async with (
            InMemoryEventStore() as inner,
            serving(inner) as url,
            GenesisDBEventStore(url, token=TOKEN) as store,
        ):
            yield store


@pytest.mark.parametrize("kind", ["memory", "embedded", "scoped", "http"])
async def test_an_id_names_one_command(kind: str, tmp_path: Path) -> None:
    """
    On every kind of store: the same is a repeat; other content, another class, and a command above are refused.
    """
    async with opened(kind, tmp_path) as store:
        dispatcher = dispatcher_on(store)
        first = await dispatcher.dispatch(Pay(command_id="7", account="1", cents=5))

        again = await dispatcher.dispatch(Pay(command_id="7", account="1", cents=5))
        assert (again.is_repeat, again.events) == (True, first.events)
        with pytest.raises(CommandIdReusedError, match="Pay with other content") as other:
            await dispatcher.dispatch(Pay(command_id="7", account="1", cents=6))
        assert (other.value.command, other.value.earlier, other.value.command_id) == ("Pay", "Pay", "7")
        with pytest.raises(CommandIdReusedError, match=r"Fine at /digests/1 .* another command, Pay") as another:
            await dispatcher.dispatch(Fine(command_id="7", account="1", cents=5))
        assert (another.value.command, another.value.earlier) == ("Fine", "Pay")
        with pytest.raises(CommandIdReusedError, match="Audit"):
            await dispatcher.dispatch(Audit(command_id="7"))
        assert not (await dispatcher.dispatch(Pay(command_id="7", account="2", cents=6))).is_repeat
        assert await store.count() == 2


async def test_what_a_handler_refuses_is_told_as_another_command() -> None:
    """
    A command whose handler refuses it now is looked up, and is not answered with the events of another.
    """

    def refuse(_: Fine) -> Event:
        msg = "no"
        raise PermissionError(msg)

    async with InMemoryEventStore() as store:
        dispatcher = Dispatcher(store)
        dispatcher.register(Pay, pay)
        dispatcher.register(Fine, refuse)
        await dispatcher.dispatch(Pay(command_id="7", account="1", cents=5))

        with pytest.raises(CommandIdReusedError, match="another command, Pay") as refused:
            await dispatcher.dispatch(Fine(command_id="7", account="1"))
        assert isinstance(refused.value.__context__, PermissionError)


NOON = datetime(2026, 5, 31, 12, tzinfo=UTC)
SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "an instant in another offset": ({"at": NOON}, {"at": NOON.astimezone(timezone(timedelta(hours=2)))}),
    "a decimal with more zeros": ({"rate": Decimal("1.5")}, {"rate": Decimal("1.500")}),
    "a set in another order": ({"tags": ["a", "b", "c"]}, {"tags": ["c", "b", "a"]}),
    "an enum by its value": ({"tier": Tier.GOLD}, {"tier": "gold"}),
    "a default that is said": ({}, {"cents": 0, "at": None}),
    "members in another order": ({"lines": [{"a": 1, "b": 2}]}, {"lines": [{"b": 2, "a": 1}]}),
}
OTHER: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "another instant": ({"at": NOON}, {"at": NOON + timedelta(microseconds=1)}),
    "another decimal": ({"rate": Decimal("1.5")}, {"rate": Decimal("1.50000000000000000000000000000001")}),
    "one tag less": ({"tags": ["a", "b"]}, {"tags": ["a"]}),
    "another member": ({"tier": Tier.GOLD}, {"tier": Tier.PLAIN}),
    "lines in another order": ({"lines": [{"a": 1}, {"b": 2}]}, {"lines": [{"b": 2}, {"a": 1}]}),
    "a field less": ({"cents": 5}, {}),
}


@pytest.mark.parametrize(("one", "same"), SAME.values(), ids=SAME)
async def test_equal_content_is_a_repeat(one: dict[str, Any], same: dict[str, Any]) -> None:
    """
    However it is written; what was drawn when the command was made does not count.
    """
    async with InMemoryEventStore() as store:
        dispatcher = dispatcher_on(store)
        await dispatcher.dispatch(Pay.model_validate({"command_id": "7", "account": "1", **one}))
        again = await dispatcher.dispatch(Pay.model_validate({"command_id": "7", "account": "1", **same}))
        assert again.is_repeat


@pytest.mark.parametrize(("one", "other"), OTHER.values(), ids=OTHER)
async def test_other_content_is_no_repeat(one: dict[str, Any], other: dict[str, Any]) -> None:
    """
    The error names the class, and no value.
    """
    async with InMemoryEventStore() as store:
        dispatcher = dispatcher_on(store)
        await dispatcher.dispatch(Pay.model_validate({"command_id": "7", "account": "1", **one}))
        with pytest.raises(CommandIdReusedError):
            await dispatcher.dispatch(Pay.model_validate({"command_id": "7", "account": "1", **other}))
        assert await store.count() == 1


async def test_a_command_from_before_there_were_digests_is_repeated() -> None:
    """
    Its events carry the id alone, and count as those of whatever command comes with it.
    """
    async with InMemoryEventStore() as store:
        old = NewEvent.of(MoneyMoved(cents=5), subject="/digests/1", metadata=Metadata(command_id="7"))
        await store.commit([old])

        again = await dispatcher_on(store).dispatch(Pay(command_id="7", account="1", cents=6))

        assert again.is_repeat
        assert await store.count() == 1


# --- What is personal ------------------------------------------------------------------


async def test_nothing_in_the_log_tells_whether_a_name_was_guessed() -> None:
    """
    The events of two commands that differ in a personal field alone carry the same digest, erased or not.
    """
    for command_class in (Introduce, Rename):
        digests = set[str | None]()
        for name in ("Ada", "Bob"):
            async with InMemoryEventStore() as store:
                command = command_class(command_id="7", account="1", name=name)
                await dispatcher_on(store).dispatch(command)
                await store.erase("/digests/1")
                recorded = [event async for event in store.stream()]
                digests |= {event.metadata.command_digest for event in recorded if event.type == Introduced.event_type}
                for guess in ("Ada", "Bob", "Eve"):
                    repeat = await dispatcher_on(store).dispatch(command.model_copy(update={"name": guess}))
                    assert repeat.is_repeat
        assert len(digests) == 1


async def test_what_is_declared_not_to_be_personal_counts() -> None:
    """
    A class that says which fields are personal has the others compared, also beside personal events.
    """
    async with InMemoryEventStore() as store:
        dispatcher = dispatcher_on(store)
        await dispatcher.dispatch(Rename(command_id="7", account="1", name="Ada", cents=1))
        with pytest.raises(CommandIdReusedError):
            await dispatcher.dispatch(Rename(command_id="7", account="1", name="Ada", cents=2))
        with pytest.raises(CommandIdReusedError):
            await dispatcher.dispatch(Introduce(command_id="7", account="1", name="Ada", cents=1))


def test_personal_fields_are_fields() -> None:
    """
    A typo, a text in place of a list, and a part of the subject are told when the class is made.
    """
    for wrong in (["nmae"], "name", ["command_id"], ["account"]):
        with pytest.raises(DeclarationError, match="personal"):

            class Wrong(Command, subject="/digests/{account}", personal=wrong):
                account: str
                name: str


def test_personal_fields_are_inherited() -> None:
    """
    A derived class adds to those of its base.
    """

    class More(Rename, subject="/digests/{account}", personal=["phone"]):
        phone: str

    assert More.personal_fields == frozenset({"name", "phone"})


def test_a_digest_is_stored_as_metadata() -> None:
    """
    It comes back as it went in.
    """
    metadata = Metadata(command_id="7", command_digest="Pay/content/0")

    assert Metadata.from_data({"_meta": metadata.to_data()}) == metadata
    assert attrs.evolve(metadata, command_digest=None).to_data() == {"commandId": "7"}
