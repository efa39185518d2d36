"""
Dependencies of handlers: passed in, found when a handler is registered, never while a command waits.
"""
# ruff: noqa: ARG001, ARG002, ARG005  what handlers ask for is the point, not what they do with it

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, cast

import pytest

from eventsource import Command, Decider, DeclarationError, Dispatcher, UnitOfWork
from eventsource.store import InMemoryEventStore
from tests.aggregates.accounts import MoneyMoved
from tests.commands.requests import Deposit, Look, Withdraw

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from decimal import Decimal


Number = TypeVar("Number")


class Clock:
    """
    A dependency.
    """

    def __init__(self, now: int = 7) -> None:
        self.now = now


class Today(Clock):
    """
    Another clock.
    """


class Numbers(Generic[Number]):
    """
    A generic dependency.
    """


class Rates(Protocol):
    """
    A dependency told by what it can do.
    """

    def rate(self) -> int:
        """
        A number.
        """
        ...


class FixedRates:
    """
    Can do it, and does not say so.
    """

    def rate(self) -> int:
        """
        A number.
        """
        return 3


async def asked(handler: Callable[..., object], dependencies: Mapping[type | str, object]) -> object:
    """
    What a handler for `Look` is given, as its result tells.
    """
    async with InMemoryEventStore() as store:
        dispatcher = Dispatcher(store, dependencies=dependencies)
        dispatcher.register(Look, handler)
        return (await dispatcher.dispatch(Look(account="1"))).value


def refusal(handler: Callable[..., object], dependencies: Mapping[type | str, object]) -> str:
    """
    What is said when a handler for `Look` cannot be registered.
    """
    dispatcher = Dispatcher(InMemoryEventStore(), dependencies=dependencies)
    with pytest.raises(DeclarationError) as excinfo:
        dispatcher.register(Look, handler)
    return str(excinfo.value)


# --- Found -----------------------------------------------------------------------------


async def test_dependency_is_found_by_name() -> None:
    """
    Before all types; also a value of a common kind.
    """

    def handler(_: Look, work: UnitOfWork, fee_cents: int, clock: Clock) -> object:
        return fee_cents, clock.now

    assert await asked(handler, {"fee_cents": 5, "clock": Clock(1), Clock: Clock(2)}) == (5, 1)


async def test_dependency_is_found_by_type() -> None:
    """
    By the type it was given by, else as the only one of that type; keywords, defaults and generics are fine.
    """

    def handler(_: Look, work: UnitOfWork, rates: Rates, *, time: Clock, at: Today | None = None) -> object:
        return rates.rate(), time.now, at and at.now

    def generic(_: Look, work: UnitOfWork, all_numbers: Numbers[int]) -> object:
        return all_numbers

    numbers = Numbers[int]()

    assert await asked(handler, {Rates: FixedRates(), "other": Clock(9)}) == (3, 9, None)
    assert await asked(handler, {Rates: FixedRates(), Clock: Clock(1), Today: Today(2)}) == (3, 1, 2)
    assert await asked(generic, {"n": numbers}) is numbers


async def test_handler_may_be_anything_that_is_called() -> None:
    """
    A bound method and an object that is called find their dependencies, too.
    """

    class Services:
        """
        Has a handler, and is one.
        """

        def look(self, _: Look, work: UnitOfWork, clock: Clock) -> int:
            """
            A handler.
            """
            return clock.now

        async def __call__(self, _: Look, work: UnitOfWork, clock: Clock) -> int:
            """
            Another one.
            """
            return -clock.now

    assert await asked(Services().look, {Clock: Clock()}) == 7
    assert await asked(Services(), {Clock: Clock()}) == -7


async def test_name_that_only_type_checkers_know_is_enough_for_the_unit_of_work() -> None:
    """
    Linters like to move that import.
    """

    def handler(_: Look, w: unknown.UnitOfWork) -> bool:  # type: ignore[name-defined]  # noqa: F821  what is meant
        return isinstance(w, UnitOfWork)

    assert await asked(handler, {})


# --- Not found -------------------------------------------------------------------------


