"""
Handlers in a module with `from __future__ import annotations`, where annotations are text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eventsource import Aggregate, DeclarationError, Event, handles

if TYPE_CHECKING:
    from decimal import Decimal  # noqa: TC004  the mistake under test


class DoorOpened(Event, type="io.example.test.domain.door-opened"):
    """
    One event.
    """


class DoorClosed(Event, type="io.example.test.domain.door-closed"):
    """
    Another.
    """


class Door(Aggregate, subject="/doors/{id}"):
    """
    An aggregate at module level.
    """

    is_open: bool = False

    def open(self) -> None:
        """
        Open it.
        """
        self.emit(DoorOpened())

    @handles
    def _changed(self, event: DoorOpened | DoorClosed) -> None:
        self.is_open = isinstance(event, DoorOpened)


def test_class_at_module_level() -> None:
    """
    Text that names a class of the module is understood.
    """
    door = Door("1")

    door.open()

    assert door.is_open


def test_text_in_quotation_marks() -> None:
    """
    An annotation that stands in quotation marks besides is understood, too.
    """

    class Hatch(Aggregate, subject="/hatches/{id}"):
        """
        An aggregate whose author quotes annotations.
        """

        is_open: bool = False

        @handles
        def _opened(self, _: "DoorOpened") -> None:
            self.is_open = True

    hatch = Hatch("1")

    hatch.emit(DoorOpened())

    assert hatch.is_open


def test_class_local_to_a_function() -> None:
    """
    Text that names a class of the surrounding function is understood.
    """

    class GateOpened(Event, type="io.example.test.domain.gate-opened"):
        degrees: int

    class Gate(Aggregate, subject="/gates/{id}"):
        degrees: int = 0

        @handles
        def _opened(self, event: GateOpened) -> None:
            self.degrees = event.degrees

    gate = Gate("1")
    gate.emit(GateOpened(degrees=90))

    assert gate.degrees == 90


def test_event_inside_the_aggregate_class() -> None:
    """
    Text that names a class of the class body itself is understood.
    """

    class Hatch(Aggregate, subject="/hatches/{id}"):
        class Opened(Event, type="io.example.test.domain.hatch-opened"):
            degrees: int

        degrees: int = 0

        @handles
        def _opened(self, event: Opened) -> None:
            self.degrees = event.degrees

    hatch = Hatch("1")
    hatch.emit(Hatch.Opened(degrees=90))

    assert hatch.degrees == 90


def test_local_name_hides_the_one_of_the_module() -> None:
    """
    Names are looked up as Python does: the nearest counts.
    """
    outer = DoorOpened

    class DoorOpened_(Event, type="io.example.test.domain.other-door-opened"):  # noqa: N801  beside its namesake
        pass

    def declare(DoorOpened: type[Event]) -> type[Aggregate]:  # noqa: N803  hides the class of the module
        class Gate(Aggregate, subject="/gates/{id}"):
            @handles
            def _opened(self, event: DoorOpened) -> None: ...  # type: ignore[valid-type]  # a name only known here

        assert DoorOpened is not outer
        return Gate

    gate = declare(DoorOpened_)("1")

    gate.emit(DoorOpened_())

    with pytest.raises(DeclarationError):
        gate.emit(outer())


def test_name_imported_for_type_checkers_only_is_refused() -> None:
    """
    What is not there when the class is made cannot be resolved, and the error says which text.
    """
    with pytest.raises(DeclarationError, match=r"Gate\._opened: the annotation 'Decimal' cannot be resolved here"):

        class Gate(Aggregate, subject="/gates/{id}"):
            @handles
            def _opened(self, event: Decimal) -> None: ...


def test_other_annotations_need_not_resolve() -> None:
    """
    Only the event's annotation is read.
    """

    class Gate(Aggregate, subject="/gates/{id}"):
        @handles
        def _opened(self, event: DoorOpened, weight: Decimal | None = None) -> None: ...

    gate = Gate("1")

    gate.emit(DoorOpened())

    assert gate.pending_events == (DoorOpened(),)
