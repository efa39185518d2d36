"""
An immudb for commands: they have an event loop of their own, and so has it.
"""

import asyncio
import threading
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from typing import Any

import attrs

from eventsource.testing.immudb import ImmudbTestServer


@attrs.frozen
class ServerInThread:
    """
    A test server, and the event loop that it runs in.
    """

    server: ImmudbTestServer
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """
        Do something in its loop, and wait for the end of it.
        """
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)


@contextmanager
def in_thread(server: ImmudbTestServer) -> Generator[ServerInThread]:
    """
    A server that runs beside the test.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    running = ServerInThread(server, loop)
    running.run(server.start())
    try:
        yield running
    finally:
        running.run(server.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
