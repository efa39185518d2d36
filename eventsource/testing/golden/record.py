"""
Golden files: one for each stored type and version, with examples of it and what they are read as.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Self, final
from urllib.parse import quote

import attrs

from eventsource.events.canonical_json import parse_json, to_canonical_json
from eventsource.events.event import NewEvent, RecordedEvent
from eventsource.events.metadata import METADATA_KEY, stored_version
from eventsource.events.personal_data import Erased

if TYPE_CHECKING:
    from pathlib import Path

    from eventsource.events.event import Event

Data = dict[str, Any]

_HASH: Final = "0" * 64


@final
@attrs.frozen
class Example:
    """
    One stored event of a form.

    Attributes:
        stored: Its data, with the metadata that reading needs.

        read: The events that it is read as: each with the members "type" and "data".
    """

    stored: Data
    read: list[Data]


@final
@attrs.frozen
class GoldenFile:
    """
    The examples of one stored type and version.

    Attributes:
        event_type: The stored type name.

        version: The version of it.

        examples: What was stored, in the order in which it was first seen.
    """

    event_type: str
    version: int
    examples: tuple[Example, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """
        Read a file.

        Raises:
            ValueError: It is none; the message says where.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            examples = tuple(Example(example["stored"], example["read"]) for example in content["examples"])
            found = cls(content["type"], content["version"], examples)
        except (ValueError, KeyError, TypeError) as error:
            msg = f"{path} is no golden file: {type(error).__name__}: {error}"
            raise ValueError(msg) from error
        for example in found.examples:
            if stored_version(example.stored) != found.version:
                msg = f"{path} is of version {found.version}, and an example in it says another"
                raise ValueError(msg)
        return found

    def write(self, folder: Path) -> None:
        """
        Write it to its place.
        """
        content = {
            "type": self.event_type,
            "version": self.version,
            "examples": [{"stored": example.stored, "read": example.read} for example in self.examples],
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / self.name).write_text(print_json(content), encoding="utf-8")

    @property
    def name(self) -> str:
        """
        The name of the file.
        """
        return f"{quote(self.event_type, safe='')}.v{self.version}.json"


def stored_data(event: Event) -> Data:
    """
    The data of *event* as it is stored.
    """
    data: Data = parse_json(NewEvent.of(event, subject="/golden").data_json)
    return data


def read_again(event_type: str, stored: Data) -> list[Data]:
    """
    What an event with that data is read as by the program of today.

    Raises:
        EventError, DeclarationError: It cannot be read.
    """
    recorded = recorded_event(event_type, stored)
    return [_describe(event) for event in recorded.decode_all()]


def recorded_event(event_type: str, stored: Data) -> RecordedEvent:
    """
    An event with that data, as a store gives it.
    """
    return RecordedEvent(1, "golden", 0, "golden", "/golden", event_type, to_canonical_json(stored), _HASH, _HASH)


def print_json(value: object) -> str:
    """
    JSON for people: members in order, one a line.
    """
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _describe(event: Event | Erased[Any]) -> Data:
    if isinstance(event, Erased):
        return {"type": event.event_type, "erased": True}
    data = {name: value for name, value in stored_data(event).items() if name != METADATA_KEY}
    return {"type": event.event_type, "data": data}
