"""
Figures for Prometheus.

The names are ours: those of a Genesis DB are not public.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from eventsource.root_error import MissingExtraError

if TYPE_CHECKING:
    from eventsource.server.bodies import BodyRoom
    from eventsource.server.readers import Readers
    from eventsource.server.tail import Tails
    from eventsource.store.interface import EventStore

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """
    The counters of a server.

    Raises:
        MissingExtraError: prometheus-client is not installed.
    """

    def __init__(self, store: EventStore, tails: Tails, readers: Readers, bodies: BodyRoom) -> None:
        try:
            import prometheus_client  # noqa: PLC0415  only where metrics are wanted
        except ModuleNotFoundError:
            extra = "server"
            raise MissingExtraError(extra, purpose="counting for Prometheus") from None
        self._store = store
        self._tails = tails
        self._readers = readers
        self._bodies = bodies
        self._print = prometheus_client.generate_latest
        # A registry of its own: several servers may run in one process.
        self._registry = registry = prometheus_client.CollectorRegistry()
        self._requests = prometheus_client.Counter(
            "genesisdb_http_requests",
            "Requests answered, by endpoint and status.",
            ["endpoint", "status"],
            registry=registry,
        )
        self._seconds = prometheus_client.Histogram(
            "genesisdb_http_request_seconds",
            "Time to the end of the answer; observed streams are left out.",
            ["endpoint"],
            registry=registry,
        )
        self._committed = prometheus_client.Counter(
            "genesisdb_events_committed", "Events committed through this server.", registry=registry
        )
        self._observers = prometheus_client.Gauge("genesisdb_observers", "Open observed streams.", registry=registry)
        self._answers_held = prometheus_client.Gauge(
            "genesisdb_held_answer_bytes", "Held for answers that are under way, about.", registry=registry
        )
        self._bodies_held = prometheus_client.Gauge(
            "genesisdb_held_body_bytes", "Held of the bodies of requests.", registry=registry
        )
        self._dropped = prometheus_client.Gauge(
            "genesisdb_dropped_readers",
            "Clients dropped so far since they did not take their answer.",
            registry=registry,
        )
        self._held = {
            name: prometheus_client.Gauge(f"genesisdb_{name}", text, registry=registry)
            for name, text in (
                ("events", "Events in the store."),
                ("subjects", "Subjects in the store."),
                ("types", "Event types in the store."),
                ("storage_bytes", "What the store takes on disk."),
            )
        }

    def answered(self, endpoint: str, status: int, began: float) -> None:
        """
        A request was answered that began at `time.perf_counter` *began*.
        """
        self._requests.labels(endpoint, str(status)).inc()
        if endpoint != "/observe":
            self._seconds.labels(endpoint).observe(time.perf_counter() - began)

    def committed(self, events: int) -> None:
        """
        So many events were committed.
        """
        self._committed.inc(events)

    async def print(self) -> bytes:
        """
        All figures in Prometheus' text format.
        """
        status = await self._store.status()
        for name, gauge in self._held.items():
            gauge.set(getattr(status, name))
        self._observers.set(self._tails.observers)
        self._answers_held.set(self._readers.held)
        self._bodies_held.set(self._bodies.held)
        self._dropped.set(self._readers.dropped)
        return self._print(self._registry)
