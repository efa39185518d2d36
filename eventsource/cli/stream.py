"""
``eventsource stream``: events of a subject, as lines for people or for programs.
"""

import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Annotated

import typer

from eventsource.cli.failures import CommandError, ExitCode
from eventsource.cli.options import StoreUrl
from eventsource.cli.output import escape, noticing_closed_pipe, to_json, write_lines
from eventsource.cli.signals import InterruptedBySignal
from eventsource.cli.signals import run as run_async
from eventsource.events.event import RecordedEvent
from eventsource.events.timestamp import format_timestamp
from eventsource.store.interface import EventStore, EventStream
from eventsource.store.opening import connect
from eventsource.wire.errors import StoreCorruptedError


def stream(
    store: StoreUrl,
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="Where to read; / is everywhere.")] = "/",
    *,
    recursive: Annotated[bool, typer.Option(help="Also read what lies below SUBJECT.")] = True,
    lower_bound: Annotated[str | None, typer.Option(metavar="ID", help="Start behind this event.")] = None,
    include_lower_bound: Annotated[bool, typer.Option("--include-lower-bound", help="Start at it.")] = False,
    upper_bound: Annotated[str | None, typer.Option(metavar="ID", help="End before this event.")] = None,
    include_upper_bound: Annotated[bool, typer.Option("--include-upper-bound", help="End with it.")] = False,
    latest_by_type: Annotated[
        str | None, typer.Option(metavar="TYPE", help="Of each subject only its last event of this type.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what is committed, until Ctrl-C.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="End after so many events.")] = None,
    json: Annotated[
        bool | None,
        typer.Option("--json/--text", help="CloudEvents or lines to read; in a terminal --text, else --json."),
    ] = None,
) -> int:
    """
    Print the events of a subject, oldest first, one a line.

    In a terminal: time, subject, type and data. Otherwise, or with --json, each line is a CloudEvent in JSON, as
    Genesis DB writes it (NDJSON). Control characters in the data are written as JSON escapes either way.
    """
    _check(follow=follow, upper_bound=upper_bound, latest_by_type=latest_by_type)
    as_json = not sys.stdout.isatty() if json is None else json

    def open_stream(opened: EventStore) -> EventStream:
        if follow:
            return opened.observe(
                subject, recursive=recursive, lower_bound=lower_bound, include_lower_bound=include_lower_bound
            )
        return opened.stream(
            subject,
            recursive=recursive,
            lower_bound=lower_bound,
            include_lower_bound=include_lower_bound,
            upper_bound=upper_bound,
            include_upper_bound=include_upper_bound,
            latest_by_type=latest_by_type,
        )

    try:
        run_async(_print(store, open_stream, _to_cloud_event if as_json else _to_text(), limit=limit, waits=follow))
    except InterruptedBySignal:
        # There is no other way to end it.
        if not follow:
            raise
    return ExitCode.DONE


def _check(*, follow: bool, upper_bound: str | None, latest_by_type: str | None) -> None:
    for option, value in (("--upper-bound", upper_bound), ("--latest-by-type", latest_by_type)):
        if follow and value is not None:
            msg = f"--follow does not end, so it goes with no {option}"
            raise CommandError(msg)


async def _print(
    url: str,
    open_stream: Callable[[EventStore], EventStream],
    to_line: Callable[[RecordedEvent], str],
    *,
    limit: int | None,
    waits: bool,
) -> None:
    left = limit
    async with connect(url, read_only=True) as store:
        events = open_stream(store)
        try:
            with noticing_closed_pipe() if waits else nullcontext():
                async for page in events.pages():
                    shown = page.events[:left]
                    write_lines((_checked(to_line, event, url) for event in shown), as_they_are=True)
                    if left is not None:
                        left -= len(shown)
                        if left == 0:
                            return
        finally:
            await events.aclose()


def _checked(to_line: Callable[[RecordedEvent], str], event: RecordedEvent, url: str) -> str:
    try:
        return to_line(event)
    except (TypeError, ValueError, OverflowError, OSError) as error:
        # Data that is no JSON, a time that no calendar has: in a damaged file anything may stand.
        problem = f"event {event.id!r} at position {event.position} cannot be read: {error}"
        raise StoreCorruptedError(url, problem) from error


def _to_cloud_event(event: RecordedEvent) -> str:
    return to_json(event.to_cloud_event())


def _to_text() -> Callable[[RecordedEvent], str]:
    # https://no-color.org: set and not empty means no colours.
    has_colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    style: Callable[..., str] = typer.style if has_colours else _plain

    def to_text(event: RecordedEvent) -> str:
        # To the millisecond: what tells lines apart for an eye.
        at = f"{format_timestamp(event.time_ns)[:23]}Z"
        subject, event_type = style(escape(event.subject), fg="cyan"), style(escape(event.type), bold=True)
        return f"{style(at, dim=True)}  {subject}  {event_type}  {escape(event.data_json)}"

    return to_text


def _plain(text: str, **_: object) -> str:
    return text
