"""
The connection to one immudb: where it is, how it is encrypted, bytes out, bytes in.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any, Final, Self
from urllib.parse import unquote

import attrs
import grpc
import grpc.aio

from eventsource.immudb.errors import ImmudbClosedError, InvalidImmudbUrlError
from eventsource.immudb.failure import CallFailedError
from eventsource.immudb.limits import MAX_MESSAGE_BYTES
from eventsource.immudb.messages import SERVICE
from eventsource.log import get_logger

DEFAULT_HOST: Final = "localhost"
DEFAULT_PORT: Final = 3322
DEFAULT_DATABASE: Final = "defaultdb"

_URL: Final = re.compile(
    r"(?:(?P<scheme>immudbs?)://)?"
    r"(?:(?P<user>[^:@/?#]*)(?::(?P<password>[^@/?#]*))?@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:@/?#\s\[\]]*)"
    r"(?::(?P<port>\d{1,5}))?"
    r"(?:/(?P<database>[^/?#]*))?/?"
)
_MAX_PORT: Final = 65_535


@attrs.frozen
class Address:
    """
    A server, and what to be there.

    Attributes:
        host: A name or an address; IPv6 in brackets.

        port: The port.

        database: The one to begin with.

        user: Who logs in; None if that is told later.

        password: Of the user. It appears in no text made here.

        uses_tls: True if the connection is encrypted.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    database: str = DEFAULT_DATABASE
    user: str | None = None
    password: str | None = attrs.field(default=None, repr=False)
    uses_tls: bool = False

    @classmethod
    def parse(cls, url: str) -> Self:
        """
        Read ``immudb://user:password@host:port/database``, ``immudbs://…`` for TLS, or ``host:port``.

        User, password, port and database may be left out. Characters that mean something in a URL are
        written as ``%XX``.

        >>> Address.parse("immudb://ada:secret@db.example.com/bank")
        Address(host='db.example.com', port=3322, database='bank', user='ada', uses_tls=False)

        Raises:
            InvalidImmudbUrlError: It is none of these; the error quotes neither user nor password.
        """
        found = _URL.fullmatch(url)
        if found is None:
            raise InvalidImmudbUrlError(url, "it cannot be read")
        port = int(found["port"] or DEFAULT_PORT)
        if not 0 < port <= _MAX_PORT:
            raise InvalidImmudbUrlError(url, "there is no such port")
        if not found["host"]:
            raise InvalidImmudbUrlError(url, "it has no host")
        return cls(
            host=found["host"],
            port=port,
            database=unquote(found["database"] or DEFAULT_DATABASE),
            user=unquote(found["user"]) if found["user"] else None,
            password=unquote(found["password"]) if found["password"] is not None else None,
            uses_tls=found["scheme"] == "immudbs",
        )

    @property
    def target(self) -> str:
        """
        ``host:port``: what gRPC connects to, and what errors and logs call the server.
        """
        return f"{self.host}:{self.port}"

    @property
    def is_this_machine(self) -> bool:
        """
        True if what is sent stays on this machine.
        """
        return self.host in {"localhost", "[::1]"} or self.host.startswith("127.")


Metadata = tuple[tuple[str, str], ...]

# For what stands around a value of that size in an answer.
_HEADROOM_BYTES: Final = 1024 * 1024

# How much of the time for a connection is spent on a server that refuses it.
_PATIENCE: Final = 0.5

_log = get_logger(__name__)


@attrs.frozen
class Tls:
    """
    How the connection is encrypted.

    Attributes:
        root_certificates: PEM of those who may vouch for the server; None for those that gRPC ships.

        private_key: PEM of the client's own key, if the server asks for one.

        certificate_chain: PEM of the certificates for it.
    """

    root_certificates: bytes | None = None
    private_key: bytes | None = attrs.field(default=None, repr=False)
    certificate_chain: bytes | None = None


