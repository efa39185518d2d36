"""
What is checked in an answer, and how a check fails.
"""

from __future__ import annotations

from enum import StrEnum


class Check(StrEnum):
    """
    The checks, by the names that a `VerificationError` carries.
    """

    ANSWER = "answer"
    """The answer is a message of the right kind, each digest 32 bytes, each number in its range."""

    HEADER_VERSION = "header-version"
    """The header has a form that is known here."""

    LAGGING_TREE = "lagging-tree"
    """A transaction commits to the tree of all before it, as every server since immudb 1.3.2 does."""

    TRANSACTION = "transaction"
    """The answer is about the transaction that was asked for."""

    HEADERS = "headers"
    """The headers that the proof speaks of are those of the trusted and of the answered transaction."""

    ENTRIES = "entries"
    """The entries of the transaction are those that were written, or whose hash its header holds."""

    ENTRY_INCLUSION = "entry-inclusion"
    """Key and value are in the transaction."""

    ENTRY_VALUE = "entry-value"
    """A value has the hash that its transaction holds."""

    REFERENCE = "reference"
    """The answer is the key itself and no reference to another: what that one holds would not be proved."""

    HISTORY = "history"
    """The trusted and the answered transaction lie in one history."""

    FIRST_TRANSACTION = "first-transaction"
    """Nothing stands before the first transaction."""

    ROLLBACK = "rollback"
    """The server has all that it once had."""

    SIGNATURE = "signature"
    """The server signed its state with the key it is known by."""

    SERVER_DAMAGED = "server-damaged"
    """The server finds its own files unchanged."""


class CheckFailedError(Exception):
    """
    A check failed; the client makes a `VerificationError` of it, with the evidence.

    Attributes:
        check: Which one.

        problem: What is wrong, in words.
    """

    def __init__(self, check: Check, problem: str) -> None:
        super().__init__(f"{check}: {problem}")
        self.check = check
        self.problem = problem


def demand(holds: bool, check: Check, problem: str) -> None:  # noqa: FBT001  it reads as a sentence
    """
    Go on only if it holds.

    Raises:
        CheckFailedError: It does not.
    """
    if not holds:
        raise CheckFailedError(check, problem)
