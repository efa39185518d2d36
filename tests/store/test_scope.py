"""
A part of a store as a store of its own: nothing of the others is seen, touched, or told of by an error.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from eventsource import (
    Command,
    Dispatcher,
    EventSourceError,
    NewEvent,
    ProjectionWorker,
    QueryHolds,
    Repository,
    SubjectExists,
    SubjectIsAtVersion,
    SubjectIsNew,
    UnitOfWork,
    connect,
    scoped,
    select_events,
)
from eventsource.errors import (
    CheckpointMismatchError,
    EventNotFoundError,
    EventTooLargeError,
    IdempotencyKeyReusedError,
    InvalidSubjectError,
    NotSupportedError,
    PreconditionFailedError,
    SchemaViolationError,
    StoreClosedError,
    SubjectNotFoundError,
)
from eventsource.gdbql import Query
from eventsource.store import EmbeddedEventStore, InMemoryEventStore
from tests.aggregates.accounts import Account
from tests.aggregates.accounts import AccountOpened as Opened
from tests.projections.bank import AccountOpened, Balances, MoneyMoved
from tests.store.http_server import TOKEN, serving

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from pathlib import Path

    from eventsource import EventStore
    from eventsource.store import ScopedEventStore

NOTED = "io.example.scope.noted"


def noted(subject: str, *, store_data_as_reference: bool = False, **data: Any) -> NewEvent:
    """
    An event with *data*.
    """
    return NewEvent(subject=subject, type=NOTED, data=data, store_data_as_reference=store_data_as_reference)


@pytest.fixture(params=["memory", "embedded", "http"])
async def whole(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[EventStore]:
    """
    A store of each kind.
    """
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        match request.param:
            case "memory":
                yield await enter(InMemoryEventStore())
            case "embedded":
                yield await enter(EmbeddedEventStore(tmp_path / "store.db"))
            case _:
                url = await enter(serving(await enter(InMemoryEventStore())))
                yield await enter(connect(url, token=TOKEN))


@pytest.fixture
def acme(whole: EventStore) -> ScopedEventStore:
    """
    One tenant's part.
    """
    return scoped(whole, "/tenants/acme")


@pytest.fixture
def globex(whole: EventStore) -> ScopedEventStore:
    """
    Another tenant's part.
    """
    return scoped(whole, "/tenants/globex")


async def test_aggregates_are_kept_apart_by_the_same_template(
    whole: EventStore, acme: EventStore, globex: EventStore
) -> None:
    """
    Two tenants have an account 42 each, and neither knows of the other.
    """
    for tenant, owner in ((acme, "Ada"), (globex, "Grace")):
        async with Repository(Account, tenant).create("42") as account:
            account.open(owner)

    assert (await Repository(Account, acme).load("42")).owner == "Ada"
    assert (await Repository(Account, globex).load("42")).owner == "Grace"
    assert await whole.subjects() == ("/tenants/acme/accounts/42", "/tenants/globex/accounts/42")
    assert await acme.subjects() == ("/accounts/42",)


async def test_a_guard_counts_the_events_of_its_part(acme: EventStore, globex: EventStore) -> None:
    """
    A name that one tenant has taken is free for the other, and taken for itself.
    """
    is_unique = (select_events(Opened).where(owner="Ada").count() == 0).named("one account each")
    opened = NewEvent.of(Opened(owner="Ada"), subject="/accounts/1")

    await acme.commit([opened], [is_unique])
    await globex.commit([opened], [is_unique])

    with pytest.raises(PreconditionFailedError):
        await acme.commit([opened.at("/accounts/2")], [is_unique])


BOUNDED: dict[str, Callable[[EventStore, str], Awaitable[object]]] = {
    "stream from": lambda store, bound: _read(store.stream(lower_bound=bound)),
    "stream of a subject from": lambda store, bound: _read(store.stream("/a", recursive=False, lower_bound=bound)),
    "stream to": lambda store, bound: _read(store.stream(upper_bound=bound, include_upper_bound=True)),
    "observe": lambda store, bound: anext(store.observe(lower_bound=bound).pages()),
    "count": lambda store, bound: store.count(lower_bound=bound),
}


class OpenAccount(Command, subject="/accounts/{account}"):
    """
    A request to open an account.
    """

    account: str


async def open_account(command: OpenAccount, work: UnitOfWork) -> None:
    """
    Carry it out.
    """
    work.create(Account, command.account).open("Ada")


async def test_commands_are_carried_out_once_in_each_part(
    whole: EventStore, acme: EventStore, globex: EventStore
) -> None:
    """
    The same id at the same subject is a repeat for one tenant, and another command for the other.
    """
    command = OpenAccount(command_id="7", account="42")
    repeats: list[bool] = []
    for store in (acme, acme, globex):
        dispatcher = Dispatcher(store)
        dispatcher.handles(open_account)
        result = await dispatcher.dispatch(command)
        assert [event.subject for event in result.events] == ["/accounts/42"]
        repeats.append(result.is_repeat)

    assert repeats == [False, True, False]
    assert await whole.count() == 2


async def _read(stream: Any) -> list[Any]:
    return [event async for event in stream]


@pytest.mark.parametrize("use", BOUNDED.values(), ids=list(BOUNDED))
async def test_an_event_of_others_is_no_bound(
    whole: EventStore, acme: EventStore, globex: EventStore, use: Callable[[EventStore, str], Awaitable[object]]
) -> None:
    """
    Reading behind another tenant's event, or one at the prefix itself, fails as if there were no such event.
    """
    (own,) = await acme.commit([noted("/a")])
    (other,) = await globex.commit([noted("/a")])
    (at_prefix,) = await whole.commit([noted("/tenants/acme")])

    for event_id in (other.id, at_prefix.id, "none"):
        with pytest.raises(EventNotFoundError) as refusal:
            await use(acme, event_id)
        assert str(refusal.value) == str(EventNotFoundError(event_id))
    await acme.commit([noted("/a")])
    # Asked twice, and by a store that has not seen it before.
    for store in (acme, acme, scoped(whole, "/tenants/acme")):
        await use(store, own.id)


async def test_events_at_the_prefix_itself_belong_to_nobody_below(whole: EventStore, acme: EventStore) -> None:
    """
    Whoever keeps the list of tenants writes there, and no tenant sees it.
    """
    await whole.commit([noted("/tenants/acme")])
    (own,) = await acme.commit([noted("/a")])
    await whole.commit([noted("/tenants/acme")] * 2)

    assert await acme.last_event() == own
    assert await acme.count() == 1
    assert await acme.count(lower_bound=own.id) == 0
    assert await acme.subjects() == ("/a",)
    assert await _read(acme.stream()) == [own]
    assert await _read(acme.stream(latest_by_type=NOTED)) == [own]
    assert [row["subject"] async for row in acme.query("STREAM e FROM events")] == ["/a"]
    assert (await acme.status()).events == 1


async def test_there_is_nothing_at_the_root(whole: EventStore, acme: EventStore) -> None:
    """
    ``/`` has no events of its own, whatever is at the prefix.
    """
    await whole.commit([noted("/tenants/acme")])

    await acme.commit([noted("/a")], [SubjectIsNew("/"), SubjectIsAtVersion("/", 0)])
    with pytest.raises(PreconditionFailedError) as refusal:
        await acme.commit([noted("/a")], [SubjectExists("/")])

    assert refusal.value.subject == "/"
    assert await acme.count("/", recursive=False) == 0
    assert await acme.last_event("/", recursive=False) is None
    assert await _read(acme.stream("/", recursive=False)) == []
    with pytest.raises(SubjectNotFoundError):
        await acme.erase("/")


def _rule(text: str, name: str | None = None) -> QueryHolds:
    return QueryHolds(f"STREAM e FROM events {text}", name)


_PRICED = {"properties": {"cents": {"type": "integer", "required": True}}}


async def _with_schema(whole: EventStore, acme: EventStore) -> object:
    await whole.register_schema("io.example.scope.priced", _PRICED)
    return await acme.commit([NewEvent(subject="/a", type="io.example.scope.priced", data={})])


async def _with_key(_: EventStore, acme: EventStore) -> object:
    await acme.commit([noted("/a")], idempotency_key="k-1")
    return await acme.commit([noted("/b")], idempotency_key="k-1")


REFUSED: dict[str, tuple[type[EventSourceError], Callable[[EventStore, EventStore], Awaitable[object]]]] = {
    "version": (PreconditionFailedError, lambda _, acme: acme.commit([noted("/a")], [SubjectIsAtVersion("/a", 7)])),
    "new": (PreconditionFailedError, lambda _, acme: acme.commit([noted("/a")], [SubjectIsNew("/a")])),
    "rule": (
        PreconditionFailedError,
        lambda _, acme: acme.commit(
            [noted("/a")], [_rule("MAP COUNT() == 0", "first"), _rule("MAP MAX(e.subject) < '/a'")]
        ),
    ),
    "version as a rule": (
        PreconditionFailedError,
        lambda _, acme: acme.commit([noted("/a")], [_rule("WHERE e.subject == '/a' MAP COUNT() == 9", "n")]),
    ),
    "size": (EventTooLargeError, lambda _, acme: acme.commit([noted("/a", text="x" * 70_000)])),
    "schema": (SchemaViolationError, _with_schema),
    "key": (IdempotencyKeyReusedError, _with_key),
    "erase": (SubjectNotFoundError, lambda _, acme: acme.erase("/b")),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=list(REFUSED))
async def test_errors_do_not_name_what_is_around(
    whole: EventStore,
    acme: EventStore,
    case: tuple[type[EventSourceError], Callable[[EventStore, EventStore], Awaitable[object]]],
) -> None:
    """
    Subjects and rules in errors are those that were given; the prefix is nowhere, in the cause neither.
    """
    await acme.commit([noted("/a")])
    error_class, attempt = case

    with pytest.raises(error_class) as refusal:
        await attempt(whole, acme)

    error = refusal.value
    assert "tenants" not in f"{error} {error.args} {vars(error)}"
    assert error.__cause__ is None
    assert error.__suppress_context__


async def test_a_broken_rule_is_told_as_it_was_given(acme: EventStore) -> None:
    """
    Its name, its text, and the part of it that did not hold.
    """
    await acme.commit([noted("/a")])
    rules = [_rule("MAP COUNT() < 5", "few"), _rule("WHERE e.subject UNDER '/a' MAP COUNT() == 0", "none")]

    with pytest.raises(PreconditionFailedError) as refusal:
        await acme.commit([noted("/a")], rules)

    error = refusal.value
    assert (error.name, error.query, error.asked) == ("none", rules[1].query, "COUNT() == 0")
    assert error.precondition == "QueryHolds"


async def test_a_subject_that_is_too_long_with_the_prefix_is_refused(acme: EventStore) -> None:
    """
    The error says so, with the subject as it was given.
    """
    longest = "/" + "x" * 1_023

    with pytest.raises(InvalidSubjectError) as refusal:
        await acme.commit([noted(longest)])

    assert refusal.value.text == longest
    assert "below /tenants/acme" in refusal.value.reason


async def test_keys_of_two_parts_do_not_meet(whole: EventStore, acme: EventStore, globex: EventStore) -> None:
    """
    The same idempotency key names one commit in each part, and one in the whole store.
    """
    recorded = [(await store.commit([noted("/a")], idempotency_key="k-1"))[0] for store in (acme, globex, whole)]
    again = [(await store.commit([noted("/a")], idempotency_key="k-1"))[0] for store in (acme, globex, whole)]

    assert again == recorded
    assert len({event.id for event in recorded}) == 3
    with pytest.raises(ValueError, match="idempotency key"):
        await acme.commit([noted("/a")], idempotency_key="two words")


async def test_only_the_part_is_erased(acme: EventStore, globex: EventStore) -> None:
    """
    The person of the same number at another tenant stays.
    """
    for store in (acme, globex):
        await store.commit([noted("/people/1", name="Ada", store_data_as_reference=True)])

    assert await acme.erase("/people/1") == 1

    assert [event.data for event in await _read(acme.stream())] == [{"name": ""}]
    assert [event.data for event in await _read(globex.stream())] == [{"name": "Ada"}]


WHOLE_ONLY: dict[str, Callable[[EventStore], Awaitable[object]]] = {
    "audit": lambda store: store.audit(),
    "backup": lambda store: anext(store.backup()),
    "restore": lambda store: store.restore([]),
    "register a schema": lambda store: store.register_schema(NOTED, {}),
    "create an index": lambda store: store.create_index(NOTED, "data.name"),
    "drop an index": lambda store: store.drop_index(NOTED, "data.name"),
}


@pytest.mark.parametrize("use", WHOLE_ONLY.values(), ids=list(WHOLE_ONLY))
async def test_what_concerns_all_parts_is_done_through_the_whole(
    acme: EventStore, use: Callable[[EventStore], Awaitable[object]]
) -> None:
    """
    It is refused, and the error says where it is done.
    """
    with pytest.raises(NotSupportedError, match=r"whole (store|log)"):
        await use(acme)


async def test_schemas_and_indexes_of_the_whole_are_in_force(whole: EventStore, acme: EventStore) -> None:
    """
    They can be read through a part.
    """
    await whole.register_schema(NOTED, {"properties": {"name": {"type": "string"}}})
    index = await whole.create_index(NOTED, "data.name")

    assert list(await acme.schemas()) == [NOTED]
    assert await acme.indexes() == (index,)


def test_scopes_of_one_part_are_equal() -> None:
    """
    So that what is kept of a store, such as cached aggregates, is found by the next request's scope.
    """
    whole, other = InMemoryEventStore(), InMemoryEventStore()

    assert scoped(whole, "/a") == scoped(whole, "/a")
    assert len({scoped(whole, "/a"), scoped(whole, "/a"), scoped(whole, "/b"), scoped(other, "/a")}) == 3
    assert scoped(scoped(whole, "/a"), "/b") == scoped(scoped(whole, "/a"), "/b")
    assert scoped(whole, "/a") != whole


async def test_closing_a_part_leaves_the_rest_open(whole: EventStore, acme: EventStore, globex: EventStore) -> None:
    """
    What goes through the part ends, also who waits there; other parts and the whole store go on.
    """
    await acme.commit([noted("/a")])
    waiting = acme.observe(from_now=True).pages()
    others = globex.observe().pages()
    next_of_others = asyncio.ensure_future(_first(others))
    ended = asyncio.ensure_future(_first(waiting))
    await asyncio.sleep(0.01)

    await acme.aclose()

    with pytest.raises(StoreClosedError):
        await ended
    with pytest.raises(StoreClosedError):
        await acme.commit([noted("/a")])
    (recorded,) = await globex.commit([noted("/a")])
    assert (await next_of_others) == recorded
    await others.aclose()
    assert await whole.count() == 2


async def _first(pages: AsyncGenerator[Any]) -> Any:
    async for page in pages:
        for event in page.events:
            return event
    return None


async def test_a_part_of_a_part_is_the_part_below_both(whole: EventStore, acme: EventStore) -> None:
    """
    Scopes nest.
    """
    branch = scoped(acme, "/branches/1")
    (recorded,) = await branch.commit([noted("/a")], [_rule("MAP COUNT() == 0")])

    assert recorded.subject == "/a"
    assert await acme.subjects() == ("/branches/1/a",)
    assert await whole.subjects() == ("/tenants/acme/branches/1/a",)
    assert [row async for row in branch.query("STREAM e FROM events MAP e.subject")] == ["/a"]
    await acme.aclose()
    with pytest.raises(StoreClosedError):
        await branch.count()


def test_the_root_is_no_part() -> None:
    """
    A scope needs a prefix.
    """
    for prefix in ("/", "tenants", "/tenants/"):
        with pytest.raises(InvalidSubjectError):
            scoped(InMemoryEventStore(), prefix)


async def test_a_projector_reads_one_part(acme: EventStore, globex: EventStore, tmp_path: Path) -> None:
    """
    Its read model holds that tenant's events; run for another tenant on the same database, it refuses.
    """
    for store, cents in ((acme, 1), (globex, 2)):
        opened = NewEvent.of(AccountOpened(), subject="/accounts/1")
        await store.commit([opened, NewEvent.of(MoneyMoved(cents=cents), subject="/accounts/1")])
    url = f"sqlite:///{tmp_path}/read.db"

    async with ProjectionWorker(acme, url, [Balances()]) as worker:
        await worker.caught_up()
        assert worker.progress["balances"].checkpoint.events == 2
    with pytest.raises(ExceptionGroup) as failure:
        await ProjectionWorker(globex, url, [Balances()]).run()

    assert isinstance(failure.value.exceptions[0], CheckpointMismatchError)


async def test_a_part_can_be_served() -> None:
    """
    A server over a part knows nothing else, whatever it is asked.
    """
    async with InMemoryEventStore() as whole:
        await whole.commit([noted("/tenants/globex/a")])
        async with serving(scoped(whole, "/tenants/acme")) as url, connect(url, token=TOKEN) as store:
            await store.commit([noted("/a")], [_rule("MAP COUNT() == 0")])

            assert await store.subjects() == ("/a",)
            assert [row async for row in store.query("STREAM e FROM events MAP e.subject")] == ["/a"]
            with pytest.raises(NotSupportedError):
                await store.audit()
            with pytest.raises(PreconditionFailedError) as refusal:
                await store.commit([noted("/a")], [SubjectIsNew("/a")])
            assert refusal.value.subject == "/a"


@asynccontextmanager
async def large(tmp_path: Path) -> AsyncGenerator[EmbeddedEventStore]:
    """
    A file with 3,000 events of thirty tenants.
    """
    async with EmbeddedEventStore(tmp_path / "store.db") as store:
        for tenant in range(30):
            await store.commit([noted(f"/tenants/t{tenant}/people/{n % 50}", email=f"{n}@a", n=n) for n in range(100)])
        await store.create_index(NOTED, "data.email")
        yield store


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ("MAP COUNT()", "events_subject"),
        ("WHERE e.subject == '/people/7' MAP COUNT() == 2", "events_subject"),
        ("WHERE e.subject UNDER '/people/7' MAP SUM(e.data.n)", "events_subject"),
        (f"WHERE e.type == '{NOTED}' AND e.data.email == '7@a' MAP COUNT() == 0", f"{NOTED} (data.email)"),
    ],
)
async def test_indexes_answer_for_a_part(tmp_path: Path, asked: str, index: str) -> None:
    """
    What a search answers in a store of one tenant, a search answers in a part.
    """
    async with large(tmp_path) as store:
        explanation = await scoped(store, "/tenants/t7").explain("STREAM e FROM events " + asked)

        assert index in {part.index for part in explanation.parts}
        assert not any(line.startswith("SCAN") for line in explanation.sqlite), explanation.sqlite


async def test_conditions_are_not_tried_on_events_of_others(whole: EventStore, acme: EventStore) -> None:
    """
    A value that would become too large for an event of another tenant is never computed.
    """
    await whole.commit([noted("/tenants/globex/a", text="x" * 2_000)])
    await acme.commit([noted("/a", text="x")])
    long = "REPLACE(REPLACE(e.data.text, 'x', e.data.text), 'x', e.data.text)"

    asked = f"STREAM e FROM events WHERE LENGTH({long}) >= 0 AND e.subject == '/a' MAP e.subject"

    assert [row async for row in acme.query(asked)] == ["/a"]


async def test_a_rewritten_rule_is_the_same_rule_next_time(acme: ScopedEventStore) -> None:
    """
    Stores know a rule that comes again by the tree itself, so it has to be the same one.
    """
    rule = _rule("MAP COUNT() >= 0")

    one, other = (acme._placement.precondition(rule) for _ in range(2))

    assert isinstance(one, QueryHolds)
    assert isinstance(other, QueryHolds)
    assert isinstance(one.tree, Query)
    assert one.tree is other.tree
