"""
Reading query text once: neither the same text is parsed again, nor one that differs in its values only.

A guard is asked again and again with another amount or another e-mail address. Its text is taken
apart at its numbers and strings; what is left is its shape. The first text of a shape is parsed twice,
the second time with marks in place of the values, which shows where in the tree each value went. Later
texts are that tree with other values, put together by the same constructors that the parser calls.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Final

import attrs

from eventsource.gdbql import Constant, Expression, ObjectOf, OrderKey, Query, parse, to_instant, walk
from eventsource.gdbql.errors import QueryError
from eventsource.gdbql.tree import Branch, Leaf

# Texts and shapes kept with their trees; a guard with its tree takes about 5 KiB.
_MAX_KEPT: Final = 2048
_MAX_CHARACTERS: Final = 2000

# Strings without escapes and plain numbers. What else there is stays in the shape, and so do numbers that touch a name.
_VALUE: Final = re.compile(
    r"""('[^'\\\x00-\x1f]*'|"[^"\\\x00-\x1f]*"|(?<![\w.\[])(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?![\w.]))"""
)
# In a text with an escape or a comment a quote may not be what it seems.
_UNCLEAR: Final = re.compile(r"\\|//|/\*|--|#")


def read_query(query: str | Query) -> Query:
    """
    The tree of a text; a tree is returned as it is.

    Raises:
        QuerySyntaxError, QueryLimitError: The text is no query.
    """
    return query if isinstance(query, Query) else _read(query)


@functools.lru_cache(maxsize=_MAX_KEPT)
def _read(text: str) -> Query:
    if len(text) > _MAX_CHARACTERS or _UNCLEAR.search(text):
        return parse(text)
    pieces = _VALUE.split(text)
    written = pieces[1::2]
    # The kinds of values belong to the shape: an integer is no decimal, and no text.
    shape = (tuple(pieces[::2]), "".join(map(_kind, written)))
    template = _templates.get(shape)
    if template is None:
        query = parse(text)
        if len(_templates) >= _MAX_KEPT:
            _templates.clear()
        _templates[shape] = _Template.of(query, pieces)
        return query
    try:
        return template.filled(written)
    except QueryError:
        # The parser knows where in the text it is wrong.
        return parse(text)


@attrs.frozen
class _Template:
    """
    A tree, and where in it the values of its text are.

    Attributes:
        query: The tree of the first text of the shape.

        slots: For each value where it is: the part of the query, and which children lead to it. None
            if that is not clear; then each text is parsed.
    """

    query: Query
    values: tuple[str, ...]
    slots: tuple[tuple[Any, ...], ...] | None

    @classmethod
    def of(cls, query: Query, pieces: list[str]) -> _Template:
        """
        Find out where the values are.
        """
        values = pieces[1::2]
        marks = [_mark(value, index) for index, value in enumerate(values)]
        marked = list(pieces)
        marked[1::2] = marks
        try:
            probe = parse("".join(marked))
        except QueryError:
            return cls(query, tuple(values), None)
        places = dict(_places(probe))
        found = [places.get((type(value), value)) for value in map(_value, marks)]  # pyright: ignore[reportUnknownArgumentType]
        constants = sum(isinstance(node, Constant) for part in _parts(probe) for node in walk(part))
        # Each mark once, and nothing that could be a mark put together.
        slots = tuple(each for each in found if each is not None)
        is_clear = len(slots) == len(marks) and len(places) == constants
        return cls(query, tuple(values), slots if is_clear else None)

    def filled(self, written: list[str]) -> Query:
        """
        The tree with other values.

        Raises:
            QueryError: It is no query with these.
        """
        if self.slots is None:
            # The caller parses.
            raise QueryError
        changes: dict[str, Any] = {}
        for slot, old, new in zip(self.slots, self.values, written, strict=True):
            if old == new:
                continue
            name, index, *steps = slot
            part = changes.get(name, getattr(self.query, name))
            changes[name] = _put_in_part(part, index, tuple(steps), _value(new))
        return attrs.evolve(self.query, **changes) if changes else self.query


_templates: dict[tuple[tuple[str, ...], str], _Template] = {}


def _kind(written: str) -> str:
    if written[0] in "'\"":
        return "s"
    return "f" if "." in written else "i"


def _value(written: str) -> Any:
    match _kind(written):
        case "s":
            return written[1:-1]
        case "f":
            return float(written)
        case _:
            return int(written)


def _mark(written: str, index: int) -> str:
    """
    A value like *written* that stands nowhere else, of those that fit in the same places.
    """
    number = 7_770_000_000 + index
    match _kind(written):
        case "i":
            return str(number)
        case "f":
            return f"{number}.5"
        case _:
            text = written[1:-1]
            if to_instant(text):
                return f"'2001-02-03T04:05:06.{index:09}Z'"
            return f"'/mark/{number}'" if text.startswith("/") else f"'mark {number}'"


def _parts(query: Query) -> list[Expression]:
    parts = [query.where, *query.group_by, query.having, *(key.expression for key in query.order_by), query.projection]
    return [part for part in parts if part is not None]


def _places(query: Query) -> list[tuple[tuple[type, Any], tuple[Any, ...]]]:
    """
    Every constant with its place: the attribute of the query, the element of it, and the way down from there.
    """
    found: list[tuple[tuple[type, Any], tuple[Any, ...]]] = []

    def look(node: Expression, place: tuple[Any, ...]) -> None:
        if isinstance(node, Constant):
            found.append(((type(node.value), node.value), place))
        for index, child in enumerate(node.children):
            look(child, (*place, index))

    for name in ("where", "having", "projection"):
        part = getattr(query, name)
        if part is not None:
            look(part, (name, None))
    for index, key in enumerate(query.group_by):
        look(key, ("group_by", index))
    for index, order in enumerate(query.order_by):
        look(order.expression, ("order_by", index))
    return found


def _put_in_part(part: Any, index: int | None, steps: tuple[int, ...], value: Any) -> Any:
    if index is None:
        return _put(part, steps, value)
    element = part[index]
    if isinstance(element, OrderKey):
        changed: Any = OrderKey(_put(element.expression, steps, value), element.descending)
    else:
        changed = _put(element, steps, value)
    return (*part[:index], changed, *part[index + 1 :])


def _put(node: Any, steps: tuple[int, ...], value: Any) -> Expression:
    """
    The tree below *node* with another value in one place.
    """
    if not steps:
        return Constant(value)
    index = steps[0]
    child = _put(node.children[index], steps[1:], value)
    if isinstance(node, ObjectOf):
        name = node.members[index][0]
        return ObjectOf((*node.members[:index], (name, child), *node.members[index + 1 :]))
    return _rebuilt(node, index, child)


def _rebuilt(node: Any, index: int, child: Expression) -> Expression:
    """
    A node of the same kind, one of its children another one.
    """
    arguments: list[Any] = []
    position = 0
    for field in attrs.fields(type(node)):  # pyright: ignore[reportUnknownArgumentType]
        if not field.init:
            continue
        item: Any = getattr(node, field.name)
        if isinstance(item, tuple):
            if position <= index < position + len(item):  # pyright: ignore[reportUnknownArgumentType]
                at = index - position
                item = (*item[:at], child, *item[at + 1 :])
            position += len(item)  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(item, (Branch, Leaf)):
            if position == index:
                item = child
            position += 1
        arguments.append(item)
    rebuilt: Expression = type(node)(*arguments)
    return rebuilt
