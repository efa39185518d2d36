"""
A store is used from wherever its callers live: other event loops, other threads, and forked processes.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from eventsource import CommitOutcomeUnknownError, EventStore, NewEvent
from eventsource.errors import StoreClosedError
from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from eventsource.testing.contract.samples import noted, read
from tests.store.programs import run_program

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path


def _run_on_uvloop(main: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> EventStore:
    """
    A store of each kind that lives in this process, not opened yet.
    """
    return EmbeddedEventStore(tmp_path / "store.db") if request.param == "file" else InMemoryEventStore()


@pytest.fixture(params=[asyncio.run, _run_on_uvloop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Any:
    """
    Runs a coroutine in a new event loop.
    """
    return request.param


def test_a_store_opened_in_one_loop_is_used_and_closed_in_others(store: EventStore, run: Any) -> None:
    """
    Each call may come from an event loop of its own, closing included.
    """

    async def commit() -> None:
        # Some at once, and one alone: they take different ways.
        await asyncio.gather(*(store.commit([noted("/a")]) for _ in range(3)))
        await store.commit([noted("/a")])

    async def look() -> int:
        rows = [row async for row in store.query("FROM e IN events PROJECT INTO e.type")]
        return len(rows)

    run(store.__aenter__())
    run(commit())
    run(commit())

    assert run(store.count()) == len(run(read(store.stream()))) == run(look()) == 8
    run(store.register_schema("io.example.other", {"type": "object"}))
    run(store.create_index("io.example.other", "data.text"))
    assert run(store.erase("/a")) == 0
    assert run(store.audit()).is_intact
    run(store.aclose())
    with pytest.raises(StoreClosedError):
        run(store.commit([noted("/a")]))


def test_loops_in_threads_use_one_store_at_once(store: EventStore, run: Any) -> None:
    """
    Threads with loops of their own commit at the same time, each is answered with its own events, and none is lost.
    """
    run(store.__aenter__())
    barrier = threading.Barrier(4)

    def work(number: int) -> list[str]:
        async def main() -> list[str]:
            barrier.wait()
            answers = []
            for round_ in range(30):
                events = [noted(f"/thread/{number}", data={"round": round_, "each": each}) for each in range(3)]
                got = await asyncio.gather(*(store.commit([event]) for event in events))
                answers += [recorded.id for (recorded,) in got]
                assert [recorded.data_json for (recorded,) in got] == [event.data_json for event in events]
                await store.count(f"/thread/{number}")
            return answers

        found: list[str] = run(main())
        return found

    with ThreadPoolExecutor(4) as threads:
        answers = [each for found in threads.map(work, range(4)) for each in found]

    assert sorted(answers) == sorted(event.id for event in run(read(store.stream())))
    assert run(store.audit()).is_intact
    run(store.aclose())


def test_an_observer_in_one_loop_sees_commits_of_another(store: EventStore, run: Any) -> None:
    """
    Observers wait in their own event loop and are woken by commits from any other, in order.
    """
    run(store.__aenter__())
    is_watching = threading.Event()

    def watch() -> list[int]:
        async def main() -> list[int]:
            seen: list[int] = []
            async for page in store.observe("/a").pages():
                seen += [event.data["n"] for event in page.events]
                is_watching.set()
                if len(seen) == 50:
                    return seen
            return seen

        found: list[int] = run(main())
        return found

    with ThreadPoolExecutor(2) as threads:
        watchers = [threads.submit(watch) for _ in range(2)]
        is_watching.wait()
        for n in range(50):
            run(store.commit([noted("/a", data={"n": n})]))
        assert [each.result() for each in watchers] == [list(range(50))] * 2
    run(store.aclose())


def test_closing_from_another_loop_ends_observers(store: EventStore, run: Any) -> None:
    """
    An observer that waits in another thread is told that the store was closed; it does not wait for ever.
    """
    run(store.__aenter__())
    waits = threading.Event()

    def watch() -> str:
        async def main() -> None:
            async for _ in store.observe().pages():
                waits.set()

        try:
            run(main())
        except StoreClosedError:
            return "closed"
        return "ended"

    with ThreadPoolExecutor(1) as threads:
        watcher = threads.submit(watch)
        waits.wait()
        run(store.aclose())
        assert watcher.result() == "closed"


def test_a_loop_that_is_gone_harms_nobody(store: EventStore, run: Any) -> None:
    """
    A caller whose loop was closed before its answer came takes nothing from the others.
    """

    async def leave() -> None:
        tasks = [asyncio.ensure_future(store.commit([noted("/gone", data={"n": n})])) for n in range(50)]
        tasks.append(asyncio.ensure_future(anext(store.observe("/later", from_now=True).__aiter__())))  # type: ignore[arg-type]
        for _ in range(3):
            await asyncio.sleep(0)
        # The loop ends here with all of them under way.

    run(store.__aenter__())
    run(leave())
    (event,) = run(store.commit([noted("/here")]))

    assert event.subject == "/here"
    assert run(store.count("/gone")) in range(51)
    assert run(store.audit()).is_intact
    run(store.aclose())


def test_restoring_in_one_loop_keeps_commits_of_another_waiting(store: EventStore, run: Any) -> None:
    """
    A commit from another thread comes behind the backup that is being restored meanwhile.
    """
    run(store.__aenter__())
    origin = InMemoryEventStore()
    backup = run(_backup_of(origin, 700))
    is_half, goes_on = threading.Event(), threading.Event()

    async def slow() -> Any:
        for number, event in enumerate(backup):
            if number == 600:
                is_half.set()
                await asyncio.to_thread(goes_on.wait)
            yield event

    with ThreadPoolExecutor(2) as threads:
        restoring = threads.submit(run, store.restore(slow()))
        is_half.wait()
        committing = threads.submit(run, store.commit([noted("/late")]))
        goes_on.set()

        assert restoring.result() == 700
        assert len(committing.result()) == 1
    assert [event.subject for event in run(read(store.stream()))] == ["/a"] * 700 + ["/late"]
    run(store.aclose())


async def _backup_of(store: EventStore, events: int) -> list[dict[str, Any]]:
    await store.commit([noted("/a", data={"n": n}) for n in range(events)])
    return [event async for event in store.backup()]


def test_commits_and_closing_at_once_leave_nobody_waiting(tmp_path: Path, run: Any) -> None:
    """
    Threads commit while the store is closed: each commit is stored and answered, or refused as coming too late.
    """
    for attempt in range(10):
        path = tmp_path / f"store-{attempt}.db"
        store = EmbeddedEventStore(path)
        run(store.__aenter__())
        has_begun = threading.Barrier(3)

        def work(store: EmbeddedEventStore = store, has_begun: threading.Barrier = has_begun) -> int:
            async def main() -> int:
                stored = 0
                has_begun.wait()
                while True:
                    found = await asyncio.gather(
                        *(store.commit([noted("/a")]) for _ in range(5)), return_exceptions=True
                    )
                    stored += sum(isinstance(each, tuple) for each in found)
                    if any(isinstance(each, StoreClosedError) for each in found):
                        return stored

            answer: int = run(main())
            return answer

        with ThreadPoolExecutor(2) as threads:
            workers = [threads.submit(work) for _ in range(2)]
            has_begun.wait()
            run(store.aclose())
            stored = sum(each.result() for each in workers)

        async def count(path: Path = path) -> int:
            async with EmbeddedEventStore(path, read_only=True) as again:
                return await again.count()

        assert run(count()) == stored


def test_an_interrupted_index_is_finished_though_its_loop_is_gone(tmp_path: Path, run: Any) -> None:
    """
    Building that a crash interrupted goes on after opening, whether the loop that opened the store lives or not.
    """
    run_program(
        """
        import asyncio, os
        from eventsource import NewEvent
        from eventsource.store import EmbeddedEventStore
        async def main():
            async with EmbeddedEventStore("store.db") as store:
                events = [NewEvent(subject="/a", type="io.example.noted", data={"n": n}) for n in range(1000)]
                for _ in range(20):
                    await store.commit(events)
                await store.create_index("io.example.noted", "data.n", progress=lambda share: os._exit(0))
        asyncio.run(main())
        """,
        tmp_path,
    )
    store = EmbeddedEventStore(tmp_path / "store.db")
    run(store.__aenter__())

    async def ready() -> str:
        while (state := (await store.indexes())[0].state.value) != "ready":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return state

    assert run(ready()) == "ready"
    run(store.aclose())


def test_loops_in_threads_declare_indexes_while_others_commit() -> None:
    """
    A query answers by a declared index as without one, though indexes come and go while other threads commit.
    """
    store = InMemoryEventStore()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    async def use(number: int) -> None:
        own = f"shop.noted-{number}"
        query = f'FROM e IN events WHERE e.type == "{own}" AND e.data.n == "1" PROJECT INTO e.id'
        for count in range(1, 151):
            await store.commit([NewEvent(subject=f"/notes/{number}", type=own, data={"n": str(count % 2)})])
            await store.create_index(own, f"data.n{count}")
            await store.create_index(f"shop.noted-{(number + 1) % 4}", "data.n")
            assert len([row async for row in store.query(query)]) == (count + 1) // 2
            await store.explain(query)
            if count % 10 == 0:
                await store.drop_index(own, "data.n")

    try:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda number: asyncio.run(use(number)), range(4)))
    finally:
        sys.setswitchinterval(before)
    assert asyncio.run(store.count()) == 600


# --- A time limit, a cancellation ---


async def test_a_store_whose_opening_is_cancelled_holds_no_file(tmp_path: Path) -> None:
    """
    Opening that is cancelled in the middle is undone before the caller goes on: the next one may write.
    """
    is_opening, may_go_on = threading.Event(), threading.Event()

    def slow_clock() -> int:
        # The clock is looked at when a log with events is opened.
        is_opening.set()
        may_go_on.wait()
        return time.time_ns()

    async with EmbeddedEventStore(tmp_path / "store.db") as store:
        await store.commit([noted("/a")])
    opening = asyncio.create_task(EmbeddedEventStore(tmp_path / "store.db", clock=slow_clock).__aenter__())
    await asyncio.to_thread(is_opening.wait)

    opening.cancel()
    await asyncio.wait({opening}, timeout=0.05)
    may_go_on.set()

    with pytest.raises(asyncio.CancelledError):
        await opening
    async with EmbeddedEventStore(tmp_path / "store.db") as store:
        await store.commit([noted("/b")])
        assert await store.count() == 2


async def test_a_store_whose_closing_was_cancelled_is_opened_again_at_once(tmp_path: Path) -> None:
    """
    Closing goes on though its caller was cancelled, and the next one to open the file waits for the end of it.
    """
    for number in range(20):
        store = EmbeddedEventStore(tmp_path / "store.db")
        await store.__aenter__()
        await store.commit([noted("/a")])
        closing = asyncio.create_task(store.aclose())
        await asyncio.sleep(0)

        closing.cancel()

        async with EmbeddedEventStore(tmp_path / "store.db") as again:
            assert await again.count() == number + 1


async def test_a_cancelled_commit_is_unknown_and_the_store_goes_on(tmp_path: Path) -> None:
    """
    A commit whose caller is cancelled says in the error that its outcome is unknown; then it is stored, or it is not.
    """
    async with EmbeddedEventStore(tmp_path / "store.db") as store:
        # Others beside it: so it waits for the writer's thread.
        others = [asyncio.create_task(store.commit([noted("/other")])) for _ in range(5)]
        commit = asyncio.create_task(store.commit([noted("/a")]))
        await asyncio.sleep(0)
        commit.cancel()

        with pytest.raises(asyncio.CancelledError) as cancelled:
            await commit
        unknown = CommitOutcomeUnknownError.behind(cancelled.value)
        assert unknown is not None
        assert "cancelled" in unknown.reason
        await asyncio.gather(*others)
        assert await store.count("/a") in {0, 1}
        assert await store.count("/other") == 5
        await store.commit([noted("/b")])
        assert (await store.audit()).is_intact


@pytest.mark.parametrize("limit", ["timeout", "wait_for"])
async def test_a_commit_whose_time_is_up_is_unknown(tmp_path: Path, limit: str) -> None:
    """
    A time limit around a commit ends in a TimeoutError behind which the unknown outcome is found.
    """
    async with EmbeddedEventStore(tmp_path / "store.db") as store:
        commits = [store.commit([noted("/a")]) for _ in range(2)]

        async def both() -> None:
            await asyncio.gather(*commits[1:], commits[0])

        async def limited() -> None:
            if limit == "timeout":
                async with asyncio.timeout(0):
                    await store.commit([noted("/a")])
            else:
                commit = asyncio.ensure_future(store.commit([noted("/a")]))
                await asyncio.sleep(0)
                await asyncio.wait_for(commit, 0)

        await both()
        with pytest.raises(TimeoutError) as over:
            # Beside it another one, so that it cannot be answered at once.
            await asyncio.gather(limited(), store.commit([noted("/b")]))
        assert isinstance(CommitOutcomeUnknownError.behind(over.value), CommitOutcomeUnknownError)
        await store.commit([noted("/b")])
        assert await store.count("/a") in {2, 3}


async def test_a_timeout_that_has_nothing_to_do_with_a_commit_is_none() -> None:
    """
    Behind any other error there is no unknown commit.
    """
    assert CommitOutcomeUnknownError.behind(TimeoutError()) is None


# --- Forked processes ---

FORKED = """
import asyncio, gc, json, os, signal, sys
from eventsource import *
from eventsource.errors import *
from eventsource.store import *

