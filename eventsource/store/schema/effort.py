"""
The cost of checking data against a schema, known before the check.

The check of one event cannot be interrupted, and everything else in the process waits for it. So it is
bounded by counters: what a schema may look at for each byte of data, times the bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Of one pattern and of all patterns of a schema, as automata.
MAX_PATTERN_BYTES: Final = 1024 * 1024
MAX_PATTERNS_BYTES: Final = 2 * 1024 * 1024

# One event may cost so much: measured, half a second for the worst schema there can be, a few milliseconds else.
MAX_WORK_OF_EVENT: Final = 100_000_000
# And all events of a commit.
MAX_WORK: Final = 20 * MAX_WORK_OF_EVENT
# A schema of more could not even check a small event.
MAX_EFFORT: Final = MAX_WORK_OF_EVENT // 1_000
# Below, a commit is checked at once; beyond, in a thread, so that others have their turn between two events.
SMALL_WORK: Final = 5_000_000

# The sizes that a pattern is tried with: it weighs as much as the first one that it fits.
_SIZES: Final = (8 * 1024, 32 * 1024, 64 * 1024, 128 * 1024, 256 * 1024, 512 * 1024, MAX_PATTERN_BYTES)
# From here on an automaton does not fit into the caches of a processor, and costs more than its size.
_SIZE_OF_CACHES: Final = 256 * 1024

# Keywords whose schemas look at the same place of the data as the schema they stand in.
_IN_PLACE: Final = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas")
# Numbers with a fraction are compared exactly, and containers member by member.
_SLOW_TO_COMPARE: Final = 100
_SLOW_KEYWORDS: Final = {"multipleOf": _SLOW_TO_COMPARE, "contains": 10, "uniqueItems": 10}


class TooMuchError(Exception):
    """
    A schema asks for too much; the text says of what.
    """


def effort_of(schema: dict[str, Any], fits: Callable[[str, int], bool]) -> int:
    """
    The amount a schema may look at for each byte of data.

    Args:
        fits: Returns True if a pattern is an automaton of at most so many bytes. Other patterns never fit.

    Raises:
        TooMuchError: A pattern or all of them are too large.
    """
    effort = patterns_bytes = 0
    known: dict[str, int] = {}
    for part in _parts(schema):
        effort += 1 + sum(weight for keyword, weight in _SLOW_KEYWORDS.items() if keyword in part)
        effort += sum(map(_cost_of_comparing, _values(part)))
        for pattern in _patterns(part):
            if pattern not in known:
                known[pattern] = _size_of(pattern, fits)
                patterns_bytes += known[pattern]
                if patterns_bytes > MAX_PATTERNS_BYTES:
                    text = f"its patterns take more than {MAX_PATTERNS_BYTES} bytes as automata"
                    raise TooMuchError(text)
            effort += known[pattern] // 1024 * max(1, known[pattern] // _SIZE_OF_CACHES)
    # A definition that is referred to again and again is looked at each time.
    return effort + _Expansion(schema).largest()


def _parts(schema: object) -> Iterator[dict[str, Any]]:
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            members = cast("dict[str, Any]", part)
            yield members
            waiting += members.values()
        elif isinstance(part, list):
            waiting += cast("list[object]", part)


def _values(part: dict[str, Any]) -> list[Any]:
    """
    The values that data is compared with.
    """
    listed = part.get("enum")
    values: list[Any] = listed if isinstance(listed, list) else []  # pyright: ignore[reportUnknownVariableType]  # mypy knows it
    return [*values, part["const"]] if "const" in part else values


def _cost_of_comparing(value: Any) -> int:
    return _SLOW_TO_COMPARE if isinstance(value, float | dict | list) else 1


def _patterns(part: dict[str, Any]) -> Iterator[str]:
    if isinstance(pattern := part.get("pattern"), str):
        yield pattern
    if isinstance(properties := part.get("patternProperties"), dict):
        yield from cast("dict[str, Any]", properties)


def _size_of(pattern: str, fits: Callable[[str, int], bool]) -> int:
    for size in _SIZES:
        if fits(pattern, size):
            return size
    text = f"a pattern is none, or {TOO_LARGE_AUTOMATON}"
    raise TooMuchError(text)


TOO_LARGE_AUTOMATON: Final = (
    f"takes more than {MAX_PATTERN_BYTES} bytes as an automaton: say how long a text may be by minLength and "
    r"maxLength, and write [a-z] in place of \w, which stands for the letters of all languages"
)


class _Expansion:
    """
    Number of schemas that look at one place of the data, with each reference followed.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._counted: dict[int, int] = {}
        self._named = dict(_names(schema))
        self._has_addresses = any(not name.startswith("#") for name in self._named)

    def largest(self) -> int:
        return max(self._count(part, depth=0) for part in _parts(self._schema))

    def _count(self, part: object, *, depth: int) -> int:
        if not isinstance(part, dict):
            return 0
        members = cast("dict[str, Any]", part)
        found = self._counted.get(id(members))
        if found is not None:
            return found
        if depth > _MAX_REFERENCES:
            text = f"its definitions refer to one another more than {_MAX_REFERENCES} deep"
            raise TooMuchError(text)
        # In a circle of references nothing is counted twice.
        self._counted[id(members)] = 0
        count = 1 + sum(self._count(inner, depth=depth + 1) for inner in self._in_place(members))
        self._counted[id(members)] = count
        return count

    def _in_place(self, members: dict[str, Any]) -> Iterator[object]:
        for keyword in _IN_PLACE:
            inner = members.get(keyword)
            if isinstance(inner, list):
                yield from cast("list[object]", inner)
            elif keyword == "dependentSchemas" and isinstance(inner, dict):
                yield from cast("dict[str, object]", inner).values()
            else:
                yield inner
        for keyword in _REFERENCES:
            if isinstance(reference := members.get(keyword), str):
                yield self._target(reference)

    def _target(self, reference: str) -> object:
        """
        The target of a reference; None for a reference to a dialect of JSON Schema.
        """
        name, _, pointer = reference.partition("#")
        target: object = self._named.get(reference) or (self._named.get(name) if name else self._schema)
        if reference in self._named:
            return target
        for step in unquote(pointer).removeprefix("/").split("/") if pointer else ():
            target = _member(target, step.replace("~1", "/").replace("~0", "~"))
        # Without names of its own a schema has no other references; in values of const or enum they mean nothing.
        if target is None and self._has_addresses and not reference.startswith(_DIALECTS):
            text = "it has a reference that is not followed here: refer to definitions as #/$defs/NAME"
            raise TooMuchError(text)
        return target


def _names(schema: object) -> Iterator[tuple[str, object]]:
    """
    The names of a schema's parts, as references use them.
    """
    for part in _parts(schema):
        for keyword, before in (("$anchor", "#"), ("$dynamicAnchor", "#"), ("$id", ""), ("id", "")):
            if isinstance(name := part.get(keyword), str):
                yield before + name, part


def _member(part: object, step: str) -> object:
    if isinstance(part, list):
        items = cast("list[object]", part)
        return items[int(step)] if step.isdecimal() and int(step) < len(items) else None
    return cast("dict[str, object]", part).get(step) if isinstance(part, dict) else None


_MAX_REFERENCES: Final = 100
_DIALECTS: Final = ("http://json-schema.org/", "https://json-schema.org/")
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
