"""
Random upcasters over random histories, held against a plain reading of what they were made from.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from eventsource import Aggregate, Event, NewEvent, RecordedEvent, handles, upcaster
from eventsource.events import event_types

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Data = dict[str, Any]
HASH: Final = "0" * 64
SUBJECT: Final = "/things/1"

# Each example declares types of its own.
_serial = itertools.count()


class Holding(Event, abstract=True):
    """
    What all events here have.
    """

    cents: int


@attrs.frozen
class Step:
    """
    What one upcaster does with the ``cents`` of an event.

    Attributes:
        add: This is added first.

        drop_if_even: Then the event is dropped, if they are even.

        into: The numbers of the classes that get one event each; None for the next version of the same.
    """

    add: int
    drop_if_even: bool
    into: tuple[int, ...] | None


@attrs.frozen
class World:
    """
    Some types: of each the steps from its first version on.

    Attributes:
        living: The steps of each type that still has a class.

        retired: The steps of each that has none; its last one moves it.
    """

    living: tuple[tuple[Step, ...], ...]
    retired: tuple[tuple[Step, ...], ...]


def steps(into: st.SearchStrategy[tuple[int, ...] | None]) -> st.SearchStrategy[Step]:
    """
    One step.
    """
    return st.builds(Step, add=st.integers(-3, 3), drop_if_even=st.booleans(), into=into)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """
    One to three living types, none to two retired ones.
    """
    living = draw(st.lists(st.lists(steps(st.none()), max_size=3).map(tuple), min_size=1, max_size=3))
    targets = st.lists(st.integers(0, len(living) - 1), max_size=2, unique=True).map(tuple)
    retired = draw(
        st.lists(
            st.tuples(st.lists(steps(st.none()), max_size=2), steps(targets)).map(lambda pair: (*pair[0], pair[1])),
            max_size=2,
        )
    )
    return World(tuple(living), tuple(retired))


@attrs.frozen
class Declared:
    """
    A world as it is declared to the package.
    """

    classes: tuple[type[Holding], ...]
    retired: tuple[str, ...]
    thing: type[Aggregate]

    def stored(self, kind: int, version: int, cents: int, position: int) -> RecordedEvent:
        """
        An event of the type with the number *kind*, living ones first.
        """
        names = (*(event_class.event_type for event_class in self.classes), *self.retired)
        event = NewEvent(
            subject=SUBJECT,
            type=names[kind],
            data={"cents": cents} if version == 1 else {"_meta": {"version": version}, "cents": cents},
        )
        return RecordedEvent(
            position, f"e-{position}", position, "test", SUBJECT, event.type, event.data_json, HASH, HASH
        )


def declare(world: World) -> Declared:
    """
    Make the classes and upcasters of a world.
    """
    name = f"io.example.test.properties.{next(_serial)}"
    classes: list[type[Holding]] = []
    for number, chain in enumerate(world.living):

        class Living(Holding, type=f"{name}.living-{number}", version=len(chain) + 1):
            pass

        classes.append(Living)
    for kind, chains in (("living", world.living), ("retired", world.retired)):
        for number, chain in enumerate(chains):
            for version, step in enumerate(chain, 1):
                declare_step(f"{name}.{kind}-{number}", version, step, classes)

    class Thing(Aggregate, subject="/things/{id}"):
        seen: tuple[tuple[int, int], ...] = ()

        def take(self, event: Holding) -> None:
            self.seen += ((classes.index(type(event)), event.cents),)

        for each, event_class in enumerate(classes):
            locals()[f"take_{each}"] = handles(taking(event_class))

    retired = tuple(f"{name}.retired-{number}" for number in range(len(world.retired)))
    return Declared(tuple(classes), retired, Thing)


def taking(event_class: type[Holding]) -> Callable[..., None]:
    """
    A handler of that class.
    """

    def take(self: Any, event: Holding) -> None:
        self.take(event)

    take.__annotations__["event"] = event_class
    return take


def declare_step(event_type: str, version: int, step: Step, classes: list[type[Holding]]) -> None:
    """
    Declare one upcaster. Some change the data they are given, as they must not; it must not matter.
    """

    def within(data: Data) -> Data | None:
        data["cents"] += step.add
        return None if step.drop_if_even and data["cents"] % 2 == 0 else data

    def away(data: Data) -> Iterator[tuple[type[Event], Data]]:
        if (kept := within(data)) is not None:
            yield from ((classes[number], kept) for number in step.into or ())

    if step.into is None:
        upcaster(event_type, version=version)(within)
    else:
        targets = [(classes[number], classes[number].event_version) for number in step.into]
        upcaster(event_type, version=version, into=[*targets])(away)


def read_plainly(world: World, kind: int, version: int, cents: int) -> list[tuple[int, int]]:
    """
    What an event is read as, by following the steps by hand: class numbers and cents.
    """
    chain = (*world.living, *world.retired)[kind]
    for step in chain[version - 1 :]:
        cents += step.add
        if step.drop_if_even and cents % 2 == 0:
            return []
        if step.into is not None:
            return [(number, cents) for number in step.into]
    return [(kind, cents)]


@given(st.data())
def test_rebuilding_is_folding_page_by_page(data: st.DataObject) -> None:
    """
    However a history is cut into pages, the state is that of the whole, and that of reading by hand.
    """
    world = data.draw(worlds())
    chains = (*world.living, *world.retired)
    # A retired type has one version for each of its steps, a living one another, that of today.
    versions = [len(chain) + (number < len(world.living)) for number, chain in enumerate(chains)]
    events = st.integers(0, len(chains) - 1).flatmap(
        lambda kind: st.tuples(st.just(kind), st.integers(1, versions[kind]), st.integers(-5, 5))
    )
    history = data.draw(st.lists(events, max_size=12))
    cuts = data.draw(st.lists(st.integers(0, len(history)), max_size=4).map(sorted))
    declared = declare(world)
    recorded = [declared.stored(*event, position) for position, event in enumerate(history, 1)]

    whole, paged = declared.thing("1"), declared.thing("1")
    whole.fold(recorded)
    for start, end in itertools.pairwise([0, *cuts, len(recorded)]):
        paged.fold(recorded[start:end])

    expected = tuple(itertools.chain.from_iterable(read_plainly(world, *event) for event in history))
    assert vars(whole) == vars(paged)
    assert getattr(whole, "seen") == expected  # noqa: B009  what type checkers know is an aggregate
    assert whole.version == len(history)


@given(st.data())
def test_what_was_read_is_stored_and_read_again_the_same(data: st.DataObject) -> None:
    """
    Written by the program of today, an event needs no upcaster, and stays what it is.
    """
    world = data.draw(worlds())
    kind = data.draw(st.integers(0, len(world.living) - 1))
    declared = declare(world)

    for event in declared.stored(kind, 1, data.draw(st.integers(-5, 5)), 1).decode_all():
        assert isinstance(event, Event)
        new = NewEvent.of(event, subject=SUBJECT)
        again = RecordedEvent(1, "e-1", 1, "test", SUBJECT, new.type, new.data_json, HASH, HASH)
        assert again.decode_all() == (event,)


# Each declaration has all others checked again.
@settings(max_examples=20)
@given(worlds())
def test_the_types_that_a_class_is_stored_with(world: World) -> None:
    """
    A stored type is among them if, and only if, some event of it may be read as the class.
    """
    declared = declare(world)

    for number, event_class in enumerate(declared.classes):
        older = {declared.retired[at] for at, chain in enumerate(world.retired) if number in (chain[-1].into or ())}
        assert set(event_types.stored_types_of(event_class)) == {event_class.event_type, *older}
