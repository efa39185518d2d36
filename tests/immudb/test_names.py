"""
Addresses, passwords, limits, and the names of the official client's README.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import TYPE_CHECKING, Any, cast

import pytest

from eventsource.errors import ImmudbLimitError, InvalidImmudbUrlError, NotBytesError, PasswordPolicyError
from eventsource.immudb import (
    PERMISSION_ADMIN,
    PERMISSION_NONE,
    PERMISSION_R,
    PERMISSION_RW,
    PERMISSION_SYS_ADMIN,
    ImmudbClient,
    Permission,
)
from eventsource.immudb.connection import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from eventsource.testing.immudb import ImmudbTestServer

PASSWORD = "Pw1:pasdfoiu"  # noqa: S105  of a user that a test makes


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("localhost", Address()),
        ("db:8899", Address("db", 8899)),
        ("10.105.20.32:8899", Address("10.105.20.32", 8899)),
        ("[::1]:3322", Address("[::1]")),
        ("immudb://localhost", Address()),
        ("immudb://localhost/", Address()),
        ("immudb://ada@db/bank", Address("db", database="bank", user="ada")),
        ("immudb://ada:p%40ss%2F@db:1/bank", Address("db", 1, "bank", "ada", "p@ss/")),
        ("immudb://ada:@db", Address("db", user="ada", password="")),
        ("immudbs://db", Address("db", uses_tls=True)),
    ],
)
def test_address(url: str, address: Address) -> None:
    """
    What is left out is immudb's default.
    """
    assert Address.parse(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://localhost",
        "immudb://",
        "immudb://:3322",
        "localhost:0",
        "localhost:65536",
        "localhost:port",
        "immudb://ada:hunter2@",
        "immudb://ada:hunter2@db/bank?tls=1",
        "immudb://ada:hunter2@db/bank/more",
        "immudb://ada:hunter2@d b",
        "ada:hunter2@db:x",
    ],
)
def test_address_that_is_none_is_quoted_without_its_password(url: str) -> None:
    """
    The error says how one is written.
    """
    with pytest.raises(InvalidImmudbUrlError, match="immudb://USER:PASSWORD@HOST") as caught:
        ImmudbClient(url)

    assert "hunter2" not in f"{caught.value}{caught.value!r}{vars(caught.value)}"
    assert "ada" not in str(caught.value)


def test_password_is_in_no_text_of_the_client() -> None:
    """
    Neither in that of its parts.
    """
    url = "immudb://ada:hunter2@localhost"
    client = ImmudbClient(url)

    shown = f"{client!r}{client}{Address.parse(url)!r}{vars(client)}{vars(client._conversation.sessions)}"

    assert "localhost" in shown
    assert "hunter2" not in shown


def test_default_is_an_immudb_on_this_machine() -> None:
    """
    At the usual port.
    """
    assert repr(ImmudbClient()) == "<ImmudbClient localhost:3322>"


@pytest.mark.parametrize(
    ("password", "missing"),
    [
        ("Pw1:pas", ["8 to 32 characters"]),
        ("Pw1:" + 29 * "x", ["8 to 32 characters"]),
        ("pw1:pasdfoiu", ["an upper-case letter"]),
        ("Pww:pasdfoiu", ["a digit"]),
        ("Pw1pasdfoiu1", ["a symbol"]),
        ("", ["8 to 32 characters", "an upper-case letter", "a digit", "a symbol"]),
    ],
)
async def test_weak_password_is_not_sent(
    server: ImmudbTestServer, client: ImmudbClient, password: str, missing: list[str]
) -> None:
    """
    The error says all that it lacks, and not the password.
    """
    with pytest.raises(PasswordPolicyError) as created:
        await client.create_user("ada", password, Permission.READ, "defaultdb")
    with pytest.raises(PasswordPolicyError) as changed:
        await client.change_password("immudb", old_password="immudb", new_password=password)  # noqa: S106  immudb's own

    assert list(created.value.missing) == list(changed.value.missing) == missing
    assert server.calls == []
    if password:
        assert password not in f"{created.value}{vars(created.value)}"


@pytest.mark.parametrize("password", ["Pw1:pasd", "Pw1:" + 28 * "x", "Ünïcöd€-7", "A 1 + 2 = 3"])
async def test_strong_password_is_taken(client: ImmudbClient, password: str) -> None:
    """
    From 8 to 32 characters, of any alphabet.
    """
    await client.create_user("ada", password, Permission.READ, "defaultdb")
    await client.login("ada", password)


# As somebody calls who has no type checker.
TEXT: Any = "text"

BYTES: list[Callable[[ImmudbClient], Coroutine[Any, Any, Any]]] = [
    lambda client: client.set(TEXT, b""),
    lambda client: client.set(b"key", TEXT),
    lambda client: client.set(b"key", cast("Any", None)),
    lambda client: client.get(TEXT),
    lambda client: client.get_all([TEXT]),
    lambda client: client.get_all(cast("Any", b"key")),
    lambda client: client.history(TEXT),
    lambda client: client.scan(TEXT),
    lambda client: client.verified_set(TEXT, b""),
    lambda client: client.verified_set_all({TEXT: b""}),
    lambda client: client.verified_get(TEXT),
]


@pytest.mark.parametrize("ask", BYTES, ids=range(len(BYTES)))
async def test_text_is_refused(
    server: ImmudbTestServer, client: ImmudbClient, ask: Callable[[ImmudbClient], Coroutine[Any, Any, Any]]
) -> None:
    """
    Bytes go in and come out; nothing guesses an encoding.
    """
    with pytest.raises(NotBytesError, match="must be bytes"):
        await ask(client)

    assert server.calls == []


@pytest.mark.parametrize(
    ("entries", "limit"),
    [
        ({}, "keys of one call"),
        ({b"%d" % number: b"" for number in range(1_025)}, "keys of one call"),
        ({b"": b""}, "bytes of a key"),
        ({bytes(1_024): b""}, "bytes of a key"),
        ([(b"a", b"1"), (b"b", b"2"), (b"a", b"3")], "times that a key is named in one call"),
    ],
    ids=["none", "many", "empty-key", "long-key", "twice"],
)
async def test_what_an_immudb_does_not_take_is_not_sent(
    server: ImmudbTestServer, client: ImmudbClient, entries: Any, limit: str
) -> None:
    """
    The error names the limit.
    """
    for write in (client.set_all, client.verified_set_all):
        with pytest.raises(ImmudbLimitError) as caught:
            await write(entries)
        assert caught.value.limit == limit

    assert server.calls == []


async def test_what_an_immudb_just_takes(client: ImmudbClient) -> None:
    """
    The longest key, and the most entries, in order.
    """
    await client.verified_set(b"k" * 1_023, b"value")
    many = [(b"%04d" % number, b"") for number in range(1_024)]
    receipt = await client.verified_set_all(reversed(many))

    assert (await client.verified_tx(receipt.tx)).entries == tuple(reversed(many))


def test_permissions_have_their_numbers() -> None:
    """
    Those of immudb.
    """
    constants = [PERMISSION_NONE, PERMISSION_R, PERMISSION_RW, PERMISSION_ADMIN, PERMISSION_SYS_ADMIN]

    assert [int(constant) for constant in constants] == [0, 1, 2, 254, 255]
    assert constants == list(Permission)


def test_every_call_is_documented() -> None:
    """
    What a user can call says what it does.
    """
    calls = [name for name in dir(ImmudbClient) if not name.startswith("_")]

    assert len(calls) > 40
    assert [name for name in calls if not (inspect.getdoc(getattr(ImmudbClient, name)) or "").strip()] == []


@pytest.mark.parametrize("missing", ["grpc", "google.protobuf"])
def test_without_the_extra_the_error_names_it(missing: str) -> None:
    """
    Whoever imports the client without gRPC is told what to install.
    """
    code = f"""
import sys
sys.modules[{missing!r}] = None
try:
    from eventsource.immudb import ImmudbClient
except ImportError as error:
    print(type(error).__name__, error.extra)
"""

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert result.stdout.split() == ["MissingExtraError", "immudb"]


def test_without_cryptography_only_a_public_key_is_refused() -> None:
    """
    Everything else of the client works without it.
    """
    code = """
import sys
sys.modules["cryptography"] = sys.modules["cryptography.exceptions"] = None
from eventsource.immudb import ImmudbClient
from eventsource.errors import MissingExtraError
ImmudbClient()
try:
    ImmudbClient(server_public_key=b"")
except MissingExtraError as error:
    print(error.extra)
"""

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert result.stdout.split() == ["notary"]


def test_public_key_must_be_one_of_an_immudb() -> None:
    """
    Anything else is refused when the client is made.
    """
    with pytest.raises(ValueError, match=r"."):
        ImmudbClient(server_public_key=b"no key")
