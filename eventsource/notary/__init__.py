"""
The notary: tamper evidence for an event store, from outside of it.
"""

from eventsource.notary.book import NotaryBook
from eventsource.notary.embedded_ledger import EmbeddedLedger
from eventsource.notary.event_receipt import EventReceipt, make_receipt
from eventsource.notary.findings import Finding, Verdict
from eventsource.notary.kept_states import KeptStates
from eventsource.notary.keys import KeyKind, SigningKey, VerifyingKey
from eventsource.notary.ledger import Entry, Head, Ledger, Proved, Receipt
from eventsource.notary.notary import Notary
from eventsource.notary.open import open_ledger
from eventsource.notary.signed_head import SignedHead
from eventsource.notary.status import NotaryStatus
from eventsource.notary.verification import verify

__all__ = [
    "EmbeddedLedger",
    "Entry",
    "EventReceipt",
    "Finding",
    "Head",
    "KeptStates",
    "KeyKind",
    "Ledger",
    "Notary",
    "NotaryBook",
    "NotaryStatus",
    "Proved",
    "Receipt",
    "SignedHead",
    "SigningKey",
    "Verdict",
    "VerifyingKey",
    "make_receipt",
    "open_ledger",
    "verify",
]
