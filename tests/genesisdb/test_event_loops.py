"""
One client in several event loops, threads and processes: each has connections of its own, and nothing hangs.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
import pytest

from eventsource import NewEvent
from eventsource.errors import StoreClosedError, WrongEventLoopError
from eventsource.genesisdb import Client, Limits, Transport
from eventsource.server import ServerSettings, Tokens, serve
from eventsource.store.genesisdb import GenesisDBEventStore
from eventsource.store.memory import InMemoryEventStore
from tests.genesisdb.conftest import LOOPS
from tests.genesisdb.stub import Request, Stub, Talk, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from pathlib import Path

Result = TypeVar("Result")
TOKEN = "t0ken-of-tests"  # noqa: S105  of a server of this test
SHORT = Limits(read_s=5, connect_s=5, pool_s=5, tries=2, commit_tries=2)


@pytest.fixture(params=LOOPS.values(), ids=list(LOOPS))
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """
    Runs a coroutine in a loop of its own, as `asyncio.run` does.
    """
    factory: Callable[[], asyncio.AbstractEventLoop] = request.param

    def run_in_new_loop(coroutine: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(coroutine)

    return run_in_new_loop


@contextmanager
def stub_in_a_thread(behave: Callable[[Request, Talk], Coroutine[Any, Any, None]]) -> Generator[Stub]:
    """
    A stub that outlives the loops of the test.
    """
    begun: list[Stub] = []
    is_up, is_over = threading.Event(), threading.Event()

    async def serve_until_over() -> None:
        async with serving(behave) as stub:
            begun.append(stub)
            is_up.set()
            await asyncio.to_thread(is_over.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve_until_over(),))
    thread.start()
    is_up.wait()
    try:
        yield begun[0]
    finally:
        is_over.set()
        thread.join()


async def says_its_body(request: Request, talk: Talk) -> None:
    """
    Answer a query with one row: the query.
    """
    await talk.answer(json.dumps(json.loads(request.body)["query"] if request.body else "pong") + "\n")


def test_one_client_serves_one_loop_after_another(run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
    """
    A client that is made once and used in one `asyncio.run` after another is answered in each, closed or not.
    """
    with stub_in_a_thread(says_its_body) as stub:
        client = Client(stub.url, limits=SHORT)

        assert [run(client.q(f"q{number}")) for number in range(3)] == [["q0"], ["q1"], ["q2"]]
        run(client.aclose())


def test_one_client_serves_several_threads_at_once(run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
    """
    Threads with a loop each share a client, and each gets its own answers.
    """
    with stub_in_a_thread(says_its_body) as stub:
        client = Client(stub.url, limits=SHORT, max_connections=2)

        async def ask_often(name: str) -> bool:
            found = await asyncio.gather(*(client.q(f"{name}-{number}") for number in range(30)))
            return found == [[f"{name}-{number}"] for number in range(30)]

        with ThreadPoolExecutor(4) as threads:
            assert all(threads.map(lambda name: run(ask_often(name)), "abcd"))
        run(client.aclose())


def test_a_loop_inside_a_thread_of_another_loop_is_answered(run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
    """
    Synchronous code that an application calls in a thread may ask in a loop of its own, while the first loop waits.
    """
    with stub_in_a_thread(says_its_body) as stub:
        client = Client(stub.url, limits=SHORT)

        async def outer() -> list[Any]:
            before: list[Any] = await client.q("before")
            inside: list[Any] = await asyncio.to_thread(run, client.q("inside"))
            after = await client.q("after")
            await client.aclose()
            return before + inside + after

        assert run(outer()) == ["before", "inside", "after"]


def test_closing_in_another_loop_ends_what_waits_in_the_first(run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
    """
    An observer in a thread is told that the client was closed from another thread, and ends.
    """
    observed = threading.Event()

    async def silent(_: Request, talk: Talk) -> None:
        await talk.begin()
        observed.set()
        await asyncio.Event().wait()

    with stub_in_a_thread(silent) as stub:
        client = Client(stub.url, limits=SHORT)

        async def observe() -> None:
            async for _ in client.observe_events("/a", {"lower_bound": "x"}):
                pass

        with ThreadPoolExecutor(1) as threads:
            observing = threads.submit(run, observe())
            observed.wait()
            run(client.aclose())
            with pytest.raises(StoreClosedError):
                observing.result()


def test_a_request_that_was_left_behind_does_not_hold_up_closing(
    run: Callable[[Coroutine[Any, Any, Any]], Any],
) -> None:
    """
    A loop that was stopped in the middle of a request never ends it; closing elsewhere does not wait for that.
    """
    asked = threading.Event()

    async def silent(_: Request, __: Talk) -> None:
        asked.set()
        await asyncio.Event().wait()

    with stub_in_a_thread(silent) as stub:
        client = Client(stub.url, limits=SHORT)
        loop = asyncio.new_event_loop()
        task = loop.create_task(client.ping())

        async def until_asked() -> None:
            await asyncio.to_thread(asked.wait)

        loop.run_until_complete(until_asked())
        run(client.aclose())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def test_a_closed_client_stays_closed() -> None:
    """
    What was asked before it was closed is answered, also what waits for a connection; then nothing is sent any more.
    """
    gate, asked = asyncio.Event(), asyncio.Event()

    async def gated(_: Request, talk: Talk) -> None:
        asked.set()
        await gate.wait()
        await talk.answer('{"events": {"count": 7}}')

    async with serving(gated) as stub:
        client = Client(stub.url, limits=SHORT, max_connections=1)
        before = [asyncio.create_task(client.status()) for _ in range(3)]
        await asked.wait()
        closing = asyncio.create_task(client.aclose())
        await asyncio.sleep(0)
        with pytest.raises(StoreClosedError):
            await client.q("later")
        gate.set()
        await closing

        assert [await task for task in before] == [{"events": {"count": 7}}] * 3
        assert (len(stub.requests), stub.connections) == (3, 1)
        with pytest.raises(StoreClosedError):
            await client.commit_events([{"source": "s", "subject": "/a", "type": "t", "data": {}}])


async def test_a_closed_transport_opens_nothing() -> None:
    """
    Whether a request waits in line, is about to connect or comes later: it is refused before anything is sent.
    """
    gate, asked = asyncio.Event(), asyncio.Event()

    async def gated(request: Request, talk: Talk) -> None:
        asked.set()
        await gate.wait()
        await talk.answer(request.body)

    def request(url: str) -> httpx.Request:
        return httpx.Request("POST", url, content=b"x", extensions={"timeout": {"read": 5.0, "connect": 5.0}})

    async with serving(gated) as stub:
        transport = Transport(max_connections=2)
        tasks = [asyncio.create_task(transport.handle_async_request(request(stub.url)))]
        await asked.wait()
        # The second opens a connection, the others wait in line.
        tasks += [asyncio.create_task(transport.handle_async_request(request(stub.url))) for _ in range(4)]
        await asyncio.sleep(0)
        await transport.aclose()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        with pytest.raises(httpx.ConnectError):
            await transport.handle_async_request(request(stub.url))

        assert all(isinstance(outcome, httpx.TransportError) for outcome in outcomes)
        assert all(isinstance(outcome, httpx.ConnectError) for outcome in outcomes[1:])
        assert len(stub.requests) == 1


def test_a_client_of_httpx_stays_in_its_loop(run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
    """
    An `httpx.AsyncClient` of the caller's has connections of one loop, so another loop is refused by name.
    """
    with stub_in_a_thread(says_its_body) as stub:
        http = httpx.AsyncClient()
        client = Client(stub.url, limits=SHORT, http=http)

        async def first() -> list[Any]:
            found: list[Any] = await client.q("first")
            await http.aclose()
            return found

        assert run(first()) == ["first"]
        with pytest.raises(WrongEventLoopError, match="event loop"):
            run(client.q("second"))


FORKED = """
import asyncio, json, os, sys, uvloop
from eventsource.genesisdb import Client, Limits

