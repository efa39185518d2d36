"""
Events as the language sees them, made of as few columns as a query reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventsource.events.timestamp import format_timestamp
from eventsource.gdbql import FIELDS, Path, walk
from eventsource.store.embedded.failures import read_data
from eventsource.store.query import stored_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from eventsource.gdbql import Expression

# The fields that are stored as they are: name in the language, column.
TEXT_COLUMNS: Final[Mapping[str, str]] = {
    "id": "id",
    "source": "source",
    "subject": "subject",
    "type": "type",
    "predecessorhash": "predecessor_hash",
    "hash": "hash",
}
COLUMNS: Final[Mapping[str, str]] = {**TEXT_COLUMNS, "time": "time_ns", "data": "data"}

# The fields that are the same for every event we store.
FIXED: Final[Mapping[str, str]] = {"specversion": "1.0", "datacontenttype": "application/json"}

# In the order Genesis DB writes them.
_WHOLE: Final = (
    "source",
    "subject",
    "type",
    "specversion",
    "id",
    "time",
    "datacontenttype",
    "predecessorhash",
    "data",
    "hash",
)
assert set(_WHOLE) == set(FIELDS)  # noqa: S101  the two lists are one


def fields_of(expressions: Iterable[Expression]) -> tuple[str, ...]:
    """
    The fields the expressions read, or all of them if they read whole events.
    """
    found = [node.steps for expression in expressions for node in walk(expression) if isinstance(node, Path)]
    if () in found:
        return _WHOLE
    return tuple(dict.fromkeys(str(steps[0]) for steps in found))


ALL_FIELDS: Final = _WHOLE


def columns_of(fields: Sequence[str]) -> tuple[str, ...]:
    """
    The columns to select for `row_maker`, in its order.
    """
    return tuple(COLUMNS[field] for field in fields if field in COLUMNS)


def row_maker(fields: Sequence[str], *, plain_times: bool = False) -> Callable[[Sequence[Any]], dict[str, Any]]:
    """
    A function from the values of `columns_of` the fields to an event with these fields.

    Args:
        fields: What is read.

        plain_times: Make times plain texts, for events that leave the query as a whole.
    """
    stored = [field for field in fields if field in COLUMNS]
    time_at = stored.index("time") if "time" in stored else None
    data_at = stored.index("data") if "data" in stored else None
    read_time = format_timestamp if plain_times else stored_instant
    constants = {field: FIXED[field] for field in fields if field in FIXED}
    # A dict keeps the place of a key that is there already, so this fixes the order of the members.
    template = dict.fromkeys(fields) if constants else {}

    def make(values: Sequence[Any]) -> dict[str, Any]:
        row: dict[str, Any] = dict(zip(stored, values, strict=False))
        if time_at is not None:
            row["time"] = read_time(values[time_at])
        if data_at is not None:
            row["data"] = read_data(values[data_at])
        return {**template, **constants, **row} if constants else row

    return make
