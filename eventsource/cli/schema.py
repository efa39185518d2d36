"""
``eventsource schema``: schemas made from event classes, compared with those of a store, and registered there.
"""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict

from eventsource.cli.failures import EXIT_CODES_HELP, ExitCode, SchemasRefuseError
from eventsource.cli.loading import load_event_classes
from eventsource.cli.options import Json, StoreUrl, WritableStoreUrl, show_help_if_alone
from eventsource.cli.output import write_error, write_json, write_lines
from eventsource.cli.signals import run as run_async
from eventsource.cli.table import format_table
from eventsource.events.event import Event
from eventsource.store.errors import SchemaMismatchError
from eventsource.store.opening import connect
from eventsource.store.schema import SchemaDifference, SchemaState, diff_schemas, push_schemas

app = typer.Typer(
    rich_markup_mode=None, help="Register schemas made from event classes, and compare them with what is registered."
)

Modules = Annotated[
    list[str],
    typer.Argument(
        metavar="MODULE...",
        help="Modules that declare event classes; they are found from the current directory, too.",
    ),
]

_MEANINGS = {
    SchemaState.NEW: "nothing is registered",
    SchemaState.SAME: "registered",
    SchemaState.FITS: "fits what is registered",
    SchemaState.UNCHECKED: "passes unchecked, another version is registered",
    SchemaState.REFUSED: "may be refused",
}


class Later(StrEnum):
    """
    What later programs may do without a new type name.
    """

    VERSIONS = "versions"
    FIELDS = "fields"
    NOTHING = "nothing"


class TypeDifference(BaseModel):
    """
    One event type: its class beside its schema.

    Attributes:
        state: "new", "same", "fits", "unchecked" or "refused".

        problems: Where what the class writes may be refused.
    """

    model_config = ConfigDict(frozen=True)

    type: str
    version: int
    state: SchemaState
    problems: list[str]

    @classmethod
    def of(cls, difference: SchemaDifference) -> "TypeDifference":
        """
        What the store told of one.
        """
        return cls(
            type=difference.event_type,
            version=difference.version,
            state=difference.state,
            problems=list(difference.problems),
        )


@app.callback(invoke_without_command=True)
def schema(context: typer.Context) -> None:
    """
    What stands before any of these commands.
    """
    show_help_if_alone(context)


@app.command(epilog=EXIT_CODES_HELP)
def diff(
    modules: Modules,
    store: StoreUrl,
    *,
    registered: Annotated[
        bool, typer.Option("--registered", help="Also exit with 1 where nothing is registered, or passes unchecked.")
    ] = False,
    json: Json = False,
) -> int:
    """
    Compare what event classes write with the schemas of a store. Changes nothing.

    Exits with 1 if a registered schema may refuse what one of them writes: before it is deployed, such a class
    needs another form, or another type name.
    """
    differences = run_async(_diff(store, load_event_classes(modules)))
    _show(differences, as_json=json)
    bad = [SchemaState.REFUSED, *([SchemaState.NEW, SchemaState.UNCHECKED] if registered else [])]
    return ExitCode.FAILED if any(each.state in bad for each in differences) else ExitCode.DONE


@app.command(epilog=EXIT_CODES_HELP)
def push(
    modules: Modules,
    store: WritableStoreUrl,
    *,
    allow: Annotated[
        Later,
        typer.Option(
            "--allow",
            help="What later programs may do without a new type name: raise versions, which pass unchecked; "
            "add fields; nothing.",
        ),
    ] = Later.VERSIONS,
    json: Json = False,
) -> int:
    """
    Register a schema for each event class whose type has none.

    From then on every commit is checked. A schema is never changed or removed. If one that is there may refuse what a
    class writes, nothing is registered, and it exits with 1. Exits with 3 while another process has the store open
    for writing.
    """
    classes = load_event_classes(modules)
    try:
        before = run_async(_push(store, classes, allow))
    except SchemaMismatchError as error:
        raise SchemasRefuseError(error) from error
    _show(before, as_json=json, has_pushed=True)
    return ExitCode.DONE


async def _diff(url: str, classes: list[type[Event]]) -> tuple[SchemaDifference, ...]:
    async with connect(url, read_only=True) as store:
        return await diff_schemas(store, classes)


async def _push(url: str, classes: list[type[Event]], allow: Later) -> tuple[SchemaDifference, ...]:
    async with connect(url) as store:
        return await push_schemas(store, classes, allow=allow.value)


def _show(differences: tuple[SchemaDifference, ...], *, as_json: bool, has_pushed: bool = False) -> None:
    if as_json:
        write_json([TypeDifference.of(each) for each in differences])
        return
    meanings = _MEANINGS | ({SchemaState.NEW: "registered now"} if has_pushed else {})
    rows = [(each.event_type, str(each.version), meanings[each.state]) for each in differences]
    write_lines(format_table(["type", "version", "what the class writes"], rows))
    write_lines(f"  {each.event_type}: {problem}" for each in differences for problem in each.problems)
    write_error(_summary(each.state for each in differences))


def _summary(states: Iterable[SchemaState]) -> str:
    counts = Counter(states)
    return ", ".join(f"{counts[state]} {state.value}" for state in SchemaState if counts[state])