event = NewEvent(subject="/a", type="io.example.noted", data={"n": 1})

def in_child(work):
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = work()
        except BaseException as error:
            answer = type(error).__name__
        os.write(write_end, json.dumps(answer).encode())
        os.close(write_end)
        {end_of_child}
    os.close(write_end)
    with os.fdopen(read_end) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    print(text, flush=True)

def attempt(call):
    async def main():
        try:
            await call()
        except StoreForkedError:
            return "refused"
        return "done"
    return asyncio.run(main())

async def first(stream):
    async for _ in stream.pages():
        return

store = {store}
asyncio.run(store.__aenter__())
asyncio.run(store.commit([event]))
"""
STORES = pytest.mark.parametrize(
    "store", ['EmbeddedEventStore("store.db")', "InMemoryEventStore()"], ids=["file", "memory"]
)


def forked(store: str, rest: str, *, end_of_child: str = "os._exit(0)") -> str:
    """
    A program that opens a store, forks and goes on with *rest*.
    """
    return FORKED.replace("{store}", store).replace("{end_of_child}", end_of_child) + rest


@STORES
def test_a_forked_process_is_refused_at_every_call(tmp_path: Path, store: str) -> None:
    """
    In a process that was forked from the store's own each call ends at once with a named error, and does nothing.
    """
    told = run_program(
        forked(
            store,
            """
