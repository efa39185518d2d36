"""
E-mail addresses: one way to write each.
"""

import hashlib
import re
import unicodedata

# RFC 5321, 4.5.3.1: a path has at most 256 octets, two of them its angle brackets.
LONGEST_EMAIL = 254

# Who is behind an address only a mail to it can tell; this finds what was meant for another field.
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


def normal_email(text: str) -> str:
    """
    An address as the bank compares it: without blanks around it, in lower case.

    A mail server may tell ``Ada@`` from ``ada@``; none that people use does, so to this bank they are
    one. Dots and what follows a plus stay: they mean different boxes at some servers.

    >>> normal_email(" Ada@Example.com ")
    'ada@example.com'
    """
    return unicodedata.normalize("NFC", text.strip().lower())


def email_key(email: str) -> str:
    """
    What stands for an address in events that are never erased: equal for equal addresses, and no address.

    Who guesses an address can try it. So it is slow to compute, which a thief with millions of guesses
    notices and a bank that registers a customer does not.
    """
    key = hashlib.scrypt(normal_email(email).encode(), salt=b"io.example.bank", n=2**13, r=8, p=1, dklen=16)
    return key.hex()


def is_email(text: str) -> bool:
    """
    Whether *text* looks like an address.
    """
    return len(text) <= LONGEST_EMAIL and text.isprintable() and _EMAIL.fullmatch(text) is not None
