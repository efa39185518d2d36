"""
A second opinion on the test server: immudb's official Python client, unmodified, verifies what it answers.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from eventsource.testing.immudb import Lie
from tests.immudb.official_environment import official_python

if TYPE_CHECKING:
    from eventsource.testing.immudb import ImmudbTestServer


@pytest.fixture(scope="module")
def python() -> Path:
    """
    An interpreter that has the official client.
    """
    try:
        return official_python()
    except RuntimeError as error:
        pytest.skip(f"the official client of immudb cannot be installed: {error}")


async def run(python: Path, *arguments: str) -> Any:
    """
    What the official client saw.
    """
    process = await asyncio.create_subprocess_exec(
        str(python),
        str(Path(__file__).with_name("official_client.py")),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
    )
    printed, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    return json.loads(printed)


async def test_official_client_verifies_what_the_test_server_answers(python: Path, server: ImmudbTestServer) -> None:
    """
    Writes, reads, transactions, histories, databases and users, over both ways to log in.
    """
    seen = await run(python, f"localhost:{server.port}")

    assert seen == {
        "values": [f"value-{number}" for number in range(20)],
        "many": [21] * 7,
        "tx": [f"many-{number}" for number in range(7)],
        "all": {"key-1": "value-1", "key-2": "value-2"},
        "history": ["value-1", "again"],
        "scan": ["many-0", "many-1", "many-2"],
        "missing": None,
        "databases": ["defaultdb", "other"],
        "users": ["ada", "immudb"],
        "state": 0,
        "session": "value-2",
    }


async def test_official_client_catches_a_changed_value(python: Path, server: ImmudbTestServer) -> None:
    """
    So its silence above means something.
    """
    database = server.databases["defaultdb"]
    for number in range(5):
        database.write([(b"key", b"%d" % number)], time_s=1_700_000_000)
    assert await run(python, f"localhost:{server.port}", "key") == {"believed": "4"}
    server.lie(Lie.CHANGED_VALUE)

    assert await run(python, f"localhost:{server.port}", "key") == {"believed": None}