calls = [
    lambda: store.commit([event]), lambda: first(store.stream()), lambda: first(store.observe()),
    lambda: store.count(), lambda: store.last_event(), lambda: store.subjects(), lambda: store.event_types(),
    lambda: store.status(), lambda: store.register_schema("io.example.t", {"type": "object"}),
    lambda: store.schemas(), lambda: store.erase("/a"), lambda: store.audit(), lambda: store.ping(),
    lambda: store.create_index("io.example.noted", "data.n"), lambda: store.indexes(), lambda: store.restore([]),
    lambda: store.explain("FROM e IN events PROJECT INTO e.id"), lambda: store.aclose(),
]
in_child(lambda: [attempt(call) for call in calls])
asyncio.run(store.commit([event]))
print(json.dumps(asyncio.run(store.count())))
asyncio.run(store.aclose())
""",
        ),
        tmp_path,
    )

    assert told == [["refused"] * 18, 2]


@pytest.mark.parametrize(
    "end_of_child",
    ["os._exit(0)", "sys.exit(0)", "del globals()['store']; gc.collect(); sys.exit(0)", "os.kill(os.getpid(), 9)"],
    ids=["at once", "cleanly", "after its store is collected", "by a kill"],
)
async def test_a_forked_process_takes_nothing_from_its_parent(tmp_path: Path, end_of_child: str) -> None:
    """
    However a forked process ends, its parent's files and lock stay: what the parent confirms outlives a kill.
    """
    told = await asyncio.to_thread(
        run_program,
        forked(
            'EmbeddedEventStore("store.db")',
            """