factory = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}[sys.argv[2]]

def run(coroutine):
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(coroutine)

async def ask(name, times=20):
    found = []
    for number in range(times):
        found += await client.q(f"{name}-{number}")
    return found == [f"{name}-{number}" for number in range(times)]

def fork():
    # Not through multiprocessing: the child does nothing but what is written here.
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        said = "failed"
        try:
            said = repr(run(work_in_child()))
        except BaseException as error:
            said = repr(error)
        finally:
            os.write(writable, said.encode())
            os._exit(0)
    os.close(writable)
    return child, readable

async def work_in_child():
    is_right = await ask("child")
    await client.aclose()
    return is_right

def result(forked):
    child, readable = forked
    said = b""
    while part := os.read(readable, 1000):
        said += part
    os.waitpid(child, 0)
    return said.decode()

client = Client(sys.argv[1], limits=Limits(read_s=20, tries=1))

async def parent():
    # Connections are idle and a stream is open when the process forks.
    assert await ask("before")
    stream = client.stream_events("/open").__aiter__()
    forked = fork()
    right = await ask("parent")
    said = await asyncio.to_thread(result, forked)
    right = right and await ask("after")
    await client.aclose()
    return [right, said]

print(json.dumps(run(parent())))
"""


@pytest.mark.parametrize("loop", list(LOOPS))
def test_a_forked_process_has_connections_of_its_own(loop: str, tmp_path: Path) -> None:
    """
    Parent and child use the client at the same time after a fork, and each gets its own answers; the child closes it.
    """
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(FORKED))
    with stub_in_a_thread(says_its_body) as stub:
        ran = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", program, stub.url, loop],
            env={**os.environ, "GENESISDB_AUTH_TOKEN": "t"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout) == [True, "True"]


def test_a_store_over_http_is_used_in_two_runs(run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
    """
    A store that a module makes once commits and reads in each `asyncio.run`, against a real server.
    """
    ready: list[str] = []
    is_up, stop = threading.Event(), threading.Event()

    async def server() -> None:
        async with InMemoryEventStore() as behind, serve(behind, ServerSettings(Tokens(TOKEN))) as url:
            ready.append(url)
            is_up.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(server(),))
    thread.start()
    is_up.wait()
    try:
        store = GenesisDBEventStore(ready[0], token=TOKEN)

        async def work(number: int) -> int:
            await store.commit([NewEvent(subject="/a", type="io.example.noted", data={"number": number})])
            return len([event async for event in store.stream("/a")])

        assert [run(work(number)) for number in range(2)] == [1, 2]
        run(store.aclose())
    finally:
        stop.set()
        thread.join()
