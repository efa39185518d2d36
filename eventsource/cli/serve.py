"""
``eventsource serve``: a store over HTTP, compatible with Genesis DB.
"""

from __future__ import annotations

import gc
import os
import secrets
import ssl
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import attrs
import typer

from eventsource.cli.failures import CommandError, ExitCode
from eventsource.cli.logs import log_in_json, log_in_words
from eventsource.cli.options import Json  # noqa: TC001  typer reads it
from eventsource.cli.output import to_json, write_error, write_lines
from eventsource.cli.signals import run as run_async
from eventsource.cli.signals import stopped_by_signals
from eventsource.root_error import MissingExtraError, without_secrets
from eventsource.store.opening import connect

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from eventsource.server import ServerSettings

_STORE_FILE = "events.db"

# Measured: 8 % less work for each commit than with Python's own 700, 10, 10.
_GC_THRESHOLDS = (20_000, 20, 100)


def serve(
    *,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="URL",
            envvar="EVENTSOURCE_STORE",
            show_envvar=True,
            help=f"The event store, such as sqlite:bank.db. Without it: {_STORE_FILE} in GENESISDB_DATA_DIR.",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen at; 0.0.0.0 is all of this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8080,
    heartbeat: Annotated[
        float, typer.Option(min=0.05, metavar="SECONDS", help="Time between two heartbeats of an observed stream.")
    ] = 2.0,
    max_connections: Annotated[int, typer.Option(min=1, help="How many connections there may be at a time.")] = 2048,
    max_connections_per_address: Annotated[
        int | None,
        typer.Option(min=1, help="How many of them one address may have; half of them if it is not said."),
    ] = None,
    max_body: Annotated[int, typer.Option(min=1024, metavar="BYTES", help="The largest body of a request.")] = 8
    * 2**20,
    read_only: Annotated[bool, typer.Option("--read-only", help="Serve a store that another process writes.")] = False,
    certificate: Annotated[
        Path | None, typer.Option("--cert", metavar="FILE", help="TLS certificate and chain, PEM; with --key.")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="Its private key, PEM.")] = None,
    json: Json = False,
) -> int:
    """
    Serve a store over HTTP, until Ctrl-C; the official SDKs of Genesis DB can use it.

    The tokens come from the environment: GENESISDB_AUTH_TOKEN allows everything, GENESISDB_WRITE_TOKEN (optional)
    to commit and read, GENESISDB_READ_TOKEN (optional) to read. In a terminal and without GENESISDB_AUTH_TOKEN a
    token is made for this run and shown once. GENESISDB_METRICS=true adds /metrics.

    SIGTERM ends it as cleanly as Ctrl-C: observed streams end, commits under way are finished. A second signal ends
    it at once.
    """
    if (certificate is None) != (key is None):
        msg = "--cert and --key go together"
        raise CommandError(msg)
    url = _store_url(store)
    settings = _settings(heartbeat, max_connections, max_connections_per_address, max_body)
    (log_in_json if json else log_in_words)()
    # What is loaded now stays. Requests leave no cycles behind, so it is enough to look for some now and then.
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    work = _serve(url, settings, host=host, port=port, read_only=read_only, tls=(certificate, key), as_json=json)
    return run_async(work, loop_factory=_loop_factory())


def _store_url(store: str | None) -> str:
    if store:
        return store
    directory = os.environ.get("GENESISDB_DATA_DIR")
    if not directory:
        msg = "which store? Give --store, or set EVENTSOURCE_STORE or GENESISDB_DATA_DIR"
        raise CommandError(msg)
    return f"sqlite:{Path(directory) / _STORE_FILE}"


def _settings(
    heartbeat_s: float, connections: int, connections_per_address: int | None, body_bytes: int
) -> ServerSettings:
    try:
        from eventsource.server import ServerLimits, ServerSettings, Tokens, read_tokens  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "eventsource":
            raise
        extra = "server"
        raise MissingExtraError(extra, purpose="serving over HTTP") from error
    try:
        tokens = read_tokens(os.environ)
    except ValueError as error:
        # It says which, and does not quote it.
        raise CommandError(str(error)) from None
    if tokens is None:
        # In a log a token would be there for longer than the server, and for others.
        if not sys.stderr.isatty():
            msg = "GENESISDB_AUTH_TOKEN is not set: it is what clients prove themselves with"
            raise CommandError(msg)
        token = secrets.token_urlsafe(32)
        write_error(f"Token of this run (set GENESISDB_AUTH_TOKEN to choose one): {token}")
        tokens = Tokens(token)
    return attrs.evolve(
        ServerSettings.from_environ(os.environ, tokens=tokens),
        heartbeat_s=heartbeat_s,
        limits=ServerLimits(
            connections=connections, connections_per_address=connections_per_address, body_bytes=body_bytes
        ),
    )


async def _serve(
    url: str,
    settings: ServerSettings,
    *,
    host: str,
    port: int,
    read_only: bool,
    tls: tuple[Path | None, Path | None],
    as_json: bool,
) -> ExitCode:
    from eventsource.server import listen  # noqa: PLC0415  an extra
    from eventsource.server import serve as serve_store  # noqa: PLC0415  it too

    certificate, key = tls
    shown = without_secrets(url)
    # The address first: where it is taken, no store file is made.
    with stopped_by_signals() as stop, closing(listen(host, port)) as listening:
        async with connect(url, read_only=read_only) as store:
            try:
                async with serve_store(
                    store, settings, listening=listening, certificate=certificate, key=key
                ) as address:
                    line = to_json({"address": address, "store": shown}) if as_json else f"Serving {shown} at {address}"
                    write_lines([line])
                    await stop.wait()
            except ssl.SSLError as error:
                msg = f"the certificate or its key cannot be used: {error.reason or error}"
                raise CommandError(msg) from None
            except FileNotFoundError as error:
                msg = f"the certificate or its key is not there: {error.filename or certificate}"
                raise CommandError(msg) from None
    return ExitCode.DONE


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  not on every platform
    except ModuleNotFoundError:
        return None
    return uvloop.new_event_loop
