"""
Which passwords an immudb should have.

The official tools check this rule and the server does not, so whoever forgets it gets a user with the
password "a". Here it is checked before anything is sent.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from eventsource.errors import PasswordPolicyError

MIN_CHARACTERS: Final = 8
MAX_CHARACTERS: Final = 32


def check_password(password: str) -> None:
    """
    Refuse a new password that is too weak.

    >>> check_password("Pw1:pasdfoiu")
    >>> check_password("weak")
    Traceback (most recent call last):
    eventsource.errors.immudb.PasswordPolicyError: the password lacks 8 to 32 characters, an upper-case letter, ...

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
