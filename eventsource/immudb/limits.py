"""
What an immudb takes. Checked before anything is sent, so that a refusal is certain and says what to change.

Source:
    Measured against immudb 1.11.1 with its defaults.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias, cast

from eventsource.immudb.errors import ImmudbLimitError, NotBytesError, PasswordPolicyError

# 1,024, one of which is the byte that stands before each key.
MAX_KEY_BYTES: Final = 1_023

MAX_ENTRIES: Final = 1_024

# What one answer holds at the most.
MAX_RESULTS: Final = 2_500

# 32 MiB: what an immudb takes in one message. gRPC itself would read 4, so that larger values could be written
# and not be read again.
MAX_MESSAGE_BYTES: Final = 32 * 1024 * 1024

# More than 30 at once are refused; two are left for others.
MAX_WRITES: Final = 28

_MAX_64: Final = 2**64 - 1

_KEY_BYTES: Final = "bytes of a key"
_KEYS: Final = "keys of one call"
_REPEATS: Final = "times that a key is named in one call"
_SEVERAL_KEYS: Final = "key within a list"

BytesLike: TypeAlias = bytes | bytearray | memoryview
"""What can be a key or a value."""

Entries: TypeAlias = Mapping[bytes, bytes] | Iterable[tuple[BytesLike, BytesLike]]
"""Keys and values in order."""


def check_bytes(argument: str, given: object) -> bytes:
    """
    Demand bytes, or what is like them.

    Raises:
        NotBytesError: It is text, or something else.
    """
    if isinstance(given, (bytes, bytearray, memoryview)):
        return bytes(cast("BytesLike", given))
    raise NotBytesError(argument, found=type(given).__name__)


def check_number(limit: str, given: int, *, smallest: int = 0, largest: int = _MAX_64) -> int:
    """
    Demand a number that fits.

    Raises:
        ImmudbLimitError: It is too small or too large.
    """
    if not smallest <= given <= largest:
        raise ImmudbLimitError(limit, found=given, smallest=smallest, largest=largest)
    return given


def check_key(key: BytesLike) -> bytes:
    """
    Demand what can be a key.

    Raises:
        NotBytesError: It is no bytes.
        ImmudbLimitError: It is empty or too long.
    """
    checked = check_bytes("key", key)
    if not 0 < len(checked) <= MAX_KEY_BYTES:
        raise ImmudbLimitError(_KEY_BYTES, found=len(checked), smallest=1, largest=MAX_KEY_BYTES)
    return checked


def check_keys(keys: Iterable[BytesLike]) -> list[bytes]:
    """
    Demand keys, one at least, none twice.

    Raises:
        NotBytesError: One is no bytes, or they are a single key.
        ImmudbLimitError: One cannot be a key, or there are none, too many or the same twice.
    """
    if isinstance(keys, (bytes, bytearray, memoryview, str)):
        raise NotBytesError(_SEVERAL_KEYS, found=f"a single {type(keys).__name__}")
    checked = [check_key(key) for key in keys]
    _check_count(checked)
    return checked


def check_entries(entries: Entries) -> list[tuple[bytes, bytes]]:
    """
    Demand entries that can be one transaction, in order.

    Raises:
        NotBytesError: A key or value is no bytes.
        ImmudbLimitError: A key cannot be one, or there are none, too many or the same twice.
    """
    pairs: Iterable[tuple[BytesLike, BytesLike]]
    pairs = cast("Mapping[bytes, bytes]", entries).items() if isinstance(entries, Mapping) else entries
    checked = [(check_key(key), check_bytes("value", value)) for key, value in pairs]
    _check_count([key for key, _ in checked])
    return checked


def _check_count(keys: list[bytes]) -> None:
    if not 0 < len(keys) <= MAX_ENTRIES:
        raise ImmudbLimitError(_KEYS, found=len(keys), smallest=1, largest=MAX_ENTRIES)
    if len(set(keys)) < len(keys):
        ((_, most),) = Counter(keys).most_common(1)
        raise ImmudbLimitError(_REPEATS, found=most, smallest=1, largest=1)


MIN_CHARACTERS: Final = 8
MAX_CHARACTERS: Final = 32


def check_password(password: str) -> None:
    """
    Refuse a new password that is too weak.

    >>> check_password("Pw1:pasdfoiu")
    >>> check_password("weak")
    Traceback (most recent call last):
    eventsource.immudb.errors.PasswordPolicyError: the password lacks 8 to 32 characters, an upper-case letter, ...

    Raises:
        PasswordPolicyError: It is; the error says what it lacks and does not hold it.
    """
    missing: list[str] = []
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        missing.append(f"{MIN_CHARACTERS} to {MAX_CHARACTERS} characters")
    if not any(character.isupper() for character in password):
        missing.append("an upper-case letter")
    if not any(character.isdigit() for character in password):
        missing.append("a digit")
    if not any(unicodedata.category(character)[0] in "PS" for character in password):
        missing.append("a symbol")
    if missing:
        raise PasswordPolicyError(tuple(missing))
