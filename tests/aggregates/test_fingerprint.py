"""
Fingerprints of folds: the same in every process, another one whenever the fold is.
"""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventsource.aggregates.fingerprint import Fingerprint, fingerprint_of

EVENTS = """
from decimal import Decimal
from typing import Annotated
from pydantic import Field
from eventsource import Event
from {package}.money import Money

class Booked(Event, type="{package}.booked", version=2):
    cents: Annotated[int, Field(ge=-5)]
    note: str = ""

    def as_money(self) -> Money:
        return Money(self.cents)

class Raised(Event, type="{package}.raised"):
    pass
"""

MONEY = """
import attrs
from eventsource import upcaster

RATE = 3

@attrs.frozen
class Money:
    cents: int

def factor() -> int:
    return RATE * 2

@upcaster("{package}.booked", version=1)
def _second(data):
    return {{"cents": data["amount"] + 1}}
"""

ACCOUNT = """
import functools
from eventsource import Aggregate, handles
from {package}.events import Booked, Raised
from {package}.money import Money, factor

def scaled(times):
    def decorate(method):
        @functools.wraps(method)
        def wrapper(self, event: Booked) -> None:
            self.scale = times
            method(self, event)
        return wrapper
    return decorate

class Base(Aggregate, abstract=True):
    bonus: int = 0

    @handles
    def _raised(self, event: Raised) -> None:
        self.bonus += 1

class Account(Base, subject="/fp-{package}/{{id}}", state_version=1):
    balance: int = 0
    lines: list[int] = []
    scale: int = 1
    last: Money = Money(0)

    def book(self, cents: int) -> None:
        self.emit(Booked(cents=cents))

    @handles
    @scaled(2)
    def _booked(self, event: Booked) -> None:
        '''
        What a deposit does.
        '''
        self.balance += event.cents * factor()
        self.lines = [line for line in [*self.lines, event.cents] if line != 7]
        if event.note in {{"low", "high"}}:
            self.last = event.as_money()
"""

SOURCES = {"events": EVENTS, "money": MONEY, "account": ACCOUNT, "__init__": ""}

# module, what is replaced, by what: each changes what the class itself says of the same events.
CHANGES = {
    "the handler": ("account", "event.cents * factor()", "event.cents + factor()"),
    "a constant in the handler": ("account", "line != 7", "line != 8"),
    "a set in the handler": ("account", '{{"low", "high"}}', '{{"low", "higher"}}'),
    "a decorator's argument": ("account", "@scaled(2)", "@scaled(3)"),
    "a decorator's body": ("account", "self.scale = times", "self.scale = times + 1"),
    "an inherited handler": ("account", "self.bonus += 1", "self.bonus += 2"),
    "the default of an attribute": ("account", "balance: int = 0", "balance: int = 1"),
    "the type of an attribute": ("account", "balance: int = 0", "balance: float = 0"),
    "a mutable default": ("account", "lines: list[int] = []", "lines: list[int] = [1]"),
    "an attribute more": ("account", "    scale: int = 1", "    scale: int = 1\n    more: str = ''"),
    "an inherited attribute": ("account", "bonus: int = 0", "bonus: int = 1"),
    "the subject": ("account", '"/fp-{package}/{{id}}"', '"/fp2-{package}/{{id}}"'),
    "the state version": ("account", "state_version=1", "state_version=2"),
    "a record in the state": ("money", "    cents: int\n", "    cents: int = 0\n"),
    "an event's field": ("events", 'note: str = ""', 'note: str = "-"'),
    "an event's new field": ("events", 'note: str = ""', 'note: str = ""\n    by: int = 0'),
    "the constraint of a field": ("events", "ge=-5", "ge=-6"),
    "an upcaster": ("money", 'data["amount"] + 1', 'data["amount"] + 2'),
}

# These do not count: what the handlers call is said by the state version, the rest changes no fold.
NO_CHANGES = {
    "nothing": ("account", "", ""),
    "a command": ("account", "self.emit(Booked(cents=cents))", "self.emit(Booked(cents=cents + 1))"),
    "a function that a handler calls": ("money", "RATE * 2", "RATE * 3"),
    "a docstring": ("account", "What a deposit does.", "What it does."),
    "comments and empty lines": ("account", "class Account", "# A comment.\n\n\n\nclass Account"),
}

