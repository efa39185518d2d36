"""
Committing and reading events.
"""

from __future__ import annotations

import re
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from eventsource.server.bodies import read_asked, read_parsed
from eventsource.server.exchange import Departure
from eventsource.server.reserved_records import admitted
from eventsource.wire.bodies import CommitBody, StreamBody, read_body
from eventsource.wire.cloud_event import to_json, to_lines
from eventsource.wire.failures import to_failure
from eventsource.wire.request_errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from eventsource.events.event import NewEvent, RecordedEvent
    from eventsource.guards.preconditions import Precondition
    from eventsource.server.exchange import Exchange
    from eventsource.server.service import Service
    from eventsource.store.interface import Page

_KEY = re.compile(rb"[!-~]{1,255}")


async def commit(service: Service, exchange: Exchange) -> None:
    """
    ``POST /commit``.
    """
    key = _idempotency_key(exchange)
    events, preconditions = await read_parsed(service, exchange, _read_commit)
    events = admitted(events, preconditions, exchange.role)
    try:
        recorded = await service.store.commit(events, preconditions, idempotency_key=key)
    except Exception as error:
        failure = to_failure(error, preconditions)
        if failure.status != HTTPStatus.PRECONDITION_FAILED:
            raise
        await exchange.answer_json(failure.body, status=failure.status)
        return
    if service.metrics:
        service.metrics.committed(len(recorded))
    # Whoever sent a key sees by it that the server knows what it means.
    headers = [] if key is None else [(b"idempotency-key", key.encode())]
    await exchange.answer(_print_committed(recorded), headers=headers)


async def stream(service: Service, exchange: Exchange) -> None:
    """
    ``POST /stream``.
    """
    body = await read_asked(service, exchange, partial(read_body, StreamBody))
    options = body.options
    events = service.store.stream(
        body.to_subject(),
        lower_bound=options.lower_bound or None,
        include_lower_bound=bool(options.include_lower_bound_event),
        upper_bound=options.upper_bound or None,
        include_upper_bound=bool(options.include_upper_bound_event),
        latest_by_type=options.latest_by_event_type or None,
    )
    try:
        pages = events.pages()
        # A bound that is not there is found before anything is sent.
        lines, is_last = await _next_lines(service, pages)
        if is_last:
            await exchange.begin()
            if lines:
                await exchange.send_block(lines)
            await exchange.end()
            return
        async with Departure(exchange) as departure:
            await exchange.begin()
            while True:
                if departure.has_left:
                    return
                if lines:
                    await exchange.send_block(lines)
                if is_last:
                    break
                lines, is_last = await _next_lines(service, pages)
            await exchange.end()
    finally:
        await events.aclose()


async def _next_lines(service: Service, pages: AsyncGenerator[Page]) -> tuple[bytes, bool]:
    """
    The next page as NDJSON, and whether it is the last one.
    """
    async with service.history.turn():
        page = await anext(pages, None)
        return (b"", True) if page is None else (to_lines(page.events), page.caught_up)


def _idempotency_key(exchange: Exchange) -> str | None:
    key = exchange.headers.get(b"idempotency-key")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        reason = "an idempotency key is 1 to 255 visible ASCII characters"
        raise InvalidRequestError(reason, place="Idempotency-Key")
    return key.decode("ascii")


def _read_commit(text: bytes) -> tuple[Sequence[NewEvent], Sequence[Precondition]]:
    body = read_body(CommitBody, text)
    return body.to_new_events(), body.to_preconditions()


def _print_committed(recorded: Sequence[RecordedEvent]) -> bytes:
    return f'{{"success":true,"events":[{",".join(map(to_json, recorded))}]}}'.encode()
