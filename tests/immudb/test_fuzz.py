"""
Answers with flipped bits: whatever is still believed says what it said before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from eventsource.immudb import Head
from eventsource.immudb.check import CheckFailedError
from eventsource.immudb.messages import DecodeError, new, parse
from eventsource.immudb.verifier import (
    Verified,
    verify_entry,
    verify_position,
    verify_transaction,
    verify_write,
)
from eventsource.testing.contract.chance import IS_LONG
from eventsource.testing.immudb import Database

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    Verify = Callable[[bytes], Verified[Any]]

ENTRIES = [(b"key", b"value"), (b"other", bytes(40)), (b"third", b"")]
TRANSACTIONS, TX, TRUSTED = 13, 6, 11


def recorded() -> tuple[Database, Head]:
    """
    A database of which a state before the last is trusted; its transactions say who made them.
    """
    database = Database("defaultdb")
    for _ in range(TRANSACTIONS):
        database.write(ENTRIES, time_s=1_700_000_000, extra=b"user=immudb")
    return database, Head(TRUSTED, database.alh(TRUSTED))


def a_write() -> tuple[bytes, Verify]:
    """
    The answer to a write, and what it proves.
    """
    database, trusted = recorded()
    answer = database.verifiable_tx(TRANSACTIONS, since=TRUSTED)
    return answer.SerializeToString(), lambda sent: verify_write(ENTRIES, trusted, parse("VerifiableTx", sent))


def a_key() -> tuple[bytes, Verify]:
    """
    The answer to a read of a key, older than what is trusted.
    """
    database, trusted = recorded()
    request = new("VerifiableGetRequest", keyRequest=new("KeyRequest", key=b"key", atTx=TX), proveSinceTx=TRUSTED)
    answer = database.verifiable_entry(request)
    return (
        answer.SerializeToString(),
        lambda sent: verify_entry(b"key", trusted, parse("VerifiableEntry", sent), at_tx=TX),
    )


def a_newer_key() -> tuple[bytes, Verify]:
    """
    The answer to a read of a key that moves trust forward.
    """
    database, trusted = recorded()
    request = new("VerifiableGetRequest", keyRequest=new("KeyRequest", key=b"other"), proveSinceTx=TRUSTED)
    answer = database.verifiable_entry(request)
    return answer.SerializeToString(), lambda sent: verify_entry(b"other", trusted, parse("VerifiableEntry", sent))


def a_transaction() -> tuple[bytes, Verify]:
    """
    The answer to a read of a whole transaction.
    """
    database, trusted = recorded()
    kinds = new("EntriesSpec", kvEntriesSpec=new("EntryTypeSpec", action=2))
    answer = database.verifiable_tx(TX, since=TRUSTED, kinds=kinds)
    return answer.SerializeToString(), lambda sent: verify_transaction(TX, trusted, parse("VerifiableTx", sent))


def a_position() -> tuple[bytes, Verify]:
    """
    The answer to a question for consistency.
    """
    database, trusted = recorded()
    answer = database.verifiable_tx(TX, since=TRUSTED, kinds=new("EntriesSpec"))
    return answer.SerializeToString(), lambda sent: verify_position(TX, trusted, parse("VerifiableTx", sent))


@pytest.mark.parametrize("record", [a_write, a_key, a_newer_key, a_transaction, a_position])
def test_flipped_bit_changes_nothing_that_is_returned(
    record: Callable[[], tuple[bytes, Verify]], rng: random.Random
) -> None:
    """
    Of each byte some bits, in the long form all: the answer is refused, or returns what it returned before.
    """
    answer, verify = record()
    honest = verify(answer)
    refused = 0
    bits = range(8) if IS_LONG else (0, 7, rng.randrange(1, 7))
    for place in range(len(answer)):
        for bit in bits:
            changed = bytearray(answer)
            changed[place] ^= 1 << bit
            try:
                found = verify(bytes(changed))
            except (CheckFailedError, DecodeError):
                refused += 1
            else:
                assert (found.found, found.head) == (honest.found, honest.head), (place, bit)

    # Most of an answer matters.
    assert refused > len(answer)


@pytest.mark.parametrize("record", [a_write, a_key, a_newer_key, a_transaction, a_position])
def test_cut_answer_is_refused_or_says_the_same(record: Callable[[], tuple[bytes, Verify]]) -> None:
    """
    At whatever byte it ends.
    """
    answer, verify = record()
    honest = verify(answer)
    for end in range(len(answer)):
        try:
            found = verify(answer[:end])
        except (CheckFailedError, DecodeError):
            continue
        assert (found.found, found.head) == (honest.found, honest.head), end


def test_random_bytes_prove_nothing(rng: random.Random) -> None:
    """
    Nor do they break anything.
    """
    for _ in range(2_000):
        garbage = rng.randbytes(rng.randrange(300))
        for record in (a_write, a_key):
            with pytest.raises((CheckFailedError, DecodeError)):
                _PROVERS[record.__name__](garbage)


_PROVERS = {record.__name__: record()[1] for record in (a_write, a_key)}
