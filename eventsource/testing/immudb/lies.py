"""
What the test server can be told to lie about.

Each lie changes an answer on its way out, as somebody could who has the server in hand. Other kinds of
tampering are done to the server itself: see `ImmudbTestServer.roll_back` and its neighbours.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventsource.testing.immudb.database import Database


@attrs.frozen
class _Change:
    """
    A change of an answer. Gives back whether it applied.
    """

    change: Callable[[Any, Any, Database], bool]


def _entry(answer: Any) -> Any:
    return answer.entry if "entry" in answer.DESCRIPTOR.fields_by_name else None


def _tx(answer: Any) -> Any:
    """
    The transaction in a verifiable answer; None in any other.
    """
    fields = answer.DESCRIPTOR.fields_by_name
    if "verifiableTx" in fields:
        return answer.verifiableTx
    return answer if "dualProof" in fields else None


def _flip(digest: bytes) -> bytes:
    return bytes([digest[0] ^ 1]) + digest[1:]


def _change_value(_request: Any, answer: Any, _database: Database) -> bool:
    if (entry := _entry(answer)) is not None:
        entry.value += b"!"
        return True
    verifiable = _tx(answer)
    if verifiable is None or not verifiable.tx.entries or not verifiable.tx.entries[0].value:
        return False
    verifiable.tx.entries[0].value += b"!"
    return True


def _change_key(_request: Any, answer: Any, _database: Database) -> bool:
    if (entry := _entry(answer)) is not None:
        entry.key += b"!"
        return True
    verifiable = _tx(answer)
    if verifiable is None or not verifiable.tx.entries:
        return False
    verifiable.tx.entries[0].key += b"!"
    return True


def _change_time(_request: Any, answer: Any, _database: Database) -> bool:
    if (verifiable := _tx(answer)) is None:
        return False
    verifiable.tx.header.ts += 3600
    return True


def _change_transaction_number(_request: Any, answer: Any, _database: Database) -> bool:
    if (entry := _entry(answer)) is None:
        return False
    entry.tx += 1
    return True


def _answer_with_another_transaction(request: Any, answer: Any, database: Database) -> bool:
    """
    An honest answer to another question, proof and all.
    """
    fields = answer.DESCRIPTOR.fields_by_name
    if "dualProof" not in fields or not answer.tx.header.id or "entriesSpec" not in request.DESCRIPTOR.fields_by_name:
        return False
    other = answer.tx.header.id - 1 or 2
    answer.CopyFrom(database.verifiable_tx(other, since=request.proveSinceTx, kinds=request.entriesSpec))
    return True


def _leave_out_an_entry(_request: Any, answer: Any, _database: Database) -> bool:
    verifiable = _tx(answer)
    if verifiable is None or _entry(answer) is not None or not verifiable.tx.entries:
        return False
    del verifiable.tx.entries[0]
    verifiable.tx.header.nentries -= 1
    return True


def _repeat_an_old_answer(request: Any, answer: Any, database: Database) -> bool:
    """
    A write is answered with the proof of an earlier one.
    """
    if "setRequest" not in request.DESCRIPTOR.fields_by_name or answer.tx.header.id < 2:  # noqa: PLR2004  a first one
        return False
    answer.CopyFrom(database.verifiable_tx(answer.tx.header.id - 1, since=request.proveSinceTx))
    return True


def _break_history(_request: Any, answer: Any, _database: Database) -> bool:
    verifiable = _tx(answer)
    if verifiable is None or not verifiable.dualProof.lastInclusionProof:
        return False
    verifiable.dualProof.lastInclusionProof[0] = _flip(verifiable.dualProof.lastInclusionProof[0])
    return True


def _break_inclusion(_request: Any, answer: Any, _database: Database) -> bool:
    if (verifiable := _tx(answer)) is None or not verifiable.dualProof.inclusionProof:
        return False
    verifiable.dualProof.inclusionProof[0] = _flip(verifiable.dualProof.inclusionProof[0])
    return True


def _break_consistency(_request: Any, answer: Any, _database: Database) -> bool:
    if (verifiable := _tx(answer)) is None or not verifiable.dualProof.consistencyProof:
        return False
    verifiable.dualProof.consistencyProof[-1] = _flip(verifiable.dualProof.consistencyProof[-1])
    return True


def _leave_out_the_proof(_request: Any, answer: Any, _database: Database) -> bool:
    if (verifiable := _tx(answer)) is None:
        return False
    verifiable.ClearField("dualProof")
    return True


def _shorten_a_hash(_request: Any, answer: Any, _database: Database) -> bool:
    if (verifiable := _tx(answer)) is None:
        return False
    verifiable.tx.header.eH = verifiable.tx.header.eH[:-1]
    return True


def _use_an_unknown_version(_request: Any, answer: Any, _database: Database) -> bool:
    if (verifiable := _tx(answer)) is None:
        return False
    verifiable.tx.header.version = 7
    return True


def _answer_with_a_reference(_request: Any, answer: Any, _database: Database) -> bool:
    if (entry := _entry(answer)) is None:
        return False
    entry.referencedBy.key = entry.key
    entry.referencedBy.tx = entry.tx
    return True


def _say_it_is_deleted(_request: Any, answer: Any, _database: Database) -> bool:
    if (entry := _entry(answer)) is None:
        return False
    entry.metadata.deleted = True
    return True


def _forge_the_state(_request: Any, answer: Any, _database: Database) -> bool:
    if "txHash" not in answer.DESCRIPTOR.fields_by_name:
        return False
    answer.txHash = bytes(32)
    return True


def _claim_more_transactions(_request: Any, answer: Any, _database: Database) -> bool:
    if "txHash" not in answer.DESCRIPTOR.fields_by_name:
        return False
    answer.txId += 1_000
    return True


def _signature(answer: Any) -> Any:
    if "txHash" in answer.DESCRIPTOR.fields_by_name:
        return answer.signature
    verifiable = _tx(answer)
    return verifiable.signature if verifiable is not None else None


def _forge_the_signature(_request: Any, answer: Any, _database: Database) -> bool:
    if (signature := _signature(answer)) is None:
        return False
    signature.signature = b"0" * 70
    return True


def _leave_out_the_signature(_request: Any, answer: Any, _database: Database) -> bool:
    if (signature := _signature(answer)) is None:
        return False
    signature.ClearField("signature")
    return True


class Lie(Enum):
    """
    Lies, by what they change in answers.
    """

    CHANGED_VALUE = _Change(_change_value)
    """A value is another one."""

    CHANGED_KEY = _Change(_change_key)
    """A key is another one."""

    CHANGED_TIME = _Change(_change_time)
    """A transaction was made at another time."""

    CHANGED_TRANSACTION = _Change(_change_transaction_number)
    """A key was written by another transaction."""

    ANOTHER_TRANSACTION = _Change(_answer_with_another_transaction)
    """An honest answer, with its proof, to the question for another transaction."""

    MISSING_ENTRY = _Change(_leave_out_an_entry)
    """A transaction wrote less than it did."""

    OLD_ANSWER = _Change(_repeat_an_old_answer)
    """A write is answered with the proof of the one before it."""

    BROKEN_HISTORY = _Change(_break_history)
    """The transaction does not follow those before it."""

    BROKEN_INCLUSION = _Change(_break_inclusion)
    """The trusted transaction is not in the history of the answered one, or the other way round."""

    BROKEN_CONSISTENCY = _Change(_break_consistency)
    """The history before the trusted transaction is another one."""

    MISSING_PROOF = _Change(_leave_out_the_proof)
    """There is no proof at all."""

    SHORT_HASH = _Change(_shorten_a_hash)
    """A hash has 31 bytes."""

    UNKNOWN_VERSION = _Change(_use_an_unknown_version)
    """A header has a form that nobody knows."""

    REFERENCE = _Change(_answer_with_a_reference)
    """The key is said to be a reference to another one."""

    DELETED = _Change(_say_it_is_deleted)
    """The key is said to be deleted."""

    FORGED_STATE = _Change(_forge_the_state)
    """The current state is another one."""

    CLAIMED_TRANSACTIONS = _Change(_claim_more_transactions)
    """The current state speaks of transactions that are not there."""

    FORGED_SIGNATURE = _Change(_forge_the_signature)
    """The signature is somebody else's."""

    MISSING_SIGNATURE = _Change(_leave_out_the_signature)
    """The state is not signed."""

    def tell(self, request: Any, answer: Any, database: Database) -> bool:
        """
        Change *answer* so, if it is one that this lie is about.

        Returns:
            True if it is.
        """
        return self.value.change(request, answer, database)