in_child(lambda: attempt(store.aclose))
names = sorted(os.listdir())
print(json.dumps(names), flush=True)
code = "import asyncio; from eventsource.store import EmbeddedEventStore as S; asyncio.run(S('store.db').__aenter__())"
import subprocess
second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
print(json.dumps("StoreLockedError" in second.stderr))
for _ in range(5):
    asyncio.run(store.commit([event]))
os.kill(os.getpid(), signal.SIGKILL)
""",
            end_of_child=end_of_child,
        ),
        tmp_path,
    )

    assert told == ["refused", ["store.db", "store.db-shm", "store.db-wal", "store.db-writer.lock"], True]
    async with EmbeddedEventStore(tmp_path / "store.db") as again:
        assert await again.count() == 6
        assert (await again.audit()).is_intact


def test_a_forked_process_holds_no_lock_of_its_dead_parent(tmp_path: Path) -> None:
    """
    A child that outlives the process that had the store open does not keep the next writer out.
    """
    told = run_program(
        """
        import asyncio, json, os, signal
        from eventsource.store import EmbeddedEventStore
        ready_read, ready_write = os.pipe()
        hold_read, hold_write = os.pipe()
        middle = os.fork()
        if middle == 0:
            store = EmbeddedEventStore("store.db")
            asyncio.run(store.__aenter__())
            if os.fork() == 0:
                os.write(ready_write, b"x")
                os.close(hold_write)
                os.read(hold_read, 1)
                os._exit(0)
            signal.pause()
        os.close(hold_read)
        os.read(ready_read, 1)
        os.kill(middle, signal.SIGKILL)
        os.waitpid(middle, 0)
        async def main():
            async with EmbeddedEventStore("store.db") as store:
                print(json.dumps(await store.count()))
        asyncio.run(main())
        """,
        tmp_path,
    )

    assert told == [0]


@STORES
def test_a_store_that_is_opened_after_the_fork_works(tmp_path: Path, store: str) -> None:
    """
    An application that is loaded before its server forks, and opens its store afterwards, is all right.
    """
    told = run_program(
        f"""
        import asyncio, json, os
        from eventsource import *
        from eventsource.store import *
        event = NewEvent(subject="/a", type="io.example.noted", data={{}})
        store = {store}
        async def main():
            async with store:
                await store.commit([event])
                return await store.count()
        if os.fork() == 0:
            print(json.dumps(asyncio.run(main())), flush=True)
            os._exit(0)
        os.wait()
        """,
        tmp_path,
    )

    assert told == [1]


def test_a_file_that_was_open_before_the_fork_is_not_opened_anew(tmp_path: Path) -> None:
    """
    A child cannot open what its parent had open either: SQLite's memory of its locks came with the fork. It is told so.
    """
    told = run_program(
        forked(
            'EmbeddedEventStore("store.db")',
            """
