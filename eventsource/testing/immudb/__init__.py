"""
A test server that speaks immudb's protocol over real gRPC, in memory. NOT FOR PRODUCTION.

It forgets everything when it stops, keeps passwords as they are and can be told to lie: to test a client,
and what one does when an immudb was tampered with. Needs the extras ``testing`` and ``immudb``.
"""

from eventsource.testing.immudb.database import Database
from eventsource.testing.immudb.lies import Lie
from eventsource.testing.immudb.server import ImmudbTestServer

__all__ = ["Database", "ImmudbTestServer", "Lie"]
