"""
Metadata: stored in the data of an event, under a key of its own.
"""

import json

import pytest
from pydantic import Field

from eventsource import DeclarationError, Event, Metadata, NewEvent
from eventsource.store import InMemoryEventStore


class ParcelSent(Event, type="io.example.test.metadata.parcel-sent"):
    """
    An event with one field.
    """

    weight_g: int


async def test_metadata_is_stored_with_the_event() -> None:
    """
    What is set comes back; the event itself does not notice.
    """
    metadata = Metadata(command_id="7", correlation_id="c", causation_id="e", actor="ada", traceparent="00-1-2-01")
    async with InMemoryEventStore() as store:
        [recorded] = await store.commit([NewEvent.of(ParcelSent(weight_g=5), subject="/parcels/1", metadata=metadata)])

    assert recorded.metadata == metadata
    assert recorded.data["_meta"]["commandId"] == "7"
    assert recorded.decode() == ParcelSent(weight_g=5)


def test_only_what_is_set_is_stored() -> None:
    """
    Without metadata the data is the event's own.
    """
    new = NewEvent.of(ParcelSent(weight_g=5), subject="/parcels/1", metadata=Metadata())

    assert new.data_json == '{"weightG":5}'


@pytest.mark.parametrize(
    ("subject", "is_stored"),
    [("/parcels/1", False), ("/parcels/1/labels/2", False), ("/parcels/11", True), ("/parcels", True), ("/x", True)],
)
def test_subject_of_the_command_is_stored_elsewhere_only(subject: str, is_stored: bool) -> None:  # noqa: FBT001  drawn
    """
    Where the event's own subject does not tell whose command it was.
    """
    metadata = Metadata(command_id="7", command_subject="/parcels/1")

    stored = json.loads(NewEvent.of(ParcelSent(weight_g=5), subject=subject, metadata=metadata).data_json)["_meta"]

    assert stored == {"commandId": "7", **({"commandSubject": "/parcels/1"} if is_stored else {})}


@pytest.mark.parametrize(
    "stored", [None, 7, "text", [], {"commandId": 7, "version": "2"}, {"commandId": "", "version": 0}]
)
def test_metadata_of_another_form_counts_as_not_there(stored: object) -> None:
    """
    Others may write under the key what they like, and erasing leaves empty values.
    """
    assert Metadata.from_data({"_meta": stored}) == Metadata()


def test_the_key_is_reserved() -> None:
    """
    No field of an event can be stored under it.
    """
    with pytest.raises(DeclarationError, match="reserved"):

        class _Odd(Event, type="io.example.test.metadata.odd"):
            inner: int = Field(alias="_meta")
