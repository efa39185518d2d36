"""
The keys that heads are signed with, and the texts they are kept as.

Ed25519 throughout. The texts are those of the signed note format, which other tools read and write too:
a signing key is ``PRIVATE+KEY+NAME+ID+BASE64``, a verifying key ``NAME+ID+BASE64``.

Source:
    C2SP signed-note, tlog-cosignature; golang.org/x/mod/sumdb/note for the text of signing keys.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from enum import IntEnum
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from eventsource import private_files
from eventsource.notary.errors import SignedHeadError
from eventsource.root_error import MissingExtraError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_PRIVATE: Final = "PRIVATE+KEY+"
_NAME: Final = re.compile(r"[^\s+]{1,255}")
_SEED_BYTES: Final = 32


class KeyKind(IntEnum):
    """
    What a key signs, as the first byte of its text has it.
    """

    # The text of the head itself.
    LOG = 0x01
    # The same with a time in front: what a witness says of a head.
    WITNESS = 0x04


@attrs.frozen
class VerifyingKey:
    """
    What tells whether a head was signed by whom it names.

    Attributes:
        name: Whose it is, such as ``bank.example/notary``; without white space and plus signs.

        public: The 32 bytes of the Ed25519 key.

        kind: The role it signs in: the log, or a witness.

    Raises:
        SignedHeadError: *name* or *public* is none.
    """

    name: str = attrs.field(validator=lambda _, __, name: _check_key_name(name))
    public: bytes = attrs.field(repr=False, validator=lambda _, __, public: _check_length(public))
    kind: KeyKind = KeyKind.LOG

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Read ``NAME+ID+BASE64``.

        Raises:
            SignedHeadError: It is no such text, or its id is not that of its key.
        """
        name, _, rest = text.strip().partition("+")
        id_text, _, encoded = rest.partition("+")
        kind, public = _decode(encoded)
        key = cls(name, public, kind)
        if key.id.hex() != id_text:
            msg = "a verifying key is not the one that its id names"
            raise SignedHeadError(msg)
        return key

    @property
    def id(self) -> bytes:
        """
        Four bytes that signatures name the key by. They prove nothing.
        """
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def fits(self, message: bytes, signature: bytes) -> bool:
        """
        True if the owner of the key signed *message*.

        Raises:
            MissingExtraError: The extra ``notary`` is not installed.
        """
        ed25519, invalid = _load()
        try:
            ed25519.Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (invalid, ValueError):
            return False
        return True

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{encoded}"


class SigningKey:
    """
    Signs heads. Whoever has it can sign any head, so it stands in a file of its own that only the notary reads.

    Args:
        name: Whose it is, such as ``bank.example/notary``.

        seed: The 32 bytes it is made from.

        kind: The role it signs in: the log, or a witness.

    Raises:
        SignedHeadError: *name* or *seed* is none.
        MissingExtraError: The extra ``notary`` is not installed.
    """

    def __init__(self, name: str, seed: bytes, kind: KeyKind = KeyKind.LOG) -> None:
        _check_key_name(name)
        _check_length(seed)
        ed25519, _ = _load()
        self._seed = seed
        self._key: Ed25519PrivateKey = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
        self.verifying = VerifyingKey(name, self._key.public_key().public_bytes_raw(), kind)

    @classmethod
    def generate(cls, name: str, kind: KeyKind = KeyKind.LOG) -> Self:
        """
        A new key.
        """
        return cls(name, os.urandom(_SEED_BYTES), kind)

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Read ``PRIVATE+KEY+NAME+ID+BASE64``.

        Raises:
            SignedHeadError: It is no such text, or its id is not that of its key.
        """
        text = text.strip()
        name, _, rest = text.removeprefix(_PRIVATE).partition("+")
        id_text, _, encoded = rest.partition("+")
        if not text.startswith(_PRIVATE):
            msg = "a signing key starts with PRIVATE+KEY+"
            raise SignedHeadError(msg)
        kind, seed = _decode(encoded)
        key = cls(name, seed, kind)
        if key.verifying.id.hex() != id_text:
            msg = "a signing key is not the one that its id names"
            raise SignedHeadError(msg)
        return key

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """
        Read a key from its file.

        Raises:
            SignedHeadError: The file holds none.
            OSError: It cannot be read.
        """
        return cls.parse(Path(path).read_text(encoding="utf-8"))

    @classmethod
    def load_or_generate(cls, path: str | os.PathLike[str], name: str) -> Self:
        """
        Read a key from its file; where there is none, make one that only the owner can read.

        Raises:
            SignedHeadError: The file holds none.
            UnsafeFileError: Others may use the file, or it is none: a symbolic link, a directory.
            OSError: It cannot be read or made.
        """
        path = Path(path)
        if private_files.look(path) is not None:
            found = cls.load(path)
            # Behind reading it: the mode of a file that holds something else stays.
            private_files.claim(path)
            return found
        key = cls.generate(name)
        try:
            with private_files.replacing(path, overwrite=False) as file:
                file.write(f"{key.to_text()}\n".encode())
        except FileExistsError:
            # Another process has made one meanwhile.
            return cls.load(path)
        return key

    @property
    def name(self) -> str:
        """
        Whose it is.
        """
        return self.verifying.name

    def sign(self, message: bytes) -> bytes:
        """
        The 64 bytes of the signature.
        """
        return self._key.sign(message)

    def to_text(self) -> str:
        """
        The key as text: whoever reads it can sign.
        """
        encoded = base64.b64encode(bytes([self.verifying.kind]) + self._seed).decode()
        return f"{_PRIVATE}{self.name}+{self.verifying.id.hex()}+{encoded}"

    def __repr__(self) -> str:
        return f"<SigningKey {self.name}+{self.verifying.id.hex()}>"


def _check_key_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        msg = "the name of a key has 1 to 255 characters, no white space and no plus signs"
        raise SignedHeadError(msg)


def _check_length(raw: bytes) -> None:
    if len(raw) != _SEED_BYTES:
        msg = "an Ed25519 key has 32 bytes"
        raise SignedHeadError(msg)


def _decode(encoded: str) -> tuple[KeyKind, bytes]:
    try:
        raw = base64.b64decode(encoded, validate=True)
        return KeyKind(raw[0]), raw[1:]
    except (binascii.Error, IndexError, ValueError):
        msg = "the text of a key is NAME+ID+BASE64, of an Ed25519 key"
        raise SignedHeadError(msg) from None


def _load() -> tuple[Any, Any]:
    # The extra `notary`: whoever keeps a log without signing it needs nothing more.
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415
    except ModuleNotFoundError:
        extra = "notary"
        raise MissingExtraError(extra, purpose="signing heads and checking signatures") from None
    return ed25519, InvalidSignature
