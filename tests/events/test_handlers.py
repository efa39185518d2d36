"""
Handlers: which event a method takes is read from its annotation.
"""

import functools
import types
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, Optional

import pytest

from eventsource import (
    Aggregate,
    DecisionState,
    DeclarationError,
    Event,
    Guard,
    ProcessManager,
    Projector,
    RecordedEvent,
    handles,
    rule,
    select_events,
    starts,
)
from eventsource.events.handlers import collect_handlers


class LampLit(Event, type="io.example.test.domain.lamp-lit"):
    """
    One event.
    """


class LampDoused(Event, type="io.example.test.domain.lamp-doused"):
    """
    Another.
    """


class Untold(Event, abstract=True):
    """
    An event without a type name.
    """


class Lamp(Aggregate, abstract=True):
    """
    Handles one of them, as the tests' classes do.
    """

    log: tuple[str, ...] = ()

    @handles
    def _lit(self, event: LampLit) -> None:
        self.log += (f"Lamp took {type(event).__name__}",)


def handled_by(owner: type) -> dict[str, str]:
    """
    Which method takes which event type.
    """
    return {name: method.__qualname__ for name, (_, method) in collect_handlers(owner).items()}


def test_annotation_names_the_event() -> None:
    """
    A handler is found under the type of the event it is annotated with.
    """
    assert handled_by(Lamp) == {LampLit.event_type: "Lamp._lit"}


def test_handler_stays_a_plain_method() -> None:
    """
    The decorator gives back the method itself, so it can be called and tested like any other.
    """

    def method(self: object, event: LampLit) -> str:
        return f"{self} {event}"

    assert handles(method) is method


@pytest.mark.parametrize("annotation", [LampLit | LampDoused, "LampLit | LampDoused"], ids=["union", "text"])
def test_union_handles_each_of_its_events(annotation: Any) -> None:
    """
    One method may take several events.
    """

    def _changed(self: object, event: object) -> None: ...

    _changed.__annotations__["event"] = annotation
    owner = type("Lantern", (), {"_changed": handles(_changed)})

    assert set(handled_by(owner)) == {LampLit.event_type, LampDoused.event_type}


def test_optional_event_is_refused() -> None:
    """
    Nothing is no event.
    """
    with pytest.raises(DeclarationError, match="NoneType"):

        class Lantern:
            @handles
            def _lit(self, event: Optional[LampLit]) -> None: ...  # noqa: UP045  the old spelling is under test


def test_missing_annotation_is_refused() -> None:
    """
    Without an annotation nobody knows which event is meant.
    """
    with pytest.raises(DeclarationError, match=r"Lantern\._lit does not say which event it handles: annotate `event`"):

        class Lantern:
            @handles
            def _lit(self, event) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001  the mistake under test


def test_missing_parameter_is_refused() -> None:
    """
    A handler takes an event.
    """
    with pytest.raises(DeclarationError, match=r"Lantern\._lit handles no event: it needs a parameter"):

        class Lantern:
            @handles
            def _lit(self) -> None: ...


@pytest.mark.parametrize(
    "annotation", [str, Any, Event, Untold, list[LampLit], "NobodyKnowsThis", "LampLit +"], ids=str
)
def test_annotation_must_be_an_event_class_with_a_type(annotation: object) -> None:
    """
    Anything else is refused when the class is made, with the method's name.
    """

    def _lit(self: object, event: object) -> None: ...

    _lit.__annotations__["event"] = annotation

    with pytest.raises(DeclarationError, match=r"_lit"):
        handles(_lit)


def test_asynchronous_handler_is_refused() -> None:
    """
    Nobody would await it, so the event would be lost without a word.
    """
    with pytest.raises(DeclarationError, match=r"Lantern\._lit .*plain function"):

        class Lantern:
            @handles
            async def _lit(self, event: LampLit) -> None: ...


def test_generator_as_handler_is_refused() -> None:
    """
    A generator does nothing until somebody asks for its items, and nobody would.
    """
    with pytest.raises(DeclarationError, match="plain function"):

        class Lantern:
            @handles
            def _lit(self, event: LampLit) -> Iterator[LampLit]:
                yield event

    with pytest.raises(DeclarationError, match="plain function"):

        class Candle:
            @handles
            async def _lit(self, event: LampLit) -> AsyncIterator[LampLit]:
                yield event


def test_two_handlers_for_one_event_are_refused() -> None:
    """
    Only one of them would run, so the class is not made; the error names both.
    """
    with pytest.raises(DeclarationError, match=r"Lantern has two handlers for LampLit: _lit and _lit_too"):

        class Lantern(Lamp, subject="/lanterns/{id}"):
            @handles
            def _lit_too(self, event: LampLit) -> None: ...


def test_handler_is_inherited() -> None:
    """
    A subclass takes what its bases take, and more.
    """

    class Lantern(Lamp, subject="/lanterns/{id}"):
        @handles
        def _doused(self, event: LampDoused) -> None: ...

    assert set(handled_by(Lantern)) == {LampLit.event_type, LampDoused.event_type}


def test_overriding_handler_takes_the_place_of_the_inherited_one() -> None:
    """
    A handler overridden by name runs once, as overridden, and can call the inherited one.
    """

    class Lantern(Lamp, subject="/lanterns/{id}"):
        @handles
        def _lit(self, event: LampLit) -> None:
            super()._lit(event)
            self.log += ("Lantern too",)

    lantern = Lantern("1")
    lantern.emit(LampLit())

    assert lantern.log == ("Lamp took LampLit", "Lantern too")


