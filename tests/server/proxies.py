"""
Proxies as people put them in front of a server, with the configuration that docs/server.md gives them.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import ssl
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from tests.server.serving import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_DOCS = Path(__file__).parents[2] / "docs" / "server.md"

_NGINX = """
daemon off;
pid {home}/nginx.pid;
error_log {home}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    {upstream}
    server {{
        listen 127.0.0.1:{port};
        {location}
    }}
}}
"""


@attrs.frozen
class Proxy:
    """
    Where a proxy listens.
    """

    host: str
    port: int

    @property
    def address(self) -> tuple[str, int]:
        """
        The same, as connections want it.
        """
        return self.host, self.port


@asynccontextmanager
async def proxied(kind: str, upstream: tuple[str, int], home: Path) -> AsyncGenerator[Proxy]:
    """
    Run a proxy in front of a server; skips the test where it is not installed.
    """
    program = shutil.which(kind) or shutil.which(kind, path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip(f"needs {kind}, of Debian for instance (apt-get install {kind})")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    command = {"caddy": _caddy, "nginx": _nginx}[kind](program, port, upstream, home)
    log = home / f"{kind}.log"
    environment = {"HOME": str(home), "XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home), "PATH": "/usr/bin:/bin"}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=output, stderr=output)
    try:
        async with asyncio.timeout(PATIENCE_S * 3):
            await _until_it_listens(process, port, log)
        yield Proxy("127.0.0.1", port)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _until_it_listens(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    while True:
        assert process.returncode is None, log.read_text()
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionError:
            # It sends no signal when it listens.
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return


def _caddy(program: str, port: int, upstream: tuple[str, int], home: Path) -> list[str]:
    directives = documented("caddyfile", upstream)
    config = home / "Caddyfile"
    config.write_text(f"{{\n\tadmin off\n\tauto_https off\n}}\nhttp://:{port} {{\n{directives}\n}}\n")
    return [program, "run", "--config", str(config), "--adapter", "caddyfile"]


def _nginx(program: str, port: int, upstream: tuple[str, int], home: Path) -> list[str]:
    pool, _, location = documented("nginx", upstream).partition("\n\n")
    config = home / "nginx.conf"
    config.write_text(_NGINX.format(home=home, port=port, upstream=pool, location=location))
    return [program, "-c", str(config), "-e", str(home / "error.log"), "-p", str(home)]


def documented(language: str, upstream: tuple[str, int]) -> str:
    """
    The configuration that the documentation has in that language, for another address of the server.
    """
    found = re.search(rf"```{language}\n(.*?)```", _DOCS.read_text(), re.DOTALL)
    assert found is not None, language
    assert "127.0.0.1:8080" in found[1]
    return found[1].strip().replace("127.0.0.1:8080", "{}:{}".format(*upstream))


def certificate_of(home: Path) -> tuple[Path, Path, ssl.SSLContext]:
    """
    A certificate for 127.0.0.1, its key, and how a client trusts it; skips the test without openssl.
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    key, certificate = home / "key.pem", home / "certificate.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key, ssl.create_default_context(cafile=str(certificate))
