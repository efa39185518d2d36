"""
An event store over HTTP, for the official SDKs of Genesis DB and for the store of this package.

It needs the extra ``server``. The protocol is described in ``docs/server.md``, and what is known,
chosen and left out in ``docs/compatibility.md``.
"""

from eventsource.server.app import Application, make_app
from eventsource.server.running import listen, serve
from eventsource.server.settings import ServerLimits, ServerSettings, read_tokens
from eventsource.server.tokens import Role, Tokens

__all__ = [
    "Application",
    "Role",
    "ServerLimits",
    "ServerSettings",
    "Tokens",
    "listen",
    "make_app",
    "read_tokens",
    "serve",
]