class Channel:
    """
    Calls of one server. Connects at the first one.

    Args:
        timeout_s: The time that one call may take once there is a connection.

        connect_timeout_s: The time that a call waits for a connection; half as long where connections are refused.
            Meanwhile it is tried again and again.
    """

    def __init__(self, address: Address, *, tls: Tls | None, timeout_s: float, connect_timeout_s: float) -> None:
        self._address = address
        self._tls = tls if tls is not None or not address.uses_tls else Tls()
        self._timeout_s = timeout_s
        self._connect_timeout_s = min(timeout_s, connect_timeout_s)
        self._channel: grpc.aio.Channel | None = None
        self._change: asyncio.Task[None] | None = None
        self._is_closed = False

    async def call(
        self, name: str, request: bytes, metadata: Metadata = (), *, waits: bool = True
    ) -> tuple[bytes, dict[str, str]]:
        """
        Call, and give the answer and its headers.

        Args:
            waits: True to wait for a connection if there is none.

        Raises:
            CallFailedError: No answer came, or a failure.
            ImmudbClosedError: The channel was closed.
        """
        if self._is_closed:
            raise ImmudbClosedError(self._address.target)
        if self._channel is None:
            self._channel = self._open()
        await self._connect(self._channel, within_s=self._connect_timeout_s if waits else 0)
        # Without serializers bytes stay bytes: an answer is evidence as it came.
        channel: Any = self._channel
        call = channel.unary_unary(f"/{SERVICE}/{name}", None, None)(
            request, metadata=metadata, timeout=self._timeout_s
        )
        try:
            answer = await call
            headers = await call.initial_metadata()
        except grpc.aio.AioRpcError as error:
            raise CallFailedError(error.code(), error.details() or "") from None
        except grpc.aio.UsageError:
            raise ImmudbClosedError(self._address.target) from None
        return answer, {str(key): str(value) for key, value in headers or ()}

    async def _connect(self, channel: grpc.aio.Channel, *, within_s: float) -> None:
        """
        Return when there is a connection, or when gRPC can tell why there is none.

        Only then is it known of a call that fails for want of a connection that it was not sent.
        """
        clock = asyncio.get_running_loop().time
        began_s = clock()
        while (state := channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
            if self._is_closed or state is grpc.ChannelConnectivity.SHUTDOWN:
                raise ImmudbClosedError(self._address.target)
            is_refused = state is grpc.ChannelConnectivity.TRANSIENT_FAILURE
            remaining_s = began_s + within_s * (_PATIENCE if is_refused else 1) - clock()
            if remaining_s <= 0:
                if is_refused and within_s:
                    # The call fails at once, and says why.
                    return
                text = f"no connection within {within_s:g} seconds"
                raise CallFailedError(grpc.StatusCode.UNAVAILABLE, text, was_sent=False)
            await asyncio.wait({self._next_change(channel, state)}, timeout=remaining_s)

    def _next_change(self, channel: grpc.aio.Channel, state: grpc.ChannelConnectivity) -> asyncio.Task[None]:
        # One for all who wait, since gRPC does not take back what it was asked.
        if self._change is None or self._change.done():
            self._change = asyncio.get_running_loop().create_task(_change_from(channel, state))
        return self._change

    def _open(self) -> grpc.aio.Channel:
        options = [
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES + _HEADROOM_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            # Tries are made again within half a second; gRPC's own pause would begin at one.
            ("grpc.initial_reconnect_backoff_ms", 50),
            # Also how long one try may take: to a distant server a connection takes several round trips.
            ("grpc.min_reconnect_backoff_ms", 20_000),
            ("grpc.max_reconnect_backoff_ms", 2_000),
            # Another client of this program is another connection, with its own end.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if self._tls is not None:
            credentials = grpc.ssl_channel_credentials(
                self._tls.root_certificates, self._tls.private_key, self._tls.certificate_chain
            )
            return grpc.aio.secure_channel(self._address.target, credentials, options=options)
        if not self._address.is_this_machine:
            _log.warning("immudb.password_in_clear", server=self._address.target)
        return grpc.aio.insecure_channel(self._address.target, options=options)

    async def close(self) -> None:
        """
        Disconnect. Calls that wait fail.
        """
        self._is_closed = True
        if self._channel is not None:
            await self._channel.close(None)
        if self._change is not None:
            # gRPC may have none to tell any more, and then never tells.
            self._change.cancel()
            await asyncio.wait({self._change})


async def _change_from(channel: grpc.aio.Channel, state: grpc.ChannelConnectivity) -> None:
    # A channel that is closed meanwhile has no state any more.
    with contextlib.suppress(grpc.aio.UsageError, asyncio.CancelledError):
        await channel.wait_for_state_change(state)