def test_overriding_method_without_the_decorator_is_refused() -> None:
    """
    What overrides a handler says itself that it is one; also where it comes from a mixin, or is no method.
    """
    with pytest.raises(DeclarationError, match=r"Lantern\._lit overrides a method of Lamp .* repeat the decorator"):

        class Lantern(Lamp, subject="/lanterns/{id}"):
            def _lit(self, event: LampLit) -> None: ...

    class Plain:
        def _lit(self, event: LampLit) -> None: ...

    with pytest.raises(DeclarationError, match=r"Plain\._lit overrides a method of Lamp"):

        class Mixed(Plain, Lamp, subject="/lanterns/{id}"):
            pass

    with pytest.raises(DeclarationError, match=r"Torch\._lit overrides"):

        class Torch(Lamp, subject="/lanterns/{id}"):
            _lit: bool = False  # type: ignore[assignment]  # likewise


def test_overriding_a_handler_is_noticed_in_every_kind_of_class() -> None:
    """
    Decision states, projectors, process managers, rules and commands tell a lost method as aggregates do.
    """

    class Lit(DecisionState):
        @handles
        def _lit(self, event: LampLit) -> None: ...

    class Lights(Projector, abstract=True):
        @handles
        def _lit(self, event: LampLit, recorded: RecordedEvent, tx: object) -> None: ...

    class Watch(ProcessManager, name="watch", by=lambda _: "1"):
        @starts
        def _lit(self, event: LampLit) -> None: ...

    class Ruled(Lamp, abstract=True):
        @rule("never twice")
        def _once(self, event: LampLit) -> Guard:
            return select_events(type(event)).at(self.subject).count() == 0

    bases: list[tuple[type, str, dict[str, object]]] = [
        (Lit, "_lit", {}),
        (Lights, "_lit", {"abstract": True}),
        (Watch, "_lit", {"name": "watch-2", "by": lambda _: "1"}),
        (Ruled, "_once", {"abstract": True}),
    ]
    for base, name, arguments in bases:
        with pytest.raises(DeclarationError, match=rf"Derived\.{name} overrides a method of {base.__name__}"):
            types.new_class("Derived", (base,), arguments, lambda body, name=name: body.update({name: lambda *_: None}))  # type: ignore[misc]  # a name is bound


def test_handlers_that_get_lost_in_their_class_are_refused() -> None:
    """
    A later method of the same name, or a decorator without `functools.wraps`, would take a handler away unseen.
    """
    with pytest.raises(DeclarationError, match=r"_on is declared .* and lost"):

        class Lantern(Lamp, subject="/lanterns/{id}"):
            @handles
            def _on(self, event: LampDoused) -> None: ...

            def _on(self) -> None: ...  # type: ignore[no-redef]

    def hiding(method: Callable[..., None]) -> Callable[..., None]:
        return lambda *arguments: method(*arguments)  # noqa: PLW0108  likewise

    def wrapping(method: Callable[..., None]) -> Callable[..., None]:
        return functools.wraps(method)(lambda *arguments: method(*arguments))  # noqa: PLW0108  likewise

    with pytest.raises(DeclarationError, match=r"_doused is declared .* and lost"):

        class Torch(Lamp, subject="/lanterns/{id}"):
            @hiding
            @handles
            def _doused(self, event: LampDoused) -> None: ...

    class Bulb(Lamp, subject="/lanterns/{id}"):
        @wrapping
        @handles
        def _doused(self, _: LampDoused) -> None:
            self.log += ("doused",)

    bulb = Bulb("1")
    bulb.emit(LampDoused())
    assert bulb.log == ("doused",)


def test_a_handler_takes_the_event_by_its_place_and_nothing_else() -> None:
    """
    Parameters that folding could not fill, and decorators that take the wrong thing, are told at once.
    """
    with pytest.raises(DeclarationError, match="must take"):

        class Lantern(Lamp, subject="/lanterns/{id}"):
            @handles
            def _doused(self, event: LampDoused, more: int) -> None: ...

    with pytest.raises(DeclarationError, match="passed by its place"):

        class Torch(Lamp, subject="/lanterns/{id}"):
            @handles
            def _doused(self, *, event: LampDoused) -> None: ...

    for wrong in (LampLit, property(lambda _: None), staticmethod(lambda _: None)):
        with pytest.raises(DeclarationError, match="right above the method"):
            handles(wrong)  # type: ignore[type-var]  # the mistake under test

    class Bulb(Lamp, subject="/lanterns/{id}"):
        @handles
        def _doused(self, event: Annotated[LampDoused, "with a note"]) -> None: ...

    assert handled_by(Bulb)[LampDoused.event_type].endswith("Bulb._doused")


def test_handlers_of_a_mixin_are_found() -> None:
    """
    A base that is no aggregate may bring handlers, too.
    """

    class Dousable:
        @handles
        def _doused(self, event: LampDoused) -> None: ...

    class Lantern(Dousable, Lamp, subject="/lanterns/{id}"):
        pass

    assert set(handled_by(Lantern)) == {LampLit.event_type, LampDoused.event_type}
