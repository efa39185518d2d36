"""
What an immudb refuses, call by call: the test server refuses it in the same words, and so does a real server.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest

from eventsource.immudb.connection import Address
from eventsource.immudb.messages import CALLS, new
from eventsource.testing.immudb.refusal import Refusal
from tests.immudb.office import Office
from tests.immudb.refusals import CIRCUMSTANCES, NEVER, ROWS, Row
from tests.immudb.waiting import until

if TYPE_CHECKING:
    from eventsource.testing.immudb import ImmudbTestServer


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
async def test_arguments_are_refused(office: Office, row: Row) -> None:
    """
    With the status and the text that the table has, and nothing is written.
    """
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await office.ask(row.call, row.message(office.names), row.caller)

    found = (caught.value.code().name, caught.value.details())
    expected = (row.status, row.expected(office.names))
    if office.is_real and row.measured != "text" and found != expected:
        pytest.skip(f"refused, and with {found} in place of {expected}, which was read and not measured")
    assert found == expected
    assert str((await office.ask("CurrentState", new("Empty"))).txId) == office.names["newest"]


def test_every_call_has_a_row() -> None:
    """
    Each call that the client knows is in the table, if only as one that takes no arguments to be refused.
    """
    told = {row.call for row in ROWS} | set(NEVER)

    assert told == set(CALLS)


def test_test_server_refuses_in_no_other_words() -> None:
    """
    Whatever the test server can say to refuse a call stands in the table, once for each status.
    """
    told = [(row.status, row.text) for row in (*ROWS, *CIRCUMSTANCES)]

    for refusal in Refusal:
        text, status = refusal.value
        if refusal is not Refusal.NOT_DONE:
            pattern = re.escape(text).replace(re.escape("{}"), ".+")
            assert any(status.name == name and re.fullmatch(pattern, said) for name, said in told), refusal


def test_table_says_what_was_measured() -> None:
    """
    Each row says it in one of three words, and no two rows are about the same.
    """
    rows = (*ROWS, *CIRCUMSTANCES)

    assert {row.measured for row in rows} == {"text", "refusal", ""}
    assert len({row.id for row in rows}) == len(rows)


async def test_writes_beyond_the_limit_are_refused(server: ImmudbTestServer) -> None:
    """
    The thirty-first write at once is not stored, and neither is the hundred and first session opened.
    """
    busy = {(row.call, row.status, row.text) for row in CIRCUMSTANCES}
    channel = grpc.aio.insecure_channel(f"localhost:{server.port}")
    there = Office(channel, Address.parse(server.url), is_real=False)
    server.hold_writes()
    one = new("SetRequest", KVs=[new("KeyValue", key=b"key", value=b"1")])
    await there.ask("Health", new("Empty"))
    waiting = [asyncio.create_task(there.ask("Set", one)) for _ in range(30)]
    await until(lambda: server.calls.count("Set") == 30)
    with pytest.raises(grpc.aio.AioRpcError) as write:
        await there.ask("Set", one)
    server.release_writes()
    await asyncio.gather(*waiting)
    for _ in range(99):
        await there.open_session("administrator")
    with pytest.raises(grpc.aio.AioRpcError) as session:
        await there.open_session("administrator")
    await channel.close(None)

    seen = {("Set", write.value.code().name, write.value.details())}
    seen.add(("OpenSession", session.value.code().name, session.value.details()))
    assert seen == busy
    assert server.databases["defaultdb"].newest == 30
