"""
Serving the page until somebody ends it.
"""

import asyncio
import signal
import socket
from collections.abc import Iterable
from contextlib import suppress
from html import escape
from pathlib import Path
from types import FrameType
from urllib.parse import quote

import uvicorn
from fastapi import FastAPI, Response
from nicegui import ui

from eventsource.errors import EventNotFoundError, NotNotarisedError
from examples.bank.bank import Bank
from examples.bank.evidence import Evidence
from examples.bank.page.accounts import AccountList
from examples.bank.page.agreements import LoanList, OrderList, make_agreement_forms
from examples.bank.page.evidence import EvidenceView
from examples.bank.page.figures import Figures
from examples.bank.page.forms import make_forms
from examples.bank.page.guarding import PageGuard
from examples.bank.page.history import HistoryView
from examples.bank.page.ledger import LedgerView
from examples.bank.page.race import RaceView
from examples.bank.page.statement import StatementView
from examples.bank.page.tape import Tape, TapeView
from examples.bank.refusals import NoSuchAccountError

_STYLE = Path(__file__).with_name("style.css")

# How long open pages may take to let go at the end, in seconds.
_FAREWELL_S = 2


async def serve_page(bank: Bank, evidence: Evidence, listening: socket.socket, *, names: Iterable[str] = ()) -> None:
    """
    Serve the page until SIGINT or SIGTERM.

    Args:
        evidence: The bank's notary.

        listening: Where. The address is printed.

        names: What the page is called beside its address: see `PageGuard`.

    Raises:
        ProjectionError, StoreError: The tape cannot be followed any more.
    """
    tape = Tape(bank)
    _declare_pages(bank, tape, evidence)
    web = FastAPI(openapi_url=None)
    _declare_receipts(web, evidence)
    ui.run_with(  # pyright: ignore[reportUnknownMemberType]  a parameter of NiceGUI's is typed half
        web, title="Example Bank", favicon="🏦", language="en-US", show_welcome_message=False
    )
    guarded = PageGuard(web, listening, names)
    server = uvicorn.Server(
        uvicorn.Config(
            guarded,
            log_level="warning",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_FAREWELL_S,
        )
    )

    def end(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    # The server ends on these signals and passes them on then. One that comes before it listens to them ends it, too.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    following = asyncio.create_task(tape.follow())
    following.add_done_callback(lambda _: _end(server))
    print(f"The bank is open: {_address(listening)}  (Ctrl-C closes it)", flush=True)
    await server.serve(sockets=[listening])
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following


def _end(server: uvicorn.Server) -> None:
    # A page that the events do not reach any more would show old figures as if they were new: rather none.
    server.should_exit = True


def _declare_receipts(web: FastAPI, evidence: Evidence) -> None:
    @web.get("/receipts/{event_id}")
    async def receipt(event_id: str) -> Response:
        try:
            text = await evidence.receipt(event_id)
        except EventNotFoundError as error:
            return Response(str(error), status_code=404, media_type="text/plain")
        except NotNotarisedError as error:
            return Response(str(error), status_code=503, media_type="text/plain")
        name = f'attachment; filename="receipt-{quote(event_id, safe="")}.json"'
        return Response(text, media_type="application/json", headers={"Content-Disposition": name})


# How long a page may take to be filled, in seconds: on a busy machine longer than NiceGUI's own three.
_PATIENCE_S = 60.0


def _declare_pages(bank: Bank, tape: Tape, evidence: Evidence) -> None:
    @ui.page("/", response_timeout=_PATIENCE_S)
    async def front() -> None:
        with _masthead(
            "Example Bank", "What is done here is stored as events, and all that is shown is made from them."
        ):
            figures = Figures(bank, tape)
        with ui.element("main").classes("page"):
            with ui.element("div").classes("forms"):
                make_forms(bank)
                make_agreement_forms(bank)
            with ui.element("div").classes("columns"):
                accounts = AccountList(bank, tape)
                with ui.element("div").classes("side"):
                    TapeView(tape)
                    ledger = LedgerView(bank, tape)
                    notary = EvidenceView(evidence)
                orders = OrderList(bank, tape)
                loans = LoanList(bank, tape)
        for part in (figures, accounts, ledger, orders, loans):
            await part.refresh()
        notary.follow()

    @ui.page("/accounts/{account}", response_timeout=_PATIENCE_S)
    async def account_page(account: str) -> None:
        with _masthead(f"Account {account}", "Its statement, line by line as it was booked."):
            pass
        with ui.element("main").classes("page narrow"):
            ui.link("← All accounts", "/").classes("back")
            try:
                await bank.balance(account)
            except NoSuchAccountError as error:
                ui.label(str(error)).classes("card empty-title")
            else:
                statement = StatementView(bank, tape, account)
                history = HistoryView(bank, tape, account)
                RaceView(bank, account)
                for part in (statement, history):
                    await part.refresh()


def _masthead(title: str, line: str) -> ui.element:
    ui.page_title(title)
    ui.add_css(_STYLE)
    ui.colors(primary="#0b5c6b")
    with ui.element("header").classes("masthead") as masthead, ui.element("div"):
        ui.html(escape(title), tag="h1", sanitize=False)
        ui.label(line).classes("line")
    return masthead


def _address(listening: socket.socket) -> str:
    host, port, *_ = listening.getsockname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
