"""
Verifying on the page: green, or red and where.
"""

from collections.abc import Awaitable, Callable

from nicegui import ui

from eventsource import EventSourceError
from examples.bank.evidence import Evidence, Verified

_MOST_SHOWN = 5


class EvidenceView:
    """
    How far the notary is, and two buttons: verify the bank, and verify a copy in which a row was changed.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        with ui.element("section").classes("card evidence").props('aria-label="Evidence"'):
            ui.html("Evidence", tag="h2", sanitize=False)
            self._status = ui.label().classes("hint")
            with ui.row():
                self._button("Verify", evidence.verify)
                if evidence.can_be_tampered_with:
                    self._button("Change a row in a copy, and verify that", evidence.verify_tampered_copy)
            self._answer = ui.label().classes("answer").props('role="status" aria-live="polite"')
            self._findings = ui.element("ul").classes("findings")
        self._tell_status()

    def follow(self) -> None:
        """
        Go on telling how far the notary is.

        Call it when the page is drawn: a timer waits for the browser, and the page is sent as soon as one waits.
        """
        ui.timer(1.0, self._tell_status)

    def _tell_status(self) -> None:
        status = self._evidence.status
        behind = f", {status.behind:,} not yet" if status.behind else ""
        self._status.set_text(f"{status.events:,} events are notarised{behind}.")

    def _button(self, text: str, check: Callable[[], Awaitable[Verified]]) -> None:
        async def click() -> None:
            self._findings.clear()
            self._say("Verifying …", "")
            try:
                found = await check()
            except (EventSourceError, ValueError) as error:
                self._say(f"Not verified: {error}", "refused")
            else:
                self._tell(found)

        ui.button(text, on_click=click).props("outline no-caps")

    def _tell(self, found: Verified) -> None:
        if not found.findings:
            erased = f", the personal data of {found.erased:,} of them erased" if found.erased else ""
            self._say(f"Intact: {found.notarised:,} events are what was notarised{erased}.", "done")
            return
        self._say(f"Tampered with: {len(found.findings)} findings.", "refused")
        with self._findings:
            for what in found.findings[:_MOST_SHOWN]:
                with ui.element("li"):
                    ui.label(what)

    def _say(self, text: str, kind: str) -> None:
        self._answer.set_text(text)
        self._answer.classes(kind, remove="done refused")
