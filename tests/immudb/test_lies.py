"""
A server that lies is caught, and the lie has a name.
"""

from __future__ import annotations

import logging
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from eventsource.errors import (
    ImmudbKeyNotFoundError,
    ImmudbNotFoundError,
    RollbackError,
    ServerDamagedError,
    StateSignatureError,
    VerificationError,
)
from eventsource.immudb import Check, Head, ImmudbClient, MemoryTrustStore, Receipt
from eventsource.immudb.messages import parse
from eventsource.testing.immudb import ImmudbTestServer, Lie

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

# The transaction that the tests read is the fifth of nine.
KEY, VALUE, TX = b"key-5", b"value-5", 5
TRANSACTIONS = 9


async def filled(client: ImmudbClient) -> list[Receipt]:
    """
    Nine transactions of two keys each.
    """
    return [
        await client.verified_set_all({b"key-%d" % number: b"value-%d" % number, b"more-%d" % number: b""})
        for number in range(1, TRANSACTIONS + 1)
    ]


def write(client: ImmudbClient) -> Awaitable[Any]:
    """
    A verified write.
    """
    return client.verified_set_all({b"new": b"value", b"newer": b"value"})


def read(client: ImmudbClient) -> Awaitable[Any]:
    """
    A verified read of an older key.
    """
    return client.verified_get(KEY)


def read_all(client: ImmudbClient) -> Awaitable[Any]:
    """
    A verified read of an older transaction.
    """
    return client.verified_tx(TX)


def advance(client: ImmudbClient) -> Awaitable[Any]:
    """
    A look at the newest state.
    """
    return client.advance()


CAUGHT = [
    (Lie.CHANGED_VALUE, read, Check.ENTRY_INCLUSION),
    (Lie.CHANGED_VALUE, read_all, Check.ENTRY_VALUE),
    (Lie.CHANGED_KEY, read, Check.ENTRY_INCLUSION),
    (Lie.CHANGED_KEY, read_all, Check.ENTRIES),
    (Lie.CHANGED_TIME, write, Check.HEADERS),
    (Lie.CHANGED_TIME, read, Check.HEADERS),
    (Lie.CHANGED_TIME, read_all, Check.HEADERS),
    (Lie.CHANGED_TRANSACTION, read, Check.TRANSACTION),
    (Lie.ANOTHER_TRANSACTION, read_all, Check.TRANSACTION),
    (Lie.ANOTHER_TRANSACTION, advance, Check.TRANSACTION),
    (Lie.MISSING_ENTRY, write, Check.ENTRIES),
    (Lie.MISSING_ENTRY, read_all, Check.ENTRIES),
    (Lie.OLD_ANSWER, write, Check.ENTRIES),
    (Lie.BROKEN_HISTORY, write, Check.HISTORY),
    (Lie.BROKEN_HISTORY, read, Check.HISTORY),
    (Lie.BROKEN_INCLUSION, read, Check.HISTORY),
    (Lie.BROKEN_CONSISTENCY, read, Check.HISTORY),
    (Lie.BROKEN_CONSISTENCY, write, Check.HISTORY),
    (Lie.MISSING_PROOF, write, Check.ANSWER),
    (Lie.MISSING_PROOF, read, Check.ANSWER),
    (Lie.SHORT_HASH, write, Check.ANSWER),
    (Lie.SHORT_HASH, read_all, Check.ANSWER),
    (Lie.UNKNOWN_VERSION, write, Check.HEADER_VERSION),
    (Lie.UNKNOWN_VERSION, read, Check.HEADER_VERSION),
    (Lie.REFERENCE, read, Check.REFERENCE),
    (Lie.DELETED, read, Check.ENTRY_INCLUSION),
]


@pytest.mark.parametrize(
    ("lie", "ask", "check"), [pytest.param(*case, id=f"{case[0].name}-{case[1].__name__}") for case in CAUGHT]
)
async def test_lie_is_caught_and_named(
    server: ImmudbTestServer,
    client: ImmudbClient,
    lie: Lie,
    ask: Callable[[ImmudbClient], Awaitable[Any]],
    check: Check,
) -> None:
    """
    The error says which check failed, what is trusted stays, and an honest answer is believed again.
    """
    receipts = await filled(client)
    server.lie(lie)

    with pytest.raises(VerificationError) as caught:
        await ask(client)

    assert caught.value.check == check
    assert await client.head() == receipts[-1].head
    server.lie()
    assert (await client.verified_get(KEY)).value == VALUE


