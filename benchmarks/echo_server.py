"""
The server that HTTP clients are measured against: it answers each request at once with one stored event.

A program of its own, so that it shares no event loop with the clients. It prints its port.
"""

from __future__ import annotations

import asyncio

import httptools

_EVENT = (
    b'{"source":"io.example.bank","subject":"/accounts/1","type":"io.example.bank.money-deposited",'
    b'"specversion":"1.0","id":"ac138b87-ea2c-4790-ae35-b726052c6117","time":"2026-01-01T00:00:00.157792875Z",'
    b'"datacontenttype":"application/json","predecessorhash":"%s",'
    b'"data":{"cents":1,"reference":"a payment"},"hash":"%s"}'
) % (b"0" * 64, b"1" * 64)
_BODY = b'{"success":true,"events":[%b]}' % _EVENT
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(_BODY), _BODY)


class _Answering(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  for the type checkers
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._transport.write(_ANSWER)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
