"""
Reading ``refusals.toml``, and making the requests that it describes.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

import attrs

from eventsource.immudb.messages import CALLS, new

TABLE: Final[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("refusals.toml").read_text(encoding="utf-8"))


@attrs.frozen
class Row:
    """
    Something that an immudb refuses; ``refusals.toml`` says what its fields mean.
    """

    call: str
    why: str
    status: str
    text: str
    measured: str
    request: dict[str, Any] = attrs.field(factory=dict[str, Any])
    caller: str = "administrator"

    def message(self, names: dict[str, str]) -> Any:
        """
        The request, with names put in.
        """
        return _fill(new(CALLS[self.call][0]), self.request, names)

    def expected(self, names: dict[str, str]) -> str:
        """
        The text, with names put in.
        """
        return _named(self.text, names)

    @property
    def id(self) -> str:
        """
        What pytest calls it.
        """
        return f"{self.call}-{self.why}".replace(" ", "-")


def _row(told: dict[str, Any]) -> Row:
    return Row(caller=told.pop("as", "administrator"), **told)


ROWS: Final = [_row(dict(told)) for told in TABLE["refusal"]]
CIRCUMSTANCES: Final = [_row(dict(told)) for told in TABLE["circumstance"]]
NEVER: Final[list[str]] = TABLE["never"]["calls"]


def _fill(message: Any, told: dict[str, Any], names: dict[str, str]) -> Any:
    fields = message.DESCRIPTOR.fields_by_name
    for name, value in told.items():
        field = fields[name]
        if field.is_repeated:
            many = getattr(message, name)
            for one in _list(value):
                if field.message_type is not None:
                    _fill(many.add(), one, names)
                else:
                    many.append(_scalar(field, one, names))
        elif field.message_type is not None:
            inner = getattr(message, name)
            inner.SetInParent()
            _fill(inner, value, names)
        else:
            setattr(message, name, _scalar(field, value, names))
    return message


def _list(told: Any) -> list[Any]:
    if isinstance(told, list):
        return told
    return [_numbered(told["numbered"], number) for number in range(told["times"])]


def _numbered(told: Any, number: int) -> Any:
    if isinstance(told, dict):
        return {name: _numbered(value, number) for name, value in told.items()}
    return told.replace("#", str(number)) if isinstance(told, str) else told


def _scalar(field: Any, told: Any, names: dict[str, str]) -> Any:
    if isinstance(told, dict):
        told = told["repeat"] * told["times"]
    if not isinstance(told, str):
        return told
    text = _named(told, names)
    return text.encode() if field.type == field.TYPE_BYTES else text


def _named(text: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return text