async def test_equal_write_needs_a_transaction_of_its_own(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    The receipt of an earlier write of the same is no receipt of this one.
    """
    await client.verified_set(b"first", b"")
    await client.verified_set(b"key", b"value")
    server.lie(Lie.OLD_ANSWER)

    with pytest.raises(VerificationError) as caught:
        await client.verified_set(b"key", b"value")

    assert caught.value.check == Check.TRANSACTION


def test_every_lie_is_told_here() -> None:
    """
    No lie of the test server goes without a test.
    """
    elsewhere = {Lie.FORGED_STATE, Lie.CLAIMED_TRANSACTIONS, Lie.FORGED_SIGNATURE, Lie.MISSING_SIGNATURE}

    assert {case[0] for case in CAUGHT} | elsewhere == set(Lie)


async def test_error_is_the_evidence(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    It has what was asked, what was answered and what was trusted, survives being sent elsewhere, and quotes nothing.
    """
    receipts = await filled(client)
    server.lie(Lie.CHANGED_VALUE)

    with pytest.raises(VerificationError) as caught:
        await client.verified_get(KEY)

    error = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  our own bytes
    assert parse("VerifiableGetRequest", error.request).keyRequest.key == KEY
    assert parse("VerifiableEntry", error.answer).entry.value == VALUE + b"!"
    assert Head(error.trusted_tx, error.trusted_alh) == receipts[-1].head
    assert not error.was_write
    assert "value-5" not in str(error)


async def test_answer_that_is_no_message_is_named(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    Bytes that mean nothing are the server's fault.
    """
    await filled(client)
    server.garbles = True

    with pytest.raises(VerificationError) as caught:
        await client.verified_get(KEY)

    assert caught.value.check == Check.ANSWER


async def test_hidden_key_is_no_proof_of_absence(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    A server can say that a key is not there; whoever has the receipt reads the transaction and sees it.
    """
    receipts = await filled(client)
    server.fail("tbtree: key not found")

    with pytest.raises(ImmudbKeyNotFoundError, match="cannot be proved"):
        await client.verified_get(KEY)

    assert (KEY, VALUE) in (await client.verified_tx(receipts[TX - 1].tx)).entries


async def test_stale_value_is_told_by_its_transaction(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    An older value is a true answer to "which value had it once". Asked for a transaction, it is caught.
    """
    old = await client.verified_set(b"key", b"old")
    new = await client.verified_set(b"key", b"new")
    server.shows_stale_values = True

    stale = await client.verified_get(b"key")
    assert (stale.value, stale.tx) == (b"old", old.tx)
    with pytest.raises(VerificationError) as caught:
        await client.verified_get(b"key", at_tx=new.tx)

    assert caught.value.check == Check.TRANSACTION


@pytest.mark.parametrize("ask", [write, read, read_all, advance])
async def test_rollback_is_caught(
    server: ImmudbTestServer, client: ImmudbClient, ask: Callable[[ImmudbClient], Awaitable[Any]]
) -> None:
    """
    A server that was restored from an older copy is behind what is trusted, and says so.
    """
    await filled(client)
    server.roll_back(7)

    with pytest.raises(RollbackError) as caught:
        await ask(client)

    assert caught.value.check == Check.ROLLBACK
    assert caught.value.trusted_tx == TRANSACTIONS


async def test_plain_reads_of_a_rolled_back_server_notice_nothing(
    server: ImmudbTestServer, client: ImmudbClient
) -> None:
    """
    That is what verification is for.
    """
    await filled(client)
    server.roll_back(7)

    assert await client.get(KEY) is not None


@pytest.mark.parametrize("ask", [write, read, read_all, advance])
@pytest.mark.parametrize("behind", [2, 5, 8])
async def test_fork_is_caught(
    server: ImmudbTestServer, client: ImmudbClient, ask: Callable[[ImmudbClient], Awaitable[Any]], behind: int
) -> None:
    """
    Another history from some transaction on does not contain what is trusted, wherever it parts.
    """
    await filled(client)
    server.fork(behind)
    if behind < TX:
        # The key that is read has to be there.
        server.databases["defaultdb"].write([(KEY, VALUE)], time_s=0)

    with pytest.raises(VerificationError) as caught:
        await ask(client)

    assert caught.value.check == Check.HISTORY


@pytest.mark.parametrize("ask", [write, read, read_all, advance])
async def test_history_of_an_old_server_is_refused(
    server: ImmudbTestServer, client: ImmudbClient, ask: Callable[[ImmudbClient], Awaitable[Any]]
) -> None:
    """
    Transactions that commit to a tree that lags behind could hide a change, and are named.
    """
    server.databases["defaultdb"].tree_lag = 2
    for number in range(1, TRANSACTIONS + 1):
        await client.set_all({b"key-%d" % number: b"value-%d" % number})

    with pytest.raises(VerificationError, match=r"older than immudb 1\.3\.2") as caught:
        await (ask(client) if ask is not advance else client.verified_get(b"key-8"))

    assert caught.value.check == Check.LAGGING_TREE


async def test_forged_state_does_not_replace_trust(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    What the server says of its state only tells which transaction to ask for.
    """
    receipts = await filled(client)
    server.lie(Lie.FORGED_STATE)

    assert (await client.current_state()).alh == bytes(32)
    assert await client.advance() == receipts[-1].head


async def test_claimed_transactions_are_not_there(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    A state that is not reached cannot be proved.
    """
    receipts = await filled(client)
    server.lie(Lie.CLAIMED_TRANSACTIONS)

    with pytest.raises(ImmudbNotFoundError):
        await client.advance()

    assert await client.head() == receipts[-1].head


async def test_forged_state_at_first_contact_is_found_at_the_first_proof(server: ImmudbTestServer) -> None:
    """
    Trust on first use trusts anything, but nothing honest ever follows from a forgery.
    """
    server.databases["defaultdb"].write([(KEY, VALUE)], time_s=0)
    server.lie(Lie.FORGED_STATE)
    async with ImmudbClient(server.url, trust_on_first_use=True) as client:
        with pytest.raises(VerificationError):
            await client.verified_get(KEY)
        server.lie()
        with pytest.raises(VerificationError):
            await client.verified_get(KEY)


async def test_server_finds_its_files_changed(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    That is an error of its own, also without verification.
    """
    await filled(client)
    for ask in (client.verified_get, client.get):
        server.fail("data is corrupted: value length or digest mismatch")

        with pytest.raises(ServerDamagedError):
            await ask(KEY)


@pytest.mark.parametrize("lie", [Lie.FORGED_SIGNATURE, Lie.MISSING_SIGNATURE])
async def test_state_must_be_signed_where_a_key_is_known(lie: Lie) -> None:
    """
    At the first contact and later; a right signature is accepted for every kind of call.
    """
    async with ImmudbTestServer(signs=True) as server:
        key = server.public_key
        async with ImmudbClient(server.url, trust_on_first_use=True, server_public_key=key) as client:
            await filled(client)
            for ask in (write, read, read_all, advance):
                await ask(client)
                server.lie(lie)
                with pytest.raises(StateSignatureError) as caught:
                    await ask(client)
                server.lie()
                assert caught.value.check == Check.SIGNATURE
        server.lie(lie)
        async with ImmudbClient(server.url, trust_on_first_use=True, server_public_key=key) as stranger:
            with pytest.raises(StateSignatureError):
                await stranger.verified_get(KEY)
            assert await stranger.head() is None


async def test_another_servers_key_is_not_enough(server: ImmudbTestServer) -> None:
    """
    A server without a key, or with another one, is not the one that is known.
    """
    async with ImmudbTestServer(signs=True) as known, ImmudbTestServer(signs=True) as other:
        for wrong in (server, other):
            async with ImmudbClient(wrong.url, trust_on_first_use=True, server_public_key=known.public_key) as client:
                with pytest.raises(StateSignatureError):
                    await client.verified_set(b"key", b"value")


async def test_server_that_calls_itself_another_is_compared_with_the_same_trust(
    server: ImmudbTestServer, caplog: pytest.LogCaptureFixture
) -> None:
    """
    CVE-2022-39199: clients that chose what to compare by the server's own word could be led away from it.
    """
    trust = MemoryTrustStore()
    async with ImmudbClient(server.url, trust=trust, trust_on_first_use=True) as client:
        await filled(client)
    server.uuid = "somebody else"
    server.fork(3)

    async with ImmudbClient(server.url, trust=trust, trust_on_first_use=True) as client:
        with caplog.at_level(logging.WARNING), pytest.raises(VerificationError) as caught:
            await client.verified_set(b"key", b"value")

    assert caught.value.check == Check.HISTORY
    assert "immudb.server_changed" in caplog.text


async def test_two_clients_that_are_shown_two_histories_find_out(server: ImmudbTestServer) -> None:
    """
    Whoever compares heads with somebody else sees a split view.
    """
    async with ImmudbClient(server.url, trust_on_first_use=True) as one:
        await filled(one)
        theirs = await one.verified_set(b"key", b"for one")
    server.roll_back(TRANSACTIONS)
    async with ImmudbClient(server.url, trust_on_first_use=True) as two:
        await two.verified_set(b"key", b"for two")

        with pytest.raises(VerificationError) as caught:
            await two.prove_since(theirs.head)

    assert caught.value.check == Check.HISTORY


async def test_head_beyond_the_servers_last_is_a_rollback(server: ImmudbTestServer, client: ImmudbClient) -> None:
    """
    Somebody noted a transaction that is not there any more.
    """
    receipts = await filled(client)
    server.roll_back(4)
    async with ImmudbClient(server.url, trust_on_first_use=True) as stranger:
        with pytest.raises(RollbackError):
            await stranger.prove_since(receipts[-1].head)


async def test_server_that_writes_down_who_asked_is_believed() -> None:
    """
    Metadata of transactions are hashed like the rest; other clients take them for a lie.
    """
    async with (
        ImmudbTestServer(logs_requests=True) as server,
        ImmudbClient(server.url, trust_on_first_use=True) as client,
    ):
        receipts = await filled(client)

        assert (await client.verified_get(KEY)).tx == TX
        assert (await client.verified_tx(TX)).receipt == receipts[TX - 1]
