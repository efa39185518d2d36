"""
Observers that are behind while data is erased: what they have not been sent yet, they are sent as it is then.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import httpx
import pytest

from eventsource import EventStore, NewEvent
from eventsource.server import ServerSettings, make_app
from eventsource.store import EmbeddedEventStore, EventStream, InMemoryEventStore, Page
from eventsource.store.delegating import DelegatingEventStore
from tests.server.serving import ADMINISTRATOR, TOKENS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from eventsource.server import Application

SECRET = "the name of Ada"  # noqa: S105  nobody's
AUTHORISED = {"authorization": f"Bearer {ADMINISTRATOR}"}


@attrs.define
class Client:
    """
    A client that observes, and takes what it is sent only while its gate is open.
    """

    taken: bytearray = attrs.field(factory=bytearray)
    gate: asyncio.Event = attrs.field(factory=asyncio.Event)
    # Rings when something was taken, and when something waits at the gate.
    came: asyncio.Event = attrs.field(factory=asyncio.Event)
    is_waiting: bool = False
    # Whether the gate closes behind what passes it next.
    takes_one: bool = False

    async def receive(self) -> dict[str, Any]:
        """
        The request, then nothing: the client stays.
        """
        if not self.taken and not self.came.is_set():
            self.came.set()
            return {"type": "http.request", "body": b'{"subject": "/"}', "more_body": False}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: Any) -> None:
        """
        What the server sends, once the gate is open.
        """
        self.is_waiting = not self.gate.is_set()
        self.came.set()
        await self.gate.wait()
        if self.takes_one:
            self.gate.clear()
            self.takes_one = False
        self.is_waiting = False
        self.taken += message.get("body", b"")
        self.came.set()

    def let_one_pass(self) -> None:
        """
        Open the gate for what waits there, and close it behind that.
        """
        self.is_waiting, self.takes_one = False, True
        self.gate.set()

    async def until_taken(self, text: str) -> None:
        """
        Return when it has been sent.
        """
        while text.encode() not in self.taken:
            self.came.clear()
            await self.came.wait()

    async def until_waiting(self) -> None:
        """
        Return when something waits at the gate.
        """
        while not self.is_waiting:
            self.came.clear()
            await self.came.wait()


@asynccontextmanager
async def observing(app: Application) -> AsyncGenerator[Client]:
    """
    A client that observes everything from now on, its gate open.
    """
    client = Client()
    client.gate.set()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/api/v1/observe",
        "raw_path": b"/api/v1/observe",
        "root_path": "",
        "query_string": b"",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "headers": [(b"authorization", AUTHORISED["authorization"].encode())],
    }
    task = asyncio.ensure_future(app(scope, client.receive, client.send))
    await client.until_taken("\n")
    try:
        yield client
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.fixture(params=["memory", "embedded"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[EventStore]:
    """
    A store of each kind.
    """
    opened: EventStore = (
        InMemoryEventStore() if request.param == "memory" else EmbeddedEventStore(tmp_path / "store.db")
    )
    async with opened:
        yield opened


class SlowToTell(DelegatingEventStore):
    """
    A store whose observers are told what it has read only when its gate is open.
    """

    def __init__(self, inner: EventStore) -> None:
        super().__init__(inner)
        self.has_read = asyncio.Event()
        self.gate = asyncio.Event()

    def observe(self, *arguments: Any, **named: Any) -> EventStream:
        """
        Those who ask for what comes from now on wait at the gate.
        """
        stream = super().observe(*arguments, **named)
        return EventStream(self._held(stream)) if named.get("from_now") else stream

    async def _held(self, stream: EventStream) -> AsyncGenerator[Page]:
        async for page in stream.pages():
            if page.events:
                self.has_read.set()
                await self.gate.wait()
            yield page


async def erase(app: Application) -> None:
    """
    Erase the data of the person.
    """
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a", headers=AUTHORISED) as http:
        erased = await http.post("/api/v1/erase", json={"subject": "/people/1"})
    assert erased.status_code == 200, erased.text


def person(name: str) -> NewEvent:
    """
    An event with data that can be erased.
    """
    return NewEvent(subject="/people/1", type="io.example.named", data={"name": name}, store_data_as_reference=True)


@pytest.mark.parametrize("events", [1, 30])
async def test_an_observer_that_is_behind_is_sent_nothing_that_was_erased(store: EventStore, events: int) -> None:
    """
    A client that takes nothing while events come and are erased gets them all, in order, and empty.
    """
    app = make_app(store, ServerSettings(TOKENS, heartbeat_s=3_600.0))
    async with observing(app) as behind, observing(app) as beside:
        behind.gate.clear()
        await store.commit([NewEvent(subject="/a", type="io.example.first", data={})])
        await behind.until_waiting()
        ids = [(await store.commit([person(f"{SECRET} {number}")]))[0].id for number in range(events)]
        # Now the server holds them for the one that is behind, too.
        await beside.until_taken(ids[-1])

        await erase(app)
        behind.gate.set()
        await behind.until_taken(ids[-1])

        assert SECRET.encode() in beside.taken
        assert SECRET.encode() not in behind.taken
        places = [behind.taken.index(event_id.encode()) for event_id in ids]
        assert places == sorted(places)
        assert all(behind.taken.count(event_id.encode()) == 1 for event_id in ids)


async def test_an_observer_that_is_erased_for_midway_is_sent_nothing_that_was_erased(store: EventStore) -> None:
    """
    A client that has taken the first of many events that wait for it gets the others as they are after the erasure.
    """
    app = make_app(store, ServerSettings(TOKENS, heartbeat_s=3_600.0))
    async with observing(app) as behind, observing(app) as beside:
        behind.gate.clear()
        other = NewEvent(subject="/a", type="io.example.first", data={})
        await store.commit([other])
        await behind.until_waiting()
        (second,) = await store.commit([other])
        await beside.until_taken(second.id)
        (last,) = await store.commit([person(SECRET)])
        await beside.until_taken(last.id)
        # It takes the first, and is offered the second: the last is behind that.
        behind.let_one_pass()
        await behind.until_waiting()

        await erase(app)
        behind.gate.set()
        await behind.until_taken(last.id)

        assert SECRET.encode() not in behind.taken
        assert [behind.taken.count(event.id.encode()) for event in (second, last)] == [1, 1]


async def test_what_was_read_before_an_erasure_is_not_sent_behind_it(store: EventStore) -> None:
    """
    An event that the server has read, and is told of only when its data is erased, comes without it.
    """
    slow = SlowToTell(store)
    app = make_app(slow, ServerSettings(TOKENS, heartbeat_s=3_600.0))
    async with observing(app) as client:
        (recorded,) = await store.commit([person(SECRET)])
        await slow.has_read.wait()
        await erase(app)
        slow.gate.set()
        await store.commit([NewEvent(subject="/a", type="io.example.first", data={})])
        await client.until_taken(recorded.id)

        assert SECRET.encode() not in client.taken
        assert client.taken.count(recorded.id.encode()) == 1
