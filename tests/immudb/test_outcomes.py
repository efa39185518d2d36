"""
Committed, rejected or unknown: what a write is known to be, and how to find out.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest

from eventsource.errors import (
    ImmudbKeyExistsError,
    ImmudbLimitError,
    ImmudbOutcomeUnknownError,
    ImmudbRefusedError,
    ImmudbUnavailableError,
    VerificationError,
)
from eventsource.immudb import ImmudbClient, Permission
from eventsource.testing.immudb import Lie
from tests.immudb.waiting import until

if TYPE_CHECKING:
    from eventsource.testing.immudb import ImmudbTestServer

ENTRIES = {b"a": b"1", b"b": b"2"}


async def test_answer_that_is_lost_after_the_commit_is_found_again(
    server: ImmudbTestServer, client: ImmudbClient
) -> None:
    """
    The error says that nobody knows; reading back gives the receipt. Nothing was sent twice.
    """
    await client.verified_set(b"a", b"0")
    server.drop_answers()

    with pytest.raises(ImmudbOutcomeUnknownError, match="resolve") as caught:
        await client.verified_set_all(ENTRIES)
    receipt = await client.resolve(caught.value)

    assert receipt is not None
    assert (await client.verified_tx(receipt.tx)).entries == tuple(ENTRIES.items())
    assert server.calls.count("VerifiableSet") == 2
    assert "value" not in str(caught.value)


async def test_write_that_never_arrived_is_not_found(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    Neither an equal one from before nor another one since is taken for it.
    """
    await client.verified_set_all(ENTRIES)
    server.fail("the connection was closed", grpc.StatusCode.UNAVAILABLE)
    with pytest.raises(ImmudbOutcomeUnknownError) as caught:
        await client.verified_set_all(ENTRIES)
    await client.verified_set_all({**ENTRIES, b"c": b"3"})

    assert await client.resolve(caught.value) is None


async def test_write_of_a_new_key_that_never_arrived_is_not_found(
    server: ImmudbTestServer, client: ImmudbClient
) -> None:
    """
    A key that nobody wrote has no history.
    """
    await client.verified_set(b"first", b"")
    server.fail("the connection was closed", grpc.StatusCode.UNAVAILABLE)
    with pytest.raises(ImmudbOutcomeUnknownError) as caught:
        await client.verified_set_all(ENTRIES)

    assert await client.resolve(caught.value) is None


