"""
Writes docs/reference.md: every public name, its signature, and what its docstring begins with.

    python docs/make_reference.py          writes it
    python docs/make_reference.py --check  fails if it is not what it should be

The whole docstrings, as pages to browse, are made by `make reference`.
"""

import difflib
import enum
import importlib
import inspect
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import eventsource

PAGE = Path(__file__).with_name("reference.md")

HEAD = """\
# Reference

Every public name, made from the docstrings: `make reference` writes this page, and the docstrings as a whole as
pages to browse into `build/reference`. What a method promises, what it raises, and in which units it counts, the
docstrings say: `help(eventsource.Repository)`, or your editor.
"""

# Where a name is imported from, in the order of the page.
MODULES = (
    ("eventsource", "import from `eventsource`"),
    ("eventsource.genesisdb", "Genesis DB over HTTP, alone"),
    ("eventsource.immudb", "immudb, alone; extra `immudb`"),
    ("eventsource.notary", "tamper evidence from outside; extra `notary`"),
    ("eventsource.server", "a store over HTTP; extra `server`"),
    ("eventsource.testing", "for tests; extra `testing`"),
)

ROOMS = {
    "store": "Stores",
    "events": "Events",
    "aggregates": "Aggregates",
    "guards": "Preconditions and rules",
    "commands": "Commands",
    "projections": "Read models",
    "processes": "Processes",
    "erasure": "Erasing",
    "gdbql": "Queries",
    "root_error": "Errors of every kind",
}


def reference() -> str:
    """
    The page.
    """
    return "\n".join([HEAD, *_parts()])


def _parts() -> Iterator[str]:
    for name, what in MODULES:
        module = importlib.import_module(name)
        yield f"## `{name}`\n\n{what}\n"
        if module is not eventsource:
            yield "\n".join(_table(module, _names(module))) + "\n"
            continue
        rooms: dict[str, list[str]] = {}
        for public in _names(module):
            rooms.setdefault(_room(getattr(module, public)), []).append(public)
        for room in sorted(rooms, key=lambda room: (list(ROOMS).index(room) if room in ROOMS else len(ROOMS), room)):
            yield f"### {ROOMS.get(room, room.capitalize())}\n"
            yield "\n".join(_table(module, rooms[room])) + "\n"


def _names(module: ModuleType) -> list[str]:
    return sorted(module.__all__, key=str.lower)


def _room(thing: object) -> str:
    found = getattr(thing, "__module__", "") or type(thing).__module__
    parts = found.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "eventsource" else "events"


def _table(module: ModuleType, names: list[str]) -> Iterator[str]:
    yield "| name | what it is |"
    yield "| --- | --- |"
    for name in names:
        thing = getattr(module, name)
        yield f"| `{name}{_parameters(thing)}` | {_first_sentence(thing)} |"


def _parameters(thing: object) -> str:
    if not callable(thing) or (inspect.isclass(thing) and issubclass(thing, BaseException | enum.Enum)):
        return ""
    if getattr(thing, "_is_protocol", False):
        return ""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return ""
    shown: list[str] = []
    for parameter in parameters:
        if parameter.name.startswith("_"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in shown and not any("*" in one for one in shown):
            shown.append("*")
        shown.append(str(parameter.replace(annotation=parameter.empty, default=parameter.empty)))
        if parameter.default is not parameter.empty:
            shown[-1] += "=…"
    return f"({', '.join(shown)})"


def _first_sentence(thing: object) -> str:
    if isinstance(thing, types.UnionType):
        return "One of " + ", ".join(f"`{kind.__name__}`" for kind in thing.__args__) + "."
    text = inspect.getdoc(thing) or ""
    first = re.split(r"(?<=\.)\s|\n\n", " ".join(text.split("\n\n")[0].split()), maxsplit=1)[0]
    return first.replace("|", "\\|").rstrip(":")


if __name__ == "__main__":
    page = reference()
    if "--check" in sys.argv[1:]:
        kept = PAGE.read_text() if PAGE.exists() else ""
        sys.stdout.writelines(
            difflib.unified_diff(kept.splitlines(keepends=True), page.splitlines(keepends=True), "kept", "made")
        )
        sys.exit(kept != page)
    PAGE.write_text(page)
