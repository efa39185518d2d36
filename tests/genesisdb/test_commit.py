"""
Committing over HTTP: committed, rejected, unknown; and how the unknown is settled.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from eventsource import CommitOutcomeUnknownError, SubjectIsAtVersion, SubjectIsNew
from eventsource.errors import PreconditionFailedError, RequestRefusedError, StoreUnavailableError
from eventsource.genesisdb import Client, Limits
from eventsource.testing.contract.chance import rounds
from tests.genesisdb.stub import PlainGenesisDB, Request, Talk, event, serving

if TYPE_CHECKING:
    import random

QUICK = Limits(read_s=0.3, connect_s=1, tries=2, commit_tries=3)
TOKEN = "t0ken"  # noqa: S105  nobody's
NOTED: dict[str, Any] = {
    "source": "io.example", "subject": "/a", "type": "io.example.noted", "data": {"secret": "hunter2"}
}  # fmt: skip


def losing_the_first() -> Any:
    """
    Lose the first answer, and no other.
    """
    numbers = itertools.count()
    return lambda: next(numbers) == 0


async def test_the_request_is_that_of_the_official_sdk() -> None:
    """
    Events, their options and preconditions go out in the form that a Genesis DB documents.
    """
    database = PlainGenesisDB()
    async with serving(database) as stub, Client(stub.url, auth_token=TOKEN) as client:
        await client.commit_events(
            [{**NOTED, "options": {"store_data_as_reference": True}}],
            [{"type": "isSubjectNew", "payload": {"subject": "/a"}}],
        )

        (request,) = stub.requests
        assert (request.method, request.path) == ("POST", "/api/v1/commit")
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        assert request.headers["content-type"] == "application/json"
        assert request.json() == {
            "events": [{**NOTED, "options": {"storeDataAsReference": True}}],
            "preconditions": [{"type": "isSubjectNew", "payload": {"subject": "/a"}}],
        }


@pytest.mark.parametrize("form", ["array", "member", "lines"])
async def test_events_are_found_in_whatever_form_they_are_told(form: str) -> None:
    """
    A server may tell the events as an array, in an object, or as lines.
    """
    events = [event(1), event(2)]
    body = {"array": json.dumps(events), "member": json.dumps({"success": True, "events": events}, indent=1)}.get(
        form, "".join(json.dumps(each) + "\n" for each in events)
    )

    async def answer(_: Request, talk: Talk) -> None:
        await talk.answer(body)

    async with serving(answer) as stub, Client(stub.url) as client:
        assert [each.id for each in await client.commit_events([NOTED, NOTED])] == ["id-1", "id-2"]


async def test_events_that_are_not_told_are_read_back() -> None:
    """
    Only events of exactly the subject are taken, read from the last one known on, whatever else is there.
    """
    database = PlainGenesisDB([event(1, subject="/a/b", data=NOTED["data"]), event(2, data=NOTED["data"])])
    async with serving(database) as stub, Client(stub.url) as client:
        assert await client.commit_events([NOTED]) == []
        (third,) = await client.commit_events([NOTED, {**NOTED, "subject": "/a/b"}][:1], reads_back=True)
        both = await client.commit_events([NOTED, {**NOTED, "subject": "/a/b"}], reads_back=True)

        assert third.id == "id-4"
        assert [each.id for each in both] == ["id-5", "id-6"]
        assert stub.of("/stream")[-1].json()["options"] == {"lowerBound": "id-4"}


async def test_reading_back_relies_on_no_order() -> None:
    """
    The events of a commit follow each other in the hash chain, in whatever order they are streamed.
    """
    database = PlainGenesisDB()

    async def reversed_streams(request: Request, talk: Talk) -> None:
        database.log.reverse()
        await database(request, talk)
        database.log.reverse()

    async def behave(request: Request, talk: Talk) -> None:
        await (reversed_streams if request.path.endswith("/stream") else database)(request, talk)

    async with serving(behave) as stub, Client(stub.url) as client:
        found = await client.commit_events([NOTED] * 3, reads_back=True)

        assert [each.id for each in found] == ["id-1", "id-2", "id-3"]


async def test_a_guarded_commit_whose_answer_is_lost_is_sent_again() -> None:
    """
    A repeat that is accepted means that the first sending was not stored.
    """
    database = PlainGenesisDB()
    calls = itertools.count()

    async def lose_the_request(request: Request, talk: Talk) -> None:
        if next(calls) == 0:
            talk.cut()
        else:
            await database(request, talk)

    async with serving(lose_the_request) as stub, Client(stub.url, limits=QUICK) as client:
        found = await client.commit_events([NOTED], [SubjectIsNew("/a")], reads_back=True)

        assert [each.id for each in found] == ["id-1"]
        assert len(database.log) == 1


async def test_a_marked_commit_whose_answer_is_lost_is_found() -> None:
    """
    The repeat is refused, and the events with the mark of the commit are there: it was stored.
    """
    database = PlainGenesisDB(loses=losing_the_first())
    async with serving(database) as stub, Client(stub.url, limits=QUICK, mark_commits=True) as client:
        (found,) = await client.commit_events([NOTED], [SubjectIsNew("/a")])

        assert found.id == "id-1"
        assert found.data["_meta"]["commit"]
        assert len(database.log) == 1


async def test_a_refusal_after_a_lost_answer_stays_a_refusal_if_others_wrote() -> None:
    """
    What stands at the guarded place is not ours, so nothing of ours is stored or ever will be.
    """
    database = PlainGenesisDB([event(1)], loses=losing_the_first())
    async with serving(database) as stub, Client(stub.url, limits=QUICK) as client:
        with pytest.raises(PreconditionFailedError):
            await client.commit_events([NOTED], [SubjectIsNew("/a")])


async def test_an_equal_commit_of_another_writer_is_not_taken_for_ours() -> None:
    """
    Two that say the same at the same version: without a mark nobody can tell who won, and nobody is told a guess.
    """
    database = PlainGenesisDB([event(1), event(2, data=NOTED["data"])], loses=losing_the_first())
    async with serving(database) as stub, Client(stub.url, limits=QUICK) as client:
        with pytest.raises(CommitOutcomeUnknownError):
            await client.commit_events([NOTED], [SubjectIsAtVersion("/a", 1)])

    database = PlainGenesisDB([event(1), event(2, data=NOTED["data"])], loses=losing_the_first())
    async with serving(database) as stub, Client(stub.url, limits=QUICK, mark_commits=True) as client:
        with pytest.raises(PreconditionFailedError):
            await client.commit_events([NOTED], [SubjectIsAtVersion("/a", 1)])


GUARDS: dict[str, list[Any]] = {
    "no guard": [],
    "a query": [{"type": "isQueryResultTrue", "payload": {"query": "STREAM e FROM events MAP COUNT() >= 0"}}],
    "another subject": [SubjectIsNew("/b")],
}


@pytest.mark.parametrize("guards", GUARDS.values(), ids=list(GUARDS))
async def test_what_could_be_stored_twice_is_not_sent_twice(guards: list[Any]) -> None:
    """
    Without a guard that the commit itself breaks, and without keys, a lost answer stays unknown.
    """

    async def lose(request: Request, talk: Talk) -> None:
        if request.path.endswith("/commit"):
            talk.cut()
        else:
            await talk.answer("{}")

    async with serving(lose) as stub, Client(stub.url, limits=QUICK, auth_token=TOKEN) as client:
        with pytest.raises(CommitOutcomeUnknownError) as failure:
            await client.commit_events([NOTED], guards)

        assert len(stub.of("/commit")) == 1
        shown = repr(failure.value) + str(failure.value) + repr(failure.value.attempt)
        assert "hunter2" not in shown
        assert TOKEN not in shown
        with pytest.raises(CommitOutcomeUnknownError):
            await client.resolve(failure.value)
        assert len(stub.of("/commit")) == 1


async def test_an_unknown_outcome_is_resolved_later() -> None:
    """
    A marked commit without a guard is found by its mark; the error may have been to another process and back.
    """
    database = PlainGenesisDB(loses=losing_the_first())
    async with serving(database) as stub, Client(stub.url, limits=QUICK, mark_commits=True) as client:
        with pytest.raises(CommitOutcomeUnknownError) as failure:
            await client.commit_events([NOTED])

        (found,) = await client.resolve(pickle.loads(pickle.dumps(failure.value))) or []  # noqa: S301

        assert found.id == "id-1"


async def test_a_server_with_keys_is_asked_again_under_the_same_key() -> None:
    """
    Where the server shows that it keeps keys, any commit may be repeated, and is stored once.
    """
    stored: dict[str, int] = {}
    calls = itertools.count()

    async def keeping(request: Request, talk: Talk) -> None:
        key = request.headers["idempotency-key"]
        number = stored.setdefault(key, len(stored) + 1)
        if next(calls) in {1, 2}:
            talk.cut()
        else:
            await talk.answer(json.dumps({"events": [event(number)]}), headers=f"idempotency-key: {key}\r\n")

    async with serving(keeping) as stub, Client(stub.url, limits=QUICK) as client:
        found = [(await client.commit_events([NOTED]))[0].id for _ in range(3)]

        assert found == ["id-1", "id-2", "id-3"]
        assert len(stub.requests) == 5


@pytest.mark.parametrize("status", ["500 Internal Server Error", "502 Bad Gateway", "503 Unavailable", "504 Timeout"])
async def test_a_failure_of_a_server_or_proxy_is_an_unknown_outcome(status: str) -> None:
    """
    A proxy answers so when it has lost the server's answer.
    """

    async def fail(request: Request, talk: Talk) -> None:
        await (talk.answer("oops", status=status) if request.path.endswith("/commit") else talk.answer("{}"))

    async with serving(fail) as stub, Client(stub.url, limits=QUICK) as client:
        with pytest.raises(CommitOutcomeUnknownError):
            await client.commit_events([NOTED])


async def test_too_many_requests_are_waited_for() -> None:
    """
    429 with Retry-After: nothing was done, and it is tried again no sooner than asked for.
    """
    calls = itertools.count()

    async def busy(_: Request, talk: Talk) -> None:
        if next(calls) == 0:
            await talk.answer(status="429 Too Many Requests", headers="retry-after: 1\r\n")
        else:
            await talk.answer(json.dumps([event(1)]))

    async with serving(busy) as stub, Client(stub.url, limits=QUICK) as client:
        start = asyncio.get_running_loop().time()
        assert await client.commit_events([NOTED])
        assert asyncio.get_running_loop().time() - start >= 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("400 Bad Request", RequestRefusedError),
        ("307 Temporary Redirect", RequestRefusedError),
        ("409 Conflict", RequestRefusedError),
    ],
    ids=["400", "307", "409"],
)
async def test_a_refusal_is_definite(status: str, error: type[Exception]) -> None:
    """
    It is raised at once, and a redirect of a commit is never followed.
    """

    async def refuse(_: Request, talk: Talk) -> None:
        await talk.answer("no", status=status, headers="location: http://127.0.0.1:9/\r\n")

    async with serving(refuse) as stub, Client(stub.url, limits=QUICK) as client:
        with pytest.raises(error):
            await client.commit_events([NOTED])

        assert len(stub.requests) == 1


async def test_a_commit_that_reached_nobody_was_not_made() -> None:
    """
    Without a connection nothing can have been written.
    """
    async with serving(PlainGenesisDB()) as stub:
        url = stub.url
    async with Client(url, limits=QUICK) as client:
        with pytest.raises(StoreUnavailableError):
            await client.commit_events([NOTED])


async def test_no_commit_is_lost_or_made_twice_when_answers_are(rng: random.Random) -> None:
    """
    Of guarded commits by several writers a tenth of all answers is lost; in the end each is there once.
    """
    database = PlainGenesisDB(loses=lambda: rng.random() < 0.1)
    writers, commits = 8, rounds(40, 625)
    limits = Limits(commit_tries=20)
    async with serving(database) as stub, Client(stub.url, limits=limits, mark_commits=True) as client:

        async def write(writer: int) -> list[str]:
            made: list[str] = []
            for number in range(commits):
                noted = {**NOTED, "subject": f"/w/{writer % 4}", "data": {"by": writer, "number": number}}
                while True:
                    version = len([e for e in database.log if e["subject"] == noted["subject"]])
                    try:
                        made += [
                            e.id
                            for e in await client.commit_events(
                                [noted], [SubjectIsAtVersion(f"/w/{writer % 4}", version)], reads_back=True
                            )
                        ]
                    except PreconditionFailedError:
                        continue
                    break
            return made

        made = [each for found in await asyncio.gather(*map(write, range(writers))) for each in found]

    assert sorted(made) == sorted(stored["id"] for stored in database.log)
    assert len(database.log) == writers * commits