PRINT = """
import os, sys
from eventsource.aggregates.fingerprint import fingerprint_of
for folder in sys.argv[1:]:
    # Each variant in a process that has imported none of the others.
    if os.fork() == 0:
        sys.path.insert(0, folder)
        from bank.account import Account
        print(os.path.basename(folder), fingerprint_of(Account).text, flush=True)
        os._exit(0)
    os.wait()
"""


def write(folder: Path, package: str, change: tuple[str, str, str] = ("account", "", "")) -> None:
    """
    Write the project into *folder* as *package*, with one change.
    """
    module, old, new = change
    (folder / package).mkdir(parents=True, exist_ok=True)
    for name, source in SOURCES.items():
        if name == module:
            assert old in source
            source = source.replace(old, new, 1) if old else source  # noqa: PLW2901  as changed
        (folder / package / f"{name}.py").write_text(source.format(package=package))


def fingerprints(folders: list[Path], *, seed: str) -> dict[str, str]:
    """
    What fresh processes say of the projects, by the names of the folders.
    """
    result = subprocess.run(
        [sys.executable, "-c", PRINT, *map(str, folders)],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return dict(line.split() for line in result.stdout.splitlines())


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], dict[str, str]]:
    """
    The fingerprints of all variants, and of some of them from processes with another seed.
    """
    root = tmp_path_factory.mktemp("variants")
    variants = {**CHANGES, **NO_CHANGES}
    folders: list[Path] = []
    for number, change in enumerate(variants.values()):
        folder = root / f"{number}"
        write(folder, "bank", change)
        folders.append(folder)
    names = dict(zip(map(str, range(len(variants))), variants, strict=True))
    first, second = fingerprints(folders, seed="1"), fingerprints(folders[-5:], seed="2")
    return {names[number]: text for number, text in first.items()}, {
        names[number]: text for number, text in second.items()
    }


@pytest.mark.parametrize("name", CHANGES)
def test_another_fold_has_another_fingerprint(told: tuple[dict[str, str], dict[str, str]], name: str) -> None:
    """
    The attributes, the events, the upcasters, the handlers and the state version count.
    """
    first, _ = told

    assert first[name] != first["nothing"]


def test_each_change_has_a_fingerprint_of_its_own(told: tuple[dict[str, str], dict[str, str]]) -> None:
    """
    No two different folds share one.
    """
    first, _ = told

    assert len({first[name] for name in CHANGES}) == len(CHANGES)


@pytest.mark.parametrize("name", NO_CHANGES)
def test_the_same_fold_has_the_same_fingerprint(told: tuple[dict[str, str], dict[str, str]], name: str) -> None:
    """
    Commands, comments, docstrings and code outside the handlers do not count.
    """
    first, _ = told

    assert first[name] == first["nothing"]


def test_it_is_the_same_in_every_process(told: tuple[dict[str, str], dict[str, str]]) -> None:
    """
    It does not depend on hash seeds, addresses, or the order in which sets come.
    """
    first, second = told

    assert second == {name: first[name] for name in second}
    assert len(second) == 5


@pytest.fixture
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """
    A package that can be imported here, written anew for each test; its name.
    """
    package = f"bank_{abs(hash(request.node.name))}"
    write(tmp_path, package)
    sys.path.insert(0, str(tmp_path))
    yield package
    sys.path.remove(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]


def take(package: str) -> Fingerprint:
    """
    The fingerprint of the account as it is imported now.
    """
    return fingerprint_of(importlib.import_module(f"{package}.account").Account)


def test_running_the_code_does_not_change_it(project: str) -> None:
    """
    The interpreter rewrites byte code that runs often; the fingerprint is of what the compiler wrote.
    """
    module = importlib.import_module(f"{project}.account")
    before = fingerprint_of(module.Account)
    account = module.Account("1")

    for _ in range(3_000):
        account.book(1)

    assert fingerprint_of(module.Account).text == before.text
    assert before.is_current
