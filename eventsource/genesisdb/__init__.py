"""
An asynchronous client of a Genesis DB over HTTP. It knows no store and can be used alone.
"""

from eventsource.genesisdb.client import Client
from eventsource.genesisdb.event import Event
from eventsource.genesisdb.exchange import Limits
from eventsource.genesisdb.options import EventInput, EventOptions, PreconditionInput, StreamOptions
from eventsource.genesisdb.rows import Rows
from eventsource.genesisdb.transport import Transport

__all__ = [
    "Client",
    "Event",
    "EventInput",
    "EventOptions",
    "Limits",
    "PreconditionInput",
    "Rows",
    "StreamOptions",
    "Transport",
]
