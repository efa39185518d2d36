"""
The fields an event has, and what their values are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventsource.gdbql.values import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXT: Final = frozenset({Kind.TEXT})
_TEXT_OR_NOTHING: Final = frozenset({Kind.TEXT, Kind.NULL})

FIELDS: Final[Mapping[str, frozenset[Kind]]] = {
    "id": _TEXT,
    "source": _TEXT,
    "subject": _TEXT,
    "type": _TEXT,
    "specversion": _TEXT,
    "time": frozenset({Kind.INSTANT}),
    "datacontenttype": _TEXT_OR_NOTHING,
    "data": frozenset(Kind) - {Kind.INSTANT},
    "predecessorhash": _TEXT_OR_NOTHING,
    "hash": _TEXT_OR_NOTHING,
}
"""
Every field of an event, by name. Only `data` has members of its own.

Source: the events a Genesis DB returns; fixed names, so that a misspelt one is found.
"""
