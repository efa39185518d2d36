"""
What is stored of an event is what it said when it was emitted.
"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field

from eventsource import (
    Aggregate,
    Event,
    EventStore,
    NewEvent,
    RecordedEvent,
    Repository,
    UnitOfWork,
    connect,
    handles,
    transact,
)
from eventsource.errors import UnstorableDataError, UnstorableEventError


class Line(BaseModel):
    """
    A model that can be changed.
    """

    item: str
    notes: list[str] = Field(default_factory=list)


class CartOpened(Event, type="io.example.test.content.cart-opened"):
    """
    With all that can be changed inside.
    """

    items: list[str] = Field(default_factory=list)
    lines: list[Line] = Field(default_factory=list)
    prices: dict[str, list[int]] = Field(default_factory=dict)
    tags: set[str] = Field(default_factory=set)


class ItemAdded(Event, type="io.example.test.content.item-added"):
    """
    A plain event.
    """

    item: str


class AnythingSaid(Event, type="io.example.test.content.anything-said"):
    """
    With a value of any type.
    """

    value: Any


class Cart(Aggregate, subject="/carts/{id}"):
    """
    Its handlers keep what the events hold.
    """

    items: list[str] = []  # noqa: RUF012  copied for each instance
    lines: list[Line] = []  # noqa: RUF012
    prices: dict[str, list[int]] = {}  # noqa: RUF012
    tags: set[str] = set()  # noqa: RUF012

    def open(self, items: list[str], **more: Any) -> None:
        """
        Open it.
        """
        self.emit(CartOpened(items=items, **more))

    def add(self, item: str) -> None:
        """
        Add an item.
        """
        self.emit(ItemAdded(item=item))

    def say(self, value: object) -> None:
        """
        Say anything.
        """
        self.emit(AnythingSaid(value=value))

    @handles
    def _opened(self, event: CartOpened) -> None:
        self.items = event.items
        self.lines = event.lines
        self.prices = event.prices
        self.tags = event.tags

    @handles
    def _added(self, event: ItemAdded) -> None:
        self.items.append(event.item)
        for line in self.lines:
            line.notes.append(event.item)
        for prices in self.prices.values():
            prices.append(0)
        self.tags.add(event.item)

    @handles
    def _said(self, event: AnythingSaid) -> None:
        self.items.append(repr(event.value))


async def data_at(store: EventStore, subject: str) -> list[dict[str, Any]]:
    """
    What is stored at a subject.
    """
    return [recorded.data async for recorded in store.stream(subject)]


async def test_what_a_handler_keeps_and_changes() -> None:
    """
    A handler may keep the lists, sets, dicts and models of an event and change them: the log says what was emitted.
    """
    async with connect("memory:") as store:
        carts = Repository(Cart, store)
        async with carts.create("1") as cart:
            cart.open(["a"], lines=[Line(item="x")], prices={"x": [1]}, tags={"t"})
            cart.add("b")

        opened, _ = await data_at(store, "/carts/1")
        loaded = await carts.load("1")

        assert opened == {
            "items": ["a"], "lines": [{"item": "x", "notes": []}], "prices": {"x": [1]}, "tags": ["t"],
        }  # fmt: skip
        assert (loaded.items, loaded.prices, loaded.tags) == (cart.items, cart.prices, cart.tags)
        assert loaded.lines == cart.lines == [Line(item="x", notes=["b"])]


async def test_what_the_caller_changes_afterwards() -> None:
    """
    A caller that goes on using its lists and models changes neither the log nor the aggregate.
    """
    line, prices = Line(item="x"), {"x": [1]}
    event = CartOpened(lines=[line], prices=prices)
    async with connect("memory:") as store:
        carts = Repository(Cart, store)
        async with carts.create("1") as cart:
            cart.emit(event)
            line.item = "y"
            event.prices["x"].append(2)
            event.items.append("z")
            assert (cart.lines, cart.prices, cart.items) == ([Line(item="x")], {"x": [1]}, [])

        assert await data_at(store, "/carts/1") == [
            {"items": [], "lines": [{"item": "x", "notes": []}], "prices": {"x": [1]}, "tags": []}
        ]


async def test_a_constant_event() -> None:
    """
    One event object, emitted for two aggregates and in a unit of work, says each time what it said at first.
    """
    empty = CartOpened()
    async with connect("memory:") as store:
        carts = Repository(Cart, store)
        async with carts.create("1") as first:
            first.emit(empty)
            first.add("of the first customer")
        async with carts.create("2") as second:
            second.emit(empty)
        await transact(store, lambda work: work.emit(empty, at="/carts/3"))

        assert (await carts.load("2")).items == []
        assert (await carts.load("3")).items == []
        assert empty == CartOpened()


def test_pending_events_are_read_only() -> None:
    """
    What is done to a pending event, or to a list in it, does not change what will be committed.
    """
    cart = Cart("1")
    cart.open(["a"])

    cart.pending_events[0].items.append("b")  # type: ignore[attr-defined]

    assert cart.pending_events == (CartOpened(items=["a"]),)
    assert cart.items == ["a"]

    added = ItemAdded(item="b")
    cart.emit(added)
    for event in (added, *cart.pending_events):
        event.__dict__["item"] = "c"

    assert [event.to_data_json() for event in cart.pending_events][1:] == ['{"item":"b"}']


async def test_a_unit_of_work() -> None:
    """
    A unit of work writes what its events said when they were emitted, and shows them so.
    """
    event = CartOpened(items=["a"])
    async with connect("memory:") as store:
        work = UnitOfWork(store)
        work.emit(event, at="/carts/1")
        event.items.append("b")
        work.emitted[0][0].items.append("c")  # type: ignore[attr-defined]
        assert work.emitted == ((CartOpened(items=["a"]), "/carts/1"),)
        await work.commit()

        assert [data["items"] for data in await data_at(store, "/carts/1")] == [["a"]]


@pytest.mark.parametrize("url", ["memory:", "sqlite:store.db"])
async def test_data_of_an_event_without_a_class(url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The data and the list given to a commit may change as soon as the call is made: what was given then is written.
    """
    monkeypatch.chdir(tmp_path)
    data: dict[str, Any] = {"items": ["a"]}
    async with connect(url) as store:
        events = [NewEvent(subject="/carts/1", type="io.example.said", data=data)]
        data["items"].append("b")
        recorded = await store.commit(events)
        events.clear()
        recorded[0].data["items"].append("c")

        assert recorded[0].data == {"items": ["a"]}
        assert await data_at(store, "/carts/1") == [{"items": ["a"]}]


