"""
The schemas of a store: what is registered, and the check that every commit goes through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from eventsource.events.canonical_json import parse_json, to_canonical_json
from eventsource.events.errors import SchemaBudgetError, SchemaViolationError, UnstorableDataError
from eventsource.events.event import check_event_type
from eventsource.store.schema.effort import MAX_WORK, MAX_WORK_OF_EVENT, SMALL_WORK
from eventsource.store.schema.native import to_json_schema
from eventsource.store.schema.validator import DataValidator, require_validation
from eventsource.wire.errors import InvalidSchemaError, SchemaExistsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsource.events.event import NewEvent

MAX_SCHEMA_BYTES: Final = 65_536
MAX_SCHEMAS: Final = 1_000


@attrs.frozen
class CheckedBefore:
    """
    The outcome of a check in a thread.

    Attributes:
        texts: The schemas that it was made with, by event type.

        error: What it found; None if all events are as they must be.
    """

    texts: Mapping[str, str]
    error: SchemaViolationError | SchemaBudgetError | None = None


class SchemaRegistry:
    """
    Schemas by event type, and what checks data against them.

    Args:
        stored: The schemas there are, as canonical JSON.

    Raises:
        MissingExtraError: There are some, and what checks them is not installed.
    """

    def __init__(self, stored: Mapping[str, str] | None = None) -> None:
        self._texts = dict(stored or {})
        self._validators: dict[str, DataValidator] = {}
        if self._texts:
            require_validation()

    def add(self, event_type: str, schema: Mapping[str, Any]) -> str:
        """
        Check events of that type from now on.

        Returns:
            The schema as canonical JSON.

        Raises:
            ValueError, InvalidSchemaError, SchemaExistsError, MissingExtraError: See `EventStore.register_schema`.
        """
        check_event_type(event_type)
        if event_type in self._texts:
            raise SchemaExistsError(event_type)
        if len(self._texts) >= MAX_SCHEMAS:
            raise InvalidSchemaError(event_type, f"there are {MAX_SCHEMAS} schemas already")
        text = to_schema_text(event_type, schema)
        self._validators[event_type] = _validator(event_type, text)
        self._texts[event_type] = text
        return text

    def withdraw(self, event_type: str) -> None:
        """
        Forget a schema that could not be stored.
        """
        self._texts.pop(event_type, None)
        self._validators.pop(event_type, None)

    @property
    def texts(self) -> Mapping[str, str]:
        """
        The schemas as canonical JSON, by event type.
        """
        return self._texts

    def lacking(self, other: SchemaRegistry) -> dict[str, str]:
        """
        The schemas of *other* that are not here, as canonical JSON by event type.

        Raises:
            SchemaExistsError: A type has another schema here.
            InvalidSchemaError: Together there are too many.
        """
        found = {name: text for name, text in other.texts.items() if self._texts.get(name) != text}
        for event_type in found:
            if event_type in self._texts:
                raise SchemaExistsError(event_type)
            if len(self._texts) + len(found) > MAX_SCHEMAS:
                raise InvalidSchemaError(event_type, f"there would be more than {MAX_SCHEMAS} schemas")
        return found

    def take(self, texts: Mapping[str, str]) -> None:
        """
        Check events by further schemas, which are valid.
        """
        self._texts.update(texts)

    async def check_large(self, events: Sequence[NewEvent]) -> CheckedBefore | None:
        """
        Check a commit that takes long, in a thread, so that others have their turn between two events.

        Returns:
            For `check`; None if it may be called at once.

        Raises:
            InvalidSchemaError: A schema in the file is none.
        """
        if not self._texts or self._is_small(events):
            return None
        texts = self._texts_for(events)
        try:
            await asyncio.to_thread(self.check, events)
        except (SchemaViolationError, SchemaBudgetError) as error:
            return CheckedBefore(texts, error)
        return CheckedBefore(texts)

    def _texts_for(self, events: Sequence[NewEvent]) -> dict[str, str]:
        return {event.type: text for event in events if (text := self._texts.get(event.type)) is not None}

    def _is_small(self, events: Sequence[NewEvent]) -> bool:
        work = 0
        for event in events:
            text = self._texts.get(event.type)
            if text is not None:
                work += self._validator_of(event.type, text).effort * len(event.data_json)
        return work <= SMALL_WORK

    def check(self, events: Sequence[NewEvent], before: CheckedBefore | None = None) -> None:
        """
        Check what is to be committed.

        Args:
            before: What `check_large` returned; it counts as long as the schemas are the same.

        Raises:
            SchemaViolationError: The first event that breaks the schema of its type.
            SchemaBudgetError: To check them could take too long.
            InvalidSchemaError: A schema in the file is none.
        """
        if not self._texts:
            return
        if before is not None and before.texts == self._texts_for(events):
            if before.error is not None:
                raise before.error
            return
        total = 0
        for index, event in enumerate(events):
            text = self._texts.get(event.type)
            if text is None:
                continue
            validator = self._validator_of(event.type, text)
            work = validator.effort * len(event.data_json)
            total += work
            for spent, limit in ((work, MAX_WORK_OF_EVENT), (total, MAX_WORK)):
                if spent > limit:
                    raise SchemaBudgetError(event_index=index, event_type=event.type, work=spent, limit=limit)
            problem = validator.first_problem(parse_json(event.data_json))
            if problem is not None:
                raise SchemaViolationError(
                    event_index=index,
                    event_type=event.type,
                    subject=event.subject,
                    path=problem.path,
                    rule=problem.rule,
                )

    def _validator_of(self, event_type: str, text: str) -> DataValidator:
        validator = self._validators.get(event_type)
        if validator is None:
            validator = self._validators[event_type] = _validator(event_type, text)
        return validator

    def registered(self) -> dict[str, dict[str, Any]]:
        """
        The schemas as they were given, by event type in order.
        """
        return read_schemas(self._texts)


def read_schemas(texts: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """
    Schemas from their JSON, by event type in order.
    """
    return {event_type: parse_json(texts[event_type]) for event_type in sorted(texts)}


def to_schema_text(event_type: str, schema: Mapping[str, Any]) -> str:
    """
    A schema as canonical JSON.

    Raises:
        InvalidSchemaError: It is no JSON object, or too large.
    """
    # Callers without a type checker, and bodies of requests.
    if not isinstance(schema, Mapping):
        raise InvalidSchemaError(event_type, "it is no JSON object")
    try:
        text = to_canonical_json(dict(schema))
    except UnstorableDataError as error:
        raise InvalidSchemaError(event_type, f"it is no JSON: {error.reason} at {error.path}") from None
    size = len(text.encode())
    if size > MAX_SCHEMA_BYTES:
        raise InvalidSchemaError(event_type, f"it takes {size} bytes as JSON, the limit is {MAX_SCHEMA_BYTES}")
    return text


def _validator(event_type: str, text: str) -> DataValidator:
    return DataValidator(event_type, to_json_schema(event_type, parse_json(text)))
