"""
The server's signature of its state: binds an immudb to a key, and not only to the first contact.

Source:
    immudb started with ``--signingKey``: ECDSA over P-256 with SHA-256, in DER, of the length of the
    database's name (4 bytes), the name, the transaction (8 bytes) and its accumulated hash.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from eventsource.errors import MissingExtraError
from eventsource.immudb.check import Check, CheckFailedError

if TYPE_CHECKING:
    from eventsource.immudb.results import Head


def signed_state(database: str, head: Head) -> bytes:
    """
    What a server signs.
    """
    name = database.encode()
    return struct.pack(">I", len(name)) + name + struct.pack(">Q", head.tx) + head.alh


class StateKey:
    """
    The public key of a server.

    Args:
        pem: As ``openssl ec -pubout`` writes it.

    Raises:
        MissingExtraError: The extra ``notary`` is not installed.
        ValueError: It is no public key on the curve P-256.
    """

    def __init__(self, pem: bytes) -> None:
        try:
            # Here, so that whoever has no key needs it not.
            from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
            from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
            from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
        except ModuleNotFoundError:
            extra = "notary"
            raise MissingExtraError(extra, purpose="checking the signature of an immudb") from None
        key = serialization.load_pem_public_key(pem)
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            msg = "an immudb signs with a key on the curve P-256, and this is none"
            raise ValueError(msg)  # noqa: TRY004  the argument is bytes all the same
        self._key = key
        self._algorithm = ec.ECDSA(hashes.SHA256())
        self._invalid = InvalidSignature

    def check(self, database: str, head: Head, signature: bytes) -> None:
        """
        Demand that the server signed this state.

        Raises:
            CheckFailedError: It did not.
        """
        if not signature:
            raise CheckFailedError(Check.SIGNATURE, "the server did not sign its state")
        try:
            self._key.verify(signature, signed_state(database, head), self._algorithm)
        except self._invalid:
            raise CheckFailedError(Check.SIGNATURE, "the state is not signed by the key of the server") from None
