"""
The web page in a real browser.
"""

import re
import signal
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.examples.bank.browser import ARGUMENTS, BankPage, find_browser
from tests.examples.bank.commands import run_bank, start_bank
from tests.examples.bank.made_up import write_many

BROWSER = find_browser()
PATIENCE_MS = 240_000

pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium found; install one, or name it in CHROMIUM"),
    pytest.mark.asyncio(loop_scope="module"),
    # One browser and one bank for all of them.
    pytest.mark.xdist_group("page"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncGenerator[Browser]:
    """
    One browser for all.
    """
    # Less than the time limit of a test, so that it says what did not come; a loaded machine takes its time.
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        yield launched
        await launched.close()


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> Generator[Iterator[str]]:
    """
    The address of a bank for each test in turn: ten tests share one, since its first page shows 25 accounts.
    """

    def addresses() -> Generator[str]:
        while True:
            with _Served(tmp_path_factory.mktemp("bank") / "data") as served:
                for _ in range(10):
                    yield served.address

    with closing(addresses()) as each:
        yield each


@pytest.fixture
def address(banks: Iterator[str]) -> str:
    """
    A bank that some of these tests share; each opens accounts of its own.
    """
    return next(banks)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """
    A bank with 130 imported accounts, which nobody changes.
    """
    folder = tmp_path_factory.mktemp("large")
    result = run_bank("import", write_many(folder / "files", accounts=130, transactions=1), "--data", folder / "data")
    assert result.returncode == 0, result.stderr
    with _Served(folder / "data") as served:
        yield served.address


@pytest_asyncio.fixture(loop_scope="module")
async def bank(browser: Browser, address: str) -> AsyncGenerator[BankPage]:
    """
    The front page, just opened.
    """
    async with _Visitor(browser, address) as page:
        await page.visit()
        yield page


class _Visitor:
    """
    A visitor in a window of their own, whose browser may complain of nothing and talk to nobody else.
    """

    def __init__(self, browser: Browser, address: str, *, sees_the_end: bool = False) -> None:
        self._browser = browser
        self._address = address
        self._sees_the_end = sees_the_end
        self._complaints: list[str] = []
        self._hosts: set[str] = set()

    async def __aenter__(self) -> BankPage:
        page = await self._browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: self._complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self._complaints.append(str(error)))
        page.on("request", lambda request: self._hosts.add(urlsplit(request.url).netloc))
        page.on("websocket", lambda socket: self._hosts.add(urlsplit(socket.url).netloc))
        self._page = page
        return BankPage(page, self._address)

    async def __aexit__(self, *_: object) -> None:
        await self._page.close()
        # A browser tells when nobody answers any more.
        assert self._complaints == [] or self._sees_the_end
        assert self._hosts == {urlsplit(self._address).netloc}