async def test_lost_answer_to_a_plain_write_is_found_too(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    Behind newer ones of the same key, whoever wrote them.
    """
    server.drop_answers()
    with pytest.raises(ImmudbOutcomeUnknownError) as caught:
        await client.set_all(ENTRIES)
    for number in range(120):
        await client.set(b"a", b"%d" % number)

    receipt = await client.resolve(caught.value)

    assert receipt is not None
    assert receipt.tx == 1


async def test_failed_verification_of_a_write_says_that_it_may_be_committed(
    server: ImmudbTestServer, client: ImmudbClient
) -> None:
    """
    It mostly is, and can be read back as soon as the server is honest again.
    """
    await client.verified_set(b"first", b"")
    server.lie(Lie.CHANGED_TIME)
    with pytest.raises(VerificationError, match="may be committed all the same") as caught:
        await client.verified_set_all(ENTRIES)
    server.lie()

    receipt = await client.resolve(caught.value)

    assert caught.value.was_write
    assert receipt is not None
    assert receipt.tx == 2


async def test_repeat_of_a_write_once_write_is_harmless(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    Of all sendings one is committed, and the rest are rejected.
    """
    server.drop_answers()
    with pytest.raises(ImmudbOutcomeUnknownError) as caught:
        await client.verified_set_all(ENTRIES, write_once=True)
    with pytest.raises(ImmudbKeyExistsError):
        await client.verified_set_all(ENTRIES, write_once=True)

    receipt = await client.resolve(caught.value)

    assert receipt is not None
    assert receipt.tx == 1
    assert len(server.databases["defaultdb"].transactions) == 1


async def test_what_was_no_write_cannot_be_resolved(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    Neither a read nor the making of a user.
    """
    await client.verified_set(b"first", b"")
    await client.verified_set(b"key", b"value")
    server.lie(Lie.CHANGED_VALUE)
    with pytest.raises(VerificationError) as read:
        await client.verified_get(b"key")
    server.lie()
    server.fail("the connection was closed", grpc.StatusCode.UNAVAILABLE)
    with pytest.raises(ImmudbOutcomeUnknownError) as made:
        await client.create_user("ada", "Pw1:pasdfoiu", Permission.READ, "defaultdb")

    for error in (read.value, made.value):
        with pytest.raises(ValueError, match="nothing to read back"):
            await client.resolve(error)
    assert "pasdfoiu" not in f"{made.value}{vars(made.value)}"


async def test_read_is_tried_again(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    What may pass is waited for, a few times, with and without verification.
    """
    await client.verified_set(b"key", b"value")
    busy = [
        ("the connection was closed", grpc.StatusCode.UNAVAILABLE),
        ("max concurrency limit exceeded", grpc.StatusCode.UNKNOWN),
        ("too much", grpc.StatusCode.RESOURCE_EXHAUSTED),
    ]
    for text, status in busy:
        server.fail(text, status, count=2)
        assert await client.get(b"key") is not None
        server.fail(text, status, count=2)
        assert (await client.verified_get(b"key")).value == b"value"


async def test_read_gives_up(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    After five tries.
    """
    server.fail("the connection was closed", grpc.StatusCode.UNAVAILABLE, count=100)

    with pytest.raises(ImmudbUnavailableError):
        await client.get(b"key")

    assert server.calls.count("Get") == 5


async def test_write_is_sent_once(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    Whatever may be wrong.
    """
    for text, status in [
        ("the connection was closed", grpc.StatusCode.UNAVAILABLE),
        ("something new", grpc.StatusCode.UNKNOWN),
        ("stream reset", grpc.StatusCode.INTERNAL),
    ]:
        server.calls.clear()
        server.fail(text, status)
        with pytest.raises(ImmudbOutcomeUnknownError):
            await client.set(b"key", b"value")
        assert server.calls.count("Set") == 1


async def test_refusal_is_certain(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    What a server refuses for a known reason is not written, and says the reason.
    """
    server.fail("illegal arguments", grpc.StatusCode.INVALID_ARGUMENT)

    with pytest.raises(ImmudbRefusedError) as caught:
        await client.set(b"key", b"value")

    assert (caught.value.call, caught.value.status) == ("Set", "INVALID_ARGUMENT")


async def test_answer_that_comes_too_late_is_unknown(
    server: ImmudbTestServer, client: ImmudbClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Nobody waits for ever.
    """
    await client.verified_set(b"first", b"")
    server.hold_writes()
    assert ImmudbClient(server.url, timeout_s=0.2)._channel._timeout_s == 0.2
    with monkeypatch.context() as patch:
        # The same, for the write alone: all else takes the time that it takes.
        patch.setattr(client._channel, "_timeout_s", 0.2)
        with pytest.raises(ImmudbOutcomeUnknownError, match="DEADLINE") as caught:
            await client.verified_set_all(ENTRIES)

    assert await client.resolve(caught.value) is None


async def test_no_more_writes_at_once_than_a_server_takes(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    64 writers are served by 28 at a time; none is refused.
    """
    server.hold_writes()
    writes = [asyncio.create_task(client.set(b"%d" % number, b"value")) for number in range(64)]
    await until(lambda: server.most_writes == 28)
    server.release_writes()
    await asyncio.gather(*writes)

    assert server.most_writes == 28
    assert len(server.databases["defaultdb"].transactions) == 64


async def test_write_that_was_turned_away_is_sent_again(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    A server refuses what it has no room for and stores nothing of it: each write is stored once, and none is lost.
    """
    server.max_concurrency = 1
    server.hold_writes()
    writes = [asyncio.create_task(client.set(b"%d" % number, b"value")) for number in range(5)]
    await until(lambda: server.calls.count("Set") > 5)
    server.release_writes()
    await asyncio.gather(*writes)

    assert len(server.databases["defaultdb"].transactions) == 5


async def test_write_that_is_always_turned_away_was_not_stored(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    After twelve tries the error says that the server has no room, and not that the outcome is unknown.
    """
    await client.verified_set(b"first", b"")
    server.calls.clear()
    for write, call in ((client.verified_set, "VerifiableSet"), (client.set, "Set")):
        server.fail("max concurrency limit exceeded", count=12)
        with pytest.raises(ImmudbUnavailableError, match="max concurrency limit exceeded"):
            await write(b"key", b"value")
        assert server.calls.count(call) == 12

    assert await client.get(b"key") is None


async def test_answer_larger_than_grpc_reads_by_itself(client: ImmudbClient) -> None:
    """
    Five megabytes come back; more than an immudb takes are not sent.
    """
    value = bytes(5_000_000)
    await client.verified_set(b"key", value)
    assert (await client.verified_get(b"key")).value == value

    with pytest.raises(ImmudbLimitError, match="bytes of one request"):
        await client.set(b"key", bytes(33 * 1024 * 1024))
