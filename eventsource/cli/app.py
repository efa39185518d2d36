"""
The commands, and how each of them ends.
"""

import importlib.metadata
from collections.abc import Sequence
from typing import Annotated, cast

import typer

from eventsource.cli import index, notary, process, project, schema
from eventsource.cli.audit import audit, ping
from eventsource.cli.backup import backup, restore
from eventsource.cli.erase import erase
from eventsource.cli.failures import EXIT_CODES_HELP, CommandError, ExitCode, describe, exit_code_of, format_error
from eventsource.cli.options import Json, show_help_if_alone
from eventsource.cli.output import ReaderLeftError, to_json, write_error, write_lines
from eventsource.cli.query import query
from eventsource.cli.serve import serve
from eventsource.cli.signals import InterruptedBySignal, interrupted_by_signals
from eventsource.cli.stream import stream

DISTRIBUTION = "eventsource-genesisdb"

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    # Plain help: rich breaks lines where the source does, and cuts long options.
    rich_markup_mode=None,
    epilog=EXIT_CODES_HELP,
    help="Look into an event store, and keep read models up to date with it.",
)
app.command(epilog=EXIT_CODES_HELP)(stream)
app.command(epilog=EXIT_CODES_HELP)(query)
app.command(epilog=EXIT_CODES_HELP)(audit)
app.command(epilog=EXIT_CODES_HELP)(ping)
app.command(epilog=EXIT_CODES_HELP)(backup)
app.command(epilog=EXIT_CODES_HELP)(restore)
app.command(epilog=EXIT_CODES_HELP)(erase)
app.command(epilog=EXIT_CODES_HELP)(serve)
app.add_typer(index.app, name="index")
app.add_typer(project.app, name="project")
app.add_typer(process.app, name="process")
app.add_typer(schema.app, name="schema")
app.add_typer(notary.app, name="notary")


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
    json: Json = False,
) -> None:
    """
    What stands before any command.
    """
    if version:
        write_lines([to_json({"version": _version()}) if json else _version()])
        raise typer.Exit
    if json:
        msg = "--json belongs behind the command"
        raise CommandError(msg)
    show_help_if_alone(context)


def run(arguments: Sequence[str]) -> int:
    """
    Run one command.

    Args:
        arguments: As typed, without the name of the program.

    Returns:
        Its exit code: see `eventsource.cli.failures.ExitCode`.
    """
    command = typer.main.get_command(app)
    try:
        with interrupted_by_signals():
            # Errors come out of it as they are, and the exit code as its result.
            return cast("int | None", command.main(list(arguments), "eventsource", standalone_mode=False)) or 0
    except InterruptedBySignal as interrupted:
        return interrupted.exit_code
    except ReaderLeftError:
        # It has seen enough.
        return ExitCode.DONE
    except Exception as error:  # noqa: BLE001  the command ends here, whatever it is
        failure = describe(error)
        if failure is None:
            # Python's own exit code, 1, would read as a finding.
            write_error(format_error(error))
            return ExitCode.DEFECT
        if "--json" in arguments:
            write_error(to_json({"error": failure.model_dump(exclude_none=True)}))
        else:
            write_error(f"eventsource: {failure.in_words()}")
        return exit_code_of(error)


def _version() -> str:
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        # Imported from a folder that nobody has installed.
        return "unknown"
