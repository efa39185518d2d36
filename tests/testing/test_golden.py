"""
Golden events: what changes about stored events shows, whichever way it happens.
"""

from __future__ import annotations

import json
import types
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from eventsource.testing import event_types_scope
from eventsource.testing.golden import check_golden_events

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from eventsource import Event
    from eventsource.testing.golden.check import Mode

PROGRAM = "golden_program"
SENT = "io.example.test.golden.sent"

FIRST = f"""
from eventsource import Event, upcaster

class Sent(Event, type="{SENT}"):
    weight_g: int
    note: str = ""
"""


class Program:
    """
    A program that changes: each `run` is a release of it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.module = types.ModuleType(PROGRAM)
        self.release = ExitStack()

    def run(self, source: str) -> None:
        """
        Forget the classes of the release before, and declare those of the next.
        """
        self.release.close()
        self.release.enter_context(event_types_scope())
        self.module = types.ModuleType(PROGRAM)
        exec(source, vars(self.module))  # noqa: S102  the test's own text

    def check(self, *examples: str, mode: Mode | None = "check") -> None:
        """
        Check its golden events, with these as examples of today.
        """
        made: list[Event] = [eval(example, vars(self.module)) for example in examples]  # noqa: S307  likewise
        check_golden_events(self.folder, made, modules=[self.module], mode=mode)

    def file(self, version: int) -> dict[str, Any]:
        """
        The golden file of that version.
        """
        content: dict[str, Any] = json.loads((self.folder / f"{SENT}.v{version}.json").read_text())
        return content


@pytest.fixture
def program(tmp_path: Path) -> Generator[Program]:
    """
    A program in its first release, with a golden event of it.
    """
    program = Program(tmp_path / "golden")
    program.run(FIRST)
    program.check("Sent(weight_g=5)", mode="add")
    with program.release:
        yield program


def test_an_example_is_written_when_it_is_new(program: Program) -> None:
    """
    The file says what is stored and what it is read as; nothing is written twice.
    """
    program.check("Sent(weight_g=5)")
    program.check("Sent(weight_g=5)", "Sent(weight_g=6, note='x')", mode="add")

    assert program.file(1) == {
        "type": SENT,
        "version": 1,
        "examples": [
            {"stored": {"note": "", "weightG": 5}, "read": [{"type": SENT, "data": {"note": "", "weightG": 5}}]},
            {"stored": {"note": "x", "weightG": 6}, "read": [{"type": SENT, "data": {"note": "x", "weightG": 6}}]},
        ],
    }


def test_nothing_is_written_in_ci(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    There, what is new fails: it has to be looked at and committed.
    """
    monkeypatch.delenv("EVENTSOURCE_GOLDEN", raising=False)
    monkeypatch.setenv("CI", "true")

    with pytest.raises(AssertionError, match="EVENTSOURCE_GOLDEN=add"):
        program.check("Sent(weight_g=6)", mode=None)
    monkeypatch.delenv("CI")
    program.check("Sent(weight_g=6)", mode=None)
    monkeypatch.setenv("EVENTSOURCE_GOLDEN", "maybe")
    with pytest.raises(ValueError, match="'maybe'"):
        program.check("Sent(weight_g=6)", mode=None)


def test_a_renamed_field_is_found(program: Program) -> None:
    """
    What was stored can no longer be read.
    """
    program.run(FIRST.replace("weight_g", "grams"))

    with pytest.raises(AssertionError, match=r"v1\.json can no longer be read: .*grams: Field required"):
        program.check("Sent(grams=5)", mode="add")


def test_a_renamed_field_with_a_default_is_found(program: Program) -> None:
    """
    What was stored is read, and as something else: that is the change nobody notices otherwise.
    """
    program.check("Sent(weight_g=5, note='x')", mode="add")
    program.run(FIRST.replace("note", "remark"))

    with pytest.raises(AssertionError, match="read as something else than before") as excinfo:
        program.check("Sent(weight_g=5, remark='x')", mode="add")

    assert '-      "note": "x",' in str(excinfo.value)
    assert '+      "remark": "",' in str(excinfo.value)


