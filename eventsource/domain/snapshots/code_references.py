"""
What a function's byte code refers to by name.
"""

from __future__ import annotations

import dis
from collections import deque
from types import CodeType
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

_WITHOUT_MEANING = frozenset({"PUSH_NULL", "CACHE", "EXTENDED_ARG", "NOP"})
_GLOBALS = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})

# With one of these at hand a name can be a value, which nobody sees in the code.
_READERS_OF_NAMES = frozenset({"attrgetter", "eval", "exec", "getattr", "globals", "locals", "methodcaller", "vars"})


@attrs.frozen
class Import:
    """
    An import statement inside a function.

    Attributes:
        module: What is imported, as it is written.

        level: How many dots stand before it.

        names: What is taken from it; none for ``import module``.
    """

    module: str
    level: int
    names: tuple[str, ...]


@attrs.frozen
class CodeReferences:
    """
    The names in a piece of code, that of the functions inside it included; each once, in their order.

    Attributes:
        paths: Global names with the attributes that are read from them at once: ``("rates", "vat")``.

        attributes: Every name that is read from or written to an object, whatever object that is.

        written: Those written to what the function calls its first parameter.

        imports: What it imports when it runs.

        is_dynamic: Whether it may use names that cannot be seen: it has `getattr` or its like.
    """

    paths: tuple[tuple[str, ...], ...]
    attributes: tuple[str, ...]
    written: tuple[str, ...]
    imports: tuple[Import, ...]
    is_dynamic: bool


def references_of(code: CodeType) -> CodeReferences:
    """
    Read them from the byte code.
    """
    paths: dict[tuple[str, ...], None] = {}
    attributes: dict[str, None] = {}
    written: dict[str, None] = {}
    imports: dict[Import, None] = {}
    me = code.co_varnames[:1]
    for each in code_with_nested(code):
        path: tuple[str, ...] = ()
        before: deque[Any] = deque([None, None], maxlen=2)
        for instruction in dis.get_instructions(each):
            name, value = instruction.opname, instruction.argval
            if name in _WITHOUT_MEANING:
                continue
            is_attribute = "ATTR" in name or "METHOD" in name
            if is_attribute:
                attributes[value] = None
                if name == "STORE_ATTR" and before[-1] in {me, me[:1] and me[0]}:
                    written[value] = None
            if name == "IMPORT_NAME":
                level, names = before
                imports[Import(value, level or 0, tuple(names or ()))] = None
            if path and is_attribute:
                path += (value,)
            elif path:
                paths[path] = None
                path = ()
            if name in _GLOBALS:
                path = (value,)
            # Newer Pythons load two variables at once: the last of them is on top.
            before.append(value[-1] if isinstance(value, tuple) and name.startswith("LOAD_FAST") else value)
    return CodeReferences(
        tuple(paths),
        tuple(attributes),
        tuple(written),
        tuple(imports),
        any(path[-1] in _READERS_OF_NAMES for path in paths),
    )


def code_with_nested(code: CodeType) -> Iterator[CodeType]:
    """
    A piece of code and those of the functions, classes and comprehensions inside it.
    """
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from code_with_nested(constant)
