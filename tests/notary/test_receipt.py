"""
Receipts of events, and the script that checks them anywhere.
"""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from eventsource.errors import EventNotFoundError, NotaryBookError, NotNotarisedError, TamperedError
from eventsource.notary import (
    EmbeddedLedger,
    EventReceipt,
    NotaryBook,
    SignedHead,
    SigningKey,
    check_receipt,
    make_receipt,
)
from eventsource.notary.check_receipt import BadReceiptError
from eventsource.notary.check_receipt import check_receipt as check
from eventsource.store import EmbeddedEventStore
from eventsource.testing.contract.chance import seeded_random
from tests.notary.scene import KEY, NAME, Scene, make_scene, moved
from tests.notary.tampering import store_edited

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(check_receipt.__file__)
VERIFYING = str(KEY.verifying)

# RFC 8032, 7.1: public key, message, signature.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
            "4a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]


@pytest.fixture
async def scene(tmp_path: Path) -> Scene:
    """
    A store that was notarised.
    """
    return await make_scene(tmp_path / "scene")


async def receipt_of(
    scene: Scene, place: int, *, key: SigningKey | None = KEY, with_data: bool = True, book: Path | None = None
) -> EventReceipt:
    """
    The receipt of the event at that place of the store, 0 being the first.
    """
    async with (
        EmbeddedEventStore(scene.store, read_only=True) as store,
        EmbeddedLedger(scene.log, read_only=True) as ledger,
        NotaryBook(book or scene.book) as opened,
    ):
        ids = [event.id async for event in store.stream()]
        return await make_receipt(store, ledger, opened, ids[place], name=NAME, signing_key=key, with_data=with_data)


