# mypy: ignore-errors
# The imports are those of an environment of its own.
"""
What immudb's official Python client makes of a server. Run in an environment of its own; prints JSON.

    python official_client.py HOST:PORT            works with an honest server
    python official_client.py HOST:PORT KEY        reads one key, with verification
"""

import json
import sys

from immudb import ImmudbClient
from immudb.constants import OLDEST_FIRST
from immudb.exceptions import ErrCorruptedData

NUMBERS = range(20)


def work(client: ImmudbClient) -> dict:
    """
    Use it as its README does.
    """
    seen = {}
    # Each proof is over another pair of sizes.
    for number in NUMBERS:
        client.verifiedSet(f"key-{number}".encode(), f"value-{number}".encode())
    seen["values"] = [client.verifiedGet(f"key-{number}".encode()).value.decode() for number in NUMBERS]
    many = client.setAll({f"many-{number}".encode(): b"x" for number in range(7)})
    seen["many"] = [client.verifiedGet(f"many-{number}".encode()).id for number in range(7)]
    seen["tx"] = [key.decode() for key in client.verifiedTxById(many.id)]
    seen["all"] = {key.decode(): value.decode() for key, value in client.getAll([b"key-1", b"key-2"]).items()}
    client.set(b"key-1", b"again")
    seen["history"] = [entry.value.decode() for entry in client.history(b"key-1", 0, 10, OLDEST_FIRST)]
    seen["scan"] = [key.decode() for key in client.scan(b"", b"many-", OLDEST_FIRST, 3)]
    seen["missing"] = client.get(b"nothing")
    client.createDatabase(b"other")
    client.useDatabase(b"other")
    seen["databases"] = client.databaseList()
    client.createUser("ada", "Pw1:pasdfoiu", 2, "other")
    seen["users"] = [user.user.decode() for user in client.listUsers().userlist.users]
    seen["state"] = client.currentState().txId
    client.useDatabase(b"defaultdb")
    client.logout()
    # A session, too; that client cannot verify in one.
    client.openSession("immudb", "immudb")
    seen["session"] = client.get(b"key-2").value.decode()
    client.closeSession()
    return seen


def read(client: ImmudbClient, key: bytes) -> dict:
    """
    Read one key with verification.
    """
    try:
        return {"believed": client.verifiedGet(key).value.decode()}
    except ErrCorruptedData:
        return {"believed": None}


client = ImmudbClient(sys.argv[1], timeout=20)
client.login("immudb", "immudb")
json.dump(read(client, sys.argv[2].encode()) if len(sys.argv) > 2 else work(client), sys.stdout)
client.shutdown()
