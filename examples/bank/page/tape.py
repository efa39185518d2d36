"""
The live tape: every event as it is committed, for all who look at the page.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from nicegui import app, ui

from eventsource import RecordedEvent
from eventsource.errors import EventError
from eventsource.events import SubjectErased
from examples.bank.bank import Bank

Listener = Callable[[Sequence[RecordedEvent]], Awaitable[None]]

# Events kept and shown.
LENGTH = 25

# How long the read models may take to show an event that was on the tape, in seconds.
_PATIENCE_S = 60.0


class Tape:
    """
    One observer of the store for all pages: it keeps the last events and tells its listeners of each new one.
    """

    def __init__(self, bank: Bank) -> None:
        self.recent: deque[RecordedEvent] = deque(maxlen=LENGTH)
        self._bank = bank
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """
        Call *listener* with new events, as soon as the read models show them. It ends with the page.
        """
        self._listeners.append(listener)
        client = ui.context.client
        client.on_delete(  # pyright: ignore[reportUnknownMemberType]  a parameter of NiceGUI's is typed half
            lambda: self._listeners.remove(listener)
        )

    async def follow(self) -> None:
        """
        Follow the store until cancelled.

        Raises:
            ProjectionError: The read models do not follow.
            StoreError: The store cannot be read any more.
        """
        stream = await self._bank.tape(bookings=LENGTH)
        async for page in stream.pages():
            if page.events:
                erased = erased_by(page.events)
                kept = [event for event in (*self.recent, *page.events) if event.id not in erased]
                self.recent = deque(kept, maxlen=LENGTH)
                await self._bank.seen(page.events[-1].id, timeout_s=_PATIENCE_S)
                outcomes = await asyncio.gather(
                    *(listener(page.events) for listener in self._listeners), return_exceptions=True
                )
                for outcome in outcomes:
                    # What goes wrong on one page is reported, and ends no other.
                    if isinstance(outcome, Exception):
                        app.handle_exception(outcome)


def erased_by(events: Sequence[RecordedEvent]) -> frozenset[str]:
    """
    The ids of the events that were emptied, as *events* tell: what was kept of them is to be forgotten.
    """
    found: set[str] = set()
    for event in events:
        if event.type == SubjectErased.event_type:
            # A record that does not decode names no event.
            with suppress(EventError):
                found.update(SubjectErased.from_recorded(event).event_ids)
    return frozenset(found)


class TapeView:
    """
    The tape on a page, the newest event on top.
    """

    def __init__(self, tape: Tape) -> None:
        with ui.element("section").classes("card tape").props('aria-label="Live tape"'):
            with ui.row().classes("card-head"):
                ui.html("Live tape", tag="h2", sanitize=False)
                ui.label("every event, as it is committed").classes("hint")
            self._empty = ui.label("Nothing has happened yet. Open an account and watch.").classes("hint")
            self._rows = ui.element("ol").classes("tape-rows").props('role="log" aria-label="Events, newest first"')
        self._show(tape.recent)
        tape.listen(self._take)

    async def _take(self, events: Sequence[RecordedEvent]) -> None:
        self._show(events[-LENGTH:])

    def _show(self, events: Sequence[RecordedEvent]) -> None:
        for recorded in events:
            with self._rows:
                _Row(recorded).move(target_index=0)
        erased = erased_by(events)
        for place, row in enumerate(list(self._rows)):
            if place >= LENGTH or (isinstance(row, _Row) and row.event_id in erased):
                row.delete()
        self._empty.set_visibility(not list(self._rows))


class _Row(ui.element):
    """
    One event: when, what, where, and its data as it is stored, but for what is empty.
    """

    def __init__(self, recorded: RecordedEvent) -> None:
        super().__init__("li")
        self.event_id = recorded.id
        self.classes("tape-row")
        with self:
            ui.label(f"{recorded.time.astimezone():%H:%M:%S}").classes("tape-time")
            ui.label(recorded.type.rpartition(".")[2]).classes("tape-type")
            ui.label(recorded.subject).classes("tape-subject")
            with ui.element("div").classes("tape-data"):
                for name, value in recorded.data.items():
                    if value not in ("", None, []):
                        ui.label(f"{name}: {value}")