def run_script(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """
    Run a copy of the script in a folder that has nothing else, in a Python that sees no packages.
    """
    copied = shutil.copy(SCRIPT, folder / "check.py")
    return subprocess.run(
        [sys.executable, "-I", "-S", copied, *arguments],
        cwd=folder, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def leaves_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """
    The way to each text and number inside.
    """
    if isinstance(value, dict):
        for name, member in value.items():
            yield from leaves_of(member, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves_of(item, (*path, index))
    else:
        yield path


async def test_every_receipt_is_good(scene: Scene) -> None:
    """
    Events by value and by reference have receipts with data, those that were erased without.
    """
    states = [check((await receipt_of(scene, place)).model_dump(), key=VERIFYING) for place in range(0, 37, 1)]

    erased = [place for place in range(37) if place % 5 == 0 and place % 4 in {2, 3}]
    assert [place for place, state in enumerate(states) if state != "matches"] == erased


async def test_the_script_needs_nothing_but_the_file(scene: Scene, tmp_path: Path) -> None:
    """
    Copied anywhere, in a Python without packages, it checks a receipt with the key or with a head that was kept.
    """
    receipt = await receipt_of(scene, 7)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "receipt.json").write_text(receipt.model_dump_json())
    shutil.copy(scene.head, folder / "head")
    (folder / "other-head").write_text(scene.head.read_text().replace(NAME, "bunk", 1))

    by_key = run_script(folder, "receipt.json", "--key", VERIFYING)
    by_head = run_script(folder, "receipt.json", "--head", "head")
    by_other_key = run_script(folder, "receipt.json", "--key", str(SigningKey.generate(KEY.name).verifying))
    by_other_head = run_script(folder, "receipt.json", "--head", "other-head")
    by_nothing = run_script(folder, "receipt.json")

    assert by_key.returncode == 0, by_key
    assert by_key.stdout.splitlines() == [
        "GOOD",
        f"event    {receipt.event.id}, number 8 of bank",
        "subject  /accounts/3",
        "type     io.example.bank.money-moved",
        f"time     {receipt.event.time}",
        "data     matches",
    ]
    assert (by_head.returncode, by_head.stdout) == (0, by_key.stdout)
    assert (by_other_key.returncode, by_other_head.returncode) == (1, 1)
    assert by_other_key.stdout == "NOT GOOD: its head is not signed with the key that was given\n"
    assert by_nothing.returncode == 2


async def test_a_receipt_with_anything_changed_is_not_good(scene: Scene) -> None:
    """
    Whatever of a receipt is changed in one place, it proves nothing any more.
    """
    for place in (0, 1):
        receipt = (await receipt_of(scene, place)).model_dump(mode="json")
        for path in leaves_of(receipt):
            changed = copy.deepcopy(receipt)
            inner: Any = changed
            for step in path[:-1]:
                inner = inner[step]
            old = inner[path[-1]]
            if isinstance(old, str):
                inner[path[-1]] = old[:-3] + ("0" if old[-3] != "0" else "1") + old[-2:]
            elif old is None:
                continue
            else:
                inner[path[-1]] = old + 1

            with pytest.raises(BadReceiptError):
                check(changed, key=VERIFYING)


async def test_a_signature_has_one_text(scene: Scene) -> None:
    """
    The last letter of its base64 has bits that no byte is made of: they are not free either.
    """
    receipt = (await receipt_of(scene, 0)).model_dump(mode="json")
    head = receipt["head"].rstrip("\n")
    assert head.endswith("=")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = letters[letters.index(head[-2]) ^ 1]
    receipt["head"] = f"{head[:-2]}{other}=\n"

    with pytest.raises(BadReceiptError):
        check(receipt, key=VERIFYING)


@pytest.mark.parametrize("missing", ["event", "proof", "head", "key", "value", "content_salt", "number"])
async def test_what_lacks_a_part_is_not_good(scene: Scene, missing: str) -> None:
    """
    A receipt without one of its parts is refused with words, not with a traceback.
    """
    receipt = (await receipt_of(scene, 3)).model_dump()
    del receipt[missing]

    with pytest.raises(BadReceiptError, match="form of a receipt"):
        check(receipt, key=VERIFYING)


async def test_a_receipt_without_data_lets_nobody_guess_it(scene: Scene) -> None:
    """
    It is good, says nothing of the data, and has neither the hashes nor the salts that a guess could be tried on.
    """
    receipt = await receipt_of(scene, 1, with_data=False)

    assert check(receipt.model_dump(), key=VERIFYING) == "not in the receipt"
    assert receipt.event.data_json is receipt.event.hash is receipt.event.predecessor_hash is None
    assert receipt.chain_salt is receipt.data_salt is None
    assert "payment" not in receipt.model_dump_json()


async def test_an_unsigned_receipt_needs_a_head_from_elsewhere(scene: Scene) -> None:
    """
    Without a signature it is good beside the head that was kept, and not by any key.
    """
    receipt = (await receipt_of(scene, 1, key=None)).model_dump()

    assert check(receipt, head=scene.head.read_text()) == "matches"
    with pytest.raises(BadReceiptError, match="not signed"):
        check(receipt, key=VERIFYING)
    with pytest.raises(ValueError, match="give the notary's verifying key"):
        check(receipt)


async def test_there_is_no_receipt_of_what_was_not_notarised(scene: Scene) -> None:
    """
    Neither of an event that is not notarised yet, nor of one that is not there, nor with another book.
    """
    await scene.commit([moved(99)])

    with pytest.raises(NotNotarisedError):
        await receipt_of(scene, -1)
    with pytest.raises(NotaryBookError):
        await receipt_of(scene, 0, book=scene.folder / "other-book")
    async with (
        EmbeddedEventStore(scene.store, read_only=True) as store,
        EmbeddedLedger(scene.log, read_only=True) as ledger,
        NotaryBook(scene.book) as book,
    ):
        with pytest.raises(EventNotFoundError):
            await make_receipt(store, ledger, book, "nobody", name=NAME)


async def test_there_is_no_receipt_of_a_changed_event(scene: Scene) -> None:
    """
    An event that is not the notarised one gets no receipt.
    """
    before = scene.store.read_bytes()
    chance = seeded_random()
    for _ in range(5):
        scene.store.write_bytes(before)
        store_edited(scene, chance)
        number = (await scene.verify()).findings[0].number

        assert number is not None
        with pytest.raises(TamperedError, match="edited"):
            await receipt_of(scene, number - 1)


async def test_the_receipts_head_is_one_that_others_read(scene: Scene) -> None:
    """
    What is in it as head is a signed head like the one in the notary's file.
    """
    receipt = await receipt_of(scene, 1)

    assert SignedHead.parse(receipt.head).signers([KEY.verifying]) == (KEY.name,)
    assert SignedHead.parse(receipt.head).head == SignedHead.parse(scene.head.read_text()).head
    assert json.loads(receipt.model_dump_json())["format"] == "eventsource-notary-receipt/1"


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_signatures_of_the_rfc_are_true(public: str, message: str, signature: str) -> None:
    """
    The script's own Ed25519 accepts the vectors of RFC 8032, and nothing near them.
    """
    key, text, raw = (bytes.fromhex(part) for part in (public, message, signature))

    assert check_receipt._is_signed(key, text, raw)
    assert not check_receipt._is_signed(key, text + b"x", raw)
    assert not check_receipt._is_signed(key, text, raw[:-1])
    assert not check_receipt._is_signed(key[:-1], text, raw)
    # The scalar and the order of the group beside it: the same signature in another form.
    other = (int.from_bytes(raw[32:], "little") + check_receipt._ORDER).to_bytes(32, "little")
    assert not check_receipt._is_signed(key, text, raw[:32] + other)


def test_own_signatures_agree_with_the_library() -> None:
    """
    What `cryptography` signs the script accepts, and nothing with a bit flipped.
    """
    chance = seeded_random()
    for _ in range(15):
        key, message = (
            Ed25519PrivateKey.from_private_bytes(chance.randbytes(32)),
            chance.randbytes(chance.randrange(99)),
        )
        public, signature = key.public_key().public_bytes_raw(), bytearray(key.sign(message))

        assert check_receipt._is_signed(public, message, bytes(signature))
        signature[chance.randrange(64)] ^= 1 << chance.randrange(8)
        assert not check_receipt._is_signed(public, message, bytes(signature))
