"""
The script that checks receipts, given what a stranger might have made: it says what it is, and shows nothing that lies.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from eventsource import NewEvent
from eventsource.notary import EmbeddedLedger, Notary, NotaryBook, check_receipt, make_receipt
from eventsource.store import EmbeddedEventStore
from tests.notary.scene import KEY, NAME

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT = Path(check_receipt.__file__)
GOOD, NOT_GOOD, CANNOT_TELL = 0, 1, 2
# An override of the writing direction, one that hides, and what clears a screen.
SUBJECT = "/acc\u202eounts/4\u200b2"


@attrs.frozen
class Script:
    """
    The script in a folder, with a receipt of an event whose texts are a stranger's.
    """

    folder: Path
    receipt: str

    def run(self, content: bytes | str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """
        Check that file, by the notary's key unless other arguments are given.
        """
        file = self.folder / "receipt.json"
        file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        return self.check(file, *(arguments or ("--key", str(KEY.verifying))))

    def check(self, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """
        Run it with these arguments.
        """
        command = [sys.executable, "-I", "-S", SCRIPT, *arguments]
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=False, encoding="utf-8", **options
        )

    def changed(self, change: Callable[[dict[str, Any]], object]) -> subprocess.CompletedProcess[str]:
        """
        Check the receipt with something changed.
        """
        receipt = json.loads(self.receipt)
        change(receipt)
        return self.run(json.dumps(receipt))


@pytest.fixture
async def script(tmp_path: Path) -> Script:
    """
    A receipt of an event with a strange subject.
    """
    async with (
        EmbeddedEventStore(tmp_path / "store.db") as store,
        EmbeddedLedger(tmp_path / "notary.db") as ledger,
        NotaryBook(tmp_path / "book") as book,
        Notary(store, ledger, book, name=NAME) as notary,
    ):
        (event,) = await store.commit([NewEvent(subject=SUBJECT, type="io.example.noted", data={"text": "x"})])
        await notary.notarised(event.id)
        made = await make_receipt(store, ledger, book, event.id, name=NAME, signing_key=KEY)
    return Script(tmp_path, made.model_dump_json())


def ended(result: subprocess.CompletedProcess[str], exit_code: int) -> bool:
    """
    Whether it ended so, and with words.
    """
    assert "Traceback" not in result.stderr
    assert (result.stdout + result.stderr).strip()
    assert (result.returncode == NOT_GOOD) == result.stdout.startswith("NOT GOOD")
    assert (result.returncode == GOOD) == result.stdout.startswith("GOOD\n")
    return result.returncode == exit_code


async def test_texts_of_the_event_cannot_act_upon_a_terminal(script: Script) -> None:
    """
    Overrides of the writing direction and characters without a width come as escapes, in good receipts and bad ones.
    """
    good = script.run(script.receipt)
    bad = script.changed(lambda receipt: receipt.update({"\x1b[2J\u2066": 1}))

    assert ended(good, GOOD)
    assert r"subject  /acc\u202eounts/4\u200b2" in good.stdout
    assert ended(bad, NOT_GOOD)
    assert r"\x1b[2J\u2066" in bad.stdout
    assert all(character.isprintable() or character == "\n" for character in good.stdout + bad.stdout)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no JSON",
        b"\xff\xfe\x00binary\x00",
        b"\xef\xbb\xbf{}",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"number": NaN}',
        b'{"number": -Infinity}',
        b"\x1f\x8b\x08\x00",
    ],
    ids=["empty", "text", "binary", "BOM", "deep list", "deep object", "NaN", "infinity", "gzip"],
)
async def test_what_is_no_json_cannot_be_told(script: Script, content: bytes) -> None:
    """
    A file that cannot be read is not called a receipt that is not good.
    """
    assert ended(script.run(content), CANNOT_TELL)


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "null",
        "1",
        '"text"',
        "{}",
        '{"format": {"a": 1}}',
        '{"number": ' + "9" * 10_000 + "}",
        '{"number": 1e999}',
        '{"number": 1.0}',
        '{"a": 1, "a": 1}',
        '{"store": "\\ud800"}',
    ],
    ids=lambda text: text[:20],
)
async def test_json_that_is_no_receipt_is_not_good(script: Script, content: str) -> None:
    """
    Whatever else the JSON is, it proves nothing.
    """
    assert ended(script.run(content), NOT_GOOD)


async def test_files_that_are_none_cannot_be_told(script: Script) -> None:
    """
    A file that is missing, a directory, an endless device, or a path that is none: with words, as receipt and as head.
    """
    for path in ("missing", ".", "/dev/zero", "receipt.json/x"):
        assert ended(script.check(path, "--key", str(KEY.verifying)), CANNOT_TELL)
        script.run(script.receipt)
        assert ended(script.check("receipt.json", "--head", path), CANNOT_TELL)


@pytest.mark.parametrize("key", ["", "x", "x+y+z", "bank+00000000+AAAA", "\u202e", f"{KEY.verifying}x"])
async def test_a_key_or_head_that_is_none_cannot_be_told(script: Script, key: str) -> None:
    """
    What was given to trust is wrong then, and nothing is said of the receipt.
    """
    (script.folder / "head").write_text(key)

    assert ended(script.run(script.receipt, "--key", key), CANNOT_TELL)
    assert ended(script.run(script.receipt, "--head", "head"), CANNOT_TELL)


async def test_a_member_that_stands_twice_is_not_good(script: Script) -> None:
    """
    Readers that take the first would read another event than those that take the last.
    """
    for name in ("subject", "format", "size", "head"):
        twice = script.receipt.replace(f'"{name}":', f'"{name}":"other","{name}":', 1)

        result = script.run(twice)

        assert ended(result, NOT_GOOD)
        assert "twice" in result.stdout


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "hash": lambda it: it["event"].update(hash=None),
    "hashes, one forged": lambda it: it["event"].update(hash=None, predecessor_hash="f" * 64),
    "hashes": lambda it: it["event"].update(hash=None, predecessor_hash=None),
    "hashes and salt": lambda it: (it["event"].update(hash=None, predecessor_hash=None), it.update(chain_salt=None)),
    "data": lambda it: it["event"].update(data_json=None),
    "data and salt": lambda it: (it["event"].update(data_json=None), it.update(data_salt=None)),
    "salt of the data": lambda it: it.update(data_salt=None),
    "salt of the hashes": lambda it: it.update(chain_salt=None),
    "event": lambda it: it.update(event=None),
    "proof": lambda it: it.update(proof=None),
    "member more": lambda it: it.update(note="paid back in full"),
    "member of the event more": lambda it: it["event"].update(amount="1,000,000"),
    "member of the proof more": lambda it: it["proof"].update(by="a court"),
    "True for 1": lambda it: it.update(number=True),
    "index as text": lambda it: it["proof"].update(index="0"),
    "size as True": lambda it: it["proof"].update(size=True),
    "capitals": lambda it: it.update(value=it["value"].upper()),
    "spaces": lambda it: it.update(value=f"{it['value'][:2]} {it['value'][2:]}"),
    "a proof of another kind": lambda it: it["proof"].update(kind=["merkle"]),
    "a path of numbers": lambda it: it["proof"].update(path=[1, 2, 3]),
    "a surrogate": lambda it: it["event"].update(subject="/a\ud800"),
    "a time out of range": lambda it: it["event"].update(time_ns=10**18 * 99),
    "a negative number": lambda it: it.update(number=-1),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_what_is_left_out_or_added_is_not_good(
    script: Script, change: Callable[[dict[str, Any]], object]
) -> None:
    """
    A receipt with a part left out, added, or written in another way proves nothing.
    """
    assert ended(script.changed(change), NOT_GOOD)


def test_output_that_cannot_be_written_is_not_an_answer(script: Script) -> None:
    """
    Where nobody reads the answer the exit code is neither good nor not good; a narrow terminal gets escapes.
    """
    script.run(script.receipt)
    key = str(KEY.verifying)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    with open("/dev/full", "wb") as full:  # noqa: PTH123  a device
        lost = subprocess.run(
            [sys.executable, SCRIPT, "receipt.json", "--key", key],
            cwd=script.folder, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    narrow = subprocess.run(
        [sys.executable, SCRIPT, "receipt.json", "--key", key],
        cwd=script.folder, capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip

    assert (lost.returncode, lost.stderr) == (CANNOT_TELL, "")
    assert (narrow.returncode, narrow.stderr) == (GOOD, "")
