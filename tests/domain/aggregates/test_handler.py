"""
Handlers: which event a method takes is read from its annotation.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any, Optional

import pytest

from eventsource import Aggregate, DeclarationError, Event, handles
from eventsource.domain.aggregates.handler import collect_handlers


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


def test_overriding_method_without_the_decorator_is_no_handler() -> None:
    """
    What overrides a handler says itself that it is one.
    """

    class Lantern(Lamp, subject="/lanterns/{id}"):
        def _lit(self, event: LampLit) -> None: ...

    assert handled_by(Lantern) == {}


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
