"""
Checking that whatever was ever stored can still be read, and as what.
"""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, final

import attrs

from eventsource.events.errors import EventError
from eventsource.events.event_types import event_types
from eventsource.events.personal_data import Erased
from eventsource.events.round_trip import round_trip_of
from eventsource.root_error import DeclarationError
from eventsource.testing.golden.record import (
    Example,
    GoldenFile,
    print_json,
    read_again,
    recorded_event,
    stored_data,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import ModuleType

    from eventsource.events.event import Event

Mode: TypeAlias = Literal["check", "add", "update"]

_VARIABLE: Final = "EVENTSOURCE_GOLDEN"


def check_golden_events(
    folder: Path, examples: Iterable[Event], *, modules: Iterable[ModuleType], mode: Mode | None = None
) -> None:
    """
    Check that each form in which events were ever stored is still read, and as the same as before.

    *folder* has one file for each stored type and version. Call it in a test, and commit the files::

        def test_stored_events_stay_readable() -> None:
            check_golden_events(Path(__file__).parent / "golden", EXAMPLES, modules=[bank.events])

    It finds an example that would not come back from the store as it is, a renamed field (the old example is no longer
    read, or read with a default), a type or a version without an example, an upcaster that is missing or does
    something else than before, and one that says it keeps a member and does not.

    Args:
        folder: Where the files are.

        examples: At least one event of each class of today; several where optional fields matter.

        modules: Where classes and upcasters are declared: each version of each stored type that is
            declared there needs an example.

        mode: "check" writes nothing. "add" writes examples that are not in the files yet. "update" also
            writes down anew what old ones are read as; what was stored is never changed. By default
            the environment variable ``EVENTSOURCE_GOLDEN`` says, and else it is "check" where the
            variable ``CI`` is set, as it is by CI systems, and "add" elsewhere.

    Raises:
        AssertionError: Something is no longer as it was; the message shows all differences.
    """
    _Check(folder, mode or _usual_mode()).run(list(examples), {module.__name__ for module in modules})


def _usual_mode() -> Mode:
    asked = os.environ.get(_VARIABLE, "")
    match asked:
        case "check" | "add" | "update":
            return asked
        case "":
            return "check" if os.environ.get("CI", "").lower() not in {"", "0", "false"} else "add"
        case _:
            msg = f"{_VARIABLE} is 'check', 'add' or 'update', not {asked!r}"
            raise ValueError(msg)


@final
class _Check:
    def __init__(self, folder: Path, mode: Mode) -> None:
        self._folder = folder
        self._mode = mode
        self._problems: list[str] = []
        self._files: dict[tuple[str, int], GoldenFile] = {}

    def run(self, examples: list[Event], modules: set[str]) -> None:
        for path in sorted(self._folder.glob("*.json")):
            found = GoldenFile.read(path)
            self._files[found.event_type, found.version] = found
        for event in examples:
            self._look_for(event)
        self._problems += _unstorable_classes(modules)
        for form in sorted(set(_forms_declared_in(modules))):
            if form not in self._files:
                self._problems.append(self._missing(*form))
        for file in self._files.values():
            self._check_file(file)
        if self._problems:
            raise AssertionError("\n\n".join(self._problems))

    def _look_for(self, event: Event) -> None:
        form = (event.event_type, event.event_version)
        try:
            stored = stored_data(event)
        except (EventError, DeclarationError) as error:
            self._problems.append(f"an example of {type(event).__name__} is not stored: {error}")
            return
        file = self._files.get(form)
        if file is not None and any(example.stored == stored for example in file.examples):
            return
        if self._mode == "check":
            what = f"{type(event).__name__} is stored in a form" if file else f"{type(event).__name__} has no example"
            self._problems.append(
                f"{what} that no golden file shows: run this test where it may write ({_VARIABLE}=add), look at the "
                f"change, and commit it. It stores\n{print_json(stored)}"
            )
            return
        added = Example(stored, read_again(event.event_type, stored))
        before = file.examples if file else ()
        self._files[form] = GoldenFile(*form, (*before, added))
        self._files[form].write(self._folder)

    def _missing(self, event_type: str, version: int) -> str:
        event_class = event_types.find(event_type)
        if event_class is not None and version == event_class.event_version:
            return f"{event_class.__name__} has no golden event: add one to the examples of this test"
        name = GoldenFile(event_type, version).name
        return (
            f"version {version} of {event_type!r} has no golden event: write {self._folder / name} with the program "
            "of that time, or by hand from an event in a store (made up, where it is about a person)"
        )

    def _check_file(self, file: GoldenFile) -> None:
        read = [self._read(file, example) for example in file.examples]
        now = tuple(
            attrs.evolve(example, read=events or []) for example, events in zip(file.examples, read, strict=True)
        )
        if None in read or now == file.examples:
            return
        if self._mode == "update":
            attrs.evolve(file, examples=now).write(self._folder)
            return
        changed = [
            _difference(one.read, other.read) for one, other in zip(file.examples, now, strict=True) if one != other
        ]
        self._problems.append(
            f"{file.name} is read as something else than before. Where that is meant, run this test with "
            f"{_VARIABLE}=update and commit the change:\n" + "\n".join(changed)
        )

    def _read(self, file: GoldenFile, example: Example) -> list[dict[str, Any]] | None:
        try:
            read = read_again(file.event_type, example.stored)
            self._problems += _not_kept(file, example)
        except (EventError, DeclarationError) as error:
            self._problems.append(
                f"{file.name} can no longer be read: {error}\nIt stores\n{print_json(example.stored)}"
            )
            return None
        return read


def _unstorable_classes(modules: set[str]) -> Iterator[str]:
    for event_class in event_types:
        if event_class.__module__ in modules:
            try:
                round_trip_of(event_class)
            except DeclarationError as error:
                yield str(error)


def _forms_declared_in(modules: set[str]) -> Iterator[tuple[str, int]]:
    for event_class in event_types:
        if event_class.__module__ in modules:
            yield from ((event_class.event_type, number + 1) for number in range(event_class.event_version))
    for upcaster in event_types.upcasters():
        if upcaster.function.__module__ in modules:
            yield upcaster.stored_type, upcaster.version


def _not_kept(file: GoldenFile, example: Example) -> Iterator[str]:
    for event in recorded_event(file.event_type, example.stored).decode_all():
        if isinstance(event, Erased):
            continue
        today = stored_data(event)
        for form in event_types.older_forms(type(event)):
            if (form.stored_type, form.version) != (file.event_type, file.version):
                continue
            for member in sorted(form.keeps):
                if example.stored.get(member) != today.get(member):
                    yield (
                        f"{form.upcaster} says that it keeps {member!r}, and {file.name} shows another value before "
                        "and after: guards would ask for something else than what is read"
                    )


def _difference(before: object, now: object) -> str:
    one, other = (print_json(value).splitlines() for value in (before, now))
    lines = difflib.unified_diff(one, other, "before", "now", n=max(len(one), len(other)), lineterm="")
    return "\n".join(line for line in lines if not line.startswith("@@"))
