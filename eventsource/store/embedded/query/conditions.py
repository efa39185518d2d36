"""
Conditions of a query as SQL that decides them exactly as the reference evaluator does.

SQLite and the language differ on numbers: SQLite reads a JSON integer beyond 64 bits as a float,
may round a float it reads by its last bit, and takes true for 1. So SQL decides by itself where a
member is a text or an integer of 64 bits, which nearly all are, and asks a Python function for the
rest. What is not written here at all, `compile_condition` leaves to the reference.

Every piece gives 1, or 0 or NULL where it does not hold.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from eventsource.events.canonical_json import parse_json
from eventsource.gdbql import (
    And,
    Between,
    Comparison,
    Constant,
    In,
    IsNull,
    ListOf,
    Not,
    Or,
    Path,
    Under,
    Xor,
    compare,
    is_equal,
    to_instant,
)
from eventsource.store.embedded.query.functions import SQL_NAME, SqlFunction
from eventsource.store.embedded.query.rows import FIXED, TEXT_COLUMNS
from eventsource.store.embedded.query.sql import FALSE, TRUE, Sql, joined, sql, value

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventsource.gdbql import Expression

MAX_INTEGER: Final = 2**63 - 1

# SQLite reads members in quotes without escapes, and finds names as they stand in the JSON text: these stand there as
# they are.
_PLAIN_NAME: Final = re.compile(r'[^"\\\x00-\x1f\x7f]{1,200}')
_MAX_LIST_INDEX: Final = 10**6

_FLIPPED: Final = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_SQL_OPERATORS: Final = {"==": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_ACCEPTED: Final = {"<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (0, 1)}


def compile_condition(node: Expression, functions: list[SqlFunction]) -> Sql | None:  # noqa: C901, PLR0911, PLR0912  a case per node
    """
    SQL over the columns of ``events AS e`` that decides *node*, or None if this module cannot.

    The unary plus in front of columns keeps SQLite from using their indexes: which index is used
    is decided by `eventsource.store.embedded.query.access`.

    Args:
        functions: Is given the Python functions the SQL calls; it works as long as they are kept.
    """
    match node:
        case Constant(item):
            return TRUE if item else FALSE
        case Comparison(operator, Path() as path, Constant(item)):
            return _compare(path, operator, item, functions)
        case Comparison(operator, Constant(item), Path() as path):
            return _compare(path, _FLIPPED[operator], item, functions)
        case Between(Path() as path, Constant(low), Constant(high)):
            both = (_compare(path, ">=", low, functions), _compare(path, "<=", high, functions))
            return _all_of(" AND ", both)
        case In(Path() as path, ListOf(items)):
            return _compile_in(path, items, functions)
        case IsNull(Path() as path):
            return _is_null(path)
        case Under(Path(("subject",)), Constant(str(ancestor)), strictly):
            return subject_condition(ancestor, strictly=strictly)
        case Not(operand):
            inner = compile_condition(operand, functions)
            return None if inner is None else sql("NOT ifnull({}, 0)", inner)
        case And(operands):
            return _all_of(" AND ", (compile_condition(operand, functions) for operand in operands))
        case Or(operands):
            return _all_of(" OR ", (compile_condition(operand, functions) for operand in operands))
        case Xor(left, right):
            one, other = compile_condition(left, functions), compile_condition(right, functions)
            if one is None or other is None:
                return None
            return sql("((ifnull({}, 0) <> 0) <> (ifnull({}, 0) <> 0))", one, other)
        case _:
            return None


def subject_condition(ancestor: str, *, strictly: bool) -> Sql:
    """
    Whether the subject is *ancestor* or lies below it, or with *strictly* only the latter.
    """
    own, low, high = subject_range(ancestor)
    below = Sql("(+e.subject >= ? AND +e.subject < ?)", (low, high))
    return below if strictly else sql("({} OR +e.subject = {})", below, value(own))


def subject_range(ancestor: str) -> tuple[str, str, str]:
    """
    The subject *ancestor* itself, and the range, upper end excluded, of all that lie below it.
    """
    stem = ancestor.removesuffix("/")
    # '0' is the character after '/'.
    return stem or "/", stem + "/", stem + "0"


def json_path(path: Path) -> str | None:
    """
    A path below the data as SQLite writes it, or None if SQLite could read it in another way.
    """
    steps = path.steps[1:]
    if not steps:
        return None
    written = ["$"]
    for step in steps:
        if isinstance(step, int):
            if step > _MAX_LIST_INDEX:
                return None
            written.append(f"[{step}]")
        elif _PLAIN_NAME.fullmatch(step):
            written.append(f'."{step}"')
        else:
            return None
    return "".join(written)


def is_plain_integer(item: object) -> bool:
    """
    True if SQLite can hold it as an integer.
    """
    return type(item) is int and -MAX_INTEGER - 1 <= item <= MAX_INTEGER


def _all_of(separator: str, pieces: Any) -> Sql | None:
    found: list[Sql] = []
    for piece in pieces:
        if piece is None:
            return None
        found.append(piece)
    return sql("({})", joined(separator, found))


def _compare(path: Path, operator: str, item: Any, functions: list[SqlFunction]) -> Sql | None:  # noqa: PLR0911  a case per field
    if operator == "!=":
        equal = _compare(path, "==", item, functions)
        return None if equal is None else sql("NOT ifnull({}, 0)", equal)
    if not path.steps:
        return None
    field = str(path.steps[0])
    if field == "data":
        return _compare_member(path, operator, item, functions)
    if not isinstance(item, str):
        # A text or a time equals nothing else, and has no order with anything else.
        return FALSE
    if field == "time":
        return _compare_time(operator, item)
    if field in FIXED:
        left, order = FIXED[field], _SQL_OPERATORS[operator]
        return Sql(f"(? {order} ?)", (left, item))
    return Sql(f"+e.{TEXT_COLUMNS[field]} {_SQL_OPERATORS[operator]} ?", (item,))


def _compare_time(operator: str, text: str) -> Sql:
    instant = to_instant(text)
    if instant is None:
        return FALSE
    if abs(instant.ns) > MAX_INTEGER:
        # Events are of the years 1970 to 2262, so one beyond that is before or after all of them.
        is_after_all = instant.ns > 0
        return TRUE if operator in (("<", "<=") if is_after_all else (">", ">=")) else FALSE
    return Sql(f"e.time_ns {_SQL_OPERATORS[operator]} ?", (instant.ns,))


def _compare_member(path: Path, operator: str, item: Any, functions: list[SqlFunction]) -> Sql | None:
    place = json_path(path)
    if place is None:
        return None
    if item is None:
        return _is_null(path) if operator == "==" else FALSE
    if isinstance(item, bool):
        return Sql("json_type(e.data, ?) = ?", (place, "true" if item else "false")) if operator == "==" else FALSE
    order = _SQL_OPERATORS[operator]
    if isinstance(item, str):
        # The value first: it is rarely equal, and then its type is not looked up.
        return Sql(f"(e.data ->> ? {order} ? AND json_type(e.data, ?) = 'text')", (place, item, place))
    rare = SqlFunction(_number_test(operator, item))
    functions.append(rare)
    ask = Sql(f"{SQL_NAME}(?, e.data -> ?)", (rare.number, place))
    if isinstance(item, int) and not is_plain_integer(item):
        return sql("CASE WHEN json_type(e.data, {}) IN ('integer', 'real') THEN {} END", value(place), ask)
    return sql(
        "CASE json_type(e.data, {}) WHEN 'integer' THEN "
        f"CASE typeof(e.data ->> {{}}) WHEN 'integer' THEN e.data ->> {{}} {order} {{}} ELSE {{}} END "
        "WHEN 'real' THEN {} END",
        value(place),
        value(place),
        value(place),
        value(item),
        ask,
        ask,
    )


def _number_test(operator: str, item: float) -> Callable[[str], bool]:
    if operator == "==":
        return lambda text: is_equal(parse_json(text), item)
    accepted = _ACCEPTED[operator]
    return lambda text: compare(parse_json(text), item) in accepted


def _is_null(path: Path) -> Sql | None:
    if not path.steps:
        return FALSE
    if path.steps[0] != "data" or len(path.steps) == 1:
        # Every event we store has all fields.
        return FALSE
    place = json_path(path)
    return None if place is None else Sql("ifnull(json_type(e.data, ?), 'null') = 'null'", (place,))


def _compile_in(path: Path, items: tuple[Expression, ...], functions: list[SqlFunction]) -> Sql | None:
    constants = [item.value for item in items if isinstance(item, Constant)]
    if len(constants) < len(items):
        return None
    if not items:
        return FALSE
    texts = tuple(item for item in constants if isinstance(item, str))
    if len(texts) == len(constants) and path.steps:
        marks = ", ".join("?" * len(texts))
        field = str(path.steps[0])
        if field in TEXT_COLUMNS:
            return Sql(f"+e.{TEXT_COLUMNS[field]} IN ({marks})", texts)
        place = json_path(path) if field == "data" else None
        if place is not None:
            return Sql(f"(e.data ->> ? IN ({marks}) AND json_type(e.data, ?) = 'text')", (place, *texts, place))
    if len(constants) > _MAX_ALTERNATIVES:
        return None
    return _all_of(" OR ", (_compare(path, "==", item, functions) for item in constants))


# SQLite allows 1,000 levels in an expression; beyond a few alternatives a look-up in Python is quicker anyway.
_MAX_ALTERNATIVES: Final = 50
