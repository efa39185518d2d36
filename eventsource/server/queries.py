"""
Asking the store: queries, how they are answered, and the indexes that answer them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from eventsource.gdbql import parse
from eventsource.server.bodies import read_asked, read_form
from eventsource.server.exchange import Departure, print_json
from eventsource.wire.bodies import IndexBody, QueryBody, read_body

if TYPE_CHECKING:
    from eventsource.gdbql import Query
    from eventsource.server.exchange import Exchange
    from eventsource.server.service import Service
    from eventsource.store.query import DataIndex, QueryRows

# A result up to this size is known to its end before anything is sent: then a query that uses up its budget is
# answered with an error, and not with a cut result.
_HELD_BYTES = 1024 * 1024
# As many rows, and as many bytes, are printed before the others may work.
_ROWS_AT_A_TIME = 256
_BYTES_AT_A_TIME = 256 * 1024
# What is sorted is held as objects, which take more than their JSON.
_OBJECTS_PER_BYTE = 3
# The page of events that a query is at, as text and as objects.
_KEPT_PAGE_BYTES = 4 * 1024 * 1024


async def query(service: Service, exchange: Exchange) -> None:
    """
    ``POST /q`` and ``POST /query``.
    """
    asked = await read_asked(service, exchange, _read_query)
    rows = service.store.query(asked, limits=service.settings.limits.query)
    try:
        held: list[bytes] = []
        size = 0
        is_complete = False
        while not is_complete and size < _HELD_BYTES:
            block, is_complete = await _next_rows(service, rows)
            held.append(block)
            size += len(block)
            exchange.hold(_held(rows) + size)
        async with Departure(exchange) as departure:
            await exchange.begin()
            first = b"".join(held)
            held.clear()
            exchange.hold(_held(rows))
            await exchange.send_block(first)
            del first
            while not is_complete:
                if departure.has_left:
                    return
                block, is_complete = await _next_rows(service, rows)
                exchange.hold(_held(rows))
                await exchange.send_block(block)
            await exchange.end()
    finally:
        await rows.aclose()


async def explain(service: Service, exchange: Exchange) -> None:
    """
    ``POST /explain``.
    """
    explanation = await service.store.explain(await read_asked(service, exchange, _read_query))
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
    body = await read_form(service, exchange, IndexBody)
    await exchange.answer_json(_describe(await service.store.create_index(body.type, body.path)))


async def drop_index(service: Service, exchange: Exchange) -> None:
    """
    ``POST /indexes/drop``.
    """
    body = await read_form(service, exchange, IndexBody)
    await exchange.answer_json({"dropped": await service.store.drop_index(body.type, body.path)})


def _read_query(text: bytes) -> Query:
    return parse(read_body(QueryBody, text).query)


def _held(rows: QueryRows) -> int:
    """
    What a query under way keeps in memory, about: what it sorts, and the page it is at.
    """
    return _OBJECTS_PER_BYTE * rows.held_bytes + _KEPT_PAGE_BYTES


async def _next_rows(service: Service, rows: QueryRows) -> tuple[bytes, bool]:
    """
    The next rows as NDJSON, and whether they are the last ones.
    """
    lines: list[str] = []
    size = 0
    is_last = False
    # The place is left between two blocks: a client that reads slowly keeps none.
    async with service.queries.place():
        async for row in rows:
            line = print_json(row)
            lines.append(line)
            size += len(line)
            if len(lines) == _ROWS_AT_A_TIME or size >= _BYTES_AT_A_TIME:
                break
        else:
            is_last = True
    return ("\n".join(lines) + "\n").encode() if lines else b"", is_last


def _describe(index: DataIndex) -> dict[str, Any]:
    return {"type": index.event_type, "path": index.path, "state": index.state.value, "progress": index.progress}
