"""
The key that the test server signs its state with.
"""

from __future__ import annotations

from eventsource.immudb.results import Head
from eventsource.immudb.trust import signed_state
from eventsource.root_error import MissingExtraError


class StateSigner:
    """
    A new key, and what it signs.

    Raises:
        MissingExtraError: The extra ``notary`` is not installed.
    """

    def __init__(self) -> None:
        try:
            from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
            from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
        except ModuleNotFoundError:
            extra = "notary"
            raise MissingExtraError(extra, purpose="signing as an immudb does") from None
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._algorithm = ec.ECDSA(hashes.SHA256())
        self.public_key = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, database: str, tx: int, alh: bytes) -> bytes:
        """
        The signature of a state.
        """
        return self._key.sign(signed_state(database, Head(tx, alh)), self._algorithm)
