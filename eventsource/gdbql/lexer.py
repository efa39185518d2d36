"""
From text to tokens: names, keywords, numbers, texts in quotes, and symbols.

One regular expression reads white space, comments and the token behind them in one step. All its
loops are possessive, so reading is linear in the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias

from eventsource.gdbql.errors import QueryLimitError, QuerySyntaxError
from eventsource.gdbql.limits import MAX_TEXT_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

Token: TypeAlias = tuple[str, str, int]
"""
Its kind, its text as written, and where it begins.

The kind of a keyword is the keyword in upper case, that of a symbol the symbol (of two spellings the
first: ``==``, ``!=``, AND, OR, NOT); else "name", "number", "text", and "end" for the last one.
"""

KEYWORDS: Final = frozenset(
    "AND ASC BETWEEN BY DESC DESCENDANTS DISTINCT FALSE FROM GROUP HAVING IN INTO IS LIKE LIMIT MAP NOT"  # noqa: SIM905 - a list of this length is harder to read
    " NULL OF OFFSET OR ORDER PROJECT SKIP STREAM TOP TRUE UNDER WHERE XOR".split()
)
"""
The words with a meaning of their own, in any case. Behind a point and before a colon they are names.
"""

_NAME: Final = r"[^\W\d]\w*+"
_TOKEN: Final = re.compile(
    r"(?:\s++|//[^\n]*+|/\*(?s:.*?)\*/)*+"
    rf"(?:(?P<name>{_NAME})"
    r"|(?P<symbol>[=!<>]=|<>|&&|\|\||/(?!\*)|[-=<>!+*%()\[\]{},.:;])"
    r"|(?P<text>'[^'\\\x00-\x1f]*+(?:\\.[^'\\\x00-\x1f]*+)*+'"
    r'|"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+")'
    r"|(?P<number>[0-9]++(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+(?!\w))"
    r"|(?P<end>\Z)"
    r"|(?P<other>(?s:.)))"
)
_SPELLINGS: Final = {"=": "==", "<>": "!=", "&&": "AND", "||": "OR", "!": "NOT"}
_KEYWORD_KINDS: Final = {spelling: keyword for keyword in KEYWORDS for spelling in (keyword, keyword.lower())}

# Source: RFC 8259, section 7, and the single quote.
_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))")
_ESCAPES: Final[Mapping[str, str]] = {
    "'": "'",
    '"': '"',
    "\\": "\\",
    "/": "/",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
}


def tokenize(text: str) -> list[Token]:
    """
    Split *text* into tokens; the last one is of kind "end".

    Raises:
        QuerySyntaxError: A character begins no token, or a text or comment does not end.

        QueryLimitError: The text is longer than `MAX_TEXT_BYTES` in UTF-8.
    """
    _check_size(text)
    tokens: list[Token] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        token = match[kind]
        offset = match.start(kind)
        if kind == "name":
            kind = _KEYWORD_KINDS.get(token) or _kind_of_name(token)
        elif kind == "symbol":
            kind = _SPELLINGS.get(token, token)
        elif kind == "end":
            tokens.append((kind, "", offset))
            break
        elif kind == "text":
            _check_beside(tokens, token, query=text, offset=offset)
        elif kind == "other":
            _raise_at(text, offset)
        tokens.append((kind, token, offset))
    return tokens


def is_name(text: str) -> bool:
    """
    True if *text* can stand behind a point as it is, without brackets and quotes.

    >>> is_name("firstName"), is_name("first-name")
    (True, False)
    """
    return _WHOLE_NAME.fullmatch(text) is not None


def unquote(token: str, *, query: str, offset: int) -> str:
    r"""
    The text that a token of kind "text" stands for: without its quotes, escapes replaced.

    Raises:
        QuerySyntaxError: An escape is not one of ``\' \" \\ \/ \b \f \n \r \t \uXXXX``, or
            NUL or half of a surrogate pair is written.
    """
    text = token[1:-1]
    if "\\" in text:
        text = _replace_escapes(text, query, offset + 1)
    if not text.isascii() or "\0" in text:
        problem = unstorable(text)
        if problem:
            reason = f"expected a text, found one with {problem}"
            raise QuerySyntaxError(reason, query=query, offset=offset)
    return text


def unstorable(text: str) -> str | None:
    """
    What makes *text* impossible as a value of JSON in UTF-8, in words; None if nothing does.
    """
    match = _UNSTORABLE.search(text)
    if match is None:
        return None
    return "the character NUL" if match[0] == "\0" else "half of a surrogate pair"


def shortened(text: str) -> str:
    """
    The text as a message names it: cut if it is long.
    """
    # A hint of what stands there, not a quotation.
    return text if len(text) <= 40 else text[:37] + "..."  # noqa: PLR2004


# As word processors and telephones put them in place of ' and ".
_TYPOGRAPHIC_QUOTES: Final = frozenset(
    "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00b4\u00ab\u00bb\u2039\u203a\uff07\uff02"
)

_WHOLE_NAME: Final = re.compile(_NAME)
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_TEXT_SO_FAR: Final = re.compile(r"""(['"])(?:(?!\1)[^\\\x00-\x1f]|\\.)*+""")


def _check_size(text: str) -> None:
    # A character takes up to four bytes, so most texts need no second look.
    if len(text) * 4 <= MAX_TEXT_BYTES:
        return
    if len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT_BYTES:
        raise QueryLimitError(limit="bytes of text", maximum=MAX_TEXT_BYTES)


def _kind_of_name(name: str) -> str:
    # Beyond ASCII there are letters whose upper case is an ASCII letter.
    keyword = name.upper() if name.isascii() else ""
    return keyword if keyword in KEYWORDS else "name"


def _replace_escapes(text: str, query: str, offset: int) -> str:
    def replace(match: re.Match[str]) -> str:
        code, character = match.groups()
        if code:
            return chr(int(code, 16))
        if character not in _ESCAPES:
            reason = f"expected one of \\' \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX, found {match[0]}"
            raise QuerySyntaxError(reason, query=query, offset=offset + match.start())
        return _ESCAPES[character]

    replaced = _ESCAPE.sub(replace, text)
    # Characters beyond U+FFFF are written as two escapes, as in JSON.
    return _PAIR.sub(_join_pair, replaced)


_PAIR: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def _join_pair(match: re.Match[str]) -> str:
    return match[0].encode("utf-16", "surrogatepass").decode("utf-16")


def _check_beside(tokens: list[Token], token: str, *, query: str, offset: int) -> None:
    """
    Refuse a text that begins where another one has just ended: so SQL writes a quote inside a text.
    """
    if not tokens:
        return
    kind, before, start = tokens[-1]
    if kind == "text" and start + len(before) == offset and before[0] == token[0]:
        quote = token[0]
        reason = f"expected no second text right behind the first; {_how_to_quote(quote)}, not as {quote}{quote}"
        raise QuerySyntaxError(reason, query=query, offset=offset)


def _how_to_quote(quote: str) -> str:
    return f"inside a text the quote {quote} is written as \\{quote}"


def _raise_at(text: str, offset: int) -> NoReturn:
    """
    Say why no token begins at *offset*.
    """
    character = text[offset]
    if character in {"'", '"'}:
        closed = _TEXT_SO_FAR.match(text, offset)
        begin, offset = offset, closed.end() if closed else offset
        reason = f"expected {character} to close the text, found {_shown(text, offset)}"
        if offset == len(text):
            # The most likely reasons: an apostrophe before it, or a path that ends in a backslash.
            reason += f"; {_how_to_quote(character)}"
            if "\\" in text[begin:]:
                reason += " and a backslash as \\\\"
    elif character in _TYPOGRAPHIC_QUOTES:
        reason = f"expected a part of a query, found {_shown(text, offset)}; a text stands between two ' or two \""
    elif character == "`":
        reason = "expected a part of a query, found '`'; a text stands between two ' or two \", a name as e['name']"
    elif character == "\\":
        reason = "expected a part of a query, found a backslash; it has a meaning only inside a text"
    elif character == "/":
        reason = "expected */ to close this comment, found the end of the query"
    elif character.isdigit():
        reason = "expected a space or an operator behind the number"
    else:
        reason = f"expected a part of a query, found {_shown(text, offset)}"
    raise QuerySyntaxError(reason, query=text, offset=offset)


def _shown(text: str, offset: int) -> str:
    if offset == len(text):
        return "the end of the query"
    if text[offset] == "\n":
        return "the end of the line; inside a text it is written as \\n"
    return repr(text[offset])
