"""
A server's answers about itself.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from eventsource.events.subject import Subject
from eventsource.log import get_logger
from eventsource.root_error import EventSourceError, InvalidSubjectError
from eventsource.server.exchange import NDJSON, TEXT, print_json
from eventsource.server.metrics import CONTENT_TYPE
from eventsource.wire.request_errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsource.server.exchange import Exchange
    from eventsource.server.service import Service
    from eventsource.store.interface import AuditReport

_log = get_logger(__name__)


async def ping(service: Service, exchange: Exchange) -> None:
    """
    ``GET /status/ping``.

    Source:
        genesisdb-io-neos compares the body with "pong", to the letter.
    """
    await service.store.ping()
    await exchange.answer(b"pong", TEXT)


async def health(_: Service, exchange: Exchange) -> None:
    """
    ``GET /healthz``: the process answers.
    """
    await exchange.answer(b"ok", TEXT)


async def readiness(service: Service, exchange: Exchange) -> None:
    """
    ``GET /readyz``: the store can be read, and the server does not stop.
    """
    is_ready = not service.is_closing
    try:
        await service.store.ping()
    except EventSourceError as error:
        _log.warning("server.store_unreadable", error=error.code)
        is_ready = False
    await exchange.answer(b"ready" if is_ready else b"not ready", TEXT, status=200 if is_ready else 503)


async def status(service: Service, exchange: Exchange) -> None:
    """
    ``GET /status``.

    Source:
        Members and their types as genesisdb-orchestrator reads them; it refuses cores that are no integers.
    """
    held = await service.store.status()
    await exchange.answer_json(
        {
            "engine": {"version": version(), "edition": "embedded", "channel": "eventsource"},
            "system": _describe_system(),
            "license": {"status": "MIT", "validUntil": None},
            "events": {
                "count": held.events,
                "subjects": held.subjects,
                "types": held.types,
                "storageSize": held.storage_bytes,
            },
        }
    )


async def audit(service: Service, exchange: Exchange) -> None:
    """
    ``GET /status/audit``.

    Source:
        The Rust SDK's test cuts the text after 100 bytes, so it is ASCII.
    """
    # One at a time: each reads the whole log.
    async with service.audits.place():
        report = await service.store.audit()
    await exchange.answer(_describe_audit(report).encode("ascii", "backslashreplace"), TEXT)


async def subjects(service: Service, exchange: Exchange) -> None:
    """
    ``GET /subjects``, and ``GET /subjects?under=/accounts`` for those at and below one.
    """
    try:
        asked = parse_qs(
            exchange.scope["query_string"].decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=8
        )
        scope = Subject(asked.get("under", ["/"])[0])
    except (ValueError, InvalidSubjectError) as error:
        raise InvalidRequestError(str(error), place="under") from None
    await _answer_texts(exchange, await service.store.subjects(scope))


async def event_types(service: Service, exchange: Exchange) -> None:
    """
    ``GET /types``.
    """
    await _answer_texts(exchange, await service.store.event_types())


async def metrics(service: Service, exchange: Exchange) -> None:
    """
    ``GET /metrics``.
    """
    if service.metrics:
        await exchange.answer(await service.metrics.print(), CONTENT_TYPE)


def version() -> str:
    """
    The version of this package.
    """
    try:
        return importlib.metadata.version("eventsource-genesisdb")
    except importlib.metadata.PackageNotFoundError:
        # Imported from a folder that nobody has installed.
        return "0.0.0"


async def _answer_texts(exchange: Exchange, texts: Sequence[str]) -> None:
    if exchange.wants_lines():
        await exchange.answer("".join(print_json(text) + "\n" for text in texts).encode(), NDJSON)
    else:
        await exchange.answer_json(list(texts))


def _describe_audit(report: AuditReport) -> str:
    found = f"{_counted(report.events, 'event')}, head {report.head}"
    if report.imported:
        found += f", {report.imported} imported"
    if report.is_intact:
        return f"Audit successful: {found}\n"
    lines = [f"Audit failed: {_counted(len(report.problems), 'problem')} in {found}"]
    for problem in report.problems:
        place = "store" if problem.position is None else f"position {problem.position}"
        event = "" if problem.event_id is None else f", event {problem.event_id!r}"
        lines.append(f"{place}{event}: {problem.what}")
    return "".join(" ".join(line.split()) + "\n" for line in lines)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _describe_system() -> dict[str, Any]:
    cores = os.cpu_count() or 1
    disk = shutil.disk_usage(Path.cwd())
    return {
        "os": sys.platform,
        "arch": platform.machine(),
        "cpu": {"availableCores": cores, "usedCores": min(cores, round(os.getloadavg()[0]))},
        "memory": _describe_memory(),
        "storage": {"max": disk.total, "used": disk.used, "available": disk.free},
    }


def _describe_memory() -> dict[str, int]:
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        total, available = page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError):
        # macOS does not tell the second.
        total = available = 0
    return {"total": total, "used": total - available, "available": available}
