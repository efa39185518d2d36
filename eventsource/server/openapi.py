"""
The endpoints as an OpenAPI document, for people, for code generators and for our own fuzzing.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from eventsource.server.status import version
from eventsource.wire import bodies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsource.server.routes import Route
    from eventsource.wire.bodies import Body

_BODIES: dict[str, type[Body]] = {
    "/commit": bodies.CommitBody,
    "/stream": bodies.StreamBody,
    "/observe": bodies.ObserveBody,
    "/q": bodies.QueryBody,
    "/query": bodies.QueryBody,
    "/erase": bodies.EraseBody,
    "/schema/register": bodies.SchemaBody,
    "/explain": bodies.QueryBody,
    "/indexes": bodies.IndexBody,
    "/indexes/drop": bodies.IndexBody,
}

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_COUNT = {"type": "integer", "minimum": 0}
_EVENT = {"$ref": "#/components/schemas/Event"}
_INDEX = {"$ref": "#/components/schemas/Index"}


def _object(**members: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(members), "properties": members}


def _list(item: Any) -> dict[str, Any]:
    return {"type": "array", "items": item}


_ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    "POST /commit": ("application/json", _object(success={"const": True}, events=_list(_EVENT))),
    "POST /stream": ("application/x-ndjson", _EVENT),
    "POST /observe": ("application/x-ndjson", {"anyOf": [_EVENT, _object(payload={"const": ""})]}),
    "POST /q": ("application/x-ndjson", {}),
    "POST /query": ("application/x-ndjson", {}),
    "POST /erase": ("application/json", _object(success={"const": True}, erased=_COUNT)),
    "GET /status/ping": ("text/plain", {"const": "pong"}),
    "GET /status/audit": ("text/plain", _TEXT),
    "GET /status": (
        "application/json",
        _object(
            engine=_object(version=_TEXT, edition=_TEXT, channel=_TEXT),
            system=_object(
                os=_TEXT,
                arch=_TEXT,
                cpu=_object(availableCores=_COUNT, usedCores=_COUNT),
                memory=_object(total=_COUNT, used=_COUNT, available=_COUNT),
                storage=_object(max=_COUNT, used=_COUNT, available=_COUNT),
            ),
            license=_object(status=_TEXT, validUntil={}),
            events=_object(count=_COUNT, subjects=_COUNT, types=_COUNT, storageSize=_COUNT),
        ),
    ),
    "POST /schema/register": ("application/json", _object(success={"const": True})),
    "GET /schema/get": ("application/json", {"type": "object", "additionalProperties": {"type": "object"}}),
    "GET /subjects": ("application/json", _TEXTS),
    "GET /types": ("application/json", _TEXTS),
    "GET /backup/create": ("application/json", _list(_EVENT)),
    "POST /backup/restore": ("application/json", _object(success={"const": True}, restored=_COUNT)),
    "POST /explain": ("application/json", _object(parts=_list({"type": "object"}), sqlite=_TEXTS)),
    "GET /indexes": ("application/json", _list(_INDEX)),
    "POST /indexes": ("application/json", _INDEX),
    "POST /indexes/drop": ("application/json", _object(dropped={"type": "boolean"})),
}

_REASONS = {
    "400": "The request is malformed, or what it asks for is none: a subject, a query, an event.",
    "401": "No token, or one that is not known.",
    "403": "The token does not allow it, or the store is open for reading only.",
    "404": "A bound is no event of the store, or a subject has no events.",
    "408": "The request did not come in time.",
    "409": "There is something already: a schema, events.",
    "412": "A precondition does not hold; nothing was written.",
    "413": "The body is too large.",
    "415": "The body is compressed.",
    "422": "A query took too much, or an idempotency key was used for another commit.",
    "501": "It takes packages that are not installed.",
    "503": "Too much at a time, or the store is not available.",
    "507": "The disk is full; nothing was written.",
}

_OWN_SCHEMAS: dict[str, Any] = {
    "Event": {
        **_object(
            source=_TEXT,
            subject=_TEXT,
            type=_TEXT,
            specversion={"const": "1.0"},
            id=_TEXT,
            time={"type": "string", "format": "date-time"},
            datacontenttype={"const": "application/json"},
            predecessorhash=_TEXT,
            data={},
            hash=_TEXT,
        ),
        "description": "An event as it is stored. Over HTTP it takes less than 65,536 bytes.",
    },
    "Index": _object(
        type=_TEXT, path=_TEXT, state={"enum": ["ready", "building"]}, progress={"type": "number", "minimum": 0}
    ),
    "Error": {
        "type": "object",
        "required": ["error", "code"],
        "properties": {
            "error": {"type": "string", "description": "What is wrong, in words."},
            "code": {"type": "string", "description": "The same for programs; it never changes."},
            "precondition": {
                **_object(index=_COUNT, type=_TEXT),
                "description": "Which precondition did not hold, for 412.",
            },
            "details": {"type": "object", "description": "Facts of the error, by their names."},
        },
    },
}


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """
    The OpenAPI 3.1 document of these endpoints.
    """
    _, found = models_json_schema(
        [(form, "validation") for form in dict.fromkeys(_BODIES.values())],
        by_alias=True,
        ref_template="#/components/schemas/{model}",
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.full_path, {})[route.method.lower()] = _describe(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "eventsource",
            "version": version(),
            "description": "An event store, compatible with the HTTP API of Genesis DB.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": {**found["$defs"], **_OWN_SCHEMAS},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _describe(route: Route) -> dict[str, Any]:
    content_type, schema = _ANSWERS.get(f"{route.method} {route.path}", ("text/plain", _TEXT))
    described: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{route.path.replace('/', '_')}",
        "summary": inspect.cleandoc(route.endpoint.__doc__ or "").partition("\n")[0],
        "responses": {
            "200": {"description": "Done.", "content": {content_type: {"schema": schema}}},
            **{
                status: {
                    "description": reason,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
                for status, reason in _REASONS.items()
            },
        },
    }
    if route.role is not None:
        described["security"] = [{"token": []}]
        described["description"] = f"It takes the {route.role.name.lower()} token, or one that allows more."
    if body := _body(route):
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    if route.path == "/commit":
        described["parameters"] = [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "Names this commit for ever: sent again, it is answered as the first time.",
                "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
            }
        ]
    if route.path == "/subjects":
        described["parameters"] = [
            {
                "name": "under",
                "in": "query",
                "description": "Lists the subjects at and below this one alone.",
                "schema": {"type": "string", "default": "/"},
            }
        ]
    return described


def _body(route: Route) -> dict[str, Any] | None:
    if route.method == "POST" and route.path in _BODIES:
        return {"$ref": f"#/components/schemas/{_BODIES[route.path].__name__}"}
    if route.path == "/backup/restore":
        return _list(_EVENT)
    return None
