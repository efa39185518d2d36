r"""
Text of data as it may be shown, in a terminal, a table, a log or an error message.

A terminal acts upon some characters instead of showing them, and others hide or reorder the text around them: with
them an event could clear the screen, forge a line of output or show an amount that is not its own. They are written as
JSON escapes such as ``\u001b``. Inside a string of JSON such an escape stands for the same character, so a line of
JSON stays exact.

Text that goes to a file or to another program as it is does not pass through here.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["printable", "printable_lines"]

# Control characters (C0, DEL, C1); line and paragraph separators; marks, embeddings, overrides and isolates of the
# writing direction; characters without a width that hide text or split words: soft hyphen, zero-width space, word
# joiner, invisible operators, byte order mark, annotations, tags. And lone surrogates, which no encoding has.
# The joiners U+200C and U+200D stay: Persian words and emoji are written with them.
_HIDDEN: Final = (
    "\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f"
)
_UNPRINTABLE: Final = re.compile(f"[\x00-\x1f{_HIDDEN}]")
_UNPRINTABLE_IN_LINES: Final = re.compile(f"[\x00-\x08\x0b-\x1f{_HIDDEN}]")

_LAST_OF_ONE_UNIT: Final = 0xFFFF


def printable(text: str) -> str:
    r"""
    Return *text* on one line, with what is not to be shown as it is written as escapes.

    >>> printable("Ada\x1b[2J\nEve\u202e")
    'Ada\\u001b[2J\\u000aEve\\u202e'
    """
    return _UNPRINTABLE.sub(_as_json_escape, text)


def printable_lines(text: str) -> str:
    """
    The same for a text of several lines: tabs and line feeds stay.
    """
    return _UNPRINTABLE_IN_LINES.sub(_as_json_escape, text)


def _as_json_escape(found: re.Match[str]) -> str:
    character = found[0]
    if ord(character) <= _LAST_OF_ONE_UNIT:
        return f"\\u{ord(character):04x}"
    # JSON writes it as two units of UTF-16.
    units = character.encode("utf-16-be")
    return f"\\u{units[:2].hex()}\\u{units[2:].hex()}"