class _Served:
    """
    The page of a bank in *folder*, served by a process of its own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        self.process = start_bank("serve", "--data", self._folder, "--port", "0")
        assert self.process.stdout
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + self.process.stdout.read()
        self.address = found.group()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGINT)

    def end(self, number: signal.Signals) -> None:
        """
        End it politely; it must do so, cleanly, and without a complaint.
        """
        self.process.send_signal(number)
        output, _ = self.process.communicate()
        assert (self.process.returncode, output) == (0, "The bank is closed.\n")


async def test_fresh_bank_greets_with_what_to_do_first(browser: Browser, tmp_path: Path) -> None:
    """
    Without an account there is no empty table but a hint.
    """
    with _Served(tmp_path / "data") as served:
        async with _Visitor(browser, served.address) as bank:
            await bank.visit()

            await expect(bank.page.get_by_text("No accounts yet.")).to_be_visible()
            await expect(bank.page.get_by_text("Nothing has happened yet.")).to_be_visible()
            await expect(bank.page.get_by_role("region", name="Accounts").get_by_role("table")).to_be_hidden()


async def test_opened_account_appears_in_the_list(bank: BankPage) -> None:
    """
    The form answers with the number, and the list has owner, limit and balance.
    """
    await bank.submit("Open an account", owner="Grace Hopper", limit="1,250.5")

    await expect(bank.answer("Open an account")).to_have_text(re.compile(r"Done: account \d+ is open\."))
    await expect(bank.row("Grace Hopper").get_by_role("cell")).to_have_text(
        [re.compile(r"\d+"), "Grace Hopper", "1,250.50", "0.00"]
    )


async def test_account_without_a_name_is_refused_in_words(bank: BankPage) -> None:
    """
    A form that lacks something says what, beside its button.
    """
    await bank.submit("Open an account", owner=" ")

    await expect(bank.answer("Open an account")).to_have_text("Refused: A name is needed, of at most 100 characters.")


async def test_deposit_shows_in_the_balance(bank: BankPage) -> None:
    """
    The form answers with the new balance, and the list has it.
    """
    account = await bank.open_account("Depositor")

    await bank.submit("Deposit", account=account, amount="1234.5")

    await expect(bank.answer("Deposit")).to_have_text(f"Done: 1,234.50 deposited. Account {account} holds 1,234.50.")
    await expect(bank.row("Depositor").get_by_role("cell").last).to_have_text("1,234.50")


async def test_withdrawal_that_is_not_covered_is_refused_in_words(bank: BankPage) -> None:
    """
    The refusal says what the account has and how much could leave it; nothing changes.
    """
    account = await bank.open_account("Withdrawer", limit="20")

    await bank.submit("Withdraw", account=account, amount="20.01")

    await expect(bank.answer("Withdraw")).to_have_text(
        "Refused by the rule “sufficient funds”: "
        f"20.01 is not covered: account {account} holds 0.00 and may go 20.00 below zero, "
        "so at most 20.00 can leave it."
    )
    await expect(bank.form("Withdraw").get_by_label("Amount")).to_have_value("20.01")
    await expect(bank.row("Withdrawer").get_by_role("cell").last).to_have_text("0.00")


async def test_email_of_another_customer_is_refused_in_words(bank: BankPage) -> None:
    """
    The refusal names the rule and the address; whoever leaves the field empty is not asked.
    """
    await bank.submit("Open an account", owner="First With It", email="grace@example.com")
    await expect(bank.answer("Open an account")).to_contain_text("Done")

    await bank.submit("Open an account", owner="Second With It", email="Grace@Example.com ")

    await expect(bank.answer("Open an account")).to_have_text(
        "Refused by the rule “one customer for each e-mail”: Grace@Example.com is the e-mail of another customer."
    )
    await expect(bank.row("Second With It")).to_have_count(0)


async def test_withdrawals_beyond_the_daily_limit_are_refused_in_words(bank: BankPage) -> None:
    """
    The limit is the customer's: what was taken from their other account counts.
    """
    account = await bank.open_account("Big Spender", limit="5000")
    await bank.submit("Open another account", known=account, limit="5000")
    await expect(bank.answer("Open another account")).to_contain_text("Done")
    another = await bank.row("Big Spender").nth(1).get_by_role("link").inner_text()
    await bank.submit("Withdraw", account=account, amount="700")
    await expect(bank.answer("Withdraw")).to_contain_text("Done")

    await bank.submit("Withdraw", account=another, amount="300.01")

    await expect(bank.answer("Withdraw")).to_have_text(
        "Refused by the rule “daily withdrawal limit”: 300.01 is too much for today: of 1,000.00 a day, 700.00 is "
        "withdrawn already from all accounts of this customer, so at most 300.00 more can be withdrawn."
    )


async def test_closed_account_takes_no_deposit(bank: BankPage) -> None:
    """
    A closed account is marked in the list, and refuses what it is asked.
    """
    account = await bank.open_account("Leaver")
    await bank.submit("Close an account", account=account)
    await expect(bank.answer("Close an account")).to_have_text(f"Done: account {account} is closed.")

    await bank.submit("Deposit", account=account, amount="1")

    await expect(bank.answer("Deposit")).to_have_text(
        f"Refused by the rule “open account”: Account {account} is closed."
    )
    await expect(bank.row("Leaver").get_by_role("cell").nth(1)).to_have_text("Leaver (closed)")


async def test_account_that_holds_money_is_not_closed(bank: BankPage) -> None:
    """
    The refusal says what is left on it.
    """
    account = await bank.open_account("Keeper")
    await bank.submit("Deposit", account=account, amount="0.5")
    await expect(bank.answer("Deposit")).to_contain_text("Done")

    await bank.submit("Close an account", account=account)

    await expect(bank.answer("Close an account")).to_have_text(
        f"Refused by the rule “empty account”: Account {account} holds 0.50; it can be closed when it holds 0.00."
    )


@pytest.mark.parametrize(
    ("account", "amount", "words"),
    [
        ("77", "1", "There is no account 77."),
        ("", "1", "Which account? Its number is missing."),
        ("a/b", "1", "There is no account a/b."),
        ("77", "12,50", "'12,50' is no amount: write it like 1234.50"),
        ("77", "", "'' is no amount: write it like 1234.50"),
    ],
    ids=["unknown", "missing", "no-number", "comma", "no-amount"],
)
async def test_mistyped_fields_are_refused_in_words(bank: BankPage, account: str, amount: str, words: str) -> None:
    """
    Whatever is typed, the answer says what is wrong with it.
    """
    await bank.submit("Deposit", account=account, amount=amount)

    await expect(bank.answer("Deposit")).to_have_text(f"Refused: {words}")


async def test_negative_balance_has_a_sign_and_a_colour(bank: BankPage) -> None:
    """
    What is below zero has a minus sign and is red; amounts stand at the right.
    """
    account = await bank.open_account("Debtor", limit="50")

    await bank.submit("Withdraw", account=account, amount="12.3")

    cell = bank.row("Debtor").get_by_role("cell").last
    await expect(cell).to_have_text("-12.30")
    await expect(cell.locator("span")).to_have_css("color", "rgb(179, 38, 30)")
    await expect(cell).to_have_css("text-align", "right")


async def test_transfer_changes_both_balances(bank: BankPage) -> None:
    """
    What leaves one account is in the other.
    """
    source, target = await bank.open_account("Sender"), await bank.open_account("Receiver")
    await bank.submit("Deposit", account=source, amount="30")
    await expect(bank.row("Sender").get_by_role("cell").last).to_have_text("30.00")

    await bank.submit("Transfer", source=source, target=target, amount="12.5")

    await expect(bank.answer("Transfer")).to_have_text(f"Done: 12.50 transferred. Account {source} holds 17.50.")
    await expect(bank.row("Sender").get_by_role("cell").last).to_have_text("17.50")
    await expect(bank.row("Receiver").get_by_role("cell").last).to_have_text("12.50")


async def test_statement_lists_what_was_booked(bank: BankPage) -> None:
    """
    Behind the account's number is its statement: the newest line first, with the balance after each.
    """
    account = await bank.open_account("Statement Reader")
    await bank.submit("Deposit", account=account, amount="30")
    # Then the focus goes back to the amount, and would take away what is typed elsewhere at that moment.
    await expect(bank.answer("Deposit")).to_contain_text("Done")
    await bank.submit("Withdraw", account=account, amount="12.5")
    await expect(bank.answer("Withdraw")).to_contain_text("Done")

    await bank.row("Statement Reader").get_by_role("link").click()

    await expect(bank.page.get_by_role("heading", name=f"Account {account}")).to_be_visible()
    lines = bank.page.get_by_role("region", name="Statement").get_by_role("row")
    await expect(lines).to_have_count(3)
    await expect(lines.nth(1)).to_contain_text(re.compile(r"Withdrawal\s*-12\.50\s*17\.50"))
    await expect(lines.nth(2)).to_contain_text(re.compile(r"Deposit\s*30\.00\s*30\.00"))


async def test_statement_of_no_account_says_so(bank: BankPage) -> None:
    """
    An address with a number that nobody has leads to a sentence and a way back.
    """
    await bank.visit("/accounts/%3Cb%3E77")

    await expect(bank.page.get_by_text("There is no account <b>77.")).to_be_visible()
    await expect(bank.page.get_by_role("link", name="All accounts")).to_be_visible()


async def test_open_statement_follows_what_is_booked(browser: Browser, bank: BankPage, address: str) -> None:
    """
    A statement that somebody looks at grows while others book.
    """
    account = await bank.open_account("Watched")
    async with _Visitor(browser, address) as other:
        await other.visit(f"/accounts/{account}")
        lines = other.page.get_by_role("region", name="Statement").get_by_role("row")
        await expect(other.page.get_by_text("Nothing is booked yet.")).to_be_visible()

        await bank.submit("Deposit", account=account, amount="5")

        await expect(lines).to_have_count(2)
        await expect(lines.nth(1)).to_contain_text("5.00")


async def test_tape_shows_events_as_they_are_committed(browser: Browser, bank: BankPage, address: str) -> None:
    """
    What one visitor does appears on top of another's tape, and once.
    """
    account = await bank.open_account("Filmed")
    async with _Visitor(browser, address) as other:
        await other.visit()
        await expect(other.tape.first).to_contain_text("account-opened")

        await bank.submit("Deposit", account=account, amount="47.11")

        await expect(other.tape.first).to_contain_text(re.compile(rf"money-deposited\s*/accounts/{account}"))
        await expect(other.tape.filter(has_text="deltaCents: 4711")).to_have_count(1)


async def test_account_list_follows_what_others_do(browser: Browser, bank: BankPage, address: str) -> None:
    """
    Balances change on every open page.
    """
    account = await bank.open_account("Seen by others")
    async with _Visitor(browser, address) as other:
        await other.visit()
        figure = BankPage(other.page, address).row("Seen by others").get_by_role("cell").last
        await expect(figure).to_have_text("0.00")

        await bank.submit("Deposit", account=account, amount="8")

        await expect(figure).to_have_text("8.00")


async def test_everything_can_be_done_with_the_keyboard(bank: BankPage) -> None:
    """
    Tab goes through the fields in order, Enter submits, and the focus can be seen.
    """
    keyboard = bank.page.keyboard
    await keyboard.press("Tab")
    await expect(bank.form("Open an account").get_by_label("Owner's name")).to_be_focused()
    await keyboard.type("Keyboard User")
    await keyboard.press("Tab")
    await keyboard.type("keyboard@example.com")
    await keyboard.press("Tab")
    await keyboard.type("10")
    await keyboard.press("Enter")
    await expect(bank.answer("Open an account")).to_contain_text("Done")
    await expect(bank.form("Open an account").get_by_label("Owner's name")).to_be_focused()
    account = await bank.row("Keyboard User").get_by_role("link").inner_text()

    for _ in range(3):
        await keyboard.press("Tab")
    button = bank.form("Open an account").get_by_role("button")
    await expect(button).to_be_focused()
    await expect(button).to_have_css("box-shadow", re.compile("rgb"))
    await keyboard.press("Tab")
    await keyboard.type(account)
    await keyboard.press("Tab")
    await keyboard.type("3")
    await keyboard.press("Tab")
    await keyboard.press("Space")

    await expect(bank.answer("Deposit")).to_contain_text(f"Account {account} holds 3.00.")
    # The list is drawn anew with the new balance, and a link that is replaced loses the focus.
    await expect(bank.row("Keyboard User")).to_contain_text("3.00")
    link = bank.row("Keyboard User").get_by_role("link")
    await link.focus()
    await keyboard.press("Enter")
    await expect(bank.page.get_by_role("heading", name=f"Account {account}")).to_be_visible()


async def test_answers_are_announced_to_screen_readers(bank: BankPage) -> None:
    """
    What a form answers is in a live region, and every field has its label.
    """
    answer = bank.answer("Withdraw")

    await expect(answer).to_have_attribute("aria-live", "polite")
    for field in await bank.page.get_by_role("textbox").all():
        assert await field.evaluate("field => field.labels.length") == 1


async def test_names_are_text_and_nothing_else(bank: BankPage) -> None:
    """
    Markup in a name is shown as it was typed.
    """
    await bank.open_account("<b onclick='x'>Bobby</b>")

    await expect(bank.row("<b onclick='x'>Bobby</b>")).to_be_visible()
    await expect(bank.tape.filter(has_text="<b onclick='x'>Bobby</b>")).to_have_count(1)


async def test_many_accounts_are_paged(browser: Browser, large: str) -> None:
    """
    However many accounts there are, the page shows some at a time.
    """
    async with _Visitor(browser, large) as bank:
        await bank.visit()
        await expect(bank.rows).to_have_count(26)

        await bank.page.get_by_role("button", name="Next").click()

        await expect(bank.page.get_by_text("26 to 50 of 130 accounts")).to_be_visible()
        await expect(bank.rows.nth(1)).to_contain_text("Client 26")


async def test_accounts_are_found_while_typing(browser: Browser, large: str) -> None:
    """
    The search finds accounts on whatever page they are.
    """
    async with _Visitor(browser, large) as bank:
        await bank.visit()

        await bank.page.get_by_label("Search").fill("client 13")

        await expect(bank.rows).to_have_count(3)
        await expect(bank.rows.nth(2)).to_contain_text(re.compile(r"130\s*Client 130\s*0\.00\s*1\.00"))


async def test_ledger_shows_that_the_books_balance(browser: Browser, large: str) -> None:
    """
    Debit and credit of all accounts are the same figure.
    """
    async with _Visitor(browser, large) as bank:
        await bank.visit()

        ledger = bank.page.get_by_role("region", name="Ledger")
        await expect(ledger).to_contain_text("Debit 130.00 = credit 130.00: the books balance.")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["interrupt", "terminate"])
async def test_server_ends_cleanly_while_somebody_looks(
    browser: Browser, tmp_path: Path, number: signal.Signals
) -> None:
    """
    Ctrl-C and a polite termination end it with exit code 0, and everything committed is kept.
    """
    with _Served(tmp_path / "data") as served:
        async with _Visitor(browser, served.address, sees_the_end=True) as bank:
            await bank.visit()
            account = await bank.open_account("Left behind")

            served.end(number)

    assert account in run_bank("balances", "--data", tmp_path / "data").stdout


async def test_race_shows_who_was_admitted_and_which_rule_refused_the_others(bank: BankPage) -> None:
    """
    Fifty withdrawals at once, of which the account covers three.
    """
    account = await bank.open_account("Racer")
    await bank.submit("Deposit", account=account, amount="35")
    await expect(bank.answer("Deposit")).to_have_text(re.compile("Done"))
    await bank.visit(f"/accounts/{account}")

    await bank.submit("Race", amount="10")

    await expect(bank.answer("Race")).to_have_text(
        "Done: 3 of 50 withdrawals of 10.00 were admitted, 47 refused by “sufficient funds”. The account holds 5.00."
    )
    runs = bank.page.get_by_role("list", name="How each ended").get_by_role("listitem")
    await expect(runs).to_have_count(50)
    await expect(bank.page.get_by_label(re.compile(r"^\d+: admitted$"))).to_have_count(3)


async def test_transfer_that_is_sent_twice_is_booked_once(bank: BankPage) -> None:
    """
    Its id tells; the form says when it was booked.
    """
    source, target = await bank.open_account("Sends Twice", limit="100"), await bank.open_account("Gets Once")
    transfer = {"source": source, "target": target, "amount": "30", "id": "rent-2026-05"}

    await bank.submit("Transfer", **transfer)
    await expect(bank.answer("Transfer")).to_have_text(f"Done: 30.00 transferred. Account {source} holds -30.00.")
    await bank.submit("Transfer", **transfer)

    await expect(bank.answer("Transfer")).to_have_text(
        re.compile(
            r"Done: nothing was booked now: this transfer was booked at \d\d:\d\d:\d\d UTC\. "
            rf"Account {source} holds -30\.00\."
        )
    )
    await bank.submit("Transfer", **(transfer | {"id": "rent two"}))
    await expect(bank.answer("Transfer")).to_have_text(re.compile("Refused: a transfer id has at most 100"))


async def test_balance_is_explained_at_any_moment(bank: BankPage) -> None:
    """
    The slider goes back over the events; what was booked later is not in the sum.
    """
    account = await bank.open_account("Traveller", limit="50")
    for amount in ("10", "20"):
        await bank.submit("Deposit", account=account, amount=amount)
        await expect(bank.answer("Deposit")).to_have_text(re.compile(rf"Done: {amount}\.00 deposited"))
    await bank.visit(f"/accounts/{account}")
    history = bank.page.get_by_role("region", name="History")

    await expect(history.get_by_role("status").first).to_have_text(re.compile("After event 4 of 4, "))
    await expect(history.locator(".figure")).to_have_text("30.00")
    await expect(history.get_by_role("row")).to_have_count(5)
    # The keyboard goes to the track inside.
    await history.get_by_role("slider").locator("[tabindex]").press("ArrowLeft")
    await expect(history.get_by_role("status").first).to_have_text(re.compile("After event 3 of 4, "))
    await expect(history.locator(".figure")).to_have_text("10.00")
    await expect(history.get_by_role("row")).to_have_count(4)


async def test_erased_customer_is_in_no_list_and_on_no_tape(browser: Browser, bank: BankPage, address: str) -> None:
    """
    On every open page the name goes away, and what was booked stays.
    """
    account = await bank.open_account("Forget Me")
    await bank.submit("Deposit", account=account, amount="5")
    await expect(bank.answer("Deposit")).to_contain_text("Done")
    async with _Visitor(browser, address) as other:
        await other.visit()
        await expect(other.row("Forget Me")).to_be_visible()
        await expect(other.tape.filter(has_text="Forget Me")).to_have_count(1)

        await bank.submit("Erase a customer", of_customer=account)

        await expect(bank.answer("Erase a customer")).to_have_text(
            f"Done: the owner of account {account} is erased. What was booked stays."
        )
        await expect(other.row(account).get_by_role("cell")).to_have_text([account, "(erased)", "0.00", "5.00"])
        await expect(other.page.get_by_text("Forget Me")).to_have_count(0)


async def test_unknown_customer_is_not_erased(bank: BankPage) -> None:
    """
    The refusal says that there is no such account.
    """
    await bank.submit("Erase a customer", of_customer="77")

    await expect(bank.answer("Erase a customer")).to_have_text("Refused: There is no account 77.")


async def test_standing_order_is_paid_as_months_pass(browser: Browser, tmp_path: Path) -> None:
    """
    On the first day, and a month later; the list tells when it is paid next, until it is stopped.
    """
    with _Served(tmp_path / "data") as served:
        async with _Visitor(browser, served.address) as bank:
            await bank.visit()
            source, target = await bank.open_account("Pays Rent", limit="100"), await bank.open_account("Gets Rent")
            line = bank.line("Standing orders", source)

            await bank.submit("Standing order", source=source, target=target, amount="60", first="2100-01-31")
            await expect(line).to_contain_text(re.compile(r"60\.00\s*next on 2100-01-31; paid 0 of 0 times"))
            order = await line.get_by_role("cell").first.inner_text()
            await bank.submit("Stop a standing order", order=order)
            await expect(bank.answer("Stop a standing order")).to_have_text(f"Done: standing order {order} is stopped.")
            await expect(line).to_contain_text("stopped; paid 0 of 0 times")

            await bank.submit("Standing order", source=source, target=target, amount="60", first="")
            await expect(bank.row("Gets Rent").get_by_role("cell").last).to_have_text("60.00")
            await bank.submit("Time passes")

            await expect(bank.answer("Time passes")).to_contain_text("what was due by then is done")
            await expect(bank.line("Standing orders", "next on")).to_contain_text(
                "paid 1 of 2 times, the last time refused by the rule “sufficient funds”"
            )
            await bank.submit("Month-end")
            await expect(bank.answer("Month-end")).to_have_text(re.compile(r"Done: the books of \d{4}-\d\d are closed"))


async def test_standing_orders_that_will_not_do_are_refused_in_words(bank: BankPage) -> None:
    """
    The answer says what is wrong.
    """
    account = await bank.open_account("Orders Nothing")
    form = bank.answer("Standing order")

    await bank.submit("Standing order", source=account, target="77", amount="1", first="")
    await expect(form).to_have_text("Refused: There is no account 77.")
    await bank.submit("Standing order", source=account, target="77", amount="1", first="31.1.")
    await expect(form).to_have_text("Refused: '31.1.' is no day: write it like 2030-01-31")
    await bank.submit("Standing order", source=account, target="77", amount="1", first="2020-01-31")
    await expect(form).to_contain_text("Refused: The first day cannot be 2020-01-31: today is ")
    await bank.submit("Stop a standing order", order="77")
    await expect(bank.answer("Stop a standing order")).to_have_text("Refused: There is no standing order 77.")


async def test_loan_is_granted_or_taken_back(bank: BankPage) -> None:
    """
    The list tells the step, and the rule where it was refused.
    """
    account, gone = await bank.open_account("Borrower"), await bank.open_account("Gone Borrower")
    await bank.submit("Close an account", account=gone)
    await expect(bank.answer("Close an account")).to_contain_text("Done")

    await bank.submit("Loan", account=account, amount="250")
    await expect(bank.answer("Loan")).to_have_text(re.compile(r"Done: loan \w{10} of 250\.00 is asked for\."))
    await expect(bank.line("Loans", account)).to_contain_text(re.compile(r"250\.00\s*granted"))
    await expect(bank.row("Borrower").first.get_by_role("cell").last).to_have_text("250.00")
    await bank.submit("Loan", account=gone, amount="250")
    await expect(bank.line("Loans", gone)).to_contain_text("refused by the rule “open account”")
    await bank.submit("Loan", account=account, amount="100,000")
    await expect(bank.line("Loans", "100,000.00")).to_contain_text("refused by the rule “lending limit”")
    await bank.submit("Loan", account="77", amount="1")
    await expect(bank.answer("Loan")).to_have_text("Refused: There is no account 77.")


async def test_verifying_turns_red_where_a_row_was_changed(bank: BankPage) -> None:
    """
    The bank itself is intact; the copy is not, and the page says where. Each event has a receipt to keep.
    """
    # The list may have more than one page by now.
    await bank.page.get_by_label("Search").fill("Witness")
    account = await bank.open_account("Witness")
    await bank.submit("Deposit", account=account, amount="12")
    await expect(bank.answer("Deposit")).to_have_text(re.compile("Done"))
    evidence = bank.page.get_by_role("region", name="Evidence")

    await evidence.get_by_role("button", name="Verify", exact=True).click()
    await expect(evidence.get_by_role("status")).to_have_text(re.compile(r"Intact: [\d,]+ events are what was"))
    await evidence.get_by_role("button", name="Change a row").click()
    await expect(evidence.get_by_role("status")).to_have_text(re.compile("Tampered with"))
    await expect(evidence.get_by_role("listitem").first).to_contain_text("event")

    await bank.visit(f"/accounts/{account}")
    link = bank.page.get_by_role("link", name="Receipt of event 2")
    answer = await bank.page.request.get(f"{bank.address}{await link.get_attribute('href')}")
    assert answer.status == 200
    assert (await answer.json())["event"]["subject"] == f"/accounts/{account}"
