"""
A server of this package over a store, and something unreliable between it and its clients.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from eventsource.server import ServerSettings, Tokens, serve

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from contextlib import AbstractAsyncContextManager

    from eventsource import EventStore

TOKEN = "s3cret-t0ken"  # noqa: S105  of a server on this machine, for a test


def serving(store: EventStore, *, port: int = 0) -> AbstractAsyncContextManager[str]:
    """
    Serve *store*; it takes the token `TOKEN`.
    """
    return serve(store, ServerSettings(Tokens(TOKEN), heartbeat_s=0.2), port=port, grace_s=0.1)


@asynccontextmanager
async def losing(url: str, loses: Callable[[], bool]) -> AsyncGenerator[str]:
    """
    A proxy that passes every request on, and loses those answers for which *loses* is true.
    """
    host, port = url.removeprefix("http://").split(":")
    writers: set[asyncio.StreamWriter] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        writers.update((writer, there_writer))

        async def back() -> None:
            while answer := await there_reader.read(65_536):
                if loses():
                    break
                writer.write(answer)
                await writer.drain()
            writer.close()

        returning = asyncio.ensure_future(back())
        try:
            while request := await reader.read(65_536):
                there_writer.write(request)
                await there_writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            there_writer.close()
            await asyncio.gather(returning, return_exceptions=True)
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)
