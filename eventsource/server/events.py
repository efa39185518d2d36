"""
Committing and reading events.
"""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from eventsource.errors import InvalidRequestError
from eventsource.server.exchange import Departure
from eventsource.server.reserved_records import admitted
from eventsource.wire.bodies import CommitBody, StreamBody, read_body
from eventsource.wire.cloud_event import to_json, to_lines
from eventsource.wire.failures import to_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsource.domain.event import NewEvent, RecordedEvent
    from eventsource.domain.precondition import Precondition
    from eventsource.server.exchange import Exchange
    from eventsource.server.service import Service

_KEY = re.compile(rb"[!-~]{1,255}")

# A body beyond this is taken apart in a thread: it takes so long that others would notice.
_LARGE_BODY_BYTES = 64 * 1024


async def commit(service: Service, exchange: Exchange) -> None:
    """
    ``POST /commit``.
    """
    key = _idempotency_key(exchange)
    body = await exchange.read_body(service.settings.limits.body_bytes)
    if len(body) > _LARGE_BODY_BYTES:
        events, preconditions = await asyncio.to_thread(_read_commit, body)
    else:
        events, preconditions = _read_commit(body)
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
    body = read_body(StreamBody, await exchange.read_body(service.settings.limits.body_bytes))
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
        page = await anext(pages, None)
        if page is None or page.caught_up:
            await exchange.begin()
            if page is not None:
                await exchange.send_block(to_lines(page.events))
            await exchange.end()
            return
        async with Departure(exchange) as departure:
            await exchange.begin()
            await exchange.send_block(to_lines(page.events))
            async for further in pages:
                if departure.has_left:
                    return
                await exchange.send_block(to_lines(further.events))
            await exchange.end()
    finally:
        await events.aclose()


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
