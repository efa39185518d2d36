"""
How texts are matched: `LIKE` patterns, and subjects below one another.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def like(pattern: str) -> Callable[[str], bool]:
    r"""
    A test for texts that *pattern* covers as a whole, upper and lower case apart.

    ``%`` stands for any run of characters, also an empty one; ``_`` for exactly one character; a
    backslash takes the special meaning from the character behind it.

    Time is linear in the text for any pattern: no pattern can be built that backtracks.

    >>> like("%@example.com")("ada@example.com")
    True

    Source:
        Bit-parallel simulation of the pattern's automaton ("Shift-And"): R. Baeza-Yates and
        G. Gonnet, A New Approach to Text Searching, CACM 35 (1992).
    """
    if "_" not in pattern and "\\" not in pattern:
        return _like_without_single(pattern.split("%"))
    return _Automaton(pattern).matches


def is_under(subject: str, ancestor: str) -> bool:
    """
    True if *subject* is *ancestor* or lies below it, by whole segments.

    >>> is_under("/users/12", "/users/1")
    False
    """
    stem = ancestor.removesuffix("/")
    return ancestor.startswith("/") and (subject.startswith(stem + "/") or subject == (stem or "/"))


def is_below(subject: str, ancestor: str) -> bool:
    """
    True if *subject* lies strictly below *ancestor*, at any depth.

    For both functions a slash at the end of *ancestor* does not count, and nothing is under a text
    that does not begin with a slash.
    """
    return is_under(subject, ancestor) and subject != (ancestor.removesuffix("/") or "/")


def _like_without_single(parts: list[str]) -> Callable[[str], bool]:
    if len(parts) == 1:
        return lambda text: text == parts[0]
    first, *middle, last = parts

    def matches(text: str) -> bool:
        if len(text) < len(first) + len(last) or not text.startswith(first):
            return False
        start, end = len(first), len(text) - len(last)
        for part in middle:
            # The leftmost place is as good as any: what follows a % may begin anywhere behind it.
            start = text.find(part, start, end)
            if start < 0:
                return False
            start += len(part)
        return text.endswith(last)

    return matches


class _Automaton:
    """
    A pattern as an automaton, all states of which move at once.

    State i means that the first i characters of the pattern are matched; one integer holds a bit for
    each state.
    """

    def __init__(self, pattern: str) -> None:
        moves: defaultdict[str, int] = defaultdict(int)
        any_character = stays = 0
        state = 1
        characters = iter(pattern)
        for character in characters:
            if character == "%":
                stays |= state
                continue
            if character == "_":
                any_character |= state
            else:
                moves[next(characters, "\\") if character == "\\" else character] |= state
            state <<= 1
        self._moves = dict(moves)
        self._any = any_character
        self._stays = stays
        self._final = state

    def matches(self, text: str) -> bool:
        states = 1
        for character in text:
            moved = states & (self._moves.get(character, 0) | self._any)
            states = moved << 1 | states & self._stays
            if not states:
                return False
        return bool(states & self._final)
