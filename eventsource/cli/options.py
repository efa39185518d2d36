"""
The arguments and options that several commands share, and help where they are missing.
"""

from __future__ import annotations

from typing import Annotated

import typer

from eventsource.cli.failures import ExitCode
from eventsource.cli.output import write_error

StoreUrl = Annotated[
    str,
    typer.Option(
        "--store",
        metavar="URL",
        envvar="EVENTSOURCE_STORE",
        show_envvar=True,
        help="The event store, such as sqlite:bank.db; it is opened for reading only.",
    ),
]

WritableStoreUrl = Annotated[
    str,
    typer.Option(
        "--store",
        metavar="URL",
        envvar="EVENTSOURCE_STORE",
        show_envvar=True,
        help="The event store, such as sqlite:bank.db; it is opened for writing.",
    ),
]

DatabaseUrl = Annotated[
    str,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="EVENTSOURCE_DATABASE",
        show_envvar=True,
        help="The read-model database, a SQLAlchemy URL such as sqlite:///bank-read.db.",
    ),
]

ProjectorNames = Annotated[
    list[str],
    typer.Argument(
        metavar="MODULE:PROJECTOR",
        help="Projector classes, or instances of them; modules are found from the current directory, too.",
    ),
]

ProcessName = Annotated[
    str,
    typer.Argument(
        metavar="MODULE:PROCESS",
        help="A process manager class; modules are found from the current directory, too.",
    ),
]

ProcessNames = Annotated[
    list[str],
    typer.Argument(
        metavar="MODULE:PROCESS",
        help="Process manager classes; modules are found from the current directory, too.",
    ),
]

Json = Annotated[bool, typer.Option("--json", help="Print JSON, errors included.")]


def show_help_if_alone(context: typer.Context) -> None:
    """
    Where a command is expected and none is typed, say which ones there are.

    Raises:
        typer.Exit: None is typed.
    """
    if context.invoked_subcommand is None:
        write_error(context.get_help())
        raise typer.Exit(ExitCode.USAGE)
