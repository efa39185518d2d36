"""
From tree to text. What is printed parses back to an equal tree, and equal trees print equal text.

This is the way to put values into a query: a `Constant` is quoted whatever it holds, so there is
nothing to inject. Plain texts are printed as the public examples of GDBQL write them, in single
quotes; backslashes appear only where a text has both kinds of quotes, a backslash, or a control
character.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal, assert_never

from eventsource.gdbql.errors import QueryLimitError
from eventsource.gdbql.lexer import is_name
from eventsource.gdbql.limits import MAX_TEXT_BYTES
from eventsource.gdbql.operators import INFIX, Binding
from eventsource.gdbql.tree import (
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
    OrderKey,
    Path,
    Query,
    Under,
    Xor,
)

if TYPE_CHECKING:
    from eventsource.gdbql.tree import Expression, Scalar

Dialect = Literal["modern", "classic"]


def print_query(query: Query, *, dialect: Dialect = "modern") -> str:
    """
    The query as one line of text.

    Args:
        query: What to print.

        dialect: "modern" prints ``STREAM e FROM events … LIMIT … MAP …``; "classic" prints
            ``FROM e IN events … TOP … PROJECT INTO …``, which a Genesis DB of before autumn 2025 takes.

    Raises:
        QueryLimitError: The text would be too long to be parsed.
    """
    modern = dialect == "modern"
    printer = _Printer(query.alias)
    alias = query.alias
    clauses = [f"STREAM {alias} FROM events" if modern else f"FROM {alias} IN events"]
    if query.where is not None:
        clauses.append(f"WHERE {printer.text(query.where)}")
    if query.group_by:
        clauses.append(f"GROUP BY {printer.list(query.group_by)}")
    if query.having is not None:
        clauses.append(f"HAVING {printer.text(query.having)}")
    if query.order_by:
        clauses.append(f"ORDER BY {', '.join(map(printer.order_key, query.order_by))}")
    if query.skip:
        clauses.append(f"SKIP {query.skip}")
    if query.limit is not None:
        clauses.append(f"{'LIMIT' if modern else 'TOP'} {query.limit}")
    if query.projection is not None:
        distinct = "DISTINCT " if query.distinct else ""
        word = "MAP" if modern else "PROJECT INTO"
        clauses.append(f"{word} {distinct}{printer.text(query.projection)}")
    text = " ".join(clauses)
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise QueryLimitError(limit="bytes of text", maximum=MAX_TEXT_BYTES)
    return text


def print_expression(expression: Expression, *, alias: str = "e") -> str:
    """
    An expression alone, for messages and plans.
    """
    return _Printer(alias).text(expression)


class _Printer:
    """
    Prints expressions about an event of one name.
    """

    def __init__(self, alias: str) -> None:
        self._alias = alias

    def text(self, node: Expression, minimum: int = Binding.OR) -> str:
        """
        The node; in brackets if it binds less tightly than *minimum*.
        """
        binding, text = self._print(node)
        return text if binding >= minimum else f"({text})"

    def list(self, nodes: tuple[Expression, ...]) -> str:
        """
        The nodes with commas between them.
        """
        return ", ".join(map(self.text, nodes))

    def order_key(self, key: OrderKey) -> str:
        """
        One key of ORDER BY.
        """
        return self.text(key.expression) + (" DESC" if key.descending else "")

    def _print(self, node: Expression) -> tuple[Binding, str]:  # noqa: C901, PLR0911, PLR0912 - a case per node
        match node:
            case Constant(value):
                return Binding.OPERAND, print_scalar(value)
            case Path(steps):
                return Binding.OPERAND, self._alias + "".join(map(_print_step, steps))
            case ListOf(items):
                return Binding.OPERAND, f"[{self.list(items)}]"
            case ObjectOf():
                return Binding.OPERAND, self._object(node)
            case Call(function, arguments):
                return Binding.OPERAND, f"{function}({self.list(arguments)})"
            case Aggregate():
                return Binding.OPERAND, self._aggregate(node)
            case Negate(operand):
                return Binding.SIGN, self._negate(operand)
            case Arithmetic(operator, left, right):
                return INFIX[operator], self._infix(operator, left, right)
            case And(operands):
                return Binding.AND, " AND ".join(self.text(o, Binding.NOT) for o in operands)
            case Or(operands):
                return Binding.OR, " OR ".join(self.text(o, Binding.XOR) for o in operands)
            case Xor(left, right):
                return Binding.XOR, self._infix("XOR", left, right)
            case Not(In() | Between() | IsNull() | Like() | Under() as operand):
                return Binding.COMPARISON, self._condition(operand, "NOT ")
            case Not(operand):
                return Binding.NOT, f"NOT {self.text(operand, Binding.NOT)}"
            case _:
                return Binding.COMPARISON, self._condition(node, "")

    def _infix(self, operator: str, left: Expression, right: Expression) -> str:
        # From the left: only the right operand needs brackets for an equal binding.
        binding = INFIX[operator]
        return f"{self.text(left, binding)} {operator} {self.text(right, binding + 1)}"

    def _condition(self, node: Comparison | In | Between | IsNull | Like | Under, negation: str) -> str:
        # Comparisons do not chain: an operand that is one needs brackets on either side.
        side = Binding.SUM
        match node:
            case Comparison(operator, left, right):
                return f"{self.text(left, side)} {operator} {self.text(right, side)}"
            case In(operand, choices):
                return f"{self.text(operand, side)} {negation}IN {self.text(choices)}"
            case Between(operand, low, high):
                bounds = f"{self.text(low, side)} AND {self.text(high, side)}"
                return f"{self.text(operand, side)} {negation}BETWEEN {bounds}"
            case IsNull(operand):
                return f"{self.text(operand, side)} IS {negation}NULL"
            case Like(operand, pattern):
                return f"{self.text(operand, side)} {negation}LIKE {self.text(pattern, side)}"
            case Under(operand, subject, strictly):
                word = "DESCENDANTS" if strictly else "UNDER"
                return f"{self.text(operand, side)} {negation}{word} {self.text(subject, side)}"
            case _:
                assert_never(node)

    def _object(self, node: ObjectOf) -> str:
        if not node.members:
            return "{}"
        members = (
            f"{name if is_name(name) else print_scalar(name)}: {self.text(value)}" for name, value in node.members
        )
        return f"{{ {', '.join(members)} }}"

    def _aggregate(self, node: Aggregate) -> str:
        distinct = "DISTINCT " if node.distinct else ""
        argument = "" if node.argument is None else self.text(node.argument)
        return f"{node.function}({distinct}{argument})"

    def _negate(self, operand: Expression) -> str:
        # Without brackets the sign would become part of the number, and of --x a remark in SQL.
        if isinstance(operand, Constant):
            return f"-({self.text(operand)})"
        text = self.text(operand, Binding.SIGN)
        return f"- {text}" if text.startswith("-") else f"-{text}"


def print_scalar(value: Scalar) -> str:
    """
    A constant as it is written in a query.
    """
    if isinstance(value, str):
        return _print_text(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    # No source shows a number with an exponent: those with few zeros are printed without.
    if _FEWEST_ZEROS <= abs(value) < _MOST_ZEROS:
        text = f"{Decimal(repr(value)):f}"
        return text if "." in text else text + ".0"
    return repr(value)


# Between these JavaScript, too, prints numbers without an exponent.
_FEWEST_ZEROS: Final = 1e-6
_MOST_ZEROS: Final = 1e21


def _print_step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if is_name(step) else f"[{print_scalar(step)}]"


# Everything from the space on can stand in a text as it is, but for the quote and the backslash.
_ESCAPES: Final = {code: f"\\u{code:04x}" for code in range(0x20)} | {
    ord("\\"): "\\\\",
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
}


def _print_text(text: str) -> str:
    escaped = text.translate(_ESCAPES)
    if "'" not in escaped:
        return f"'{escaped}'"
    if '"' not in escaped:
        return f'"{escaped}"'
    return "'" + escaped.replace("'", "\\'") + "'"