def test_a_refused_event_leaves_nothing_behind() -> None:
    """
    An event that would not come back is refused where it is emitted: no handler sees it, and nothing is pending.
    """
    cart = Cart("1")

    with pytest.raises(UnstorableEventError, match=r"AnythingSaid.*value"):
        cart.say((1, 2))
    with pytest.raises(UnstorableDataError):
        cart.say("a\0b")

    assert cart.pending_events == ()
    assert cart.items == []


def test_the_handler_sees_what_a_reader_sees() -> None:
    """
    A handler gets the event as it will be read, when it is emitted and when it is loaded.
    """
    emitted, loaded = Cart("1"), Cart("1")
    emitted.say({"b": 1, "a": 2})
    content = NewEvent.of(emitted.pending_events[0], subject="/carts/1")
    loaded.fold([RecordedEvent(1, "1", 0, "s", "/carts/1", content.type, content.data_json, "0" * 64, "0" * 64)])

    assert emitted.items == loaded.items


async def test_metadata_stands_beside_any_names() -> None:
    """
    Stored data is canonical, wherever the names of its members stand beside the metadata.
    """

    class Named(Event, type="io.example.test.content.named", version=2):
        """
        Its names are stored in capitals.
        """

        model_config = {"alias_generator": str.upper}  # noqa: RUF012
        name: str

    class Empty(Event, type="io.example.test.content.empty", version=2):
        """
        Without a field.
        """

    named = NewEvent.of(Named(name="x"), subject="/x/1")

    assert named.data_json == '{"NAME":"x","_meta":{"version":2}}'
    assert NewEvent.of(Empty(), subject="/x/1").data_json == '{"_meta":{"version":2}}'
