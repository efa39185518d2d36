"""
Bodies as PHP writes them: an empty array is ``[]``, whether it stands for a list or for an object.
"""

from typing import Any

import pytest

from tests.server.serving import Served, event, failure, lines


async def test_an_empty_list_is_an_empty_object_where_one_belongs(served: Served) -> None:
    """
    In commits, streams, observations and schemas.
    """
    (first,) = await served.commit(event(options=[], data=[]), preconditions=[])
    streamed = await served.post("/stream", {"subject": "/", "options": []})
    as_list = await served.post("/schema/register", {"type": "io.example.closed", "schema": []})
    as_object = await served.post("/schema/register", {"type": "io.example.closed", "schema": {}})
    async with served.http.stream("POST", "/api/v1/observe", json={"subject": "/", "options": []}) as observed:
        assert observed.status_code == 200

    assert first["data"] == {}
    assert [one["data"] for one in lines(streamed)] == [{}]
    assert failure(as_list) == failure(as_object) == (400, "invalid-schema")


async def test_an_empty_list_is_data_by_reference_too(served: Served) -> None:
    """
    The older spelling of such data takes it likewise.
    """
    body = event(ref=[])
    del body["data"]

    (first,) = await served.commit(body)

    assert first["data"] == {}


async def test_lists_inside_the_data_stay_lists(served: Served) -> None:
    """
    There nothing tells an object from a list, so it is what it says.
    """
    (first,) = await served.commit(event(data={"tags": [], "lines": [[], {}]}))

    assert first["data"] == {"tags": [], "lines": [[], {}]}


@pytest.mark.parametrize(
    "body",
    [
        {"events": [event(data=[1])]},
        {"events": [event(data=[[]])]},
        {"events": [event(options=[False])]},
        {"events": [event(), []]},
        {"events": [event()], "preconditions": [{"type": "isSubjectNew", "payload": []}]},
        {"events": {}},
        [],
    ],
)
async def test_a_list_with_something_in_it_is_no_object(served: Served, body: Any) -> None:
    """
    It is refused, and nothing is written.
    """
    assert failure(await served.post("/commit", body)) == (400, "invalid-request")
    assert await served.stream("/") == []
