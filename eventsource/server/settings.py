"""
The settings of a server: tokens, limits and deadlines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import attrs

from eventsource.server.tokens import Tokens
from eventsource.store.interface import DEFAULT_LIMITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventsource.store.query import QueryLimits

_MIB = 2**20


@attrs.frozen
class ServerLimits:
    """
    Limits on one client, so that something is left for the others.

    Attributes:
        body_bytes: The largest body of a request; more is answered with 413.

        read_body_bytes: The same for a request that only reads, such as a query.

        bodies_bytes: As much may be held of the bodies of all requests together; one more is answered with 503.

        restore_bytes: The largest backup that is restored.

        header_bytes: The largest address and headers of a request together; the same for its trailers, and for the
            extensions of its chunks.

        connections: How many there may be at a time; one more is answered with 503 and closed. A connection that waits
            for its handshake or for a request gives way to a new one.

        connections_per_address: Limit for one address; None for half of *connections*. A proxy is one address.

        header_s: Seconds in which the headers must have come, and before them the TLS handshake.

        body_s: Seconds in which the body must have come, and one more for each 64 KiB of it.

        idle_s: Seconds that an open connection may wait for its next request.

        stall_s: Seconds in which a client must take the next 64 KiB of its answer, or is dropped.

        held_bytes: As much may be held for answers that are under way, all together; beyond it the client that has
            kept its block the longest is dropped.

        queries: Number of queries that run at a time; the others wait, so that reading goes on.

        waiting_queries: Number of queries that may wait; one more is answered with 503.

        query: Limits of one query.
    """

    body_bytes: int = attrs.field(default=8 * _MIB, validator=attrs.validators.gt(0))
    read_body_bytes: int = attrs.field(default=32 * 1024, validator=attrs.validators.gt(0))
    bodies_bytes: int = attrs.field(default=256 * _MIB, validator=attrs.validators.gt(0))
    restore_bytes: int = attrs.field(default=1024 * _MIB, validator=attrs.validators.gt(0))
    header_bytes: int = attrs.field(default=32 * 1024, validator=attrs.validators.gt(0))
    connections: int = attrs.field(default=2048, validator=attrs.validators.gt(0))
    connections_per_address: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.gt(0))
    )
    header_s: float = attrs.field(default=10.0, validator=attrs.validators.gt(0))
    body_s: float = attrs.field(default=30.0, validator=attrs.validators.gt(0))
    idle_s: float = attrs.field(default=60.0, validator=attrs.validators.gt(0))
    stall_s: float = attrs.field(default=30.0, validator=attrs.validators.gt(0))
    held_bytes: int = attrs.field(default=256 * _MIB, validator=attrs.validators.gt(0))
    queries: int = attrs.field(default=2, validator=attrs.validators.gt(0))
    waiting_queries: int = attrs.field(default=64, validator=attrs.validators.gt(0))
    query: QueryLimits = DEFAULT_LIMITS


@attrs.frozen
class ServerSettings:
    """
    The settings of a server.

    Attributes:
        tokens: The tokens of the three roles.

        heartbeat_s: Seconds between two heartbeats of an observed stream. The official Python SDK gives up after
            five seconds of silence.

        metrics: True to serve ``GET /metrics``.

        cors_origin: Which web pages may call the server: an origin, ``*`` for all, None for none. A page needs a
            token all the same.

        limits: Limits on one client.
    """

    tokens: Tokens
    heartbeat_s: float = attrs.field(default=2.0, validator=attrs.validators.gt(0))
    metrics: bool = False
    cors_origin: str | None = "*"
    limits: ServerLimits = ServerLimits()

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], *, tokens: Tokens | None = None) -> Self:
        """
        As the environment variables say that Genesis DB knows.

        Args:
            tokens: In place of those of the environment.

        Raises:
            UnsafeTokenError: A token cannot be used.
            ValueError: There is no ``GENESISDB_AUTH_TOKEN`` and no *tokens*.
        """
        if tokens is None:
            tokens = read_tokens(environ)
        if tokens is None:
            msg = "GENESISDB_AUTH_TOKEN is not set"
            raise ValueError(msg)
        # Two names in public sources, an older and a newer one.
        switches = ("GENESISDB_METRICS", "GENESISDB_PROMETHEUS_METRICS")
        return cls(tokens, metrics=any(environ.get(name, "").strip().lower() == "true" for name in switches))


def read_tokens(environ: Mapping[str, str]) -> Tokens | None:
    """
    The tokens in the environment; None without ``GENESISDB_AUTH_TOKEN``.

    Raises:
        UnsafeTokenError: One is set that cannot be used, for example to nothing.
    """
    if "GENESISDB_AUTH_TOKEN" not in environ:
        return None
    return Tokens(
        environ["GENESISDB_AUTH_TOKEN"], environ.get("GENESISDB_WRITE_TOKEN"), environ.get("GENESISDB_READ_TOKEN")
    )