def test_missing_dependency_names_handler_and_parameter() -> None:
    """
    And says how to give it, as far as that is known.
    """

    def by_type(_: Look, clock: Clock) -> None: ...

    def by_name(_: Look, fee_cents: int) -> None: ...

    def unknown(_: Look, rate: Decimal) -> None: ...

    def bare(_: Look, rate) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001  what is meant

    def optional(_: Look, at: Clock | None) -> None: ...

    prefix = "test_missing_dependency_names_handler_and_parameter.<locals>"
    no_such = "the dispatcher has no such dependency: give it dependencies="
    assert refusal(by_type, {}) == f"{prefix}.by_type, parameter `clock`: {no_such}{{Clock: …}}"
    assert refusal(by_name, {"other": 5}) == f'{prefix}.by_name, parameter `fee_cents`: {no_such}{{"fee_cents": …}}'
    assert "'Decimal' is not known where it is registered" in refusal(unknown, {})
    assert "it is not annotated" in refusal(cast("Callable[..., object]", bare), {})
    assert no_such in refusal(optional, {})


def test_dependency_that_is_not_clear_is_not_guessed() -> None:
    """
    Several of the type, or one of the name and another type.
    """

    def handler(_: Look, clock: Clock) -> None: ...

    assert "2 dependencies are a Clock" in refusal(handler, {"a": Clock(), "b": Today()})
    assert "is a FixedRates, no Clock" in refusal(handler, {"clock": FixedRates()})


def test_parameters_that_take_anything_get_nothing() -> None:
    """
    Each dependency is a parameter.
    """

    def starred(_: Look, *args: object) -> None: ...

    def doubled(_: Look, **options: object) -> None: ...

    def positional(_: Look, clock: Clock, /) -> None: ...

    for handler in (starred, doubled, positional):
        assert "write each dependency as a parameter" in refusal(handler, {Clock: Clock()})


def test_handler_must_take_the_command() -> None:
    """
    Nothing at all, another command and two units of work are refused.
    """

    def nothing() -> None: ...

    def other(_: Deposit) -> None: ...

    def two(_: Look, one: UnitOfWork, work: UnitOfWork) -> None: ...

    assert "takes no command" in refusal(nothing, {})
    assert "takes a Deposit, so it cannot handle Look" in refusal(other, {})
    assert "takes 2 units of work" in refusal(two, {})
    assert "cannot handle a command" in refusal(cast("Callable[..., object]", 7), {})


# --- Registration ----------------------------------------------------------------------


def test_decorator_reads_the_command_from_the_annotation() -> None:
    """
    One class or several; the function stays what it is.
    """
    dispatcher = Dispatcher(InMemoryEventStore())

    @dispatcher.handles
    def move(command: Deposit | Withdraw) -> MoneyMoved:
        return MoneyMoved(cents=command.cents)

    assert dispatcher.command_classes == (Deposit, Withdraw)
    assert move(Deposit(account="1", cents=5)) == MoneyMoved(cents=5)


def test_decorator_needs_a_command() -> None:
    """
    A parameter that is missing, or annotated with something else, is told at once.
    """
    dispatcher = Dispatcher(InMemoryEventStore())

    def nothing() -> None: ...

    def number(_: int) -> None: ...

    def unknown(_: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821  what is meant

    for handler in (nothing, number, unknown):
        with pytest.raises(DeclarationError, match="does not say which command"):
            dispatcher.handles(handler)


def test_base_of_commands_has_no_handler() -> None:
    """
    A handler is that of a class that there are commands of.
    """
    with pytest.raises(DeclarationError, match="abstract"):
        Dispatcher(InMemoryEventStore()).register(Command, lambda command: None)


def test_decider_finds_its_dependencies() -> None:
    """
    Behind state and command; missing ones are told in the same way.
    """

    def decide(state: int, command: Look, clock: Clock) -> None: ...

    def too_few(state: int) -> None: ...

    for function, problem in ((decide, "no such dependency"), (too_few, "must take")):
        decider = Decider(events=[MoneyMoved], initial=0, decide=function, evolve=lambda state, _: state)
        with pytest.raises(DeclarationError, match=problem):
            Dispatcher(InMemoryEventStore()).register(Look, decider)


async def test_handler_without_a_unit_of_work_must_return_events() -> None:
    """
    Anything else is told, and nothing is committed.
    """
    for returned in (5, [5], "text"):
        with pytest.raises(DeclarationError, match="must return the events"):
            await asked(lambda _, returned=returned: returned, {})