async def open_again(**options):
    async with EmbeddedEventStore("store.db", **options):
        pass
in_child(lambda: [attempt(open_again), attempt(lambda: open_again(read_only=True))])
asyncio.run(store.aclose())
""",
        ),
        tmp_path,
    )

    assert told == [["refused", "refused"]]


def test_a_child_that_leaves_the_block_by_an_error_keeps_that_error(tmp_path: Path) -> None:
    """
    ``sys.exit`` in a child inside the block ends the child by that; leaving the block without an error is refused.
    """
    told = run_program(
        forked(
            'EmbeddedEventStore("store.db")',
            """
over = SystemExit(7)
in_child(lambda: [attempt(lambda: store.__aexit__(SystemExit, over, None)),
                  attempt(lambda: store.__aexit__(None, None, None))])
asyncio.run(store.aclose())
""",
        ),
        tmp_path,
    )

    assert told == [["done", "refused"]]


async def test_a_store_that_is_no_longer_used_is_collected(tmp_path: Path) -> None:
    """
    What knows the open files keeps no store alive after it was closed.
    """
    store = EmbeddedEventStore(tmp_path / "store.db")
    async with store:
        await store.commit([noted("/a")])
    gone = weakref.ref(store)
    del store
    gc.collect()

    assert gone() is None
