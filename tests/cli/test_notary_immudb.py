"""
`eventsource notary` with an immudb: who is let in, what is trusted, and what ends a run.
"""

import json
import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from eventsource.immudb import ImmudbClient, Permission
from eventsource.notary import SigningKey
from eventsource.notary.check_receipt import check_receipt
from eventsource.testing.immudb import ImmudbTestServer
from tests.cli.immudb_server import ServerInThread, in_thread
from tests.cli.shop import Command, Shop, paid, wait_until
from tests.immudb.certificates import self_signed

RUN = ("notary", "run", "--once", "--key", "notary.key", "--head", "head")
PASSWORD = "Pw1:pasdfoiu"  # noqa: S105  of users that a test makes


@pytest.fixture
def office(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Generator[ServerInThread]:
    """
    An immudb that the commands find by the environment, and a book beside the shop.
    """
    with in_thread(ImmudbTestServer()) as running:
        settle(running.server, shop, monkeypatch)
        yield running


def settle(server: ImmudbTestServer, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Let the commands find a server.
    """
    monkeypatch.setenv("EVENTSOURCE_LEDGER", server.url)
    monkeypatch.setenv("EVENTSOURCE_NOTARY_BOOK", str(shop.directory / "book"))
    monkeypatch.setenv("EVENTSOURCE_NOTARY_NAME", "shop")


def key_of(shop: Shop) -> str:
    """
    The verifying key to the signing key that a run has made.
    """
    return str(SigningKey.load(shop.directory / "notary.key").verifying)


def with_user(url: str, user: str, password: str) -> str:
    """
    The same server, as somebody else.
    """
    return f"immudb://{user}:{password}@{url.rpartition('@')[2]}"


def test_an_immudb_is_a_ledger_too(shop: Shop, command: Command, office: ServerInThread) -> None:
    """
    Run, status, verify, export and receipt work with an immudb; only the first contact is trusted, and on demand.
    """
    event = shop.commit([paid(5), paid(7)])[1]
    unknown = command(*RUN)
    ran = command(*RUN, "--first-contact")
    told = json.loads(command("notary", "status", "--json").output)
    verified = command("notary", "verify", "--head", "head", "--key", key_of(shop))
    exported = command("notary", "export", "--key", "notary.key")
    receipt = command("notary", "receipt", event.id, "--key", "notary.key")
    office.server.roll_back(0)
    rolled_back = command("notary", "verify")

    assert (unknown.exit_code, ran.exit_code, verified.exit_code) == (2, 0, 0), (unknown, ran, verified)
    assert "no head of this immudb is known" in unknown.errors
    assert (told["state"], told["events"], told["head"]["size"]) == ("caught_up", 2, 1)
    assert exported.output == (shop.directory / "head").read_text()
    assert check_receipt(json.loads(receipt.output), key=key_of(shop)) == "matches"
    assert rolled_back.exit_code == 1
    assert "ledger rolled-back" in rolled_back.output


@pytest.mark.parametrize("once", [True, False], ids=["once", "on"])
@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ("password", "the server does not know this user with this password"),
        ("user", "the server does not know this user with this password"),
        ("database", "no database 'missing'"),
        ("permission", "has no permission"),
    ],
)
def test_who_is_not_let_in_is_told(
    shop: Shop, command: Command, office: ServerInThread, wrong: str, text: str, *, once: bool
) -> None:
    """
    A run ends as status does, and names what is wrong, not the password.
    """
    shop.commit([paid(5)])
    office.run(make_reader(office.server.url))
    url = {
        "password": with_user(office.server.url, "immudb", "hunter2"),
        "user": with_user(office.server.url, "nobody", "hunter2"),
        "database": f"{office.server.url.rpartition('/')[0]}/missing",
        "permission": with_user(office.server.url, "ada", PASSWORD),
    }[wrong]
    arguments = ("run", "--once") if once else ("run",)

    ran = command("notary", *arguments, "--ledger", url, "--first-contact")
    told = command("notary", *arguments, "--ledger", url, "--first-contact", "--json")

    assert ran.exit_code == told.exit_code == 3, (ran, told)
    assert text in ran.errors
    assert json.loads(told.errors.splitlines()[-1])["error"]["code"] == "ledger-refused"
    assert json.loads(told.output.splitlines()[-1])["state"] == "failed"
    assert "hunter2" not in f"{ran}{told}"
    if wrong != "permission":
        assert command("notary", "status", "--ledger", url, "--first-contact").exit_code == 3


async def make_reader(url: str) -> None:
    """
    Make a user who may only read.
    """
    async with ImmudbClient(url) as client:
        await client.create_user("ada", PASSWORD, Permission.READ, "defaultdb")


def test_run_ends_when_it_is_shut_out(shop: Shop, office: ServerInThread) -> None:
    """
    A notary whose permission is taken while it runs ends with the same error.
    """
    office.run(make_reader(office.server.url))
    user = office.server.accounts.named("ada")
    assert user is not None
    user.permissions["defaultdb"] = Permission.READ_WRITE
    url = with_user(office.server.url, "ada", PASSWORD)
    shop.commit([paid(5)])
    with shop.start("notary", "run", "--json", "--ledger", url, "--first-contact") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = (json.loads(line) for line in process.stdout)
        while next(lines)["state"] != "caught_up":
            pass
        user.permissions["defaultdb"] = Permission.READ
        shop.commit([paid(7)])

        assert list(lines)[-1]["state"] == "failed"
        assert process.wait(timeout=60) == 3
        assert "ledger-refused" in process.stderr.read()


def test_run_waits_for_a_server_that_is_away(shop: Shop, office: ServerInThread) -> None:
    """
    It says that it waits and for what, and goes on when the server is there.
    """
    office.run(office.server.stop())
    shop.commit([paid(5)])
    with shop.start("notary", "run", "--once", "--json", "--first-contact") as process:
        assert process.stdout is not None
        lines = (json.loads(line) for line in process.stdout)
        waiting = next(line for line in lines if line["state"] == "waiting")
        office.run(office.server.start())

        assert "is not available" in waiting["obstacle"]
        assert [line["state"] for line in lines][-1] == "stopped"
        assert process.wait(timeout=60) == 0
    assert office.server.databases["defaultdb"].newest == 1


def test_server_is_known_by_the_authority_that_vouches_for_it(
    shop: Shop, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """
    With its certificates every command goes on; without them none does, and what is wrong is said.
    """
    key, certificate = self_signed()
    authority, nothing = tmp_path / "ca.pem", tmp_path / "nothing.pem"
    authority.write_bytes(certificate)
    nothing.write_text("nothing")
    event = shop.commit([paid(5)])[0]
    with in_thread(ImmudbTestServer(tls=(key, certificate))) as running:
        settle(running.server, shop, monkeypatch)
        assert running.server.url.startswith("immudbs://")

        unknown = command(*RUN, "--first-contact")
        unreadable = command(*RUN, "--first-contact", "--ca", str(nothing))
        missing = command(*RUN, "--first-contact", "--ca", "nowhere.pem")
        ran = command(*RUN, "--first-contact", "--ca", str(authority))
        others = [
            command("notary", *arguments, "--ca", str(authority))
            for arguments in (("status",), ("verify",), ("export",), ("receipt", event.id, "--key", "notary.key"))
        ]

    assert (unknown.exit_code, unreadable.exit_code, missing.exit_code) == (3, 2, 2), (unknown, unreadable)
    assert "CERTIFICATE_VERIFY_FAILED" in unknown.errors
    assert "holds no certificates" in unreadable.errors
    assert [ran.exit_code, *(other.exit_code for other in others)] == [0] * 5, (ran, others)


def test_answers_must_be_signed_where_the_key_is_known(
    shop: Shop, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """
    With the server's key all is well; another one's signature is a finding, and a file without a key is told.
    """
    paths = {name: tmp_path / name for name in ("right.pem", "wrong.pem", "none.pem")}
    shop.commit([paid(5)])
    with in_thread(ImmudbTestServer(signs=True)) as running:
        settle(running.server, shop, monkeypatch)
        paths["right.pem"].write_bytes(running.server.public_key)
        paths["wrong.pem"].write_bytes(ImmudbTestServer(signs=True).public_key)
        paths["none.pem"].write_text("nothing")

        ran = command(*RUN, "--first-contact", "--server-key", str(paths["right.pem"]))
        verified = command("notary", "verify", "--server-key", str(paths["right.pem"]))
        forged = command(*RUN, "--server-key", str(paths["wrong.pem"]))
        none = command(*RUN, "--server-key", str(paths["none.pem"]))

    assert (ran.exit_code, verified.exit_code, forged.exit_code, none.exit_code) == (0, 0, 1, 2), (ran, forged, none)
    assert "not signed by the key of the server" in forged.errors
    assert "holds no public key" in none.errors


def test_trust_is_remembered(
    shop: Shop, command: Command, office: ServerInThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    In a file, for commands without the book; a damaged file is an error, and the ledger put back is noticed.
    """
    shop.commit([paid(5)])
    command(*RUN, "--first-contact", "--trust", "trust.json")
    monkeypatch.delenv("EVENTSOURCE_NOTARY_BOOK")

    known = command("notary", "status", "--trust", "trust.json")
    stranger = command("notary", "export", "--trust", "other.json")
    office.server.roll_back(0)
    rolled_back = command("notary", "export", "--trust", "trust.json")
    (shop.directory / "trust.json").write_text("{")
    damaged = command("notary", "export", "--trust", "trust.json")

    assert (known.exit_code, stranger.exit_code, rolled_back.exit_code, damaged.exit_code) == (0, 2, 1, 3)
    assert "no head of this immudb is known" in stranger.errors
    assert not (shop.directory / "other.json").exists()


def test_options_of_an_immudb_are_for_an_immudb(shop: Shop, command: Command) -> None:
    """
    A log in a file has none of that, and the command says so in place of ignoring it.
    """
    shop.commit([paid(5)])

    result = command("notary", "status", "--ledger", "sqlite:notary.db", "--trust", "trust.json")

    assert result.exit_code == 2
    assert "are about an immudb" in result.errors


def test_two_notaries_share_a_database(shop: Shop, command: Command, office: ServerInThread) -> None:
    """
    Two stores under two names, each with its book, in one database of one immudb: each verifies as if it were alone.
    """
    shop.commit([paid(5)])
    with closing(sqlite3.connect(shop.directory / "shop.db")) as source:
        source.execute("VACUUM INTO ?", (str(shop.directory / "branch.db"),))
    shop.commit([paid(7), paid(9)])
    branch = ("--store", "sqlite:branch.db", "--name", "branch", "--book", "branch-book")

    first = command(*RUN, "--first-contact")
    second = command("notary", "run", "--once", "--first-contact", *branch)
    again = command(*RUN)
    verified = [command("notary", "verify", "--json"), command("notary", "verify", "--json", *branch)]

    assert (first.exit_code, second.exit_code, again.exit_code) == (0, 0, 0), (first, second, again)
    told = [json.loads(one.output) for one in verified]
    assert [(one["intact"], one["notarised"]) for one in told] == [(True, 3), (True, 1)]
    assert office.server.databases["defaultdb"].newest == 2


@pytest.mark.usefixtures("office")
def test_two_notaries_of_one_store_do_each_event_once(shop: Shop, command: Command) -> None:
    """
    Two processes that run by mistake, with one book: what one has written the other goes on behind.
    """
    shop.commit([paid(1)])
    command(*RUN, "--first-contact")
    with (
        shop.start("notary", "run", "--json") as one,
        shop.start("notary", "run", "--json") as other,
    ):
        for process in (one, other):
            assert process.stdout is not None
            while json.loads(process.stdout.readline())["state"] != "caught_up":
                pass
        for cents in range(20):
            shop.commit([paid(cents)])
        wait_until(lambda: json.loads(command("notary", "status", "--json").output)["events"] == 21)
        for process in (one, other):
            process.terminate()
        assert [process.wait(timeout=60) for process in (one, other)] == [0, 0]
    verified = json.loads(command("notary", "verify", "--json").output)

    assert (verified["intact"], verified["notarised"]) == (True, 21)
