"""
Finding a real browser, and what is on the bank's page.
"""

import os
import shutil

from playwright.async_api import Locator, Page

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_browser() -> str | None:
    """
    The path of a Chromium: the one that the environment variable CHROMIUM names, or one that is installed.
    """
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


class BankPage:
    """
    The bank's page as a person sees it: forms and their fields by their labels.
    """

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address

    async def visit(self, path: str = "/") -> None:
        """
        Go there, and wait until the page is connected.
        """
        await self.page.goto(self.address + path)
        await self.page.get_by_role("heading", level=1).wait_for()

    def form(self, title: str) -> Locator:
        """
        The form with this heading.
        """
        return self.page.get_by_role("form", name=title, exact=True)

    def answer(self, title: str) -> Locator:
        """
        What the form says.
        """
        return self.form(title).get_by_role("status")

    async def submit(self, title: str, **fields: str) -> None:
        """
        Fill the form and press its button. ``owner_name`` is the field "Owner's name" and so on.
        """
        form = self.form(title)
        for name, text in fields.items():
            await form.get_by_label(LABELS[name]).fill(text)
        await form.get_by_role("button").click()

    async def open_account(self, owner: str, *, limit: str = "") -> str:
        """
        Open an account in the form.

        Returns:
            Its number.
        """
        await self.submit("Open an account", owner=owner, limit=limit)
        row = self.row(owner)
        await row.wait_for()
        return await row.get_by_role("link").inner_text()

    @property
    def rows(self) -> Locator:
        """
        The rows of the account list, its heading first.
        """
        return self.page.get_by_role("region", name="Accounts").get_by_role("row")

    def row(self, text: str) -> Locator:
        """
        The row of the account list with this text in it.
        """
        return self.rows.filter(has_text=text)

    def line(self, name: str, text: str) -> Locator:
        """
        The row of the list called *name*, such as "Loans", with this text in it.
        """
        return self.page.get_by_role("region", name=name).get_by_role("row").filter(has_text=text)

    @property
    def tape(self) -> Locator:
        """
        The events on the tape, the newest first.
        """
        return self.page.get_by_role("log").get_by_role("listitem")


LABELS = {
    "owner": "Owner's name",
    "email": "E-mail",
    "id": "Transfer id",
    "limit": "Overdraft limit",
    "account": "Account",
    "first": "First day",
    "order": "Standing order",
    "known": "Account of the same owner",
    "of_customer": "Account of the customer",
    "source": "From account",
    "target": "To account",
    "amount": "Amount",
}
