"""
Upcasters and erased events, as type checkers see them.
"""

from collections.abc import Iterator
from typing import Any, assert_type

from eventsource import Aggregate, Erased, Event, RecordedEvent, handles, upcaster
from eventsource.events import stored_types_of

Data = dict[str, Any]


class Sent(Event, type="io.example.typing.sent", version=2):
    """
    An event with a past.
    """

    weight_g: int


class Labelled(Event, type="io.example.typing.labelled"):
    """
    An event without one.
    """


class SenderNamed(Event, type="io.example.typing.sender-named", personal=True):
    """
    An event about a person.
    """

    name: str


@upcaster("io.example.typing.sent", version=1, keeps=["carrier"])
def in_grams(data: Data) -> Data:
    """
    To the next version.
    """
    return {"weightG": data["weight"]}


@upcaster("io.example.typing.posted", version=1, into=(Sent, 2))
def posted(data: Data) -> Data | None:
    """
    To another type, or to nothing.
    """
    return data or None


@upcaster("io.example.typing.handled", version=1, into=[(Sent, 2), Labelled])
def handled(data: Data) -> Iterator[tuple[type[Event], Data]]:
    """
    To several.
    """
    yield Sent, data
    yield Labelled, {}


@upcaster("io.example.typing.one", version=1, into=Labelled)  # type: ignore[type-var]
def pairs_for_one(data: Data) -> Iterator[tuple[type[Event], Data]]:  # pyright: ignore[reportArgumentType]
    """
    One class wants data, not pairs.
    """
    yield Labelled, data


assert_type(in_grams({}), Data)
assert_type(posted({}), Data | None)
assert_type(stored_types_of(Sent), tuple[str, ...])


class Parcel(Aggregate, subject="/parcels/{id}", unknown_events="ignore"):
    """
    A handler of both tells them apart.
    """

    sender: str | None = None

    @handles
    def _named(self, event: SenderNamed | Erased[SenderNamed]) -> None:
        if isinstance(event, Erased):
            assert_type(event.event_class, type[SenderNamed])
        else:
            self.sender = event.name


def decoded(recorded: RecordedEvent) -> None:
    """
    One event, or what there is.
    """
    assert_type(recorded.decode(), Event)
    assert_type(recorded.decode_all(), tuple[Event | Erased[Any], ...])
