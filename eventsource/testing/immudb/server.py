"""
The test server itself: the calls of `Service` over real gRPC. NOT FOR PRODUCTION.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from typing import TYPE_CHECKING, Any, Self

import attrs
import grpc
import grpc.aio as grpc_aio

from eventsource.immudb.connection import DEFAULT_DATABASE
from eventsource.immudb.limits import MAX_MESSAGE_BYTES
from eventsource.immudb.messages import CALLS, SERVICE, parse
from eventsource.log import get_logger
from eventsource.testing.immudb.refusal import RefusedError
from eventsource.testing.immudb.service import SESSION_CALLS, WRITES, Service
from eventsource.testing.immudb.signing import StateSigner

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from eventsource.testing.immudb.lies import Lie

# gRPC's own classes are generic over types that its stubs do not know.
_grpc: Any = grpc
_aio: Any = grpc_aio

_log = get_logger(__name__)


@attrs.frozen
class Exchanged:
    """
    A call that was answered, as bytes of the wire.
    """

    call: str
    request: bytes = attrs.field(repr=False)
    answer: bytes = attrs.field(repr=False)


class ImmudbTestServer(Service):
    """
    An immudb for tests, in this process and in memory, on a free port of this machine.

    NOT FOR PRODUCTION: it forgets everything when it ends, keeps passwords as they are, and lies when told to.

    Args:
        port: Where to listen; 0 for a free one.

        password: Of the user ``immudb``, who may do all.

        signs: True if it signs its state; needs the extra ``notary``.

        logs_requests: True if each transaction says who made it, as ``--log-request-metadata`` does.

        tls: Private key and certificate, PEM, to encrypt with.

        clock: Seconds since 1970: the time of transactions, and whether an entry has expired.

    Attributes:
        calls: The names of the calls it was asked, in order; those to open, keep and end sessions included.

        records: True to keep the bytes of calls and answers.

        exchanged: The calls it answered meanwhile.

        garbles: True if answers are bytes that mean nothing.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        password: str = "immudb",  # noqa: S107  everybody knows it: it is immudb's own
        signs: bool = False,
        logs_requests: bool = False,
        tls: tuple[bytes, bytes] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        signer = StateSigner() if signs else None
        super().__init__(
            password=password, uuid=str(uuid.uuid4()), signer=signer, logs_requests=logs_requests, clock=clock
        )
        self.port = port
        self.public_key = signer.public_key if signer is not None else b""
        self.calls: list[str] = []
        self.records = False
        self.exchanged: list[Exchanged] = []
        self.garbles = False
        self._password = password
        self._lies: list[Lie] = []
        self._dropped = 0
        self._failing: list[RefusedError] = []
        self._closed_for: RefusedError | None = None
        self._closed_times: int | None = None
        self._tls = tls
        self._server: Any = None

    @property
    def url(self) -> str:
        """
        Where it is, with user and password, as the client takes it.
        """
        scheme = "immudbs" if self._tls else "immudb"
        return f"{scheme}://immudb:{self._password}@localhost:{self.port}/{DEFAULT_DATABASE}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """
        Listen; at the port it had, if it was stopped.
        """
        # Else two servers could share a port, and each get half of the calls.
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]
        server = _aio.server(options=[*options, ("grpc.max_send_message_length", 2 * MAX_MESSAGE_BYTES)])
        handlers = {name: _grpc.unary_unary_rpc_method_handler(self._handler(name)) for name in CALLS}
        server.add_generic_rpc_handlers((_grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self.port = self._listen(server, f"127.0.0.1:{self.port}")
        # "localhost" is both. A machine may have no IPv6, and then nobody comes that way.
        with contextlib.suppress(RuntimeError):
            self._listen(server, f"[::1]:{self.port}")
        await server.start()
        self._server = server
        _log.warning("immudb.test_server_started", port=self.port, warning="for tests only: not for production")

    def _listen(self, server: Any, address: str) -> int:
        if self._tls:
            return int(server.add_secure_port(address, grpc.ssl_server_credentials([self._tls])))
        return int(server.add_insecure_port(address))

    async def stop(self) -> None:
        """
        Stop; what it holds stays until it is started again.
        """
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    # How to be something else than an honest immudb that is well.

    def lie(self, *lies: Lie) -> None:
        """
        Change each answer so from now on; no lies for an honest server.
        """
        self._lies = list(lies)

    def drop_answers(self, count: int = 1) -> None:
        """
        Do what the next writes ask for, and break the connection in place of an answer.
        """
        self._dropped = count

    def fail(self, text: str, status: grpc.StatusCode = grpc.StatusCode.UNKNOWN, *, count: int = 1) -> None:
        """
        Answer the next calls with a failure, whatever they ask for; sessions are opened and ended all the same.
        """
        self._failing = [RefusedError(text, status)] * count

    def refuse_sessions(
        self, text: str, status: grpc.StatusCode = grpc.StatusCode.FAILED_PRECONDITION, *, count: int | None = None
    ) -> None:
        """
        Open no more sessions, or not the next ones, and say so.
        """
        self._closed_for = RefusedError(text, status)
        self._closed_times = count

    def expire_sessions(self) -> None:
        """
        End all sessions and tokens, as if their time had come.
        """
        self.accounts.expire()

    def roll_back(self, tx: int, database: str = DEFAULT_DATABASE) -> None:
        """
        Forget what came after a transaction, as a backup does that is restored.
        """
        self.databases[database].roll_back(tx)

    def fork(self, tx: int, database: str = DEFAULT_DATABASE) -> None:
        """
        Show another history from behind a transaction on, with one transaction more than there were.
        """
        forked = self.databases[database]
        length = len(forked.transactions)
        forked.roll_back(tx)
        for number in range(tx, length + 1):
            forked.write([(b"forked", str(number).encode())], time_s=int(self._clock()))

    def _handler(self, name: str) -> Callable[[bytes, Any], Any]:
        async def handle(encoded: bytes, context: Any) -> bytes:
            self.calls.append(name)
            metadata = {str(key): str(value) for key, value in context.invocation_metadata() or ()}
            await context.send_initial_metadata((("immudb-uuid", self.uuid),))
            sent = b""
            try:
                sent = await self._answer(name, encoded, metadata)
            except RefusedError as refusal:
                await context.abort(refusal.status, refusal.text)
            if self.records:
                self.exchanged.append(Exchanged(name, encoded, sent))
            return sent

        return handle

    async def _answer(self, name: str, encoded: bytes, metadata: dict[str, str]) -> bytes:
        if self._failing and name not in SESSION_CALLS:
            raise self._failing.pop()
        if self._closed_for is not None and name in ("Login", "OpenSession") and self._closed_times != 0:
            self._closed_times = None if self._closed_times is None else self._closed_times - 1
            raise self._closed_for
        request = parse(CALLS[name][0], encoded)
        answer, database = await self.answer(name, request, metadata)
        if self._dropped and name in WRITES:
            self._dropped -= 1
            text = "the connection was closed"
            raise RefusedError(text, grpc.StatusCode.UNAVAILABLE)
        for lie in self._lies:
            lie.tell(request, answer, database)
        return b"\xff" if self.garbles else bytes(answer.SerializeToString())
