"""
Expressions, from tokens to tree nodes.

Algorithm:
    Top-down operator precedence. V. Pratt, Top Down Operator Precedence, POPL 1973,
    https://doi.org/10.1145/512927.512931. The binding powers are those of `operators.INFIX`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from eventsource.gdbql.aggregates import AGGREGATE_FUNCTIONS
from eventsource.gdbql.errors import QueryLimitError, QuerySyntaxError
from eventsource.gdbql.lexer import KEYWORDS, shortened, tokenize, unquote
from eventsource.gdbql.limits import MAX_DIGITS, MAX_NESTING
from eventsource.gdbql.operators import INFIX, Binding
from eventsource.gdbql.tree import (
    COMPARISONS,
    Aggregate,
    And,
    Arithmetic,
    Between,
    Call,
    Comparison,
    Constant,
    In,
    IsNull,
    Like,
    ListOf,
    Negate,
    Not,
    ObjectOf,
    Or,
    Path,
    Under,
    Xor,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventsource.gdbql.tree import Expression, Scalar

_COMPARISON: Final = Binding.COMPARISON
_SUM: Final = Binding.SUM
_BRACKETS: Final = frozenset(("(", "[", "{", "-", "NOT"))
_CONDITIONS: Final = frozenset(("IN", "BETWEEN", "LIKE", "UNDER", "DESCENDANTS"))
_WORDS: Final[Mapping[str, Scalar]] = {"TRUE": True, "FALSE": False, "NULL": None}


class ExpressionParser:
    """
    The tokens of one text, and how far they are read.

    Attributes:
        kind: The kind of the next token; with `token` and `offset`, see `lexer.Token`.

        alias: What the text calls an event.

        offsets: Where the nodes begin that can turn out not to go together, by the node's `id`.

        mark: Where the node begins that is being made.
    """

    __slots__ = (
        "_index",
        "_nesting",
        "_tokens",
        "alias",
        "kind",
        "mark",
        "offset",
        "offsets",
        "text",
        "token",
    )

    def __init__(self, text: str) -> None:
        self.text = text
        self.alias = ""
        self.offsets: dict[int, int] = {}
        self.mark = 0
        self._tokens = tokenize(text)
        self._index = 0
        self._nesting = 0
        self.kind, self.token, self.offset = self._tokens[0]

    # --- The cursor ---

    def advance(self) -> None:
        """
        Go on to the token behind the next one. Never called at the end.
        """
        self._index += 1
        self.kind, self.token, self.offset = self._tokens[self._index]

    def take(self, kind: str, expected: str) -> None:
        """
        Read a token of this kind, or fail with what was *expected*.
        """
        if self.kind != kind:
            self.fail(expected)
        self.advance()

    def fail(self, expected: str, *, offset: int | None = None) -> NoReturn:
        """
        Raise a QuerySyntaxError at the next token, or where *offset* says.
        """
        found = "the end of the query" if self.kind == "end" else shortened(self.token)
        reason = f"expected {expected}, found {found}"
        place = self.offset if offset is None else offset
        raise QuerySyntaxError(reason, query=self.text, offset=place)

    def read_word(self, expected: str) -> str:
        """
        Read a name; a keyword counts as one here.
        """
        word = self.token
        # Symbols can be of a keyword's kind: && is an AND.
        if self.kind != "name" and not (self.kind in KEYWORDS and word[0].isalpha()):
            self.fail(expected)
        self.advance()
        return word

    # --- Operators ---

    def expression(self, minimum: int = Binding.OR) -> Expression:
        """
        Read an expression of operators that bind at least as tightly as *minimum*.
        """
        left = self._operand(minimum)
        while True:
            binding = INFIX.get(self.kind, 0)
            if binding < minimum:
                return left
            if binding is _COMPARISON:
                left = self._comparison(left)
                if INFIX.get(self.kind) is _COMPARISON:
                    self.fail("AND, OR or brackets, for comparisons do not chain")
            elif binding is Binding.AND:
                left = And(self._chain(left, "AND", Binding.NOT))
            elif binding is Binding.OR:
                left = Or(self._chain(left, "OR", Binding.XOR))
            elif binding is Binding.XOR:
                self.advance()
                left = Xor(left, self.expression(Binding.AND))
            else:
                operator = self.kind
                self.advance()
                left = Arithmetic(operator, left, self.expression(binding + 1))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] # what binds like arithmetic is

    def _chain(self, first: Expression, operator: str, minimum: int) -> tuple[Expression, ...]:
        operands = [first]
        while self.kind == operator:
            self.advance()
            operands.append(self.expression(minimum))
        return tuple(operands)

    def _comparison(self, left: Expression) -> Expression:
        kind, start = self.kind, self.offset
        if kind in COMPARISONS:
            self.advance()
            right = self.expression(_SUM)
            self.mark = start
            return Comparison(kind, left, right)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] # the kinds of these tokens are the operators
        if kind == "IS":
            return self._is_null(left)
        negated = kind == "NOT"
        if negated and self.token == "!":  # noqa: S105 - no password, a token of the language
            self.fail("a comparison")
        if negated:
            self.advance()
        node = self._condition(left, start)
        return Not(node) if negated else node

    def _condition(self, left: Expression, start: int) -> Expression:
        kind = self.kind
        if kind not in _CONDITIONS:
            self.fail("IN, BETWEEN, LIKE, UNDER or DESCENDANTS")
        self.advance()
        if kind == "IN":
            return self._in(left, start)
        if kind == "BETWEEN":
            return self._between(left, start)
        if kind == "DESCENDANTS" and self.kind == "OF":
            self.advance()
        right = self.expression(_SUM)
        self.mark = start
        if kind == "LIKE":
            return Like(left, right)
        return Under(left, right, strictly=kind == "DESCENDANTS")

    def _is_null(self, left: Expression) -> Expression:
        self.advance()
        negated = self.kind == "NOT"
        if negated:
            self.advance()
        self.take("NULL", "NULL" if negated else "NULL or NOT NULL")
        return Not(IsNull(left)) if negated else IsNull(left)

    def _in(self, left: Expression, start: int) -> Expression:
        opened = self.offset
        if self.kind == "(":
            # Behind IN brackets always make a list, also around one element.
            self.advance()
            self._enter()
            choices: Expression = ListOf(self._elements(")", opened))
            self._nesting -= 1
        else:
            choices = self._operand(Binding.OPERAND)
        self.mark = start if isinstance(choices, ListOf) else opened
        return In(left, choices)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] # the node checks it

    def _between(self, left: Expression, start: int) -> Expression:
        low = self.expression(_SUM)
        self.take("AND", "AND and the upper bound of BETWEEN")
        high = self.expression(_SUM)
        self.mark = start
        return Between(left, low, high)

    # --- Operands ---

    def _operand(self, minimum: int) -> Expression:
        kind, start = self.kind, self.offset
        if kind == "name":
            return self._name()
        if kind == "text":
            return self._constant(unquote(self.token, query=self.text, offset=start))
        if kind == "number":
            return self._constant(self.number())
        if kind in _WORDS:
            return self._constant(_WORDS[kind])
        if kind == "NOT" and minimum > Binding.NOT:
            self.fail("a value; NOT needs brackets here")
        if kind not in _BRACKETS:
            self.fail("a value")
        self.advance()
        self._enter()
        node = self._bracketed(kind, start)
        self._nesting -= 1
        return node

    def _constant(self, value: Scalar) -> Constant:
        node = Constant(value)
        self.offsets[id(node)] = self.offset
        self.advance()
        return node

    def number(self) -> int | float:
        """
        The value of the next token, of kind "number"; the token is not passed.
        """
        token = self.token
        if token[0] == "0" and token[1:2].isdigit():
            self.fail("a number that does not begin with 0")
        if token.isdigit():
            if len(token) > MAX_DIGITS:
                raise QueryLimitError(limit="digits in a number", maximum=MAX_DIGITS)
            return int(token)
        number = float(token)
        if number == float("inf"):
            self.fail("a number below 1.8e308")
        return number

    def _name(self) -> Expression:
        name, start = self.token, self.offset
        self.advance()
        if self.kind == "(":
            return self._call(name, start)
        if name != self.alias:
            reason = (
                f"expected a value, found {shortened(name)}; "
                f"the event is called {self.alias}, its fields are written {self.alias}.subject"
            )
            raise QuerySyntaxError(reason, query=self.text, offset=start)
        steps = self._steps()
        self.mark = start
        node = Path(tuple(steps))
        self.offsets[id(node)] = start
        return node

    def _steps(self) -> list[str | int]:
        steps: list[str | int] = []
        while True:
            if self.kind == ".":
                self.advance()
                steps.append(self.read_word("the name of a member"))
            elif self.kind == "[":
                self.advance()
                steps.append(self._index_or_name())
                self.take("]", "]")
            else:
                return steps

    def _index_or_name(self) -> str | int:
        step: str | int
        if self.kind == "text":
            step = unquote(self.token, query=self.text, offset=self.offset)
        elif self.kind == "number" and self.token.isdigit():
            step = int(self.number())
        else:
            self.fail("an index of 0 or more, or the name of a member in quotes")
        self.advance()
        return step

    def _call(self, name: str, start: int) -> Expression:
        # Beyond ASCII there are letters whose upper case is an ASCII letter.
        function = name.upper() if name.isascii() else name
        opened = self.offset
        self.advance()
        self._enter()
        node: Expression
        if function in AGGREGATE_FUNCTIONS:
            distinct, argument = self._aggregate_argument(opened)
            self.mark = start
            node = Aggregate(function, argument, distinct)
        else:
            arguments = self._elements(")", opened)
            self.mark = start
            node = Call(function, arguments)
        self._nesting -= 1
        self.offsets[id(node)] = start
        return node

    def _aggregate_argument(self, opened: int) -> tuple[bool, Expression | None]:
        distinct = self.kind == "DISTINCT"
        argument: Expression | None = None
        if distinct:
            self.advance()
            argument = self.expression()
        elif self.kind == "*":
            self.advance()
        elif self.kind != ")":
            argument = self.expression()
        self._close(")", opened)
        return distinct, argument

    # --- Brackets and prefix operators: what can stand inside itself ---

    def _enter(self) -> None:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise QueryLimitError(limit="levels of nesting", maximum=MAX_NESTING)

    def _bracketed(self, kind: str, start: int) -> Expression:
        if kind == "(":
            return self._group(start)
        if kind == "[":
            return ListOf(self._elements("]", start))
        if kind == "{":
            return self._object(start)
        if kind == "NOT":
            return Not(self.expression(Binding.NOT))
        if self.kind == "number":
            # The sign belongs to the number, so that -1 is a constant.
            return self._constant(-self.number())
        return Negate(self._operand(Binding.SIGN))

    def _group(self, start: int) -> Expression:
        first = self.expression()
        if self.kind != ",":
            self._close(")", start)
            return first
        self.advance()
        return ListOf((first, *self._elements(")", start)))

    def _object(self, start: int) -> Expression:
        members: list[tuple[str, Expression]] = []
        while self.kind != "}":
            name = self._member_name()
            self.take(":", f": and a value behind the name {shortened(name)}")
            members.append((name, self.expression()))
            if self.kind != ",":
                break
            self.advance()
        self._close("}", start)
        self.mark = start
        return ObjectOf(tuple(members))

    def _member_name(self) -> str:
        if self.kind == "text":
            name = unquote(self.token, query=self.text, offset=self.offset)
            self.advance()
            return name
        return self.read_word("the name of a member, or }")

    def _elements(self, closing: str, opened: int) -> tuple[Expression, ...]:
        elements: list[Expression] = []
        if self.kind != closing:
            elements.append(self.expression())
            while self.kind == ",":
                self.advance()
                elements.append(self.expression())
        self._close(closing, opened)
        return tuple(elements)

    def _close(self, closing: str, opened: int) -> None:
        if self.kind != closing:
            self.fail(f", or {closing} for the {self.text[opened]} at character {opened + 1}")
        self.advance()
