"""
From text to tree.

A query is a source and clauses, read by recursive descent with one token of look-ahead; expressions
are read by operator precedence, see `expression_parser`. Malformed text is reported, never read in
part.

The parser is written by hand because guards are parsed inside commits. Measured with Python 3.11 on
guards of 17 to 36 tokens, among them ``WHERE e.subject == '/accounts/42' MAP COUNT() == 7``: lark 1.3
(LALR, contextual lexer) takes 85 to 185 microseconds up to its own tree, this one 31 to 67 up to nodes
that are made and checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from eventsource.gdbql.errors import QueryLimitError, QueryStructureError, QuerySyntaxError
from eventsource.gdbql.expression_parser import ExpressionParser
from eventsource.gdbql.tree import OrderKey, Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from eventsource.gdbql.tree import Expression

_T = TypeVar("_T")


def parse(text: str) -> Query:
    """
    Read a query, in either dialect.

    >>> parse("STREAM e FROM events MAP e.id") == parse("FROM e IN events PROJECT INTO e.id;")
    True

    Raises:
        QuerySyntaxError: The text is not a query; says where, and what was expected there.

        QueryLimitError: The text, its nesting, a list or a number is too large.
    """
    parser: _QueryParser | None = None
    try:
        parser = _QueryParser(text)
        return parser.query()
    except QueryStructureError as error:
        offset = parser.place_of(error.part) if parser else 0
        raise QuerySyntaxError(error.reason, query=text, offset=offset) from None
    except QueryLimitError as error:
        offset = parser.offset if parser else 0
        raise QueryLimitError(error.limit, maximum=error.maximum, query=text, offset=offset) from None


class _QueryParser(ExpressionParser):
    """
    The tokens of one text, and the parts of the query read from them so far.
    """

    __slots__ = ("_parts",)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._parts: dict[str, Any] = {}

    def place_of(self, part: object) -> int:
        """
        Where *part* begins in the text, a node that does not fit where it is.
        """
        return self.offsets.get(id(part), self.mark)

    def query(self) -> Query:
        """
        Read the whole text.
        """
        self._source()
        while self.kind in _CLAUSES:
            keyword = self.kind
            name = _CLAUSES[keyword]
            if name in self._parts:
                self.fail(f"each clause once; {name} is given already")
            self.advance()
            self._parts[name] = self._clause(keyword)
        if self.kind == ";":
            self.advance()
        if self.kind != "end":
            self.fail("an operator, a clause such as WHERE, ORDER BY or MAP, or the end")
        self.mark = 0
        parts = self._parts
        distinct, projection = parts.pop("MAP", (False, None))
        return Query(
            where=parts.get("WHERE"),
            group_by=parts.get("GROUP BY", ()),
            having=parts.get("HAVING"),
            order_by=parts.get("ORDER BY", ()),
            projection=projection,
            distinct=distinct,
            skip=parts.get("SKIP", 0),
            limit=parts.get("LIMIT"),
            alias=self.alias,
        )

    def _source(self) -> None:
        if self.kind == "STREAM":
            self.advance()
            self._alias()
            self.take("FROM", "FROM behind the name of the event")
        else:
            self.take("FROM", "STREAM or FROM, with which a query begins")
            self._alias()
            self.take("IN", "IN behind the name of the event")
        if self.kind != "name" or self.token != "events":  # noqa: S105 - no password, a token of the language
            self.fail("events, the only source there is")
        self.advance()

    def _alias(self) -> None:
        self.alias = self.token
        self.take("name", "a name for the event, which is no keyword")

    def _clause(self, keyword: str) -> Any:
        match keyword:
            case "WHERE" | "HAVING":
                return self.expression()
            case "GROUP":
                self.take("BY", "BY behind GROUP")
                return tuple(self._commas(self.expression))
            case "ORDER":
                self.take("BY", "BY behind ORDER")
                return tuple(self._commas(self._order_key))
            case "MAP":
                return self._map()
            case "PROJECT":
                self.take("INTO", "INTO behind PROJECT")
                return self._map()
            case _:
                return self._count()

    def _commas(self, read: Callable[[], _T]) -> Iterator[_T]:
        yield read()
        while self.kind == ",":
            self.advance()
            yield read()

    def _order_key(self) -> OrderKey:
        expression = self.expression()
        descending = self.kind == "DESC"
        if self.kind in {"ASC", "DESC"}:
            self.advance()
        return OrderKey(expression, descending)

    def _count(self) -> int:
        if self.kind != "number" or not self.token.isdigit():
            self.fail("a whole number of rows")
        count = self.number()
        self.advance()
        return int(count)

    def _map(self) -> tuple[bool, Expression]:
        distinct = self.kind == "DISTINCT"
        if distinct:
            self.advance()
        return distinct, self.expression()


_CLAUSES: Final[Mapping[str, str]] = {
    "WHERE": "WHERE",
    "GROUP": "GROUP BY",
    "HAVING": "HAVING",
    "ORDER": "ORDER BY",
    "SKIP": "SKIP",
    "OFFSET": "SKIP",
    "LIMIT": "LIMIT",
    "TOP": "LIMIT",
    "MAP": "MAP",
    "PROJECT": "MAP",
}
"""
What each clause is called, whichever word it begins with.
"""
