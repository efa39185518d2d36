"""
Chains of upcasters: what can never be read is refused when it is declared, checked, or first asked for.
"""

from typing import Any

import pytest

from eventsource import DeclarationError, Event, upcaster
from eventsource.events import EventTypes
from eventsource.events.upcast_plan import Upcaster

Data = dict[str, Any]
NAME = "io.example.test.chains"


class First(Event, type=f"{NAME}.first"):
    """
    An event of one version.
    """


class Third(Event, type=f"{NAME}.third", version=3):
    """
    An event of three.
    """


@upcaster(f"{NAME}.third", version=1)
def _to_second(data: Data) -> Data:
    return data


@upcaster(f"{NAME}.third", version=2)
def _to_third(data: Data) -> Data:
    return data


def same(data: Data) -> Data:
    """
    An upcaster that changes nothing.
    """
    return data


def other(data: Data) -> Data:
    """
    Another one.
    """
    return data


def step(event_type: str, version: int, *places: tuple[str, int]) -> Upcaster:
    """
    An upcaster of *event_type*, to the next version or to *places*.
    """
    after = tuple((f"{NAME}.{name}", number) for name, number in places) or ((f"{NAME}.{event_type}", version + 1),)
    return Upcaster(f"{NAME}.{event_type}", version, same, after)


def registry(*classes: type[Event], upcasters: tuple[Upcaster, ...] = ()) -> EventTypes:
    """
    A registry of these only.
    """
    types = EventTypes()
    for event_class in classes:
        types.register(event_class)
    for each in upcasters:
        types.register_upcaster(each)
    return types


def test_complete_chains_are_fine() -> None:
    """
    Each version of each stored type leads to a class.
    """
    types = registry(
        First, Third, upcasters=(step("third", 1), step("third", 2), step("old", 1), step("old", 2, ("first", 1)))
    )

    types.check()

    assert types.stored_types_of(First) == (f"{NAME}.first", f"{NAME}.old")
    assert types.stored_names() == (f"{NAME}.first", f"{NAME}.old", f"{NAME}.third")


def test_a_gap_is_found() -> None:
    """
    The message says for which version of which type an upcaster is missing, for all of them.
    """
    types = registry(Third, upcasters=(step("old", 2, ("third", 3)),))

    with pytest.raises(DeclarationError) as excinfo:
        types.check()

    for missing in (f"{NAME}.third', version=1", f"{NAME}.third', version=2", f"{NAME}.old', version=1"):
        assert missing in str(excinfo.value)


def test_a_gap_is_found_when_such_an_event_is_first_read() -> None:
    """
    Whoever never calls `check` is told then.
    """
    types = registry(Third, upcasters=(step("third", 2),))

    with pytest.raises(DeclarationError, match="version 1 of it no upcaster"):
        types.reading(f"{NAME}.third")
    with pytest.raises(DeclarationError, match="version 1 of it no upcaster"):
        types.stored_types_of(First)


def test_a_retired_type_must_lead_to_a_class() -> None:
    """
    A last version without a class is read by nobody.
    """
    types = registry(First, upcasters=(step("old", 1),))

    with pytest.raises(DeclarationError, match=f"version 2 of '{NAME}.old' is read by nobody"):
        types.check()


@pytest.mark.parametrize(
    "upcasters",
    [
        (step("one", 1, ("two", 1)), step("two", 1, ("one", 1))),
        (step("one", 1, ("one", 1)),),
        (step("one", 1), step("one", 2, ("two", 1)), step("two", 1, ("one", 2))),
    ],
    ids=["two types", "itself", "later versions"],
)
def test_a_circle_is_found(upcasters: tuple[Upcaster, ...]) -> None:
    """
    It would never end.
    """
    types = registry(First, upcasters=upcasters)

    with pytest.raises(DeclarationError, match="back to it"):
        types.check()


def test_two_upcasters_of_one_version_are_refused() -> None:
    """
    Nobody could tell which of them is right; the same one again, of a reloaded module, is no other.
    """
    types = registry(upcasters=(step("third", 1), step("third", 1)))

    with pytest.raises(DeclarationError, match="two upcasters"):
        types.register_upcaster(Upcaster(f"{NAME}.third", 1, other, ((f"{NAME}.third", 2),)))


def test_an_upcaster_of_the_version_of_today_is_refused() -> None:
    """
    What a program writes now would be taken for old.
    """
    types = registry(First, upcasters=(step("first", 1),))

    with pytest.raises(DeclarationError, match="raise the version of the class"):
        types.check()


def test_a_later_declaration_counts() -> None:
    """
    Nothing that was found before stays.
    """
    types = registry(First)
    assert types.stored_types_of(First) == (f"{NAME}.first",)

    types.register_upcaster(step("old", 1, ("first", 1)))

    assert types.stored_types_of(First) == (f"{NAME}.first", f"{NAME}.old")


def test_a_class_of_a_later_version_is_named_with_the_version_that_is_meant() -> None:
    """
    Else the upcaster would give data of version 1 for that of today as soon as the class goes on.
    """
    with pytest.raises(DeclarationError, match=r"into=\(Third, 1\)"):
        upcaster(f"{NAME}.never", version=1, into=Third)
    with pytest.raises(DeclarationError, match=r"into=\(Third, 3\)"):
        upcaster(f"{NAME}.never", version=1, into=(Third, 4))


def test_what_is_no_upcaster_is_refused() -> None:
    """
    When it is declared, not when the first old event is read.
    """
    with pytest.raises(DeclarationError, match="count from 1"):
        upcaster(f"{NAME}.never", version=0)
    with pytest.raises(DeclarationError, match="no event class"):
        upcaster(f"{NAME}.never", version=1, into=Event)

    async def later(data: Data) -> Data:
        return data

    def several(data: Data) -> Any:
        yield First, data

    with pytest.raises(DeclarationError, match="plain function"):
        upcaster(f"{NAME}.never", version=1)(later)  # type: ignore[type-var]
    with pytest.raises(DeclarationError, match="a list of classes"):
        upcaster(f"{NAME}.never", version=1)(several)


@pytest.mark.parametrize("version", [0, -1])
def test_versions_of_classes_count_from_one(version: int) -> None:
    """
    There is nothing before the first.
    """
    with pytest.raises(DeclarationError, match="count from 1"):

        class _Odd(Event, type=f"{NAME}.odd", version=version):
            pass


def test_an_abstract_class_has_no_version() -> None:
    """
    No event of it is ever stored.
    """
    with pytest.raises(DeclarationError, match="abstract"):

        class _Odd(Event, abstract=True, version=2):
            pass
