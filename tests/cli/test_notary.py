"""
`eventsource notary`: run, status, verify, export and receipt.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from eventsource.notary import NotaryBook, SignedHead, SigningKey
from eventsource.notary.check_receipt import check_receipt
from tests.cli.shop import Command, Shop, paid, wait_until


@pytest.fixture(autouse=True)
def notarised(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The commands find ledger and name by the environment, too.
    """
    monkeypatch.setenv("EVENTSOURCE_LEDGER", f"sqlite:{shop.directory / 'notary.db'}")
    monkeypatch.setenv("EVENTSOURCE_NOTARY_NAME", "shop")


@pytest.fixture
def tamper(shop: Shop) -> Callable[[str, str], None]:
    """
    Changes a file of the shop with SQL.
    """

    def run(file: str, sql: str) -> None:
        with closing(sqlite3.connect(shop.directory / file)) as connection, connection:
            connection.execute(sql)

    return run


def key_of(shop: Shop) -> str:
    """
    The verifying key to the signing key that a run has made.
    """
    return str(SigningKey.load(shop.directory / "notary.key").verifying)


RUN = ("notary", "run", "--once", "--key", "notary.key", "--head", "head")


def test_notarised_store_verifies(shop: Shop, command: Command) -> None:
    """
    A run notarises what is there, and verify finds it intact beside the head that the run has left.
    """
    shop.commit([paid(5), paid(7)])

    ran = shop.run(*RUN)
    verified = command("notary", "verify", "--head", "head", "--key", key_of(shop))

    assert ran.returncode == 0
    assert "event=notary.caught_up store=shop events=2 behind=0" in ran.stderr
    assert f"Heads are signed with {key_of(shop)}" in ran.stderr
    assert verified.exit_code == 0
    lines = verified.output.splitlines()
    assert lines[:2] == ["notarised  2", "in store   2, 0 of them not notarised yet"]
    assert lines[-2:] == ["signed by  eventsource.notary/shop", "intact"]


def test_run_with_json_tells_each_change_of_state(shop: Shop, command: Command) -> None:
    """
    With --json each line is an object, the last one says how it ended.
    """
    shop.commit([paid(5)])

    lines = [json.loads(line) for line in command(*RUN, "--json").output.splitlines()]

    assert lines[-1]["state"] == "stopped"
    assert {"name": "shop", "state": "caught_up", "events": 1, "behind": 0}.items() <= lines[-2].items()


def test_status_tells_how_far_it_is(shop: Shop, command: Command) -> None:
    """
    Status counts what is notarised and what is not yet.
    """
    first = shop.commit([paid(5)])[0]
    command(*RUN)
    shop.commit([paid(7), paid(9)])

    words, told = command("notary", "status"), json.loads(command("notary", "status", "--json").output)

    assert words.output.splitlines()[1].split() == ["shop", "behind", "1", "2", first.id]
    assert (told["state"], told["events"], told["behind"], told["last_event_id"]) == ("behind", 1, 2, first.id)
    assert told["lag_s"] > 0
    assert told["head"]["size"] == 3


def test_changed_event_is_named(shop: Shop, command: Command, tamper: Callable[[str, str], None]) -> None:
    """
    An edited amount is a finding with its event, and the exit code is 1.
    """
    changed = shop.commit([paid(5), paid(7)])[1]
    command(*RUN)
    tamper("shop.db", """UPDATE events SET data = '{"cents":700}' WHERE position = 2""")

    words, told = command("notary", "verify"), json.loads(command("notary", "verify", "--json").output)

    assert words.exit_code == 1
    assert words.output.splitlines()[-2:] == [
        f"store edited: event {changed.id}, number 2, was changed after it was notarised: its data was changed",
        "1 finding",
    ]
    assert (told["intact"], told["held_heads"], told["compared"]) == (False, False, True)
    assert told["findings"][0]["kind"] == "edited"
    assert told["findings"][0]["event_id"] == changed.id


def test_older_log_is_named_by_the_head(shop: Shop, command: Command) -> None:
    """
    A log and a book that were put back to an earlier day contradict the head that was kept.
    """
    shop.commit([paid(5)])
    command(*RUN)
    files = [shop.directory / "notary.db", shop.directory / "notary.db-book"]
    before = [file.read_bytes() for file in files]
    shop.commit([paid(7)])
    command(*RUN)
    for file, content in zip(files, before, strict=True):
        file.write_bytes(content)

    alone, beside = command("notary", "verify"), command("notary", "verify", "--head", "head", "--key", key_of(shop))

    assert alone.exit_code == 0
    assert "no head from elsewhere was given" in alone.output
    assert beside.exit_code == 1
    assert "ledger rolled-back: the log has 3 leaves, and had 5 when the head was made" in beside.output
    assert "the store was not compared" in beside.output


