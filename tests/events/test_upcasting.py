"""
Upcasters: what was stored in an older form is read as what it is today.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, Field, computed_field

from eventsource import Aggregate, DeclarationError, Event, NewEvent, RecordedEvent, Repository, handles, upcaster
from eventsource.errors import (
    EventDecodingError,
    NewerEventError,
    NotOneEventError,
    UnknownEventTypeError,
    UpcastingError,
)
from eventsource.events import stored_types_of
from eventsource.store import InMemoryEventStore

if TYPE_CHECKING:
    from collections.abc import Iterator

Data = dict[str, Any]
HASH = "0" * 64


def stored(event_type: str, data_json: str) -> RecordedEvent:
    """
    An event as an older program left it.
    """
    return RecordedEvent(
        1,
        "e-1",
        1_700_000_000_000_000_000,
        "test",
        "/accounts/42",
        f"io.example.test.upcast.{event_type}",
        data_json,
        HASH,
        HASH,
    )


class Deposited(Event, type="io.example.test.upcast.deposited", version=3):
    """
    Was ``amount`` in version 1, and ``cents`` without a currency in version 2.
    """

    cents: int
    currency: str


@upcaster("io.example.test.upcast.deposited", version=1)
def deposited_in_cents(data: Data) -> Data:
    """
    The amount was a decimal text.
    """
    euros, _, cents = data.pop("amount").partition(".")
    return {**data, "cents": int(euros) * 100 + int(cents)}


@upcaster("io.example.test.upcast.deposited", version=2)
def deposited_with_currency(data: Data) -> Data:
    """
    All money was euros.
    """
    return {**data, "currency": "EUR"}


class Withdrawn(Event, type="io.example.test.upcast.withdrawn"):
    """
    Took over a part of ``moved``.
    """

    cents: int


class FeeCharged(Event, type="io.example.test.upcast.fee-charged"):
    """
    Took over another.
    """

    cents: int


@upcaster("io.example.test.upcast.moved", version=1, into=[(Deposited, 2), Withdrawn, FeeCharged])
def split(data: Data) -> Iterator[tuple[type[Event], Data]]:
    """
    One type for both directions, with the fee inside.
    """
    if data["cents"] > 0:
        yield Deposited, {"cents": data["cents"]}
    else:
        yield Withdrawn, {"cents": -data["cents"]}
    if data.get("fee"):
        yield FeeCharged, {"cents": data["fee"]}


class Noted(Event, type="io.example.test.upcast.noted", version=2):
    """
    Empty notes are dropped.
    """

    text: str


@upcaster("io.example.test.upcast.noted", version=1)
def without_empty_notes(data: Data) -> Data | None:
    """
    Nothing happened.
    """
    return data if data["text"] else None


class Renamed(Event, type="io.example.test.upcast.new-name"):
    """
    Only its type name changed.
    """

    text: str


@upcaster("io.example.test.upcast.old-name", version=1, into=Renamed)
def as_it_was(data: Data) -> Data:
    """
    The data is the same.
    """
    return data


def test_each_version_is_read_as_the_class() -> None:
    """
    An old event goes through all upcasters from its version on.
    """
    today = Deposited(cents=1050, currency="EUR")

    assert stored("deposited", '{"amount":"10.50"}').decode() == today
    assert stored("deposited", '{"_meta":{"version":2},"cents":1050}').decode() == today
    assert stored("deposited", '{"_meta":{"version":3},"cents":1050,"currency":"EUR"}').decode() == today


def test_the_version_is_stored_with_the_event() -> None:
    """
    What the class is of today is read back without an upcaster.
    """
    new = NewEvent.of(Deposited(cents=1, currency="USD"), subject="/accounts/42")

    assert new.data_json == '{"_meta":{"version":3},"cents":1,"currency":"USD"}'


def test_one_event_is_split_into_several() -> None:
    """
    Each of them is of a class of its own, and goes through the upcasters of that.
    """
    both = stored("moved", '{"cents":500,"fee":2}')

    assert both.decode_all() == (Deposited(cents=500, currency="EUR"), FeeCharged(cents=2))
    assert stored("moved", '{"cents":-500}').decode() == Withdrawn(cents=500)
    with pytest.raises(NotOneEventError) as excinfo:
        both.decode()
    assert excinfo.value.count == 2


def test_an_event_is_dropped() -> None:
    """
    It is no event any more, and says so where exactly one is asked for.
    """
    assert stored("noted", '{"text":""}').decode_all() == ()
    assert stored("noted", '{"text":"x"}').decode() == Noted(text="x")
    with pytest.raises(NotOneEventError, match="no events"):
        stored("noted", '{"text":""}').decode()


def test_a_type_gets_another_name() -> None:
    """
    Nobody needs a class for the old name.
    """
    assert stored("old-name", '{"text":"x"}').decode() == Renamed(text="x")
    assert Renamed.from_recorded(stored("old-name", '{"text":"x"}')) == Renamed(text="x")


def test_stored_types_of_a_class() -> None:
    """
    Its own name comes first, then all that can become it.
    """
    assert stored_types_of(Renamed) == ("io.example.test.upcast.new-name", "io.example.test.upcast.old-name")
    assert stored_types_of(Deposited) == ("io.example.test.upcast.deposited", "io.example.test.upcast.moved")
    assert stored_types_of(Noted) == ("io.example.test.upcast.noted",)


@pytest.mark.parametrize("event_type", ["deposited", "new-name"])
def test_a_newer_version_is_not_read_as_if_it_were_of_today(event_type: str) -> None:
    """
    Also where the class never had a second version, and the data would fit.
    """
    newer = stored(event_type, '{"_meta":{"version":4},"cents":1,"currency":"EUR","text":"x"}')

    with pytest.raises(NewerEventError) as excinfo:
        newer.decode()
    assert excinfo.value.version == 4


def test_upcasters_see_no_metadata() -> None:
    """
    What is known beside the event is not theirs to change.
    """
    assert stored("deposited", '{"_meta":{"actor":"ada"},"amount":"1.00"}').decode() == Deposited(
        cents=100, currency="EUR"
    )


class Broken(Event, type="io.example.test.upcast.broken", version=3):
    """
    Its upcasters fail.
    """

    name: str


@upcaster("io.example.test.upcast.broken", version=1)
def raising(data: Data) -> Data:
    """
    It quotes what it got.
    """
    raise ValueError(data["name"])


@upcaster("io.example.test.upcast.broken", version=2)
def giving_nonsense(data: Data) -> Data:
    """
    What it gives, the data says.
    """
    choices: dict[str, Any] = {"list": [], "object": {"name": object()}}
    nonsense: Data = choices[data["name"]]
    return nonsense


def test_a_failing_upcaster_is_named_without_the_data() -> None:
    """
    The message says which upcaster, which event, and where; not what the event says.
    """
    with pytest.raises(UpcastingError) as excinfo:
        stored("broken", '{"name":"Ada Lovelace"}').decode()

    error = excinfo.value
    assert error.upcaster.endswith(".raising")
    assert (error.event_id, error.event_type, error.version) == ("e-1", "io.example.test.upcast.broken", 1)
    assert re.search(r"raised ValueError in line \d+", str(error))
    assert "Ada" not in str(error)
    assert error.__suppress_context__


@pytest.mark.parametrize("what", ["list", "object"])
def test_an_upcaster_that_gives_no_data_is_named(what: str) -> None:
    """
    What is no dict of JSON values reaches no class.
    """
    with pytest.raises(UpcastingError, match="giving_nonsense gave data"):
        stored("broken", f'{{"_meta":{{"version":2}},"name":"{what}"}}').decode()


def test_data_of_today_that_does_not_fit_is_a_decoding_error() -> None:
    """
    Stored data of the version of today that does not fit its class is no fault of an upcaster.
    """
    with pytest.raises(EventDecodingError, match="currency"):
        stored("deposited", '{"_meta":{"version":3},"cents":1}').decode()


class Street(BaseModel):
    """
    A part of an event.
    """

    house_number: int


class Moved(Event, type="io.example.test.upcast.relocated", version=2):
    """
    Optional fields hide what an upcaster does wrong.
    """

    cents_due: int = 0
    street: Street | None = None
    streets: dict[str, Street] = Field(default_factory=dict)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def euros_due(self) -> float:
        """
        Stored for people, and read by nothing.
        """
        return self.cents_due / 100


@upcaster("io.example.test.upcast.relocated", version=1)
def moved_somehow(data: Data) -> Data:
    """
    As the stored text says.
    """
    given: Data = {**data, **data.pop("gives", {})}
    for name in data.pop("without", ()):
        given.pop(name, None)
    given.pop("gives", None)
    given.pop("without", None)
    return given


@pytest.mark.parametrize(
    ("gives", "says"),
    [
        ('{"cents_due":5}', "a member, 'cents_due', that no field of Moved takes"),
        ('{"centsDew":5}', "a member, 'centsDew', that no field of Moved takes"),
        ('{"centsDue":"many"}', "does not fit Moved: centsDue"),
        ('{"centsDue":1.5}', "does not fit Moved: centsDue"),
        ('{"centsDue":null}', "does not fit Moved: centsDue"),
        ('{"street":{"houseNumber":5}}', "does not fit Moved: street"),
        ('{"street":{"house_number":5,"town":"Bonn"}}', "a member, inside 'street', that no field of Moved takes"),
        ('{"streets":{"ada@example.com":{"house_number":5,"town":1}}}', "inside 'streets'"),
    ],
)
def test_what_no_field_takes_is_the_fault_of_the_upcaster(gives: str, says: str) -> None:
    """
    An upcaster that gives a member under a wrong name or of a wrong type is named, with the member and no value.
    """
    with pytest.raises(UpcastingError) as refused:
        stored("relocated", f'{{"gives":{gives}}}').decode()

    assert says in str(refused.value)
    assert refused.value.upcaster.endswith(".moved_somehow")
    assert "Bonn" not in str(refused.value)
    assert "ada@" not in str(refused.value)


@pytest.mark.parametrize(
    "data_json",
    [
        '{"centsDue":5}',
        '{"centsDue":5,"addedByANewerProgram":{"a":[1]}}',
        '{"centsDue":5,"eurosDue":0.05}',
        '{"centsDue":5,"street":{"house_number":1,"town":"Bonn"}}',
        '{"gives":{"centsDue":5}}',
    ],
)
def test_what_was_stored_and_no_field_takes_is_ignored(data_json: str) -> None:
    """
    Members of the stored data that the class has no field for pass an upcaster, as they pass any reader.
    """
    event = stored("relocated", data_json).decode()

    assert isinstance(event, Moved)
    assert event.cents_due == 5


class Account(Aggregate, subject="/accounts/{id}"):
    """
    It knows the classes of today only.
    """

    balance: int = 0
    seen: tuple[str, ...] = ()

    @handles
    def _deposited(self, event: Deposited) -> None:
        self.balance += event.cents
        self.seen += (event.currency,)

    @handles
    def _less(self, event: Withdrawn | FeeCharged) -> None:
        self.balance -= event.cents


async def test_an_aggregate_is_rebuilt_from_all_versions() -> None:
    """
    The version counts recorded events, whatever they became.
    """
    deposited, moved = "io.example.test.upcast.deposited", "io.example.test.upcast.moved"
    async with InMemoryEventStore() as store:
        await store.commit(
            [
                NewEvent(subject="/accounts/42", type=deposited, data={"amount": "10.00"}),
                NewEvent(subject="/accounts/42", type=moved, data={"cents": 500, "fee": 2}),
                NewEvent(subject="/accounts/42", type=moved, data={"cents": -100}),
                NewEvent.of(Deposited(cents=1, currency="USD"), subject="/accounts/42"),
            ]
        )
        account = await Repository(Account, store).load("42")

    assert account.balance == 1000 + 500 - 2 - 100 + 1
    assert account.seen == ("EUR", "EUR", "USD")
    assert account.version == 4


class Narrow(Aggregate, subject="/accounts/{id}", unknown_events="ignore"):
    """
    It looks at fees alone.
    """

    fees: int = 0

    @handles
    def _fee(self, event: FeeCharged) -> None:
        self.fees += event.cents


class Strict(Aggregate, subject="/accounts/{id}"):
    """
    The same, and nothing else may be there.
    """

    @handles
    def _fee(self, event: FeeCharged) -> None:
        pass


def test_unknown_events_are_passed_over_only_where_the_class_says_so() -> None:
    """
    They count in the version either way; a part of a split that nobody handles is unknown, too.
    """
    events = [stored("moved", '{"cents":500,"fee":2}'), stored("never-declared", "{}")]
    narrow = Narrow("42")

    narrow.fold(events)

    assert (narrow.fees, narrow.version) == (2, 2)
    for event in events:
        with pytest.raises(UnknownEventTypeError, match="aggregate Strict"):
            Strict("42").fold([event])
    with pytest.raises(DeclarationError, match='"error" or "ignore"'):

        class _Odd(Aggregate, subject="/odd/{id}", unknown_events="maybe"):  # type: ignore[arg-type]
            pass
