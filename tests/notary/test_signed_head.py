"""
Signed heads: the note format of others, signatures, cosignatures, and what is refused.
"""

from __future__ import annotations

import base64
import stat
import sys
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from eventsource.errors import MissingExtraError, SignedHeadError
from eventsource.notary import Head, KeyKind, SignedHead, SigningKey, VerifyingKey
from eventsource.notary.signed_head import read_signatures, to_witness_request

if TYPE_CHECKING:
    from pathlib import Path

# Source: the example of golang.org/x/mod/sumdb/note: a key pair, and what it signed.
SIGNING = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
VERIFYING = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="

HEAD = Head(origin="bank.example/notary", size=5, root=bytes(range(32)))


def flipped(text: str, place: int) -> str:
    """
    The text with one character replaced by another.
    """
    return text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]


def test_signatures_of_other_tools_are_understood() -> None:
    """
    The example keys of the Go note package are read, written alike, and sign the same bytes.
    """
    signing, verifying = SigningKey.parse(SIGNING), VerifyingKey.parse(VERIFYING)

    assert signing.to_text() == SIGNING
    assert str(verifying) == VERIFYING
    assert signing.verifying == verifying
    assert base64.b64encode(verifying.id + signing.sign(NOTE.encode())).decode() == SIGNATURE
    assert verifying.fits(NOTE.encode(), base64.b64decode(SIGNATURE)[4:])


def test_a_head_is_three_lines_and_a_signature() -> None:
    """
    The text is origin, size and root, an empty line and the signature, and reads back as the same.
    """
    key = SigningKey("bank.example/notary", bytes(32))

    text = str(SignedHead(HEAD).signed(key))

    body, signature = text.split("\n\n")
    assert body == "bank.example/notary\n5\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert signature.startswith("\u2014 bank.example/notary ")
    assert str(SignedHead.parse(text)) == text
    assert SignedHead.parse(text).signers([key.verifying]) == ("bank.example/notary",)


def test_a_head_without_signatures_reads_back() -> None:
    """
    An unsigned head is a head, signed by nobody.
    """
    text = str(SignedHead(HEAD, ("more",)))

    assert SignedHead.parse(text) == SignedHead(HEAD, ("more",))
    assert SignedHead.parse(text).signers([SigningKey("a", bytes(32)).verifying]) == ()


def test_witnesses_countersign_with_the_time() -> None:
    """
    A witness adds its signature over the time and the head; both are verified, each by its own key.
    """
    log = SigningKey.generate("bank.example/notary")
    witness = SigningKey.generate("witness.example", KeyKind.WITNESS)
    signed = SignedHead(HEAD).signed(log)

    answer = str(signed.signed(witness, time_s=1_700_000_000)).splitlines()[-1]
    cosigned = signed.with_signatures(read_signatures(f"{answer}\n"))

    keys = [witness.verifying, log.verifying]
    assert cosigned.signers(keys) == ("bank.example/notary", "witness.example")
    assert cosigned.signers([VerifyingKey.parse(str(witness.verifying))]) == ("witness.example",)
    late = attrs.evolve(cosigned.signatures[1], payload=bytes(8) + cosigned.signatures[1].payload[8:])
    with pytest.raises(SignedHeadError, match=r"signature of witness\.example under a head is forged"):
        signed.with_signatures([late]).signers(keys)


def test_a_witness_states_the_time_and_a_log_does_not() -> None:
    """
    Neither signs in the form of the other.
    """
    with pytest.raises(ValueError, match="a witness states the time"):
        SignedHead(HEAD).signed(SigningKey.generate("w", KeyKind.WITNESS))
    with pytest.raises(ValueError, match="a witness states the time"):
        SignedHead(HEAD).signed(SigningKey.generate("l"), time_s=1)


def test_a_witness_is_asked_with_the_way_from_its_last_head() -> None:
    """
    The request has the old size, the path and the head.
    """
    head = SignedHead(HEAD)

    assert to_witness_request(3, [bytes(32)], head) == f"old 3\n{base64.b64encode(bytes(32)).decode()}\n\n{head}"


