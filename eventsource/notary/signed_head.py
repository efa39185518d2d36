"""
Signed heads: what a ledger held at a moment, in three lines of text that can be kept anywhere.

A head is what a verifier remembers of a ledger. In the signed note format it can be read, signed and
countersigned ("cosigned") by tools of others; C2SP calls it a checkpoint.

Source:
    C2SP tlog-checkpoint, signed-note, tlog-cosignature, tlog-witness.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final, Self

import attrs

from eventsource.merkle import HASH_BYTES
from eventsource.notary.errors import SignedHeadError
from eventsource.notary.keys import KeyKind
from eventsource.notary.ledger import Head

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eventsource.notary.keys import SigningKey, VerifyingKey

_SIGNATURE: Final = re.compile(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_ID_BYTES: Final = 4
_TIME_BYTES: Final = 8
# A head is three lines and a handful of signatures; what is longer is none.
_MAX_TEXT: Final = 1_000_000


@attrs.frozen
class Signature:
    """
    A signature under a head, or one by a witness.

    Attributes:
        name: Of the key, as the signature says.

        key_id: Four bytes of it.

        payload: What follows: of a log's key the 64 bytes of the signature, of a witness's eight bytes of
            time in front of them.
    """

    name: str
    key_id: bytes
    payload: bytes


@attrs.frozen
class SignedHead:
    """
    A head with the signatures under it.

    Attributes:
        head: The head.

        extensions: Further lines of its text, signed with it.

        signatures: As they stand there; whether they are true, `signers` tells.
    """

    head: Head
    extensions: tuple[str, ...] = ()
    signatures: tuple[Signature, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Read a signed note.

        Raises:
            SignedHeadError: It is none, or no head.
        """
        if len(text) > _MAX_TEXT:
            raise _malformed(what="it is too long")
        # The signatures stand behind the last empty line.
        body, separator, below = text.rpartition("\n\n")
        if not separator:
            body, below = text.removesuffix("\n"), ""
        lines = body.split("\n")
        if len(lines) < 3 or not all(lines):  # noqa: PLR2004  origin, size, root
            raise _malformed(what="origin, size and root are three lines")
        origin, size, root, *extensions = lines
        if not _SIZE.fullmatch(size):
            raise _malformed(what="its second line is no size")
        return cls(
            Head(origin=origin, size=int(size), root=_decode_root(root)),
            tuple(extensions),
            tuple(_read_signature(line) for line in below.removesuffix("\n").split("\n") if below),
        )

    @property
    def body(self) -> str:
        """
        The text that is signed.
        """
        encoded = base64.b64encode(self.head.root).decode()
        return "".join(f"{line}\n" for line in (self.head.origin, str(self.head.size), encoded, *self.extensions))

    def __str__(self) -> str:
        lines = [
            f"\u2014 {one.name} {base64.b64encode(one.key_id + one.payload).decode()}\n" for one in self.signatures
        ]
        return "\n".join([self.body, "".join(lines)]) if lines else self.body

    def signed(self, key: SigningKey, *, time_s: int | None = None) -> Self:
        """
        The same with a signature of *key* added; one by that key which is there is replaced.

        Args:
            time_s: When, in seconds since 1970 UTC: what a witness states; a log's key states none.

        Raises:
            ValueError: A witness needs a time, a log's key none.
        """
        verifying = key.verifying
        if (verifying.kind is KeyKind.WITNESS) != (time_s is not None):
            msg = "a witness states the time, a log does not"
            raise ValueError(msg)
        stamp = b"" if time_s is None else time_s.to_bytes(_TIME_BYTES, "big")
        signature = Signature(verifying.name, verifying.id, stamp + key.sign(self._message(stamp)))
        return self.with_signatures([signature])

    def with_signatures(self, signatures: Iterable[Signature]) -> Self:
        """
        The same with *signatures* added, as witnesses return them; each key signs once.
        """
        by_key = {(one.name, one.key_id): one for one in (*self.signatures, *signatures)}
        return attrs.evolve(self, signatures=tuple(by_key.values()))

    def signers(self, keys: Sequence[VerifyingKey]) -> tuple[str, ...]:
        """
        The names of those of *keys* under whose true signature the head stands.

        Signatures of other keys say nothing. One that names a key of these and is not by it is no
        mishap, so it is told.

        Raises:
            SignedHeadError: A signature names one of *keys* and is not by it.
        """
        found: list[str] = []
        for signature in self.signatures:
            for key in keys:
                if (key.name, key.id) == (signature.name, signature.key_id):
                    if not self._is_true(signature, key):
                        msg = f"the signature of {key.name} under a head is forged: it is not by that key"
                        raise SignedHeadError(msg)
                    found.append(key.name)
        return tuple(found)

    def _is_true(self, signature: Signature, key: VerifyingKey) -> bool:
        stamp_bytes = _TIME_BYTES if key.kind is KeyKind.WITNESS else 0
        stamp, raw = signature.payload[:stamp_bytes], signature.payload[stamp_bytes:]
        return len(stamp) == stamp_bytes and key.fits(self._message(stamp), raw)

    def _message(self, stamp: bytes) -> bytes:
        if not stamp:
            return self.body.encode()
        return f"cosignature/v1\ntime {int.from_bytes(stamp, 'big')}\n{self.body}".encode()


def to_witness_request(old_size: int, path: Sequence[bytes], head: SignedHead) -> str:
    """
    What a witness is asked with (``add-checkpoint``): the size it last saw, why *head* follows it, and *head*.
    """
    lines = [f"old {old_size}", *(base64.b64encode(term).decode() for term in path), "", str(head)]
    return "\n".join(lines)


def read_signatures(text: str) -> tuple[Signature, ...]:
    """
    The signature lines that a witness answers with.

    Raises:
        SignedHeadError: A line is none.
    """
    return tuple(_read_signature(line) for line in text.removesuffix("\n").split("\n") if text)


def _read_signature(line: str) -> Signature:
    found = _SIGNATURE.fullmatch(line)
    if not found:
        raise _malformed(what="a line behind the empty one is no signature")
    try:
        raw = _from_base64(found[2])
    except binascii.Error:
        raise _malformed(what="a signature is no base64") from None
    return Signature(found[1], raw[:_ID_BYTES], raw[_ID_BYTES:])


def _from_base64(text: str) -> bytes:
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        # Bits that no byte is made of may differ otherwise, and two texts would be one signature.
        raise binascii.Error
    return raw


def _decode_root(text: str) -> bytes:
    try:
        root = _from_base64(text)
    except binascii.Error:
        raise _malformed(what="its root is no base64") from None
    if len(root) != HASH_BYTES:
        raise _malformed(what="its root has not 32 bytes")
    return root


def _malformed(*, what: str) -> SignedHeadError:
    return SignedHeadError(f"this is no signed head: {what}")
