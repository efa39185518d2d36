"""
Guards over classes whose events are also stored in older forms: what they count, and what they refuse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from eventsource import DecisionState, Event, NewEvent, UnitOfWork, handles, select_events, upcaster
from eventsource.errors import GuardError, PreconditionFailedError
from eventsource.store import InMemoryEventStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventsource import Guard

Data = dict[str, Any]
NAME = "io.example.test.older-guards"


class Registered(Event, type=f"{NAME}.registered", version=2):
    """
    It had ``mail`` before, and another type before that.
    """

    email: str
    country: str


@upcaster(f"{NAME}.registered", version=1, keeps=["country"])
def _with_email(data: Data) -> Data:
    return {"email": data["mail"], "country": data["country"]}


@upcaster(f"{NAME}.signed-up", version=1, into=(Registered, 1), keeps=["mail", "country"])
def _registered(data: Data) -> Data:
    return data


class Paid(Event, type=f"{NAME}.paid"):
    """
    A part of what a booking was.
    """

    cents: int


@upcaster(f"{NAME}.booked", version=1, into=[Paid], keeps=["cents"])
def _paid(data: Data) -> Iterator[tuple[type[Event], Data]]:
    if data["cents"] > 0:
        yield Paid, data


ADA = "/customers/ada"


async def holds(guard: Guard, *history: NewEvent) -> bool:
    """
    Whether a store with that history lets a commit pass under the guard.
    """
    async with InMemoryEventStore() as store:
        if history:
            await store.commit(history)
        try:
            await store.commit([NewEvent(subject="/x", type="x", data={})], [guard])
        except PreconditionFailedError:
            return False
    return True


def old(event_type: str, **data: object) -> NewEvent:
    """
    An event as an older program wrote it.
    """
    return NewEvent(subject=ADA, type=f"{NAME}.{event_type}", data=data)


async def test_events_of_older_forms_count() -> None:
    """
    That there is none is false where an older program wrote one, under whichever name.
    """
    none = select_events(Registered).at(ADA).count() == 0

    assert await holds(none)
    for event in (old("registered", mail="a@b.c", country="AT"), old("signed-up", mail="a@b.c", country="AT")):
        assert not await holds(none, event)
        assert await holds(select_events(Registered).at(ADA).exists(), event)


async def test_members_that_upcasters_keep_can_be_asked_for() -> None:
    """
    They are the same in all forms, so the store finds them.
    """
    abroad = select_events(Registered).where(country="DE").count() == 0

    assert await holds(abroad, old("signed-up", mail="a@b.c", country="AT"))
    assert not await holds(abroad, old("signed-up", mail="a@b.c", country="DE"))
    assert not await holds(abroad, NewEvent.of(Registered(email="a@b.c", country="DE"), subject=ADA))


def test_members_that_may_be_missing_are_refused() -> None:
    """
    Two customers with one e-mail would pass, since the older one has it under another name.
    """
    with pytest.raises(GuardError, match=r"_with_email does not say that it keeps 'email'"):
        select_events(Registered).where(email="a@b.c")
    with pytest.raises(GuardError, match="keeps 'email'"):
        select_events(Registered).where(lambda e: (e.country == "AT") & (e.email != "a@b.c"))
    with pytest.raises(GuardError, match="keeps 'email'"):
        select_events(Registered).min(lambda e: e.email)
    with pytest.raises(GuardError, match="keeps 'email'"):
        select_events(Registered).max("email")


async def test_what_a_split_gives_is_not_counted() -> None:
    """
    Only running the upcaster tells how many events there are; how many are recorded the store can count.
    """
    for ask in (
        lambda: select_events(Paid).count(),
        lambda: select_events(Paid).exists(),
        lambda: select_events(Paid).sum(lambda e: e.cents),
    ):
        with pytest.raises(GuardError, match="which the store cannot tell"):
            ask()

    assert await holds(select_events(Paid).count_recorded() == 1, old("booked", cents=-5))


async def test_events_as_they_are_stored() -> None:
    """
    Whoever knows that there are no older ones can say so, and asks for today's names alone.
    """
    unique = select_events(Registered).as_stored().where(email="a@b.c").count() == 0

    assert await holds(unique, old("signed-up", email="a@b.c"))
    assert not await holds(unique, NewEvent.of(Registered(email="a@b.c", country="DE"), subject=ADA))
    assert select_events(Paid).as_stored().stored_types == (f"{NAME}.paid",)
    assert select_events(Paid, Registered).stored_types == (
        f"{NAME}.booked",
        f"{NAME}.paid",
        f"{NAME}.registered",
        f"{NAME}.signed-up",
    )


class Spent(DecisionState):
    """
    What somebody has paid.
    """

    cents: int = 0

    @handles
    def _paid(self, event: Paid) -> None:
        self.cents += event.cents


async def test_a_decision_state_reads_what_the_store_cannot_tell() -> None:
    """
    Its guard counts recorded events, so it holds over those that are split or dropped, too.
    """
    async with InMemoryEventStore() as store:
        await store.commit([old("booked", cents=500), old("booked", cents=-5)])
        work = UnitOfWork(store)

        spent = await work.read(Spent(select_events(Paid).at(ADA)))
        work.emit(Paid(cents=1), at=ADA)
        await work.commit()

    assert (spent.cents, spent.events_folded) == (500, 2)