@pytest.mark.parametrize(
    "changed",
    [
        {"size": 6},
        {"root": bytes(32)},
        {"origin": "bank.example/other"},
    ],
)
def test_a_changed_head_is_not_the_signed_one(changed: dict[str, Any]) -> None:
    """
    Whatever of a head is changed, its signature is told to be forged.
    """
    key = SigningKey.generate("bank.example/notary")
    signed = SignedHead(HEAD).signed(key)

    forged = attrs.evolve(signed, head=attrs.evolve(HEAD, **changed))

    with pytest.raises(SignedHeadError, match="forged"):
        forged.signers([key.verifying])


def test_signatures_of_unknown_keys_say_nothing() -> None:
    """
    A signature by a key that is not asked for, even of the same name, makes nobody a signer.
    """
    known, unknown = SigningKey.generate("bank.example"), SigningKey.generate("bank.example")

    assert SignedHead(HEAD).signed(unknown).signers([known.verifying]) == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n5\n",
        "origin\nfive\nAAAA\n",
        "origin\n05\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "origin\n-5\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "origin\n5\nAAAA\n",
        "origin\n5\n!\n",
        "\n5\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "origin\n5\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\nno signature\n",
        "origin\n5\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n\u2014 name AAA\n",
        "x" * 1_000_001,
    ],
)
def test_what_is_no_head_is_refused(text: str) -> None:
    """
    A text that is not of the form is an error, never a head of something.
    """
    with pytest.raises(SignedHeadError, match="no signed head"):
        SignedHead.parse(text)


@pytest.mark.parametrize("text", ["", "a+b", "PRIVATE+KEY+", flipped(SIGNING, 30), flipped(SIGNING, 50), SIGNING[:-4]])
def test_what_is_no_signing_key_is_refused(text: str) -> None:
    """
    A key with an id that is not its own, or cut, is refused.
    """
    with pytest.raises(SignedHeadError):
        SigningKey.parse(text)


@pytest.mark.parametrize("text", ["", "a+b+c", flipped(VERIFYING, 15), flipped(VERIFYING, 40), VERIFYING[:-4]])
def test_what_is_no_verifying_key_is_refused(text: str) -> None:
    """
    A key with an id that is not its own, or cut, is refused.
    """
    with pytest.raises(SignedHeadError):
        VerifyingKey.parse(text)


@pytest.mark.parametrize("name", ["", "with space", "with+plus"])
def test_names_that_a_note_cannot_carry_are_refused(name: str) -> None:
    """
    The name of a key stands in a line between white space and plus signs.
    """
    with pytest.raises(SignedHeadError, match="name of a key"):
        SigningKey.generate(name)


def test_a_new_key_is_its_owners_alone(tmp_path: Path) -> None:
    """
    A key is made once, in a file that only its owner reads, and found again; its text never shows in a repr.
    """
    made = SigningKey.load_or_generate(tmp_path / "notary.key", "bank.example/notary")
    found = SigningKey.load_or_generate(tmp_path / "notary.key", "bank.example/other")

    assert found.to_text() == made.to_text() == SigningKey.load(tmp_path / "notary.key").to_text()
    assert stat.S_IMODE((tmp_path / "notary.key").stat().st_mode) == 0o600
    # Base64 may have a plus itself, at its end, too.
    *_, secret = made.to_text().removeprefix("PRIVATE+KEY+").split("+", 2)
    assert len(secret) == 44
    assert secret not in repr(made)


def test_signing_without_the_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where the package that signs is missing, it is said what to install.
    """
    key = VerifyingKey.parse(VERIFYING)
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)

    with pytest.raises(MissingExtraError, match=r"eventsource-genesisdb\[notary\]"):
        SigningKey.parse(SIGNING)
    with pytest.raises(MissingExtraError):
        key.fits(b"", b"")
