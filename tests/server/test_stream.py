"""
``POST /stream``: hierarchy, bounds, framing, and every text a subject or data may hold.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.serving import Observed, Served, event, failure, lines, serving


def subjects(events: list[dict[str, Any]]) -> list[str]:
    """
    Where they stand.
    """
    return [one["subject"] for one in events]


async def test_no_match_is_an_empty_body(served_each: Served) -> None:
    """
    Status 200, NDJSON, no line at all.
    """
    response = await served_each.post("/stream", {"subject": "/nobody"})

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/x-ndjson"
    assert response.content == b""


async def test_each_event_is_a_line_and_the_last_one_ends_too(served_each: Served) -> None:
    """
    The JavaScript SDK drops a last line without its newline.
    """
    await served_each.commit(event("/a"), event("/b"))

    response = await served_each.post("/stream", {"subject": "/"})

    assert response.content.count(b"\n") == 2
    assert response.content.endswith(b"}\n")
    assert b"\r" not in response.content


@pytest.mark.parametrize("accept", ["application/x-ndjson", "*/*", "application/json", "text/html"])
async def test_lines_are_the_answer_whatever_is_accepted(served: Served, accept: str) -> None:
    """
    The extension for VS Code sends no Accept.
    """
    await served.commit(event())

    assert len(lines(await served.post("/stream", {"subject": "/"}, headers={"accept": accept}))) == 1


async def test_stream_is_hierarchical_and_keeps_to_segments(served_each: Served) -> None:
    """
    What lies below comes too, a neighbour that begins alike does not.
    """
    await served_each.commit(*map(event, ["/a", "/a/1", "/ab", "/a/1/x", "/b/a", "/A", "/a0", "/a-b"]))

    assert subjects(await served_each.stream("/a")) == ["/a", "/a/1", "/a/1/x"]
    assert subjects(await served_each.stream("/a/")) == ["/a", "/a/1", "/a/1/x"]
    assert subjects(await served_each.stream("/a/1")) == ["/a/1", "/a/1/x"]
    assert len(await served_each.stream("/")) == 8


async def test_wildcards_of_sql_are_ordinary_characters(served_each: Served) -> None:
    """
    A subject is compared as it is.
    """
    await served_each.commit(*map(event, ["/a_b/1", "/axb/1", "/a%/1", "/abc/1"]))

    assert subjects(await served_each.stream("/a_b")) == ["/a_b/1"]
    assert subjects(await served_each.stream("/a%")) == ["/a%/1"]


async def test_unicode_twins_are_two_subjects(served_each: Served) -> None:
    """
    No normalisation, no case folding.
    """
    await served_each.commit(event("/\u00e9"), event("/e\u0301"))

    assert subjects(await served_each.stream("/\u00e9")) == ["/\u00e9"]
    assert subjects(await served_each.stream("/e\u0301")) == ["/e\u0301"]


async def test_bounds(served_each: Served) -> None:
    """
    Exclusive unless asked otherwise, alone and together.
    """
    a, b, c, d = await served_each.commit(*map(event, ["/s/a", "/s/b", "/s/c", "/s/d"]))

    async def names(**options: Any) -> str:
        return "".join(one["subject"][-1] for one in await served_each.stream("/s", **options))

    assert await names(lowerBound=b["id"]) == "cd"
    assert await names(lowerBound=b["id"], includeLowerBoundEvent=True) == "bcd"
    assert await names(upperBound=c["id"]) == "ab"
    assert await names(upperBound=c["id"], includeUpperBoundEvent=True) == "abc"
    assert await names(lowerBound=a["id"], upperBound=d["id"]) == "bc"
    assert await names(lowerBound=a["id"], upperBound=a["id"]) == ""
    assert await names(lowerBound=d["id"], upperBound=a["id"]) == ""
    assert await names(includeLowerBoundEvent=True, includeUpperBoundEvent=True) == "abcd"


async def test_bound_need_not_lie_in_the_subject(served_each: Served) -> None:
    """
    Bounds are places in the whole log.
    """
    _, other, _ = await served_each.commit(event("/a/1"), event("/b"), event("/a/2"))

    assert subjects(await served_each.stream("/a", lowerBound=other["id"])) == ["/a/2"]
    assert subjects(await served_each.stream("/a", upperBound=other["id"])) == ["/a/1"]


@pytest.mark.parametrize("bound", ["lowerBound", "upperBound"])
async def test_unknown_bound_is_not_found(served_each: Served, bound: str) -> None:
    """
    Neither nothing nor everything: both would be wrong, and nobody would see it.
    """
    await served_each.commit(event())

    response = await served_each.post("/stream", {"subject": "/", "options": {bound: "no-such-id"}})

    assert failure(response) == (404, "event-not-found")


async def test_latest_by_event_type(served_each: Served) -> None:
    """
    Of each subject only its last event of that type, in order of the log.
    """
    await served_each.commit(
        event("/s/1", data={"n": 1}),
        event("/s/2", data={"n": 2}),
        event("/s/1", data={"n": 3}),
        event("/s/1", type="io.example.other", data={"n": 4}),
        event("/t", data={"n": 5}),
    )

    found = await served_each.stream("/s", latestByEventType="io.example.opened")

    assert [one["data"]["n"] for one in found] == [2, 3]
    assert await served_each.stream("/s", latestByEventType="io.example.never") == []


async def test_options_beside_the_options_mean_the_same(served: Served) -> None:
    """
    The PHP SDK of 1.0.0 to 1.0.4 sends them so: a bound that was left out would read another part of the stream.
    """
    first, second, third = await served.commit(event(data={"n": 1}), event(data={"n": 2}), event(data={"n": 3}))

    async def ids(**members: Any) -> list[str]:
        return [one["id"] for one in lines(await served.post("/stream", {"subject": "/", **members}))]

    assert await ids(lowerBound=first["id"]) == [second["id"], third["id"]]
    assert await ids(lowerBound=first["id"], options=[]) == [second["id"], third["id"]]
    assert await ids(lowerBound=first["id"], includeLowerBoundEvent=True, options={"upperBound": third["id"]}) == [
        first["id"],
        second["id"],
    ]
    assert await ids(lowerBound=first["id"], options={"lowerBound": first["id"]}) == [second["id"], third["id"]]
    assert await ids(lowerBound=None, latestByEventType="io.example.opened") == [third["id"]]
    assert await ids(lower_bound=first["id"]) == [second["id"], third["id"]]


async def test_an_observer_begins_at_a_bound_beside_the_options(served: Served) -> None:
    """
    As a stream does.
    """
    first, second = await served.commit(event(), event())
    body = {"subject": "/", "lowerBound": first["id"]}

    async with served.http.stream("POST", "/api/v1/observe", json=body) as response:
        observed = Observed(response, response.aiter_bytes())
        assert (await observed.next_event())["id"] == second["id"]


@pytest.mark.parametrize(
    "members",
    [
        {"lowerBound": "one", "options": {"lowerBound": "other"}},
        {"lowerBound": 7},
        {"lowerbound": "one"},
        {"LowerBound": "one"},
        {"lower-bound": "one"},
        {"options": {"lowerbound": "one"}},
        {"options": {"include_lower_boundEvent": True}},
        {"options": [1]},
        {"options": "none"},
    ],
)
async def test_an_option_that_cannot_be_followed_is_refused(served: Served, members: dict[str, Any]) -> None:
    """
    Two values, a value of another kind, another spelling: 400, in place of another part of the stream.
    """
    for path in ("/stream", "/observe"):
        response = await served.post(path, {"subject": "/", **members})
        assert failure(response) == (400, "invalid-request")


@pytest.mark.parametrize("options", [None, {}, {"lowerBound": None}, {"lowerBound": ""}, {"unknown": 1}])
async def test_options_that_say_nothing(served: Served, options: object) -> None:
    """
    Some SDKs send an empty object, or nulls.
    """
    await served.commit(event())

    assert len(lines(await served.post("/stream", {"subject": "/", "options": options}))) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"subject": 1},
        {"subject": ""},
        {"subject": "a"},
        {"subject": "/a//b"},
        {"subject": "/", "options": [1]},
        "/",
    ],
)
async def test_malformed_stream_is_refused(served: Served, body: object) -> None:
    """
    Status 400, nothing streamed.
    """
    assert (await served.post("/stream", body)).status_code == 400


async def test_many_pages_come_complete_and_in_order(served_each: Served) -> None:
    """
    More than is read, printed and handed over at a time.
    """
    for start in range(0, 3_000, 500):
        await served_each.commit(*[event(f"/n/{n}", data={"text": "x" * 500}) for n in range(start, start + 500)])

    assert subjects(await served_each.stream("/n")) == [f"/n/{n}" for n in range(3_000)]


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@given(st.lists(st.dictionaries(texts, texts | st.integers() | st.lists(texts, max_size=3), max_size=4), max_size=40))
@settings(max_examples=5)
async def test_any_data_comes_back_as_it_was(values: list[dict[str, Any]]) -> None:
    """
    Escapes, control characters, line separators, emoji, integers of any size.
    """
    async with serving() as served:
        if values:
            await served.commit(*[event(data=value) for value in values])

        assert [one["data"] for one in await served.stream("/")] == values
