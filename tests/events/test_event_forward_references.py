"""
Events in a module with `from __future__ import annotations`, whose classes name each other before they exist.
"""

from __future__ import annotations

from pydantic import BaseModel

from eventsource import Aggregate, Event, RecordedEvent, handles


class TripPlanned(Event, type="io.example.test.domain.trip-planned"):
    """
    An event with a field whose class comes later in the module, and which contains itself.
    """

    first_leg: Leg


class Leg(BaseModel):
    """
    One part of a trip, and what follows it.
    """

    to: str
    then: Leg | None = None


class Trip(Aggregate, subject="/trips/{id}"):
    """
    Knows where it ends.
    """

    end: str = ""

    def plan(self, first_leg: Leg) -> None:
        """
        Plan it.
        """
        self.emit(TripPlanned(first_leg=first_leg))

    @handles
    def _planned(self, event: TripPlanned) -> None:
        leg = event.first_leg
        while leg.then is not None:
            leg = leg.then
        self.end = leg.to


LEGS = Leg(to="Basel", then=Leg(to="Bern"))
STORED = '{"firstLeg":{"then":{"then":null,"to":"Bern"},"to":"Basel"}}'
RECORDED = RecordedEvent(1, "e-1", 0, "tests", "/trips/1", TripPlanned.event_type, STORED, "0" * 64, "1" * 64)


def test_event_with_forward_reference_is_written() -> None:
    """
    A class that was incomplete when it was made is completed by its first use.
    """
    event = TripPlanned(first_leg=LEGS)

    assert event.to_data_json() == STORED


def test_event_with_forward_reference_is_read() -> None:
    """
    Decoding gives the nested values their classes.
    """
    assert RECORDED.decode() == TripPlanned(first_leg=LEGS)


def test_aggregate_folds_event_with_forward_reference() -> None:
    """
    An aggregate reads such an event like any other.
    """
    trip = Trip("1")

    trip.fold([RECORDED])

    assert trip.end == "Bern"


def test_aggregate_emits_event_with_forward_reference() -> None:
    """
    An aggregate emits such an event like any other.
    """
    trip = Trip("1")

    trip.plan(LEGS)

    assert trip.end == "Bern"
