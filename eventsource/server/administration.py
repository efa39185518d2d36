"""
What an administrator does: erase, register schemas, make and restore backups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventsource.root_error import EventSourceError
from eventsource.server.bodies import read_form
from eventsource.server.exchange import JSON, NDJSON, Departure, print_json
from eventsource.wire.bodies import EraseBody, SchemaBody
from eventsource.wire.json_array import read_array
from eventsource.wire.request_errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from eventsource.server.exchange import Exchange
    from eventsource.server.service import Service

# As many events of a backup, and as many bytes, are printed before the others may work.
_EVENTS_AT_A_TIME = 256
_BYTES_AT_A_TIME = 256 * 1024


async def erase(service: Service, exchange: Exchange) -> None:
    """
    ``POST /erase``.
    """
    body = await read_form(service, exchange, EraseBody)
    try:
        erased = await service.store.erase(body.subject, including=body.including)
    finally:
        # Also where bytes are left in the files: nobody shall read the data any more.
        service.tails.forget()
    # Whoever asks for types is told that they were taken: other servers drop what they do not know.
    taken = {"including": sorted(set(body.including))} if body.including else {}
    await exchange.answer_json({"success": True, "erased": erased, **taken})


async def register_schema(service: Service, exchange: Exchange) -> None:
    """
    ``POST /schema/register``.
    """
    body = await read_form(service, exchange, SchemaBody)
    try:
        await service.store.register_schema(body.type, body.definition)
    except EventSourceError:
        raise
    except ValueError as error:
        raise InvalidRequestError(str(error), place="type") from None
    await exchange.answer_json({"success": True})


async def schemas(service: Service, exchange: Exchange) -> None:
    """
    ``GET /schema/get``.
    """
    found = await service.store.schemas()
    if exchange.wants_lines():
        lines = "".join(print_json({"type": name, "schema": schema}) + "\n" for name, schema in found.items())
        await exchange.answer(lines.encode(), NDJSON)
    else:
        await exchange.answer_json(found)


async def create_backup(service: Service, exchange: Exchange) -> None:
    """
    ``GET /backup/create``: one JSON array, an event a line, which `restore_backup` takes as it is.
    """
    events = service.store.backup()
    # An error at the first step is an answer of its own.
    first = await anext(events, None)
    async with Departure(exchange) as departure:
        await exchange.begin(JSON)
        lines = [] if first is None else [print_json(first)]
        before = b"["
        size = 0
        async for event in events:
            lines.append(print_json(event))
            size += len(lines[-1])
            if len(lines) >= _EVENTS_AT_A_TIME or size >= _BYTES_AT_A_TIME:
                if departure.has_left:
                    return
                block = before + ",\n".join(lines).encode()
                lines, before, size = [], b",\n", 0
                await exchange.send_block(block)
        separator = before if lines or before == b"[" else b""
        await exchange.send_block(separator + ",\n".join(lines).encode() + b"]\n")
        await exchange.end()


async def restore_backup(service: Service, exchange: Exchange) -> None:
    """
    ``POST /backup/restore``: into an empty store only.
    """
    blocks = exchange.body_blocks(service.settings.limits.restore_bytes)
    restored = await service.store.restore(_events(read_array(blocks)))
    await exchange.answer_json({"success": True, "restored": restored})


async def _events(values: AsyncIterator[Any]) -> AsyncIterator[dict[str, Any]]:
    index = 0
    async for value in values:
        if not isinstance(value, dict):
            reason = "an event is a JSON object"
            raise InvalidRequestError(reason, place=f"[{index}]")
        yield value
        index += 1
