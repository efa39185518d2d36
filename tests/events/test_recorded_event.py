"""
Recorded events: what a store gives back.
"""

from datetime import UTC, datetime

import pytest

from eventsource import Event, NewEvent, RecordedEvent
from eventsource.errors import UnknownEventTypeError
from eventsource.store import InMemoryEventStore


class ParcelSent(Event, type="io.example.test.domain.parcel-sent"):
    """
    A small event.
    """

    receiver_name: str
    grams: int


RECORDED = RecordedEvent(
    position=7,
    id="0c5d1c1e-6a3c-4c83-9d53-0d6d1f1b5a77",
    time_ns=1_748_878_801_157_792_875,
    source="io.example.post",
    subject="/parcels/1",
    type="io.example.test.domain.parcel-sent",
    data_json='{"grams":900,"receiverName":"Ada"}',
    predecessor_hash="0" * 64,
    hash="1" * 64,
)


def test_data_is_parsed_json() -> None:
    """
    The data is a dictionary with the stored names.
    """
    assert RECORDED.data == {"grams": 900, "receiverName": "Ada"}


def test_changing_the_data_changes_no_event() -> None:
    """
    Each access parses anew, so nobody can change what others see.
    """
    RECORDED.data["grams"] = 1

    assert RECORDED.data["grams"] == 900


def test_time_is_aware_and_cut_to_microseconds() -> None:
    """
    The time is UTC; nanoseconds below a microsecond are cut off, not rounded.
    """
    assert RECORDED.time == datetime(2025, 6, 2, 15, 40, 1, 157_792, tzinfo=UTC)
    assert RECORDED.time.utcoffset() is not None


def test_decode_gives_the_declared_class() -> None:
    """
    A recorded event is read as the class that was declared with its type.
    """
    assert RECORDED.decode() == ParcelSent(receiver_name="Ada", grams=900)


def test_decode_of_an_undeclared_type_is_an_error_with_facts() -> None:
    """
    A type nobody declared is named, with the event and its subject; its data is not.
    """
    unknown = RECORDED._replace(type="io.example.test.domain.nobody-declared-this")

    with pytest.raises(UnknownEventTypeError) as excinfo:
        unknown.decode()

    assert excinfo.value.event_type == "io.example.test.domain.nobody-declared-this"
    assert excinfo.value.event_id == RECORDED.id
    assert excinfo.value.subject == "/parcels/1"
    assert "Ada" not in str(excinfo.value)


def test_event_can_be_read_as_another_class() -> None:
    """
    `from_recorded` reads the data as the class it is called on, whatever the stored type.
    """

    class Weighed(Event, type="io.example.test.domain.weighed"):
        grams: int

    assert Weighed.from_recorded(RECORDED) == Weighed(grams=900)


def test_cloud_event_has_its_members_in_genesis_db_order() -> None:
    """
    The CloudEvent has exactly the members Genesis DB writes, in its order.
    """
    cloud_event = RECORDED.to_cloud_event()

    assert list(cloud_event.items()) == [
        ("source", "io.example.post"),
        ("subject", "/parcels/1"),
        ("type", "io.example.test.domain.parcel-sent"),
        ("specversion", "1.0"),
        ("id", "0c5d1c1e-6a3c-4c83-9d53-0d6d1f1b5a77"),
        ("time", "2025-06-02T15:40:01.157792875Z"),
        ("datacontenttype", "application/json"),
        ("predecessorhash", "0" * 64),
        ("data", {"grams": 900, "receiverName": "Ada"}),
        ("hash", "1" * 64),
    ]


async def test_committed_event_decodes_to_what_was_placed() -> None:
    """
    Placing, committing and decoding gives the same event back.
    """
    event = ParcelSent(receiver_name="Ada \N{SNOWMAN}", grams=10**30)

    async with InMemoryEventStore() as store:
        (recorded,) = await store.commit([NewEvent.of(event, subject="/parcels/1")])

    assert recorded.decode() == event
