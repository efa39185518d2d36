"""
Errors of GDBQL: texts that do not parse, trees that do not fit, limits and budgets that are exceeded.
"""

from __future__ import annotations

from eventsource.root_error import EventSourceError


class QueryError(EventSourceError):
    """
    A query cannot be read, printed or answered.
    """

    code = "query"


class QuerySyntaxError(QueryError, ValueError):
    """
    A text is not a query. Found before the first event is looked at.

    Attributes:
        reason: What was expected there, and what stands there instead, in words.

        query: The text as given.

        offset: The place in the text, in characters; 0 is the first.

        line: The same place as a line, counted from 1.

        column: And as a column of that line, in characters, counted from 1.
    """

    code = "query-syntax"

    def __init__(self, reason: str, *, query: str, offset: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.query = query
        self.offset = offset
        self.line = query.count("\n", 0, offset) + 1
        self.column = offset - (query.rfind("\n", 0, offset) + 1) + 1

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.reason}\n{self.excerpt()}"

    def __reduce__(self) -> tuple[object, ...]:
        # Errors travel between processes; the default would forget the keywords.
        return _restore_syntax_error, (self.reason, self.query, self.offset)

    def excerpt(self) -> str:
        """
        The line the error is on, and a caret under the place; two lines of text.
        """
        # 60 characters to either side: with the dots it fits in 128 columns.
        start = self.offset - self.column + 1
        line = self.query[start:].split("\n", 1)[0]
        first = max(0, self.column - 1 - 60)
        last = min(len(line), self.column - 1 + 60)
        before = ("..." if first else "") + line[first : self.column - 1]
        after = line[self.column - 1 : last] + ("..." if last < len(line) else "")
        # A tab stays a tab, or the caret would not stand under its place.
        indent = "".join("\t" if character == "\t" else " " for character in before)
        return f"{before}{after}\n{indent}^"


class QueryStructureError(QueryError, ValueError):
    """
    Parts that are right by themselves do not go together: `SUM` in a `WHERE`, `UPPER` of two texts.

    Only trees built in code raise it; for a text the parser turns it into a QuerySyntaxError.

    Attributes:
        reason: What does not fit, in words.

        part: The tree node at fault, or None if it was never made.
    """

    code = "query-structure"

    def __init__(self, reason: str, *, part: object = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.part = part


class QueryValueError(QueryError, ValueError):
    """
    A value cannot be written in a query.

    Such are texts with a NUL or half of a surrogate pair, NaN, the infinities, and whatever is
    no text, number, boolean or null.

    Attributes:
        reason: Which of them, in words. The value itself is left out: it may be personal.
    """

    code = "query-value"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class QueryLimitError(QueryError):
    """
    A query, or a value it computes, is larger than the language allows.

    Attributes:
        limit: Which limit: "text bytes", "depth", "items", "digits" or "value characters".

        maximum: The largest size allowed.

        query: The text, if a text was read; else None.

        offset: The place in the text the limit was passed, in characters; None without a text.
    """

    code = "query-limit"

    def __init__(self, limit: str, *, maximum: int, query: str | None = None, offset: int | None = None) -> None:
        place = "" if offset is None else f" at offset {offset}"
        super().__init__(f"too large: at most {maximum} {limit} are allowed{place}")
        self.limit = limit
        self.maximum = maximum
        self.query = query
        self.offset = offset

    def __reduce__(self) -> tuple[object, ...]:
        return _restore_limit_error, (self.limit, self.maximum, self.query, self.offset)


class QueryBudgetError(QueryError):
    """
    A query used up what it may use, and was ended. Nothing was written on its account.

    Attributes:
        budget: Which one: "time", "rows" or "bytes".

        limit: How much there was of it: seconds, rows or bytes.

        during: What the query was for: "query" or "precondition".
    """

    code = "query-budget"

    def __init__(self, budget: str, *, limit: float, during: str = "query") -> None:
        unit = "s of time" if budget == "time" else budget
        super().__init__(
            f"the {during} used up its {limit:g} {unit}: narrow it to a subject, a type or a time, declare an index "
            "on the data it asks for, or ask for less"
        )
        self.budget = budget
        self.limit = limit
        self.during = during

    def __reduce__(self) -> tuple[object, ...]:
        return _restore_budget_error, (self.budget, self.limit, self.during)


def _restore_syntax_error(reason: str, query: str, offset: int) -> QuerySyntaxError:
    return QuerySyntaxError(reason, query=query, offset=offset)


def _restore_limit_error(limit: str, maximum: int, query: str | None, offset: int | None) -> QueryLimitError:
    return QueryLimitError(limit, maximum=maximum, query=query, offset=offset)


def _restore_budget_error(budget: str, limit: float, during: str) -> QueryBudgetError:
    return QueryBudgetError(budget, limit=limit, during=during)
