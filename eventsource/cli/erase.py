"""
``eventsource erase``: personal data erased for good, with what was made of it.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Annotated, Literal

import typer
from pydantic import BaseModel, ConfigDict
from sqlalchemy import inspect

from eventsource.aggregates.context import with_metadata
from eventsource.aggregates.snapshot_stores import SNAPSHOT_TABLE, SqlSnapshotStore
from eventsource.cli.database import is_missing, open_database
from eventsource.cli.failures import CommandError, ExitCode
from eventsource.cli.loading import load_event_classes, load_projectors
from eventsource.cli.options import Json, WritableStoreUrl
from eventsource.cli.output import escape, write_error, write_json, write_lines
from eventsource.cli.signals import run
from eventsource.erasure import Erasure, ErasurePlan, erase_subject, plan_erasure
from eventsource.erasure.plan import Consequence
from eventsource.events.metadata import Metadata
from eventsource.events.subject import Subject
from eventsource.events.subject_erased import erasures_of
from eventsource.projections.database import ReadModelDatabase
from eventsource.projections.erasures import load_notes
from eventsource.projections.projector import Projector
from eventsource.store.interface import EventStore
from eventsource.store.opening import connect
from eventsource.subscriptions.errors import NotSeenError

OptionalDatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="EVENTSOURCE_DATABASE",
        show_envvar=True,
        help="The database of the projectors' read models, and of snapshots if there are any.",
    ),
]

State = Literal["has let go", "not yet", "file in use", "no read model"]


def erase(
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="Exactly this one; not what lies below.")],
    store: WritableStoreUrl,
    *,
    projectors: Annotated[
        list[str] | None,
        typer.Option("--projector", metavar="MODULE:PROJECTOR", help="Wait for it to let go; may be given repeatedly."),
    ] = None,
    database: OptionalDatabaseUrl = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="ACTOR", help="Who erases: recorded, so let it be no name.")
    ] = None,
    wait_s: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for each projector.")
    ] = 30.0,
    modules: Annotated[
        list[str] | None,
        typer.Option(
            "--events",
            metavar="MODULE",
            help="Import its event classes, to know what is personal; may be given repeatedly.",
        ),
    ] = None,
    including: Annotated[
        list[str] | None,
        typer.Option(
            "--including",
            metavar="TYPE",
            help="Erase events of this type however their data was stored; may be given repeatedly.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> int:
    """
    Erase the personal data of a subject, for good.

    Empties the events whose data can be erased, purges snapshots, and records that as an event directly below the
    subject, which makes projectors let go of what they made of these events, wherever they run. It asks first. When it
    is interrupted, run it again: it goes on where it was.

    Personal data that was not stored by reference, since its class became personal later, is left and named, unless
    --including names its type. Which types are personal is known of classes that are imported: those that the
    projectors import, and those of --events.

    Exits with 1 if a projector has not let go in time or personal data is left, with 2 if the subject has no events,
    with 3 if the store cannot be opened for writing, or bytes of the data are left in a file that somebody reads.
    """
    loaded = load_projectors(projectors or [])
    if loaded and database is None:
        msg = "--projector needs --database, to see whether it has let go"
        raise CommandError(msg)
    load_event_classes(modules or [])
    types = including or []
    plan = run(_plan(store, subject, loaded, types))
    if dry_run:
        write_json(PlannedErasure.of(plan)) if json else write_lines(_plan_in_words(plan))
        return ExitCode.DONE
    if not yes:
        _ask(plan, is_possible=not json and sys.stdin.isatty())
    if plan.unknown:
        _warn_of(plan.unknown)
    result = run(_erase(store, subject, loaded, database, by=by, wait_s=wait_s, including=types))
    write_json(result) if json else write_lines(_in_words(result))
    is_done = all(each.state in {"has let go", "no read model"} for each in result.projectors)
    return ExitCode.DONE if is_done else ExitCode.FAILED


class PlannedErasure(BaseModel):
    """
    What erasing would do.

    Attributes:
        events: The number of events that would be emptied, by type.

        kept: The number of events of the subject that keep their data.

        remaining: The number of these that hold personal data all the same, by type.

        unknown: The types of these that no imported class is of.

        unrecorded: How many were erased before and would be recorded only now.

        ignored: The number of events that stand among the records of erasures and are none: every reader ignores them.

        below: The subjects below that have data to be erased; it would stay.

        projectors: What each would do: "nothing", "lets go", "starts over" or "stops".
    """

    model_config = ConfigDict(frozen=True)

    subject: str
    events: dict[str, int]
    kept: int
    remaining: dict[str, int]
    unknown: list[str]
    unrecorded: int
    ignored: int
    below: list[str]
    projectors: dict[str, Consequence]

    @classmethod
    def of(cls, plan: ErasurePlan) -> "PlannedErasure":
        """
        The same for JSON.
        """
        return cls(
            subject=plan.subject,
            events=dict(sorted(Counter(event.type for event in plan.events).items())),
            kept=plan.kept,
            remaining=dict(plan.remaining),
            unknown=list(plan.unknown),
            unrecorded=plan.unrecorded,
            ignored=plan.ignored,
            below=list(plan.below),
            projectors=dict(plan.projectors),
        )


class ProjectorState(BaseModel):
    """
    True if a projector has let go.

    Attributes:
        state: "has let go", "not yet", "file in use" (bytes are left in it until nobody reads it), or "no read model".
    """

    model_config = ConfigDict(frozen=True)

    projector: str
    state: State


class ErasedSubject(BaseModel):
    """
    What was done.

    Attributes:
        emptied: The number of events that were emptied now.

        recorded: The ids of the events that record it, if that was not done before.

        snapshots: The number of snapshots that were purged.

        projectors: Those that were asked about.
    """

    model_config = ConfigDict(frozen=True)

    subject: str
    emptied: int
    recorded: list[str]
    snapshots: int = 0
    projectors: list[ProjectorState]


async def _plan(url: str, subject: str, projectors: Sequence[Projector], including: Sequence[str]) -> ErasurePlan:
    # Opened for writing, a file that is not there would be made.
    async with connect(url, read_only=True) as store:
        return await plan_erasure(store, subject, projectors=projectors, including=including)


def _warn_of(types: Sequence[str]) -> None:
    names = ", ".join(map(escape, types))
    write_error(
        f"events of types that no imported class is of keep their data: {names}; name the module of their classes with "
        "--events to learn whether they are personal, or erase them with --including"
    )


def _ask(plan: ErasurePlan, *, is_possible: bool) -> None:
    if not is_possible:
        msg = "erasing cannot be undone: look at it with --dry-run, then say --yes where nobody can be asked"
        raise CommandError(msg)
    for line in _plan_in_words(plan):
        write_error(line)
    if not typer.confirm("Erase for good?", err=True):
        raise typer.Exit(ExitCode.FAILED)


async def _erase(
    store_url: str,
    subject: str,
    projectors: Sequence[Projector],
    database_url: str | None,
    *,
    by: str | None,
    wait_s: float,
    including: Sequence[str],
) -> ErasedSubject:
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(connect(store_url))
        database = None
        if database_url is not None and not is_missing(database_url):
            database = await stack.enter_async_context(open_database(database_url))
        has_snapshots = database is not None and await database.read(lambda tx: inspect(tx).has_table(SNAPSHOT_TABLE))
        keeping = [database] if database is not None and has_snapshots else []
        with with_metadata(Metadata(actor=by)):
            erasure = await erase_subject(
                store, subject, purge=list(map(SqlSnapshotStore, keeping)), clean=keeping, including=including
            )
        states = [
            ProjectorState(projector=each.name, state="no read model")
            if database is None
            else await _wait_for(each, store, database, erasure.subject, wait_s)
            for each in projectors
        ]
    return _result(erasure, states)


def _result(erasure: Erasure, states: list[ProjectorState]) -> ErasedSubject:
    recorded = [record.id for record in erasure.recorded]
    return ErasedSubject(
        subject=erasure.subject,
        emptied=erasure.emptied,
        recorded=recorded,
        snapshots=erasure.snapshots_purged,
        projectors=states,
    )


async def _wait_for(
    projector: Projector, store: EventStore, database: ReadModelDatabase, subject: Subject, wait_s: float
) -> ProjectorState:
    last = await store.last_event(erasures_of(subject), recursive=False)
    end = time.monotonic() + wait_s
    state: State = "has let go"
    if last is not None:
        projector.watch(store, database)
        try:
            await projector.seen(last.id, max(wait_s, _ONE_LOOK_S))
        except NotSeenError:
            state = "not yet"
        else:
            state = await _wait_for_clean_file(projector, database, end)
    return ProjectorState(projector=projector.name, state=state)


async def _wait_for_clean_file(projector: Projector, database: ReadModelDatabase, end: float) -> State:
    while (await database.read(lambda tx: load_notes(tx, projector.name))).needs_cleaning:
        if time.monotonic() > end:
            return "file in use"
        await asyncio.sleep(_POLL_INTERVAL_S)
    return "has let go"


_POLL_INTERVAL_S = 0.05
# What looking once may take.
_ONE_LOOK_S = 1.0

_CONSEQUENCES: dict[Consequence, str] = {
    "nothing": "has nothing of it",
    "lets go": "lets go of it",
    "starts over": "fills its tables again from the first event",
    "stops": "stops, since it does not say how to let go of it",
}


def _plan_in_words(plan: ErasurePlan) -> list[str]:
    planned = PlannedErasure.of(plan)
    lines = [f"{escape(plan.subject)}: {_events(len(plan.events))} to be erased, {plan.kept} to be kept"]
    lines += [f"  {count} {escape(event_type)}" for event_type, count in planned.events.items()]
    lines += [
        f"  personal data would be left: {count} {escape(event_type)} (see --including)"
        for event_type, count in planned.remaining.items()
    ]
    lines += [f"  not known whether personal: {escape(event_type)} (see --events)" for event_type in planned.unknown]
    if plan.unrecorded:
        lines.append(f"  {plan.unrecorded} erased before, to be recorded")
    if plan.ignored:
        lines.append(f"  {_events(plan.ignored)} among the records of erasures that no erasure wrote: ignored")
    lines += [f"  not touched: {escape(subject)}" for subject in plan.below]
    lines += [f"  {name} {_CONSEQUENCES[consequence]}" for name, consequence in plan.projectors.items()]
    return lines


def _in_words(result: ErasedSubject) -> list[str]:
    recorded = f", recorded as {', '.join(result.recorded)}" if result.recorded else ""
    lines = [f"{escape(result.subject)}: {_events(result.emptied)} erased{recorded}"]
    if result.snapshots:
        lines.append(f"  snapshots purged: {result.snapshots}")
    return [*lines, *(f"  {each.projector}: {_STATES[each.state]}" for each in result.projectors)]


_STATES: dict[State, str] = {
    "has let go": "has let go",
    "not yet": 'has not let go yet: it does when a worker runs it, such as "eventsource project run --once"',
    "file in use": "has let go; bytes are left in its file until nobody reads it any more",
    "no read model": "has no read model",
}


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count:,} events"
