"""
The connection to one immudb: where it is, how it is encrypted, bytes out, bytes in.
"""

from __future__ import annotations

import re
from typing import Any, Final, Self
from urllib.parse import unquote

import attrs
import grpc
import grpc.aio

from eventsource.errors import ImmudbClosedError, InvalidImmudbUrlError
from eventsource.immudb.failure import CallFailedError
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

        uses_tls: Whether the connection is encrypted.
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
        Whether what is sent stays on this machine.
        """
        return self.host in {"localhost", "[::1]"} or self.host.startswith("127.")


Metadata = tuple[tuple[str, str], ...]

# 32 MiB: what an immudb takes in one message. gRPC itself would read 4, so that larger values could be written
# and not be read again.
MAX_MESSAGE_BYTES: Final = 32 * 1024 * 1024

# For what stands around a value of that size in an answer.
_HEADROOM_BYTES: Final = 1024 * 1024

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
        timeout_s: How long one call may take.
    """

    def __init__(self, address: Address, *, tls: Tls | None, timeout_s: float) -> None:
        self._address = address
        self._tls = tls if tls is not None or not address.uses_tls else Tls()
        self._timeout_s = timeout_s
        self._channel: grpc.aio.Channel | None = None
        self._is_closed = False

    async def call(self, name: str, request: bytes, metadata: Metadata = ()) -> bytes:
        """
        Call and wait for the answer.

        Raises:
            CallFailedError: There is none, or it is a failure.
            ImmudbClosedError: The channel was closed.
        """
        answer, _ = await self._call(name, request, metadata)
        return answer

    async def call_for_headers(self, name: str, request: bytes) -> tuple[bytes, dict[str, str]]:
        """
        As `call`, and give the headers of the answer, too.
        """
        answer, call = await self._call(name, request, ())
        headers = await call.initial_metadata()
        return answer, {str(key): str(value) for key, value in headers}

    async def _call(self, name: str, request: bytes, metadata: Metadata) -> tuple[bytes, Any]:
        if self._is_closed:
            raise ImmudbClosedError(self._address.target)
        if self._channel is None:
            self._channel = self._connect()
        # Without serializers bytes stay bytes: an answer is evidence as it came.
        channel: Any = self._channel
        call = channel.unary_unary(f"/{SERVICE}/{name}", None, None)(
            request, metadata=metadata, timeout=self._timeout_s
        )
        try:
            return await call, call
        except grpc.aio.AioRpcError as error:
            raise CallFailedError(error.code(), error.details() or "no explanation") from None
        except grpc.aio.UsageError:
            raise ImmudbClosedError(self._address.target) from None

    def _connect(self) -> grpc.aio.Channel:
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
