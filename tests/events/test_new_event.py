"""
New events: an event with its place, not stored yet.
"""

import attrs
import pytest

from eventsource import Event, NewEvent, Subject
from eventsource.errors import InvalidSubjectError, UnstorableDataError
from eventsource.events import Metadata
from eventsource.store import InMemoryEventStore


class RoomBooked(Event, type="io.example.test.domain.room-booked"):
    """
    A small event.
    """

    guest_name: str
    nights: int


class GuestNamed(Event, type="io.example.test.domain.guest-named", personal=True):
    """
    An event about a person, whose data can be erased.
    """

    guest_name: str


def test_event_is_placed() -> None:
    """
    A placed event has the subject, the type of its class and its data as canonical JSON.
    """
    event = RoomBooked(nights=2, guest_name="Ada")

    new = NewEvent.of(event, subject="/rooms/12", source="io.example.hotel")

    assert new == NewEvent(
        subject="/rooms/12",
        type="io.example.test.domain.room-booked",
        data={"nights": 2, "guestName": "Ada"},
        source="io.example.hotel",
    )
    assert new.data_json == '{"guestName":"Ada","nights":2}'
    assert isinstance(new.subject, Subject)


def test_source_is_the_stores_unless_given() -> None:
    """
    Without a source the store's own is meant.
    """
    new = NewEvent(subject="/rooms/12", type="room-booked", data={})

    assert new.source is None


def test_order_of_members_makes_no_difference() -> None:
    """
    Equal data makes equal events.
    """
    one = NewEvent(subject="/rooms/12", type="t", data={"a": 1, "b": 2})
    other = NewEvent(subject="/rooms/12", type="t", data={"b": 2, "a": 1})

    assert one == other


def test_root_is_no_place_for_an_event() -> None:
    """
    An event needs a subject below ``/``.
    """
    with pytest.raises(InvalidSubjectError, match="below '/'"):
        NewEvent(subject="/", type="t", data={})


@pytest.mark.parametrize("subject", ["", "rooms", "/rooms/", "/rooms//12"])
def test_place_must_be_a_subject(subject: str) -> None:
    """
    What is no subject is refused.
    """
    with pytest.raises(InvalidSubjectError):
        NewEvent(subject=subject, type="t", data={})


@pytest.mark.parametrize("name", ["", "two words", "a\nb", "a\0b", "\ud800", "a" * 257], ids=ascii)
def test_type_and_source_are_visible_characters(name: str) -> None:
    """
    A type or source that would break logs and headers is refused.
    """
    with pytest.raises(ValueError, match="is no event type"):
        NewEvent(subject="/rooms/12", type=name, data={})
    with pytest.raises(ValueError, match="is no event source"):
        NewEvent(subject="/rooms/12", type="t", data={}, source=name)


@pytest.mark.parametrize("data", [[1], (1,), "text", 1, None, True], ids=repr)
def test_data_must_be_an_object(data: object) -> None:
    """
    Genesis DB takes objects only, so everything else is refused at once.
    """
    with pytest.raises(UnstorableDataError, match="in place of an object") as excinfo:
        NewEvent(subject="/rooms/12", type="t", data=data)  # type: ignore[arg-type]  # the mistake under test

    assert excinfo.value.path == "$"


def test_data_is_taken_when_the_event_is_made() -> None:
    """
    Changing the dictionary afterwards changes no event.
    """
    data = {"nights": 1}
    new = NewEvent(subject="/rooms/12", type="t", data=data)

    data["nights"] = 2

    assert new.data_json == '{"nights":1}'


def test_new_event_is_frozen() -> None:
    """
    What is to be stored does not change on its way.
    """
    new = NewEvent(subject="/rooms/12", type="t", data={})

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        new.type = "u"  # type: ignore[misc]  # the mistake under test


def test_an_event_can_be_placed_elsewhere() -> None:
    """
    All of it but the subject is the same, and the one it was made from stays.
    """
    event = NewEvent(subject="/a", type="io.example.noted", data={"n": 1}, store_data_as_reference=True)

    assert event.at("/b") == NewEvent(
        subject="/b", type="io.example.noted", data={"n": 1}, store_data_as_reference=True
    )
    assert event.subject == "/a"
    with pytest.raises(InvalidSubjectError):
        event.at("/")


async def test_data_is_that_of_the_event_when_it_is_recorded() -> None:
    """
    A new event tells its data as a dictionary with the stored names, the same that the recorded one tells later.
    """
    metadata = Metadata(actor="ada", command_id="7")
    events = [
        NewEvent.of(RoomBooked(nights=2, guest_name="Ada"), subject="/rooms/12"),
        NewEvent.of(RoomBooked(nights=2, guest_name="Ada"), subject="/rooms/12", metadata=metadata),
        NewEvent.of(RoomBooked(nights=2, guest_name="Ada"), subject="/rooms/12", store_data_as_reference=True),
        NewEvent.of(GuestNamed(guest_name="Ada"), subject="/guests/1", metadata=metadata),
        NewEvent(subject="/rooms/12", type="t", data={"n": 2**80, "deep": [{"x": None}]}),
        NewEvent(subject="/rooms/12", type="t", data={}),
    ]
    async with InMemoryEventStore() as store:
        recorded = await store.commit(events)

    assert [event.data for event in events] == [event.data for event in recorded]
    assert events[0].data == {"guestName": "Ada", "nights": 2}
    assert events[3].data == {"guestName": "Ada", "_meta": {"held": "yes"}}


def test_changing_the_data_that_is_told_changes_no_event() -> None:
    """
    Each access gives a dictionary of its own, so the event stays what it is.
    """
    new = NewEvent(subject="/rooms/12", type="t", data={"nights": [1]})

    new.data["nights"].append(2)

    assert new.data == {"nights": [1]}
    assert new.at("/rooms/13").data == {"nights": [1]}
