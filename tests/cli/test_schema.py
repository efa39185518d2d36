"""
`eventsource schema`: pushing schemas made from event classes, and finding out what they would refuse.
"""

import json

import pytest

from tests.cli.shop import Command, Shop, paid

FIRST = """
from eventsource import Event

class Sent(Event, type="io.example.test.cli-schema.sent"):
    weight_g: int

class Returned(Event, type="io.example.test.cli-schema.returned"):
    reason: str
"""

HEAVIER = """
from eventsource import Event

class Sent(Event, type="io.example.test.cli-schema.sent"):
    weight_kg: float
"""


@pytest.fixture
def parcels(shop: Shop) -> Shop:
    """
    A shop with two releases of a module of events; only one of them is imported in a process.
    """
    (shop.directory / "parcels.py").write_text(FIRST)
    (shop.directory / "heavier.py").write_text(HEAVIER)
    shop.commit([paid(5)])
    return shop


def test_push_registers_and_diff_agrees(parcels: Shop) -> None:
    """
    What was new is registered; then there is no difference.
    """
    before = parcels.run("schema", "diff", "parcels", "--registered")
    pushed = parcels.run("schema", "push", "parcels")
    after = parcels.run("schema", "diff", "parcels", "--registered", "--json")

    assert before.returncode == 1
    assert before.stderr == "2 new\n"
    assert pushed.returncode == 0
    assert "sent      1        registered now" in pushed.stdout
    assert after.returncode == 0
    assert [each["state"] for each in json.loads(after.stdout)] == ["same", "same"]


def test_diff_tells_what_would_be_refused(parcels: Shop) -> None:
    """
    Before it is deployed, in CI: the place, and exit code 1; pushing registers nothing then.
    """
    parcels.run("schema", "push", "parcels")

    diff = parcels.run("schema", "diff", "heavier")
    push = parcels.run("schema", "push", "heavier")

    assert (diff.returncode, push.returncode) == (1, 1)
    assert "$.weightG: it is required, and not always written" in diff.stdout
    assert "give the new form a type name of its own" in push.stderr


@pytest.mark.usefixtures("parcels")
def test_a_module_that_is_not_there(command: Command) -> None:
    """
    Or that has no events.
    """
    missing = command("schema", "diff", "nowhere.events")
    empty = command("schema", "push", "json", "--json")

    assert (missing.exit_code, empty.exit_code) == (2, 2)
    assert "there is no module 'nowhere'" in missing.errors
    assert json.loads(empty.errors)["error"]["code"] == "module-not-loaded"
