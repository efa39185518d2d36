"""
What a server tells about itself, its store and its figures.
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from eventsource import connect
from eventsource.server import ServerSettings
from tests.server.serving import ADMINISTRATOR, TOKENS, Served, event, lines, serving


async def test_ping_is_pong_to_the_letter(served: Served) -> None:
    """
    No quotes, no newline: one SDK compares the whole body.
    """
    response = await served.get("/status/ping")

    assert response.content == b"pong"
    assert response.headers["content-type"].startswith("text/plain")


async def test_status_has_the_members_and_types_that_the_orchestrator_reads(served_each: Served) -> None:
    """
    Counts and cores are integers; the expiry of the licence may be anything.
    """
    await served_each.commit(event("/a"), event("/a"), event("/b", type="io.example.other"))

    status = (await served_each.get("/status")).json()

    assert status["events"]["count"] == 3
    assert status["events"]["subjects"] == 2
    assert status["events"]["types"] == 2
    assert set(status["engine"]) == {"version", "edition", "channel"}
    assert set(status["system"]) == {"os", "arch", "cpu", "memory", "storage"}
    assert set(status["license"]) == {"status", "validUntil"}
    numbers = [
        *status["system"]["cpu"].values(),
        *status["system"]["memory"].values(),
        *status["system"]["storage"].values(),
        *status["events"].values(),
    ]
    assert all(type(number) is int and number >= 0 for number in numbers)
    assert status["system"]["cpu"]["availableCores"] > 0
    assert status["system"]["storage"]["max"] > 0


async def test_audit_is_a_line_of_ascii(served_each: Served) -> None:
    """
    The Rust SDK cuts it after 100 bytes.
    """
    await served_each.commit(event("/ü"))

    response = await served_each.get("/status/audit")

    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    assert response.content.isascii()
    assert response.text.startswith("Audit successful: 1 event, head ")


async def test_audit_tells_what_was_tampered_with(tmp_path: Path) -> None:
    """
    A line for each problem, with its place.
    """
    path = tmp_path / "store.db"
    async with connect(f"sqlite:{path}") as store, serving(store) as served:
        await served.commit(event("/ü"), event("/b"))
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE events SET subject = '/x' WHERE position = 1")
        response = await served.get("/status/audit")

    first, *problems = response.text.splitlines()
    assert response.status_code == 200
    assert first.startswith("Audit failed: ")
    assert problems
    assert any("position 1" in problem for problem in problems)
    assert response.content.isascii()


async def test_subjects_can_be_asked_for_below_one(served_each: Served) -> None:
    """
    `/subjects?under=` lists the subjects at and below one; a text that is no subject is refused.
    """
    await served_each.commit(event("/a"), event("/a/ü"), event("/ab"), event("/b"))

    assert (await served_each.get("/subjects?under=/a")).json() == ["/a", "/a/ü"]
    assert (await served_each.get("/subjects?under=%2Fa%2F%C3%BC")).json() == ["/a/ü"]
    assert (await served_each.get("/subjects?under=/nothing")).json() == []
    assert (await served_each.get("/subjects?under=/")).json() == ["/a", "/a/ü", "/ab", "/b"]
    for wrong in ("under=", "under=a", "under=/a/", "under=/%FF", "&".join(["under=/a"] * 9)):
        assert (await served_each.get(f"/subjects?{wrong}")).status_code == 400


async def test_subjects_and_types_are_lists(served_each: Served) -> None:
    """
    A JSON array, sorted; NDJSON for who asks for it.
    """
    await served_each.commit(event("/b"), event("/a/ü", type="io.example.b"), event("/a", type="io.example.a"))
    ndjson = {"accept": "application/x-ndjson"}

    assert (await served_each.get("/subjects")).json() == ["/a", "/a/ü", "/b"]
    assert lines(await served_each.get("/subjects", headers=ndjson)) == ["/a", "/a/ü", "/b"]
    assert (await served_each.get("/types")).json() == ["io.example.a", "io.example.b", "io.example.opened"]
    assert lines(await served_each.get("/types", headers=ndjson))[0] == "io.example.a"


async def test_lists_of_an_empty_store_are_empty(served_each: Served) -> None:
    """
    Not null, not an error.
    """
    assert (await served_each.get("/subjects")).json() == []
    assert (await served_each.get("/types")).json() == []
    assert (await served_each.get("/schema/get")).json() == {}


async def test_health_and_readiness(served: Served) -> None:
    """
    Both are there; a store that is gone is not ready, but the process lives.
    """
    assert (await served.http.get("/readyz")).status_code == 200

    await served.store.aclose()

    assert (await served.http.get("/healthz")).status_code == 200
    assert (await served.http.get("/readyz")).status_code == 503
    assert (await served.get("/status/ping")).status_code == 503


async def test_metrics_are_off_unless_asked_for(served: Served) -> None:
    """
    Then the address is not there.
    """
    assert (await served.http.get("/metrics")).status_code == 404


@pytest.mark.parametrize(
    ("environ", "has_metrics"),
    [
        ({}, False),
        ({"GENESISDB_METRICS": "true"}, True),
        ({"GENESISDB_PROMETHEUS_METRICS": "true"}, True),
        ({"GENESISDB_PROMETHEUS_METRICS": "TRUE "}, True),
        ({"GENESISDB_METRICS": "false"}, False),
        ({"GENESISDB_METRICS": "1"}, False),
        ({"GENESISDB_METRICS": ""}, False),
    ],
)
def test_either_variable_switches_metrics_on(environ: dict[str, str], *, has_metrics: bool) -> None:
    """
    The documented values are true and false.
    """
    assert ServerSettings.from_environ(environ, tokens=TOKENS).metrics is has_metrics


def test_settings_need_a_token() -> None:
    """
    A server without one would be open to everybody.
    """
    with pytest.raises(ValueError, match="GENESISDB_AUTH_TOKEN"):
        ServerSettings.from_environ({})
    with pytest.raises(ValueError, match="administrator"):
        ServerSettings.from_environ({"GENESISDB_AUTH_TOKEN": ""})
    with pytest.raises(ValueError, match="read"):
        ServerSettings.from_environ({"GENESISDB_AUTH_TOKEN": ADMINISTRATOR, "GENESISDB_READ_TOKEN": ""})


async def test_metrics_count() -> None:
    """
    Requests by endpoint and status, events, observers; no subject and no address of a client is a label.
    """
    async with serving(metrics=True) as served:
        await served.commit(event("/secret"), event("/secret"))
        await served.post("/commit", {})
        await served.get("/secret-address")
        async with served.observe("/secret"):
            text = (await served.http.get("/metrics")).text

    assert 'genesisdb_http_requests_total{endpoint="/commit",status="200"} 1.0' in text
    assert 'genesisdb_http_requests_total{endpoint="/commit",status="400"} 1.0' in text
    assert 'genesisdb_http_requests_total{endpoint="none",status="404"} 1.0' in text
    assert "genesisdb_events_committed_total 2.0" in text
    assert "genesisdb_events 2.0" in text
    assert "genesisdb_observers 1.0" in text
    assert "secret" not in text


async def test_document_describes_every_endpoint(served: Served) -> None:
    """
    OpenAPI 3.1, with the bodies that are read.
    """
    document: dict[str, Any] = (await served.http.get("/openapi.json")).json()

    assert document["openapi"].startswith("3.1")
    assert document["paths"]["/api/v1/commit"]["post"]["security"] == [{"token": []}]
    assert "security" not in document["paths"]["/api/v1/status/ping"]["get"]
    references = json.dumps(document).split('"#/components/schemas/')[1:]
    assert {part.partition('"')[0] for part in references} <= set(document["components"]["schemas"])
