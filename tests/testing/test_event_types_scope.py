"""
Scopes of declarations, for tests.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from eventsource import (
    Aggregate,
    Command,
    DeclarationError,
    Event,
    NewEvent,
    ProcessManager,
    Repository,
    handles,
    starts,
    upcaster,
)
from eventsource.aggregates.fingerprint import fingerprint_of
from eventsource.errors import UnknownEventTypeError
from eventsource.events import event_types
from eventsource.store import InMemoryEventStore
from eventsource.testing import event_types_scope
from eventsource.testing.golden.record import recorded_event

if TYPE_CHECKING:
    from pathlib import Path

LIT = "io.example.test.scope.lit"
OUTSIDE = "io.example.test.scope.outside"


class Outside(Event, type=OUTSIDE):
    """
    Declared for the whole process.
    """

    watts: int = 0


def declare_first() -> type[Event]:
    """
    One class of that type.
    """

    class Lit(Event, type=LIT):
        watts: int

    return Lit


def declare_second() -> type[Event]:
    """
    Another class of it, with an older form.
    """

    class LampLit(Event, type=LIT, version=2):
        lumen: int

    @upcaster(LIT, version=1)
    def _lumen(data: dict[str, Any]) -> dict[str, Any]:
        return {"lumen": data["watts"] * 100}

    return LampLit


@pytest.mark.parametrize("declare", [declare_first, declare_second])
def test_two_tests_declare_one_type(declare: Any) -> None:
    """
    What a test declares in a scope is known inside and gone afterwards, upcasters included.
    """
    with event_types_scope():
        event_class = declare()
        assert event_types.find(LIT) is event_class
        assert recorded_event(LIT, {"watts": 5}).decode().event_type == LIT
        other = declare_first if declare is declare_second else declare_second
        with pytest.raises(DeclarationError, match="declared twice"):
            other()

    assert event_types.find(LIT) is None
    assert LIT not in event_types.stored_names()
    assert list(event_types.upcasters()) == [each for each in event_types.upcasters() if each.stored_type != LIT]
    with pytest.raises(UnknownEventTypeError):
        recorded_event(LIT, {"watts": 5}).decode()


def test_the_process_is_untouched_by_an_error() -> None:
    """
    A scope that ends with an error takes its declarations along, too, and the outer ones are as before.
    """
    before = (event_types.stored_names(), event_types.upcasters_declared)

    def declare_both() -> None:
        with event_types_scope():
            declare_second()
            declare_first()

    with pytest.raises(DeclarationError):
        declare_both()

    assert (event_types.stored_names(), event_types.upcasters_declared) == before


def test_a_type_of_the_process_is_declared_anew() -> None:
    """
    Inside, a type of the process may have another class; outside it has its own again.
    """
    with event_types_scope():
        assert event_types.find(OUTSIDE) is Outside

        class Anew(Event, type=OUTSIDE):
            lumen: int

        assert recorded_event(OUTSIDE, {"lumen": 5}).decode() == Anew(lumen=5)

    assert recorded_event(OUTSIDE, {"watts": 5}).decode() == Outside(watts=5)


def test_scopes_are_nested() -> None:
    """
    An inner scope knows the outer one's declarations, and the outer one does not know the inner one's.
    """
    with event_types_scope():
        outer = declare_first()
        with event_types_scope():
            assert event_types.find(LIT) is outer
            assert event_types.find(LIT) is not declare_second()
            assert event_types.reading(LIT).latest == 2  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
        assert event_types.find(LIT) is outer
        assert event_types.reading(LIT).latest == 1  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]


def test_threads_have_scopes_of_their_own() -> None:
    """
    Two threads may declare one type at the same time; each sees its own, and the process sees none.
    """
    both = threading.Barrier(2, timeout=30)
    found: list[bool] = []

    def declare_and_look(declare: Any) -> None:
        with event_types_scope():
            event_class = declare()
            both.wait()
            found.append(event_types.find(LIT) is event_class)
            both.wait()

    threads = [threading.Thread(target=declare_and_look, args=[each]) for each in (declare_first, declare_second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [True, True]
    assert event_types.find(LIT) is None


async def test_tasks_have_scopes_of_their_own() -> None:
    """
    Tasks that run in turn see their own declarations only, and the tasks that they start see them, too.
    """

    async def look(event_class: type[Event]) -> bool:
        await asyncio.sleep(0)
        return event_types.find(LIT) is event_class

    async def declare_and_look(declare: Any) -> list[bool]:
        with event_types_scope():
            event_class = declare()
            await asyncio.sleep(0)
            return [await look(event_class), await asyncio.create_task(look(event_class))]

    first, second = await asyncio.gather(declare_and_look(declare_first), declare_and_look(declare_second))

    assert first == second == [True, True]
    assert event_types.find(LIT) is None


def test_a_module_that_is_imported_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A module is imported once, so that what it declares is known for the rest of the process.
    """
    monkeypatch.syspath_prepend(str(tmp_path))
    name = "imported_in_a_scope"
    (tmp_path / f"{name}.py").write_text(
        "from eventsource import Event\n\nclass Lit(Event, type='io.example.test.scope.imported'):\n    pass\n"
    )
    with event_types_scope():
        module = __import__(name)
        assert event_types.find("io.example.test.scope.imported") is module.Lit

    assert event_types.find("io.example.test.scope.imported") is module.Lit
    del sys.modules[name]


async def test_aggregates_commands_and_processes_inside() -> None:
    """
    Everything that is declared over the events of a scope works in it.
    """
    for _ in range(2):
        with event_types_scope():

            class Lit(Event, type=LIT):
                watts: int

            class Lamp(Aggregate, subject="/lamps/{id}"):
                watts: int = 0

                @handles
                def _lit(self, event: Lit) -> None:
                    self.watts = event.watts

            class Light(Command, subject="/lamps/{lamp}"):
                lamp: str

            class Lighting(ProcessManager, name="scope-lighting", by="/lamps/{id}", sends=[Light]):
                @starts
                def lit(self, event: Lit) -> None:
                    pass

            async with InMemoryEventStore() as store:
                await store.commit([NewEvent.of(Lit(watts=5), subject="/lamps/1")])
                assert (await Repository(Lamp, store).load("1")).watts == 5
            assert Lighting.input_types() == {LIT}


def test_snapshots_know_the_scope() -> None:
    """
    The fingerprint of an aggregate is not that of before when a scope reads its events in another way.
    """

    class Lamp(Aggregate, subject="/lamps/{id}"):
        watts: int = 0

        @handles
        def _lit(self, event: Outside) -> None:
            self.watts = event.watts

    before = fingerprint_of(Lamp)
    assert before.is_current
    with event_types_scope():

        @upcaster("io.example.test.scope.older", version=1, into=Outside)
        def _from_older(data: dict[str, Any]) -> dict[str, Any]:
            return data

        assert not before.is_current
        assert fingerprint_of(Lamp).text != before.text

    assert before.is_current
