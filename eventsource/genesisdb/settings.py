"""
The address of a Genesis DB, and the token it asks for.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

import attrs
import httpx

from eventsource.genesisdb.errors import ClientSettingError
from eventsource.wire.errors import InvalidStoreUrlError

if TYPE_CHECKING:
    from collections.abc import Mapping

URL_VARIABLE = "GENESISDB_API_URL"
# What version 2 of the official SDK calls it.
OTHER_URL_VARIABLE = "GENESISDB_URL"
VERSION_VARIABLE = "GENESISDB_API_VERSION"
TOKEN_VARIABLE = "GENESISDB_AUTH_TOKEN"  # noqa: S105  the name of a variable
DEFAULT_VERSION = "v1"

URL = "api_url"
VERSION = "api_version"
TOKEN = "auth_token"  # noqa: S105  the name of a setting

# What may stand in a header; a line break in it would start another one.
_TOKEN = re.compile(r"[!-~]+")
_VERSION = re.compile(r"[A-Za-z0-9._-]+")


@attrs.frozen
class Settings:
    """
    How to reach a Genesis DB.

    Attributes:
        url: URL of the server, such as ``http://localhost:8080``; without a slash at its end.

        version: Version of the API.

        token: Sent with each request but pings; None sends none. It appears in no text made here.
    """

    url: str
    version: str = DEFAULT_VERSION
    token: str | None = attrs.field(default=None, repr=False)

    @classmethod
    def of(
        cls,
        url: str | None = None,
        version: str | None = None,
        token: str | None = None,
        *,
        environ: Mapping[str, str] = os.environ,
    ) -> Self:
        """
        Take what is given, and the rest from the environment.

        Raises:
            InvalidStoreUrlError: There is no URL, or it is not one of a server: another kind than http
                and https, a user or password in it, a query, no host.
            ClientSettingError: The version or the token cannot be sent.
        """
        url = url or environ.get(URL_VARIABLE) or environ.get(OTHER_URL_VARIABLE, "")
        version = version or environ.get(VERSION_VARIABLE) or DEFAULT_VERSION
        token = token or environ.get(TOKEN_VARIABLE) or None
        if not url:
            raise InvalidStoreUrlError(url, f"give a URL, or set {URL_VARIABLE}")
        if not _VERSION.fullmatch(version):
            reason = f"{version!r} is no version of the API: such as 'v1'"
            raise ClientSettingError(VERSION, reason)
        if token is not None and not _TOKEN.fullmatch(token):
            reason = "the token has a character that a header cannot carry, such as a space or a line break"
            raise ClientSettingError(TOKEN, reason)
        return cls(_check_url(url), version, token)

    @property
    def base(self) -> str:
        """
        The start of the path of each endpoint.
        """
        return f"{self.url}/api/{self.version}"

    def hide_token(self, text: str) -> str:
        """
        *text* without the token: a server may send back what it was sent.
        """
        if not self.token:
            return text
        for form in {self.token, quote(self.token, safe=""), quote(self.token), json.dumps(self.token)[1:-1]}:
            text = text.replace(form, "…")
        return text


_LAST_PORT = 65_535


def _check_url(url: str) -> str:
    # Any text before an @ may be a password.
    shown = re.sub(r"//[^/?#]*@", "//…@", url)
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError, ValueError):
        raise InvalidStoreUrlError(shown, "it cannot be read") from None
    if parsed.scheme not in {"http", "https"}:
        raise InvalidStoreUrlError(shown, "a Genesis DB is reached by http or https")
    if parsed.userinfo or "@" in parsed.netloc.decode():
        raise InvalidStoreUrlError(
            shown, "a URL is no place for secrets: give the token as token=, or set " + TOKEN_VARIABLE
        )
    if not parsed.host:
        raise InvalidStoreUrlError(shown, "it has no host")
    try:
        parsed.host.encode("idna")
    except UnicodeError:
        raise InvalidStoreUrlError(shown, "its host is no name that a DNS can have") from None
    if parsed.port is not None and not 0 < parsed.port <= _LAST_PORT:
        raise InvalidStoreUrlError(shown, f"a port is a number from 1 to {_LAST_PORT}")
    if parsed.query or parsed.fragment:
        raise InvalidStoreUrlError(re.sub("[?#].*", "…", shown), "it has a query or a fragment")
    return url.rstrip("/")
