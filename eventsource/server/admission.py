"""
The places of a server: a number of connections in all, a smaller number for each address, and deadlines.

One look a second at all connections costs less than a timer for each request.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from eventsource.server.settings import ServerLimits

_Kind = TypeVar("_Kind")

# Addresses of IPv6 are given out by the network: one customer has as many as this network has.
_IPV6_PREFIX = 64


class Admitted(Protocol):
    """
    A connection that has a place, from the moment it is accepted: first its TLS handshake, then its requests.
    """

    address: str

    def look(self, now: float) -> None:
        """
        End it if its client has taken too long.
        """
        ...

    def give_way(self) -> None:
        """
        End it at once, for another one.
        """
        ...


class Admission:
    """
    Gives out the places of a server.

    A connection *waits* as long as no request of it is being answered: during its handshake, before its first request,
    between two. When places are short, a connection that waits gives way to a new one: of the address with the most
    of them, the one that has waited longest.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, limits: ServerLimits, clock: Callable[[], float], loop: asyncio.AbstractEventLoop) -> None:
        self.limits = limits
        self.clock = clock
        self._loop = loop
        self._per_address = limits.connections_per_address or max(1, limits.connections // 2)
        self._connections: set[Admitted] = set()
        self._counts: dict[str, int] = {}
        # By address, those that have waited longest first.
        self._waiting: dict[str, dict[Admitted, None]] = {}
        # Short deadlines are for tests, and are kept as exactly.
        self._interval_s = min(1.0, min(limits.header_s, limits.body_s, limits.idle_s, limits.stall_s) / 4)
        self._next_look: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._connections)

    def connections(self, kind: type[_Kind]) -> list[_Kind]:
        """
        Returns the connections of one class.
        """
        return [connection for connection in self._connections if isinstance(connection, kind)]

    def admit(self, connection: Admitted) -> bool:
        """
        Gives a new connection a place; returns False if the server has no place left for it.
        """
        address = connection.address
        if self._counts.get(address, 0) >= self._per_address and not self._free_one_of(address):
            return False
        if len(self._connections) >= self.limits.connections and not self.free_one():
            return False
        self._connections.add(connection)
        self._counts[address] = self._counts.get(address, 0) + 1
        self.wait(connection)
        if self._next_look is None:
            self._next_look = self._loop.call_later(self._interval_s, self._look)
        return True

    def free_one(self) -> bool:
        """
        Ends the longest waiting connection of the address with the most waiting ones; returns False if no one waits.
        """
        address = max(self._waiting, key=lambda address: len(self._waiting[address]), default=None)
        return address is not None and self._free_one_of(address)

    def leave(self, connection: Admitted) -> None:
        """
        Takes the place back; does nothing when called again.
        """
        if connection not in self._connections:
            return
        self.work(connection)
        self._connections.discard(connection)
        address = connection.address
        self._counts[address] -= 1
        if not self._counts[address]:
            del self._counts[address]

    def hand_over(self, old: Admitted, new: Admitted) -> bool:
        """
        Gives the place of *old* to *new*, of the same address; returns False if *old* has lost its place.
        """
        if old not in self._connections:
            return False
        self.work(old)
        self._connections.discard(old)
        self._connections.add(new)
        self.wait(new)
        return True

    def wait(self, connection: Admitted) -> None:
        """
        Marks the connection as waiting for a request.
        """
        if connection in self._connections:
            self._waiting.setdefault(connection.address, {})[connection] = None

    def work(self, connection: Admitted) -> None:
        """
        Marks the connection as being answered.
        """
        waiting = self._waiting.get(connection.address)
        if waiting is not None:
            waiting.pop(connection, None)
            if not waiting:
                del self._waiting[connection.address]

    def _free_one_of(self, address: str) -> bool:
        for connection in self._waiting.get(address, ()):
            self.leave(connection)
            connection.give_way()
            return True
        return False

    def _look(self) -> None:
        now = self.clock()
        for connection in list(self._connections):
            connection.look(now)
        self._next_look = self._loop.call_later(self._interval_s, self._look) if self._connections else None

    def close(self) -> None:
        """
        Stops looking at deadlines.
        """
        if self._next_look is not None:
            self._next_look.cancel()


def counted_address(host: str) -> str:
    """
    Returns the address that a connection counts for: for IPv6 the network that one customer has.
    """
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host.partition("%")[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, _IPV6_PREFIX), strict=False))
