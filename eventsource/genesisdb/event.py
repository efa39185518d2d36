"""
Events as the client hands them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, final

from eventsource.wire.failures import to_one_line


@final
class Event(Mapping[str, Any]):
    """
    An event as a Genesis DB tells it: ``event["subject"]`` and ``event.subject`` are the same.

    The members are ``source``, ``subject``, ``type``, ``specversion``, ``id``, ``time``,
    ``datacontenttype``, ``predecessorhash``, ``data`` and ``hash``, and whatever else the server
    sends. ``print`` shows all of them, ``repr`` leaves out the data. An event is read only as far as a
    dictionary can be: treat ``data`` as somebody else's.

    >>> event = Event({"id": "7", "type": "io.example.noted", "data": {"text": "hello"}})
    >>> event["data"]["text"], event.data["text"], event.type
    ('hello', 'hello', 'io.example.noted')
    """

    __slots__ = ("_members",)

    def __init__(self, members: Mapping[str, Any]) -> None:
        self._members = members

    def __getitem__(self, name: str) -> Any:
        return self._members[name]

    def __getattr__(self, name: str) -> Any:
        # Copying and unpickling look at an object that has no members yet.
        if not name.startswith("_") and name in self._members:
            return self._members[name]
        msg = f"this event has no {name!r}"
        raise AttributeError(msg)

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __hash__(self) -> int:
        return hash(self._members.get("id"))

    def __eq__(self, other: object) -> bool:
        return dict(self) == dict(other) if isinstance(other, Mapping) else NotImplemented  # pyright: ignore[reportUnknownArgumentType]

    def __reduce__(self) -> tuple[object, ...]:
        return Event, (dict(self._members),)

    def __repr__(self) -> str:
        # Without the data: it may be personal, and logs are full of reprs.
        shown = {name: self._members.get(name) for name in ("id", "type", "subject", "time")}
        # Nor with anything that a terminal obeys: the texts are the server's.
        return f"<Event {' '.join(f'{name}={to_one_line(str(value))}' for name, value in shown.items())}>"

    def __str__(self) -> str:
        # All of it, as `print` of an event of the official SDK shows it.
        return str({"attributes": self.get_attributes(), "data": self.get_data()})

    def get_data(self) -> Any:
        """
        The data, as the ``cloudevents`` package names it.
        """
        return self._members.get("data")

    def get_attributes(self) -> dict[str, Any]:
        """
        All but the data, as the ``cloudevents`` package names them.
        """
        return {name: value for name, value in self._members.items() if name != "data"}
