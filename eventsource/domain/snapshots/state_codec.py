"""
The state of an aggregate as JSON, and back the very same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import attrs
from pydantic import ConfigDict, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, core_schema

from eventsource.domain.evolution.record_schema import CORE_CONFIG, with_records
from eventsource.domain.snapshots.aggregate_state import (
    put_state,
    set_state_of,
    state_of,
    state_types,
)
from eventsource.domain.snapshots.sameness import are_same
from eventsource.errors import UnstorableStateError

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

    from eventsource.domain.aggregates.aggregate import Aggregate


class StateCodec:
    """
    Writes the state of aggregates of one class as JSON and reads it, each attribute as it is annotated.

    What is read has to be the same as what was written, down to types and order, or it is refused; so is a state
    in which an object that can change stands twice, since two copies of it would part.

    Args:
        aggregate_class: The class.

    Raises:
        UnstorableStateError: An attribute has no annotation, or one that has no form in JSON, or its default does
            not fit.
    """

    def __init__(self, aggregate_class: type[Aggregate]) -> None:
        self._class = aggregate_class
        self._types = state_types(aggregate_class)
        self._check_declared()
        self._adapter = _adapter(self._schema_types())
        # A default may be what nothing else says: None for a text.
        self._check_defaults()

    def encode(self, aggregate: Aggregate) -> str:
        """
        The state as JSON text.

        Raises:
            UnstorableStateError: It would not come back the same; the error says which attribute.
        """
        state = set_state_of(aggregate)
        for name in state:
            if name not in self._types:
                raise self._refusal(name, "a handler sets it, and the class does not declare it")
        text = self._write(state)
        self._check_same(state, self._read(text))
        return text

    def decode_into(self, aggregate: Aggregate, text: str) -> None:
        """
        Let an aggregate of which nothing is read have a state that was written.

        Raises:
            ValueError: It is none; the message has nothing of the text.
        """
        try:
            state = self._adapter.validate_json(text, by_alias=True)
        except ValidationError as error:
            msg = f"the text is no state of {self._class.__name__}: {error.error_count()} problems"
            raise ValueError(msg) from None
        put_state(aggregate, state)

    def _check_declared(self) -> None:
        cls = self._class
        for name in cls._mutable_defaults:  # pyright: ignore[reportPrivateUsage]  of the same package
            if name in set_state_of(self._class("1")) and name not in self._types:
                raise self._refusal(name, "it has no annotation: say what it holds")

    def _schema_types(self) -> dict[str, Any]:
        types: dict[str, Any] = {}
        for name, annotation in self._types.items():
            try:
                types[name] = with_records(annotation)
                _adapter({name: types[name]})
            except (PydanticSchemaGenerationError, PydanticUserError, NameError, TypeError):
                # Pydantic's text is many lines about pydantic.
                raise self._refusal(name, "pydantic has no JSON form for its annotation") from None
        return types

    def _check_defaults(self) -> None:
        defaults = state_of(self._class.__new__(self._class))
        shown = self._read(self._write(defaults))
        # As many attributes as like may share a default: it is copied for each instance.
        for name, value in defaults.items():
            if not are_same(value, shown[name]):
                raise self._refusal(name, "its default does not fit its annotation")

    def _write(self, state: dict[str, object]) -> str:
        for name in state:
            if name not in self._types:
                raise self._refusal(name, "it is set, but the class does not declare it with an annotation")
        try:
            return self._adapter.dump_json(state, by_alias=True, round_trip=True, warnings="error").decode()
        except (PydanticSerializationError, UnicodeError, ValueError):
            raise self._first_refusal(state, "its value does not fit its annotation") from None

    def _read(self, text: str) -> dict[str, Any]:
        try:
            return self._adapter.validate_json(text, by_alias=True)
        except ValidationError as error:
            # Where it happened, not what was found there.
            name = str(error.errors(include_url=False, include_input=False, include_context=False)[0]["loc"][0])
            raise self._refusal(name, "its value cannot be read back") from None

    def _check_same(self, state: dict[str, object], shown: dict[str, Any]) -> None:
        shared: dict[int, object] = {}
        for name, value in state.items():
            if not are_same(value, shown[name], shared=shared):
                if are_same(value, shown[name]):
                    raise self._refusal(name, "an object in it that can change stands in the state twice")
                raise self._refusal(name, "what is read back is not the same")

    def _first_refusal(self, state: dict[str, object], reason: str) -> UnstorableStateError:
        for name, value in state.items():
            try:
                self._adapter.dump_json({name: value}, by_alias=True, round_trip=True, warnings="error")
            except (PydanticSerializationError, UnicodeError, ValueError):
                return self._refusal(name, reason)
        return self._refusal(None, reason)

    def _refusal(self, attribute: str | None, reason: str) -> UnstorableStateError:
        return UnstorableStateError(aggregate=self._class.__name__, attribute=attribute, reason=reason)


@attrs.frozen(eq=False)
class _Members:
    """
    A mapping whose members have types of their own. A TypedDict would do, but from Python 3.12 on only.
    """

    types: dict[str, Any]

    def __get_pydantic_core_schema__(self, _: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.typed_dict_schema(
            {
                name: core_schema.typed_dict_field(handler.generate_schema(annotation), required=False)
                for name, annotation in self.types.items()
            },
            extra_behavior="forbid",
            config=CORE_CONFIG,
        )


def _adapter(types: dict[str, Any]) -> TypeAdapter[dict[str, Any]]:
    # Pydantic looks for these in two places: here when it writes, in the parts when it reads.
    config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants")
    members: Any = Annotated[dict[str, Any], _Members(types)]
    return TypeAdapter(members, config=config)
