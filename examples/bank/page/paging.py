"""
Going through a long table a page at a time.
"""

from collections.abc import Awaitable, Callable

from nicegui import ui


class Pager:
    """
    "26 to 50 of 4,500 accounts", and two buttons.

    Args:
        rows: How many rows make a page.

        what: What the rows are, in the plural.

        on_turn: Called when another page is wanted.
    """

    def __init__(self, rows: int, what: str, on_turn: Callable[[], Awaitable[None]]) -> None:
        self._rows = rows
        self._what = what
        self._on_turn = on_turn
        self._offset = 0
        with ui.row().classes("pager") as self._bar:
            self._text = ui.label().classes("hint").props('role="status"')
            self._back = self._button("Previous", -1)
            self._on = self._button("Next", 1)

    def restart(self) -> None:
        """
        Go back to the first page.
        """
        self._offset = 0

    def show(self, count: int) -> int:
        """
        Say where in *count* rows this is.

        Returns:
            How many rows to pass over.
        """
        if self._offset >= count:
            self.restart()
        last = min(self._offset + self._rows, count)
        self._text.set_text(f"{self._offset + 1:,} to {last:,} of {count:,} {self._what}" if count else "")
        self._back.set_enabled(self._offset > 0)
        self._on.set_enabled(last < count)
        self._bar.set_visibility(count > self._rows)
        return self._offset

    def _button(self, text: str, pages: int) -> ui.button:
        async def turn() -> None:
            self._offset = max(0, self._offset + pages * self._rows)
            await self._on_turn()

        return ui.button(text, on_click=turn).props("outline dense no-caps").classes("turn")
