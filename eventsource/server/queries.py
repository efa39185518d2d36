"""
Asking the store: queries, how they are answered, and the indexes that answer them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from eventsource.server.exchange import Departure, print_json
from eventsource.wire.bodies import IndexBody, QueryBody, read_body

if TYPE_CHECKING:
    from eventsource.server.exchange import Exchange
    from eventsource.server.service import Service
    from eventsource.store.query import DataIndex, QueryRows

# A result up to this size is known to its end before anything is sent: then a query that uses up its budget is
# answered with an error, and not with a cut result.
_HELD_BYTES = 1024 * 1024
# As many rows are printed before the others may work.
_ROWS_AT_A_TIME = 256


async def query(service: Service, exchange: Exchange) -> None:
    """
    ``POST /q`` and ``POST /query``.
    """
    body = read_body(QueryBody, await exchange.read_body(service.settings.limits.body_bytes))
    rows = service.store.query(body.query, limits=service.settings.limits.query)
    try:
        held: list[bytes] = []
        size = 0
        is_complete = False
        while not is_complete and size < _HELD_BYTES:
            block, is_complete = await _next_rows(service, rows)
            held.append(block)
            size += len(block)
        async with Departure(exchange) as departure:
            await exchange.begin()
            await exchange.send_block(b"".join(held))
            while not is_complete:
                if departure.has_left:
                    return
                block, is_complete = await _next_rows(service, rows)
                await exchange.send_block(block)
            await exchange.end()
    finally:
        await rows.aclose()


async def explain(service: Service, exchange: Exchange) -> None:
    """
    ``POST /explain``.
    """
    body = read_body(QueryBody, await exchange.read_body(service.settings.limits.body_bytes))
    explanation = await service.store.explain(body.query)
    await exchange.answer_json(
        {
            "parts": [attrs.asdict(part) for part in explanation.parts],
            "sqlite": list(explanation.sqlite),
        }
    )


async def indexes(service: Service, exchange: Exchange) -> None:
    """
    ``GET /indexes``.
    """
    await exchange.answer_json([_describe(index) for index in await service.store.indexes()])


async def create_index(service: Service, exchange: Exchange) -> None:
    """
    ``POST /indexes``. Answers when the index is built.
    """
    body = read_body(IndexBody, await exchange.read_body(service.settings.limits.body_bytes))
    await exchange.answer_json(_describe(await service.store.create_index(body.type, body.path)))


async def drop_index(service: Service, exchange: Exchange) -> None:
    """
    ``POST /indexes/drop``.
    """
    body = read_body(IndexBody, await exchange.read_body(service.settings.limits.body_bytes))
    await exchange.answer_json({"dropped": await service.store.drop_index(body.type, body.path)})


async def _next_rows(service: Service, rows: QueryRows) -> tuple[bytes, bool]:
    """
    The next rows as NDJSON, and whether they are the last ones.
    """
    lines: list[str] = []
    # The place is left between two blocks: a client that reads slowly keeps none.
    async with service.queries.place():
        async for row in rows:
            lines.append(print_json(row))
            if len(lines) == _ROWS_AT_A_TIME:
                break
    block = ("\n".join(lines) + "\n").encode() if lines else b""
    return block, len(lines) < _ROWS_AT_A_TIME


def _describe(index: DataIndex) -> dict[str, Any]:
    return {"type": index.event_type, "path": index.path, "state": index.state.value, "progress": index.progress}
