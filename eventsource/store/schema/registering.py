"""
Compares the schemas of event classes with those of a store, and registers the missing ones.
"""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Final, final, get_args

import attrs

from eventsource.store.errors import SchemaMismatchError
from eventsource.store.schema.generated import Allowance, checked_part, schema_of, written_schema
from eventsource.store.schema.inclusion import misfits
from eventsource.store.schema.native import to_json_schema
from eventsource.wire.errors import SchemaExistsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from eventsource.events.event import Event
    from eventsource.store.interface import EventStore
    from eventsource.store.schema.generated import Schema

_ALLOWANCES: Final[tuple[Allowance, ...]] = get_args(Allowance)


class SchemaState(StrEnum):
    """
    The relation of an event class to the schema registered for its type.
    """

    # There is none.
    NEW = "new"
    # It is the one made from the class.
    SAME = "same"
    # It is another one, and all that the class writes fits it.
    FITS = "fits"
    # It is about another version: what the class writes passes unchecked.
    UNCHECKED = "unchecked"
    # It may refuse what the class writes.
    REFUSED = "refused"


@final
@attrs.frozen
class SchemaDifference:
    """
    One event class beside the schema of its type.

    Attributes:
        event_type: The type.

        version: The version of the class.

        state: The relation of the two schemas.

        problems: The places where the class's data may be refused, each with the problem there.
    """

    event_type: str
    version: int
    state: SchemaState
    problems: tuple[str, ...] = ()


async def diff_schemas(store: EventStore, event_classes: Iterable[type[Event]]) -> tuple[SchemaDifference, ...]:
    """
    Compare what event classes write with the schemas that a store checks commits against.

    Returns:
        One for each class, in the order of their types.

    Raises:
        DeclarationError: A field has a type without a JSON Schema.
        StoreUnavailableError, StoreClosedError: As they say.
    """
    registered = await store.schemas()
    classes = sorted(event_classes, key=lambda event_class: event_class.event_type)
    return tuple(_difference(event_class, registered) for event_class in classes)


async def push_schemas(
    store: EventStore, event_classes: Iterable[type[Event]], *, allow: Allowance = "versions"
) -> tuple[SchemaDifference, ...]:
    """
    Register a schema for each class whose type has none.

    Nothing is registered if a schema that is there would refuse what a class writes. To be interrupted,
    or to run twice at once, does no harm.

    Args:
        allow: The changes later programs may make without a new type name: see `schema_of`.

    Returns:
        The state before: schemas registered by this call were `SchemaState.NEW`.

    Raises:
        SchemaMismatchError: A schema that is there may refuse what a class writes.
        InvalidSchemaError: The store has 1,000 schemas, or one is too large.
        MissingExtraError: The extra that checks schemas is not installed.
        StoreReadOnlyError: The store is open for reading only.
    """
    classes = {event_class.event_type: event_class for event_class in event_classes}
    before = await diff_schemas(store, classes.values())
    _check(before)
    new = [difference.event_type for difference in before if difference.state is SchemaState.NEW]
    for event_type in new:
        # Another one who registers at the same time may have been faster, maybe with another class.
        with suppress(SchemaExistsError):
            await store.register_schema(event_type, schema_of(classes[event_type], allow=allow))
    if new:
        _check(await diff_schemas(store, [classes[event_type] for event_type in new]))
    return before


def _check(differences: Iterable[SchemaDifference]) -> None:
    refused = {each.event_type: each.problems for each in differences if each.state is SchemaState.REFUSED}
    if refused:
        raise SchemaMismatchError(refused)


def _difference(event_class: type[Event], registered: Mapping[str, Schema]) -> SchemaDifference:
    event_type, version = event_class.event_type, event_class.event_version
    schema = registered.get(event_type)
    if schema is None:
        return SchemaDifference(event_type, version, SchemaState.NEW)
    if any(schema == schema_of(event_class, allow=allow) for allow in _ALLOWANCES):
        return SchemaDifference(event_type, version, SchemaState.SAME)
    asked, of_version = checked_part(to_json_schema(event_type, schema))
    if of_version is not None and of_version != version:
        return SchemaDifference(event_type, version, SchemaState.UNCHECKED)
    problems = misfits(written_schema(event_class), asked)
    return SchemaDifference(event_type, version, SchemaState.REFUSED if problems else SchemaState.FITS, problems)