def test_a_new_field_is_confirmed(program: Program) -> None:
    """
    Where the change is meant, what is read is written down anew; what was stored stays.
    """
    program.run(FIRST + "    speed: int = 1\n")
    with pytest.raises(AssertionError, match="speed"):
        program.check("Sent(weight_g=5)", mode="add")

    program.check("Sent(weight_g=5)", mode="update")

    program.check("Sent(weight_g=5)")
    assert [example["stored"] for example in program.file(1)["examples"]] == [
        {"note": "", "weightG": 5},
        {"note": "", "speed": 1, "weightG": 5},
    ]


SECOND = f"""
from eventsource import Event, upcaster

class Sent(Event, type="{SENT}", version=2):
    weight_kg: float
    note: str = ""

@upcaster("{SENT}", version=1, keeps=["note"])
def in_kg(data):
    return {{"weightKg": data["weightG"] / 1000, "note": data["note"]}}
"""


def test_each_version_stays_readable(program: Program) -> None:
    """
    The first version is read as the second, once that is confirmed; the second has a file of its own.
    """
    program.run(SECOND)
    with pytest.raises(AssertionError, match="read as something else"):
        program.check("Sent(weight_kg=0.5)", mode="add")

    program.check("Sent(weight_kg=0.5)", mode="update")

    program.check("Sent(weight_kg=0.5)")
    assert program.file(1)["examples"][0]["read"] == [{"type": SENT, "data": {"note": "", "weightKg": 0.005}}]
    assert program.file(2)["examples"][0]["stored"]["_meta"] == {"version": 2}


def test_a_changed_upcaster_is_found(program: Program) -> None:
    """
    History would be read as another.
    """
    program.run(SECOND)
    program.check("Sent(weight_kg=0.5)", mode="update")
    program.run(SECOND.replace("/ 1000", "/ 100"))

    with pytest.raises(AssertionError, match=r'\+ +"weightKg": 0\.05'):
        program.check("Sent(weight_kg=0.5)")


def test_a_missing_upcaster_is_found(program: Program) -> None:
    """
    Before the first old event is read in production.
    """
    program.run(SECOND.partition("@upcaster")[0])

    with pytest.raises(AssertionError, match="version 1 of it no upcaster"):
        program.check("Sent(weight_kg=0.5)")


def test_a_member_that_is_not_kept_is_found(program: Program) -> None:
    """
    Guards would ask older events for what they do not say.
    """
    program.run(SECOND.replace('"note": data["note"]', '"note": "-"'))

    with pytest.raises(AssertionError, match="says that it keeps 'note'"):
        program.check("Sent(weight_kg=0.5)", mode="update")


def test_a_type_that_is_gone_is_found(program: Program) -> None:
    """
    Its events are still stored.
    """
    program.run("")

    with pytest.raises(AssertionError, match=r"can no longer be read: .*unknown to the declared event classes"):
        program.check()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (FIRST.replace("sent", "got"), "Sent has no golden event: add one to the examples"),
        (SECOND.replace("sent", "got"), "version 1 of 'io.example.test.golden.got' has no golden event: write "),
    ],
    ids=["version of today", "older version"],
)
def test_what_is_declared_without_an_example_is_found(program: Program, source: str, message: str) -> None:
    """
    A class that nobody gave an example, and a version from before there were golden files.
    """
    program.run(FIRST + source)

    with pytest.raises(AssertionError, match=message):
        program.check()


def test_a_file_that_is_none_is_named(program: Program) -> None:
    """
    Such as one with a merge conflict in it.
    """
    (program.folder / f"{SENT}.v1.json").write_text("<<<<<<<")

    with pytest.raises(ValueError, match=r"v1\.json is no golden file"):
        program.check()


def test_an_example_that_would_not_come_back_is_found(program: Program) -> None:
    """
    An example that is read as another event, or is of a class that cannot be stored, fails with its name.
    """
    program.run(FIRST.replace('note: str = ""', "note: object = None"))
    with pytest.raises(AssertionError, match=r"an example of Sent is not stored: .*note"):
        program.check("Sent(weight_g=5, note=(1, 2))", mode="add")

    program.run(
        FIRST.replace("class Sent", "from pydantic import BaseModel, Field\n\nclass Sent").replace(
            'note: str = ""', 'note: "Note | None" = None'
        )
        + "\nclass Note(BaseModel):\n    text: str = Field('', serialization_alias='words')\n"
    )
    with pytest.raises(AssertionError, match="cannot be stored"):
        program.check("Sent(weight_g=5)")
