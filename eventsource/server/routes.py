"""
Every endpoint: its method, its path, who may use it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import attrs

from eventsource.server import administration, events, observing, queries, status
from eventsource.server.exchange import Exchange
from eventsource.server.service import Service
from eventsource.server.tokens import Role

if TYPE_CHECKING:
    from eventsource.server.settings import ServerSettings

Endpoint = Callable[[Service, Exchange], Awaitable[None]]


@attrs.frozen
class Route:
    """
    An endpoint.

    Attributes:
        method: "GET" or "POST".

        path: The path, without the version before it if it has one.

        role: The role required; None admits all, without a token.

        endpoint: The function that answers.

        versioned: True if the path follows ``/api/v1``.
    """

    method: str
    path: str
    role: Role | None
    endpoint: Endpoint
    versioned: bool = True

    @property
    def full_path(self) -> str:
        """
        The path as it is asked for.
        """
        return f"/api/v1{self.path}" if self.versioned else self.path


def all_routes(settings: ServerSettings) -> list[Route]:
    """
    The endpoints of a server.
    """
    routes = [
        Route("POST", "/commit", Role.WRITE, events.commit),
        Route("POST", "/stream", Role.READ, events.stream),
        Route("POST", "/observe", Role.READ, observing.observe),
        Route("POST", "/q", Role.READ, queries.query),
        Route("POST", "/query", Role.READ, queries.query),
        Route("POST", "/erase", Role.ADMINISTRATOR, administration.erase),
        Route("GET", "/status/ping", None, status.ping),
        Route("GET", "/status/audit", Role.READ, status.audit),
        Route("GET", "/status", Role.READ, status.status),
        Route("POST", "/schema/register", Role.ADMINISTRATOR, administration.register_schema),
        Route("GET", "/schema/get", Role.READ, administration.schemas),
        Route("GET", "/subjects", Role.READ, status.subjects),
        Route("GET", "/types", Role.READ, status.event_types),
        Route("GET", "/backup/create", Role.ADMINISTRATOR, administration.create_backup),
        Route("POST", "/backup/restore", Role.ADMINISTRATOR, administration.restore_backup),
        # From here on ours: a Genesis DB has none of them, or has them elsewhere.
        Route("POST", "/explain", Role.READ, queries.explain),
        Route("GET", "/indexes", Role.READ, queries.indexes),
        Route("POST", "/indexes", Role.ADMINISTRATOR, queries.create_index),
        Route("POST", "/indexes/drop", Role.ADMINISTRATOR, queries.drop_index),
        Route("GET", "/healthz", None, status.health, versioned=False),
        Route("GET", "/readyz", None, status.readiness, versioned=False),
    ]
    if settings.metrics:
        routes.append(Route("GET", "/metrics", None, status.metrics, versioned=False))
    return routes
