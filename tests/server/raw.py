"""
HTTP by hand: for clients that no library would be.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs

from tests.server.serving import PATIENCE_S, READER, Served


@attrs.frozen
class Raw:
    """
    A connection on which any bytes can be sent.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *parts: bytes) -> None:
        """
        Send bytes.
        """
        self.writer.write(b"".join(parts))
        await self.writer.drain()

    async def read_to_end(self) -> bytes:
        """
        All that comes until the server closes the connection.
        """
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def read_answer(self) -> tuple[int, bytes]:
        """
        The status and the body of one answer that says how long it is.
        """
        async with asyncio.timeout(PATIENCE_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            return int(head.split(b" ", 2)[1]), await self.reader.readexactly(length)

    async def is_closed(self) -> bool:
        """
        Whether the server closes the connection, in the time that is left to it.
        """
        await self.read_to_end()
        return True


@asynccontextmanager
async def connected(served: Served) -> AsyncGenerator[Raw]:
    """
    A connection to a server.
    """
    raw = Raw(*await asyncio.open_connection(*served.address))
    try:
        yield raw
    finally:
        raw.writer.transport.abort()


def request(method: str, path: str, body: bytes = b"", *headers: bytes, token: str = READER) -> bytes:
    """
    A whole request.
    """
    head = [
        f"{method} {path} HTTP/1.1".encode(),
        b"host: a",
        f"authorization: Bearer {token}".encode(),
        b"content-length: %d" % len(body),
        *headers,
    ]
    return b"\r\n".join(head) + b"\r\n\r\n" + body