def test_a_head_that_nobody_trusted_signed_is_named(shop: Shop, command: Command) -> None:
    """
    A head by another key proves nothing, and neither does one without a key to check it.
    """
    shop.commit([paid(5)])
    command(*RUN)

    other = command("notary", "verify", "--head", "head", "--key", str(SigningKey.generate("x").verifying))
    none = command("notary", "verify", "--head", "head")

    assert other.exit_code == 1
    assert "head unproved: nobody of those whose keys were given has signed" in other.output
    assert none.exit_code == 0
    assert "the signatures of the head were not checked" in none.output


def test_run_stops_at_what_was_tampered_with(shop: Shop, command: Command, tamper: Callable[[str, str], None]) -> None:
    """
    A notary does not go on behind a store that has lost what was notarised.
    """
    shop.commit([paid(5), paid(7)])
    command(*RUN)
    tamper("shop.db", "DELETE FROM events WHERE position = 2")

    result = command(*RUN)

    assert result.exit_code == 1
    assert "store truncated" in result.errors


def test_head_is_exported_for_others(shop: Shop, command: Command, tmp_path: Path) -> None:
    """
    The head is printed signed, written to a file, or asked to be countersigned by who saw an earlier one.
    """
    shop.commit([paid(5)])
    command(*RUN)
    printed = command("notary", "export", "--key", "notary.key")
    shop.commit([paid(7)])
    command(*RUN)

    written = command("notary", "export", "--key", "notary.key", "--output", str(tmp_path / "exported"))
    (tmp_path / "first").write_text(printed.output)
    asked = command("notary", "export", "--key", "notary.key", "--since", str(tmp_path / "first"))

    assert SignedHead.parse(printed.output).head.size == 3
    exported = SignedHead.parse((tmp_path / "exported").read_text())
    assert (written.exit_code, exported.head.size) == (0, 5)
    assert written.errors.endswith("exported: size 5, signed\n")
    assert asked.output.startswith("old 3\n")
    assert SignedHead.parse(asked.output.partition("\n\n")[2]).signers(
        [SigningKey.load(shop.directory / "notary.key").verifying]
    ) == ("eventsource.notary/shop",)


def test_receipt_is_good_elsewhere(shop: Shop, command: Command) -> None:
    """
    The printed receipt passes the script, with data and without.
    """
    event = shop.commit([paid(5)])[0]
    command(*RUN)

    whole = command("notary", "receipt", event.id, "--key", "notary.key")
    bare = command("notary", "receipt", event.id, "--key", "notary.key", "--without-data")

    assert check_receipt(json.loads(whole.output), key=key_of(shop)) == "matches"
    assert check_receipt(json.loads(bare.output), key=key_of(shop)) == "not in the receipt"


@pytest.mark.parametrize(
    ("arguments", "exit_code", "text"),
    [
        (("status", "--ledger", "notary.db"), 2, "not a ledger: 'notary.db'"),
        (("status", "--ledger", "paper:x"), 2, "there is no ledger of kind 'paper'"),
        (("status", "--ledger", "sqlite:nowhere.db"), 3, "there is no such file"),
        (("status", "--ledger", "sqlite:shop.db"), 3, "is not a file of the notary: it is an event store"),
        (("verify", "--book", "nowhere"), 3, "there is no such file"),
        (("verify", "--head", "nowhere"), 2, "nowhere"),
        (("verify", "--key", "nothing"), 2, "--key: "),
        (("receipt", "no-such-event"), 2, "no event with id 'no-such-event'"),
        (("export", "--since", "shop.db"), 2, "shop.db: "),
        (("export", "--key", "nowhere"), 2, "does not exist"),
    ],
)
def test_what_is_not_there_is_told(
    shop: Shop, command: Command, arguments: tuple[str, ...], exit_code: int, text: str
) -> None:
    """
    A wrong argument is told in words, with the exit code of its kind.
    """
    shop.commit([paid(5)])
    command(*RUN)

    result = command("notary", *arguments)

    assert (result.exit_code, text in result.errors) == (exit_code, True), result


def test_another_book_is_told(shop: Shop, command: Command) -> None:
    """
    With a book that the store was not notarised with nobody can compare contents; without one ids are.
    """
    shop.commit([paid(5)])
    command(*RUN)

    async def make_book() -> None:
        async with NotaryBook(shop.directory / "other-book"):
            pass

    asyncio.run(make_book())

    other = command("notary", "verify", "--book", "other-book")
    none = command("notary", "verify", "--without-book")

    assert other.exit_code == 3
    assert "is not the book that 'shop' was notarised with" in other.errors
    assert none.exit_code == 0
    assert "ids and order were compared, contents were not" in none.output


def test_run_follows_until_it_is_told_to_stop(shop: Shop, command: Command) -> None:
    """
    Each new event is notarised, and SIGTERM ends the run cleanly.
    """
    shop.commit([paid(5)])
    with shop.start("notary", "run", "--json") as process:
        assert process.stdout is not None
        lines = (json.loads(line) for line in process.stdout)
        while next(lines)["state"] != "caught_up":
            pass
        shop.commit([paid(7)])
        wait_until(lambda: json.loads(command("notary", "status", "--json").output)["events"] == 2)
        process.terminate()

        assert list(lines)[-1]["state"] == "stopped"
        assert process.wait(timeout=30) == 0
