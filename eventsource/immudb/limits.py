"""
What an immudb takes. Checked before anything is sent, so that a refusal is certain and says what to change.

Source:
    Measured against immudb 1.11.1 with its defaults.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias, cast

from eventsource.errors import ImmudbLimitError, NotBytesError

# 1,024, one of which is the byte that stands before each key.
MAX_KEY_BYTES: Final = 1_023

MAX_ENTRIES: Final = 1_024

# More than 30 at once are refused; two are left for others.
MAX_WRITES: Final = 28

_KEY_BYTES: Final = "bytes of a key"
_KEYS: Final = "keys of one call"
_REPEATS: Final = "times that a key is named in one call"
_SEVERAL_KEYS: Final = "key within a list"

Entries: TypeAlias = Mapping[bytes, bytes] | Iterable[tuple[bytes, bytes]]
"""Keys and values in order."""


def check_bytes(argument: str, given: object) -> bytes:
    """
    Demand bytes.

    Raises:
        NotBytesError: It is text, or something else.
    """
    if not isinstance(given, bytes):
        raise NotBytesError(argument, found=type(given).__name__)
    return given


def check_key(key: bytes) -> bytes:
    """
    Demand what can be a key.

    Raises:
        NotBytesError: It is no bytes.
        ImmudbLimitError: It is empty or too long.
    """
    size = len(check_bytes("key", key))
    if not 0 < size <= MAX_KEY_BYTES:
        raise ImmudbLimitError(_KEY_BYTES, found=size, smallest=1, largest=MAX_KEY_BYTES)
    return key


def check_keys(keys: Iterable[bytes]) -> list[bytes]:
    """
    Demand keys, one at least, none twice.

    Raises:
        NotBytesError: One is no bytes, or they are a single key.
        ImmudbLimitError: One cannot be a key, or there are none, too many or the same twice.
    """
    if isinstance(keys, (bytes, str)):
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
    pairs: Iterable[tuple[bytes, bytes]]
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
