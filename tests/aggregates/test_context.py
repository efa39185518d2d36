"""
Metadata that flows to whatever is committed.
"""

import asyncio

import attrs

from eventsource import Aggregate, Event, Metadata, Repository, handles, with_metadata
from eventsource.aggregates import current_metadata
from eventsource.store import InMemoryEventStore


class LampLit(Event, type="io.example.test.context.lamp-lit"):
    """
    An event without fields.
    """


class Lamp(Aggregate, subject="/lamps/{id}"):
    """
    A lamp.
    """

    is_lit: bool = False

    def light(self) -> None:
        """
        Light it.
        """
        self.emit(LampLit())

    @handles
    def _lit(self, _: LampLit) -> None:
        self.is_lit = True


async def test_saved_events_carry_what_is_in_force() -> None:
    """
    Also from a task that the block started; after the block nothing is left.
    """
    async with InMemoryEventStore() as store:
        lamps = Repository(Lamp, store)

        async def light(id: str) -> None:
            async with lamps.create(id) as lamp:
                lamp.light()

        with with_metadata(Metadata(actor="ada", correlation_id="c")):
            with with_metadata(attrs.evolve(current_metadata(), actor="bob")):
                await light("1")
            await asyncio.create_task(light("2"))
        await light("3")
        stored = [event.metadata async for event in store.stream()]

    assert stored == [Metadata(actor="bob", correlation_id="c"), Metadata(actor="ada", correlation_id="c"), Metadata()]
