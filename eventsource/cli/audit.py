"""
``eventsource audit`` and ``eventsource ping``: whether a store holds what it should, and whether it answers.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from eventsource.cli.failures import ExitCode
from eventsource.cli.options import Json, StoreUrl
from eventsource.cli.output import escape, is_terminal, write_json, write_lines
from eventsource.cli.signals import run
from eventsource.store.interface import MAX_AUDIT_PROBLEMS, AuditProblem, AuditReport
from eventsource.store.opening import connect
from eventsource.wire.errors import StoreCorruptedError


class Problem(BaseModel):
    """
    One thing that cannot be true; position and event id where they are known.
    """

    model_config = ConfigDict(frozen=True)

    position: int | None
    event_id: str | None
    what: str


class AuditResult(BaseModel):
    """
    The outcome of an audit.

    Attributes:
        events: How many were checked; None when the file could not be read to its end.

        head: The hash of the last one; None when the file could not be read to its end.

        problems: In order of position, at most 100.
    """

    model_config = ConfigDict(frozen=True)

    intact: bool
    events: int | None
    head: str | None
    problems: list[Problem]


class PingResult(BaseModel):
    """
    That a store answered: how many events it has, and how long opening and asking took.
    """

    model_config = ConfigDict(frozen=True)

    events: int
    seconds: float


def audit(store: StoreUrl, *, json: Json = False) -> int:
    """
    Check the hash chain over all events, and the file around it.

    Prints the number of events, the hash of the last one, and "intact" or each problem. Exits with 0 when the store
    is intact, with 1 when there are problems, with 3 when it cannot be opened.
    """
    result = run(_audit(store))
    if json:
        write_json(result)
    else:
        write_lines(_in_words(result))
    return ExitCode.DONE if result.intact else ExitCode.FAILED


def ping(store: StoreUrl, *, json: Json = False) -> int:
    """
    Open the store and see whether it answers.
    """
    result = run(_ping(store))
    if json:
        write_json(result)
    else:
        write_lines([f"answers: {result.events:,} events, {result.seconds} s"])
    return ExitCode.DONE


async def _audit(url: str) -> AuditResult:
    async with connect(url, read_only=True) as store:
        try:
            with _spinner(f"auditing {await store.count():,} events"):
                return _to_result(await store.audit())
        except StoreCorruptedError as error:
            # To an audit, what cannot be read is a finding.
            problem = Problem(position=None, event_id=None, what=error.problem)
            return AuditResult(intact=False, events=None, head=None, problems=[problem])


async def _ping(url: str) -> PingResult:
    began = time.monotonic()
    async with connect(url, read_only=True) as store:
        await store.ping()
        events = await store.count()
    return PingResult(events=events, seconds=round(time.monotonic() - began, 3))


def _to_result(report: AuditReport) -> AuditResult:
    return AuditResult(
        intact=report.is_intact,
        events=report.events,
        head=report.head,
        problems=[_to_problem(problem) for problem in report.problems],
    )


def _to_problem(problem: AuditProblem) -> Problem:
    return Problem(position=problem.position, event_id=problem.event_id, what=problem.what)


def _in_words(result: AuditResult) -> list[str]:
    lines: list[str] = []
    if result.events is not None:
        lines += [f"events  {result.events:,}", f"head    {result.head}"]
    if result.intact:
        return [*lines, "intact"]
    for problem in result.problems:
        place = "" if problem.position is None else f"position {problem.position}"
        if problem.event_id is not None:
            place += f", event {problem.event_id}"
        lines.append(escape(f"{place}: {problem.what}" if place else problem.what))
    count = len(result.problems)
    more = "the first " if count == MAX_AUDIT_PROBLEMS else ""
    return [*lines, f"{more}{count} problem{'s' if count > 1 else ''}"]


@contextmanager
def _spinner(what: str) -> Generator[None]:
    if not is_terminal():
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(what, total=None)
        yield
