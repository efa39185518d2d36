"""
What only shows in a process that has done nothing else yet.
"""

import subprocess
import sys

PROGRAM = """
from __future__ import annotations
from eventsource import Aggregate, Event, RecordedEvent, handles
from pydantic import BaseModel

class Opened(Event, type="opened"):
    address: Address

class Address(BaseModel):
    street: str

class House(Aggregate, subject="/houses/{id}"):
    street: str = ""

    @handles
    def _opened(self, event: Opened) -> None:
        self.street = event.address.street

house = House("1")
house.fold([RecordedEvent(1, "e-1", 0, "tests", "/houses/1", "opened", '{"address":{"street":"Main"}}', "", "")])
print(house.street)
"""


def test_folding_is_the_first_use_of_an_event_with_forward_reference() -> None:
    """
    A process that only reads, and never made such an event, can fold it.
    """
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)

    assert (result.stdout, result.stderr) == ("Main\n", "")
