"""
The bank's page and those who have no business with it: other sites in the same browser, other names, other frames.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import stat
import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from playwright.async_api import async_playwright

from examples.bank.folder import open_bank
from tests.examples.bank.browser import ARGUMENTS, BankPage, find_browser
from tests.examples.bank.commands import run_bank, start_bank

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

BROWSER = find_browser()
LIVE = "/_nicegui_ws/socket.io/?EIO=4&transport="
HANDSHAKE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)

pytestmark = pytest.mark.xdist_group("page")


@contextmanager
def served(folder: Path, *options: str) -> Generator[str]:
    """
    A bank that is served; its address.
    """
    process = start_bank("serve", "--data", folder, "--port", "0", *options)
    try:
        assert process.stdout
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + process.stdout.read()
        yield found.group()
    finally:
        process.terminate()
        process.communicate()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """
    A bank that all of these tests ask.
    """
    with served(tmp_path_factory.mktemp("bank") / "data") as found:
        yield found


def ask(address: str, path: str, *headers: str, method: str = "GET") -> tuple[int, str]:
    """
    Send a request with exactly these headers; returns the status and all of the answer's head.
    """
    at = urlsplit(address)
    lines = [f"{method} {path} HTTP/1.1", *headers]
    if not any(line.lower().startswith("upgrade") for line in headers):
        lines.append("Connection: close")
    with closing(socket.create_connection((at.hostname, at.port or 80))) as connection:
        connection.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1"))
        with connection.makefile("rb") as answer:
            head = b"".join(iter(answer.readline, b"\r\n")).decode("latin-1")
    return int(head.split(" ")[1]), head.lower()


def test_the_page_answers_to_its_own_names_only(address: str) -> None:
    """
    A request that names another host, several or none is refused, whatever it asks for.
    """
    port = urlsplit(address).port
    own = ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"]
    foreign = [
        "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "127.0.0.2", "2130706433",
        "localhost.", "localhost@evil.example", "evil.example#localhost", "", " ", "localhost, evil.example",
        "loc\xe4lhost", "127.0.0.1:99999999",
    ]  # fmt: skip

    assert {name: ask(address, "/", f"Host: {name}:{port}")[0] for name in own} == dict.fromkeys(own, 200)
    for path in ("/", "/accounts/100001", f"{LIVE}polling", "/_nicegui/x", "/receipts/x"):
        found = {name: ask(address, path, f"Host: {name}")[0] for name in foreign}
        assert all(status in {400, 421} for status in found.values()), (path, found)
        assert ask(address, path)[0] == 400
        assert ask(address, path, f"Host: localhost:{port}", "Host: evil.example")[0] == 400
    assert ask(address, f"{LIVE}websocket", "Host: evil.example", *HANDSHAKE)[0] == 403


def test_other_pages_reach_neither_the_page_nor_its_stream(address: str) -> None:
    """
    A request that a browser sends for another page is refused: to read, to post, and to open the live stream.
    """
    at = urlsplit(address)
    host = f"Host: {at.netloc}"
    foreign = [
        "http://evil.example", "null", "https://evil.example", f"http://localhost:{at.port}", "http://127.0.0.1",
        f"http://127.0.0.1:{at.port}.evil.example", f"https://{at.netloc}:1", "file://", "", "http://[",
        f"http://{at.netloc}@evil.example", f"ftp://{at.netloc}",
    ]  # fmt: skip
    for origin in foreign:
        assert ask(address, "/", host, f"Origin: {origin}")[0] == 403, origin
        assert ask(address, f"{LIVE}polling", host, f"Origin: {origin}")[0] == 403, origin
        assert ask(address, f"{LIVE}polling", host, f"Origin: {origin}", method="POST")[0] == 403, origin
        assert ask(address, f"{LIVE}websocket", host, f"Origin: {origin}", *HANDSHAKE)[0] == 403, origin
    for site in ("cross-site", "same-site"):
        assert ask(address, "/", host, f"Sec-Fetch-Site: {site}", "Sec-Fetch-Mode: no-cors")[0] == 403
        assert ask(address, "/", host, f"Sec-Fetch-Site: {site}", "Sec-Fetch-Mode: navigate")[0] == 403
        visit = ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
        assert ask(address, "/", host, f"Sec-Fetch-Site: {site}", *visit, method="POST")[0] == 403
        assert ask(address, "/", host, f"Sec-Fetch-Site: {site}", *visit)[0] == 200

    # Its own page, and a program that is no browser.
    assert ask(address, f"{LIVE}polling", host, f"Origin: {address}")[0] == 200
    assert ask(address, f"{LIVE}websocket", host, *HANDSHAKE)[0] == 101
    assert ask(address, f"{LIVE}websocket", host, f"Origin: {address}", *HANDSHAKE)[0] == 101


def test_each_answer_says_what_a_browser_may_do_with_it(address: str) -> None:
    """
    No answer may be framed, guessed at, embedded or kept; and none lets other origins read it.
    """
    host = f"Host: {urlsplit(address).netloc}"
    for path in ("/", "/accounts/none", "/receipts/none", "/nowhere", f"{LIVE}polling", f"{LIVE}nothing"):
        _, head = ask(address, path, host)
        assert "x-frame-options: deny" in head, path
        assert "frame-ancestors 'none'" in head
        assert "x-content-type-options: nosniff" in head
        assert "referrer-policy: no-referrer" in head
        assert "cross-origin-resource-policy: same-origin" in head
        assert "cache-control: no-store" in head
        assert "access-control-allow-origin" not in head
        assert "unsafe-inline" not in head.partition("script-src")[2].partition(";")[0]
    # A refusal, too.
    assert "x-frame-options: deny" in ask(address, "/", "Host: evil.example")[1]
    nonces = {re.findall(r"'nonce-([^']+)'", ask(address, "/", host)[1])[0] for _ in range(3)}
    assert len(nonces) == 3


def test_a_further_name_is_given_at_the_start(tmp_path: Path) -> None:
    """
    Behind a proxy, or in a network with names, the page is told what it is called.
    """
    with served(tmp_path / "data", "--host", "0.0.0.0", "--name", "Bank.Example") as address:  # noqa: S104  tried on purpose
        port = urlsplit(address).port
        local = f"http://127.0.0.1:{port}"

        assert ask(local, "/", "Host: bank.example")[0] == 200
        assert ask(local, "/", f"Host: 127.0.0.1:{port}")[0] == 200
        assert ask(local, "/", "Host: bank.example", "Origin: https://bank.example")[0] == 200
        assert ask(local, "/", "Host: bank.example", "Origin: https://other.example")[0] == 403
        assert ask(local, "/", "Host: other.example")[0] == 421


class Elsewhere(BaseHTTPRequestHandler):
    """
    Another site, whose page does to the bank whatever a page can.
    """

    bank = ""

    def do_GET(self) -> None:
        """
        The page.
        """
        page = f"""<!doctype html><title>elsewhere</title><iframe id=frame src="{self.bank}/"></iframe><script>
        const tried = async (work) => {{ try {{ return String(await work()) }} catch (error) {{ return "refused" }} }};
        const socket = () => new Promise((resolve, reject) => {{
          const opened = new WebSocket("{self.bank}{LIVE}websocket".replace("http", "ws"));
          opened.onmessage = () => resolve("opened"); opened.onerror = reject; }});
        const image = () => new Promise((resolve, reject) => {{
          const shown = new Image(); shown.onload = () => resolve("shown"); shown.onerror = reject;
          shown.src = "{self.bank}/_nicegui/x"; }});
        window.results = (async () => ({{
          socket: await tried(socket),
          image: await tried(image),
          read: await tried(async () => (await fetch("{self.bank}/")).status),
          live: await tried(async () => (await fetch("{self.bank}{LIVE}polling")).status),
          post: await tried(async () => (await fetch("{self.bank}{LIVE}polling", {{method: "POST"}})).status),
        }}))();
        </script>"""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *_: object) -> None:
        """
        Say nothing.
        """


@pytest.mark.skipif(BROWSER is None, reason="no Chromium found; install one, or name it in CHROMIUM")
async def test_a_browser_keeps_other_sites_from_the_bank(address: str) -> None:
    """
    Another site can neither frame the page, open its stream nor post to it, nor come to it by a name of its own.
    """
    Elsewhere.bank = address
    elsewhere = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
    rebound = f"http://rebound.example:{urlsplit(address).port}/"
    try:
        async with async_playwright() as playwright:
            rules = "--host-resolver-rules=MAP *.example 127.0.0.1"
            browser = await playwright.chromium.launch(executable_path=BROWSER, args=[*ARGUMENTS, rules])
            page = await browser.new_page()
            await page.goto(f"http://elsewhere.example:{elsewhere.server_port}/")
            results = await page.evaluate("window.results")
            framed = [frame for frame in page.frames if frame != page.main_frame]
            in_frame = [frame.url for frame in framed]
            answer = await page.goto(rebound)
            bank = BankPage(await browser.new_page(), address)
            await bank.visit()
            account = await bank.open_account("Ada")
            await browser.close()
    finally:
        elsewhere.shutdown()
        elsewhere.server_close()

    assert results == dict.fromkeys(["socket", "image", "read", "live", "post"], "refused")
    assert in_frame == ["chrome-error://chromewebdata/"]
    assert answer is not None
    assert answer.status == 421
    assert account


async def test_the_bank_closes_its_folder_to_others(tmp_path: Path) -> None:
    """
    The folder and each file in it are their owner's alone; a folder that holds something else keeps its mode.
    """
    made, shared = tmp_path / "made", tmp_path / "shared"
    for folder in (made, shared):
        folder.mkdir()
        folder.chmod(0o755)
    (shared / "letter.txt").touch()
    for folder in (made, shared):
        with served(folder):
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        modes.pop("letter.txt", None)
        assert {"bank.db", "bank.db-wal", "read-models.db-wal", "notary.db", "notary.key"} <= modes.keys()
        assert modes == dict.fromkeys(modes, 0o600)

    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (made, shared)] == [0o700, 0o755]


async def open_account(folder: Path, name: str) -> None:
    """
    Open an account of that name.
    """
    async with open_bank(folder) as bank:
        await bank.open_account(name)


def test_names_cannot_act_upon_a_terminal(tmp_path: Path) -> None:
    """
    A customer whose name clears the screen or turns the writing round is listed by escapes; JSON has the exact name.
    """
    name = "Ada\x1b[2J\u202e\r\nEve \x9b31m\u200b"
    asyncio.run(open_account(tmp_path / "data", name))

    text = run_bank("balances", "--data", tmp_path / "data").stdout
    listed = json.loads(run_bank("balances", "--data", tmp_path / "data", "--json").stdout)

    assert r"Ada\u001b[2J\u202e\u000d\u000aEve \u009b31m\u200b" in text
    assert len(text.splitlines()) == len(listed) == 1
