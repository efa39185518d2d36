"""
Checks the receipt of an event, offline and with Python's standard library alone.

    python check_receipt.py RECEIPT.json --key 'bank.example/notary+1a2b3c4d+AY…'
    python check_receipt.py RECEIPT.json --head HEAD

Copy this file wherever you like; it needs nothing beside it, and Python 3.9 or newer. It trusts what you give
it and nothing else: the notary's verifying key, or a head that you got from somebody you trust. The receipt
itself is not believed.

Exits with 0 when the receipt is good, with 1 when it is not, with 2 when that cannot be told.

Source:
    docs/notary-format.md for the records; RFC 9162, 2.1.3.2, for the way to the root; RFC 8032, 5.1, for Ed25519.
"""

from __future__ import annotations

import argparse
import base64
import datetime as dt
import hashlib
import json
import sys
from pathlib import Path
from typing import Any, NoReturn

FORMAT = "eventsource-notary-receipt/1"

# How the data is covered: see docs/notary-format.md.
BY_VALUE, BY_REFERENCE, SEALED = 1, 2, 3

_HASH_BYTES = 32
_RECORD_BYTES = 107
_KEY_ID_BYTES = 4
_SIGNATURE_BYTES = 64
# Version 1 of the record of an event.
_RECORD_KIND = b"\x01\x01"
# An Ed25519 key of a log, in the text of a verifying key.
_LOG_KEY = b"\x01"

_Point = tuple[int, int, int, int]


class BadReceiptError(Exception):
    """
    A receipt proves nothing, for the reason that is its text.
    """


def check_receipt(receipt: Any, *, key: str | None = None, head: str | None = None) -> str:
    """
    Check a receipt.

    Args:
        receipt: What its JSON says.

        key: The verifying key that its head must be signed with, as text ``NAME+ID+BASE64``.

        head: A head as text, which the receipt's must be.

    Returns:
        What it proves of the data: "matches" or "not in the receipt".

    Raises:
        BadReceiptError: It proves nothing.
        ValueError: Neither *key* nor *head* is given: then anybody could have made it.
    """
    if key is None and head is None:
        msg = "give the notary's verifying key, or a head that you trust"
        raise ValueError(msg)
    try:
        _demand(receipt["format"] == FORMAT, "it has another format than is known here")
        body = _body(receipt["head"])
        state = _check_event(receipt)
        _check_proof(receipt, body)
        if head is not None:
            _demand(_body(head) == body, "its head is not the one that was given")
        if key is not None:
            _check_signature(receipt["head"], body, key)
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        _refuse(f"it has not the form of a receipt: {type(error).__name__}: {error}")
    return state


def _check_event(receipt: Any) -> str:
    """
    That the record is the event's; returns what the receipt says of the data.
    """
    event, number, record = receipt["event"], receipt["number"], bytes.fromhex(receipt["value"])
    is_known = len(record) == _RECORD_BYTES and record[:2] == _RECORD_KIND and BY_VALUE <= record[2] <= SEALED
    _demand(is_known, "its record is none of an event in a format that is known here")
    content, chain, commitment = record[11:43], record[43:75], record[75:107]
    _demand(receipt["key"] == f"e/{receipt['store']}/{event['id']}", "its record is that of another event")
    _demand(event["time"] == _time(event["time_ns"]), "its two times are not the same")
    own = _sha256(
        b"eventsource notary content 1\n",
        _salt(receipt["content_salt"]),
        number.to_bytes(8, "big"),
        _framed(event["id"]),
        event["time_ns"].to_bytes(8, "big", signed=True),
        _framed(event["source"]),
        _framed(event["subject"]),
        _framed(event["type"]),
        record[2:3],
        commitment,
    )
    is_same = record[3:11] == number.to_bytes(8, "big") and own == content
    _demand(is_same, "the event is not the one whose record it has")
    if event["hash"] is not None:
        hashes = _framed(event["predecessor_hash"]) + _framed(event["hash"])
        own = _sha256(b"eventsource notary chain 1\n", _salt(receipt["chain_salt"]), hashes)
        _demand(own == chain, "its hashes are not those that were notarised")
    if event["data_json"] is None:
        return "not in the receipt"
    salt, data = receipt["data_salt"], event["data_json"].encode()
    # By reference it is the store's own digest, over the digits of the salt.
    prefix = salt.encode() if record[2] == BY_REFERENCE else b"eventsource notary data 1\n" + _salt(salt)
    is_same = len(salt) == 2 * _HASH_BYTES and _sha256(prefix, data) == commitment
    _demand(is_same, "the data is not the data that was notarised")
    return "matches"


def _check_proof(receipt: Any, body: str) -> None:
    """
    That the record is in what the head is of.
    """
    proof, lines = receipt["proof"], body.split("\n")
    key, value = receipt["key"].encode(), bytes.fromhex(receipt["value"])
    if proof["kind"] == "merkle":
        leaf = hashlib.sha256(b"\x00" + _entry(key, value)).digest()
        path = [bytes.fromhex(term) for term in proof["path"]]
        size, root = int(lines[1]), _from_base64(lines[2])
        is_there = proof["size"] == size and _is_included(leaf, proof["index"], size, path, root)
        _demand(is_there, "the record is not in the log that the head is of")
    elif proof["kind"] == "running":
        found = bytes.fromhex(proof["before"])
        behind = [(one.encode(), bytes.fromhex(other)) for one, other in proof["behind"]]
        for one, other in [(key, value), *behind]:
            found = _sha256(b"eventsource notary running 1\n", found, _entry(one, other))
        fields = [line.split(" ") for line in lines[3:]]
        told = [one[4] for one in fields if one[:2] == ["eventsource-notary/1", receipt["store"]]]
        _demand(told == [found.hex()], "the record is not among those that the head tells of")
    else:
        _refuse("it has a proof of a kind that is not known here")


def _check_signature(text: str, body: str, key: str) -> None:
    name, _, rest = key.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    public = _from_base64(encoded)
    is_key = public[:1] == _LOG_KEY and _sha256(name.encode(), b"\n", public)[:_KEY_ID_BYTES].hex() == key_id
    _demand(is_key, "the key that was given is no verifying key of a log")
    for line in text[len(body) + 1 :].split("\n"):
        if line.startswith(f"\u2014 {name} "):
            raw = _from_base64(line.rpartition(" ")[2])
            signed_by, signature = raw[:_KEY_ID_BYTES].hex(), raw[_KEY_ID_BYTES:]
            if signed_by == key_id and _is_signed(public[1:], body.encode(), signature):
                return
    _refuse("its head is not signed with the key that was given")


def _from_base64(text: str) -> bytes:
    raw = base64.b64decode(text, validate=True)
    # Bits that no byte is made of may differ otherwise, and two texts would be one signature.
    _demand(base64.b64encode(raw).decode() == text, "a text in it is no base64")
    return raw


def _body(head: str) -> str:
    """
    The part of a head that is signed.
    """
    body = head.rpartition("\n\n")[0] + "\n" if "\n\n" in head else head
    lines = body.split("\n")
    is_head = len(lines) > len(("origin", "size", "root")) and not lines[-1] and all(lines[:-1])
    _demand(is_head, "its head is none")
    return body


def _is_included(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for term in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = hashlib.sha256(b"\x01" + term + found).digest()
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\x01" + found + term).digest()
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def _demand(holds: bool, reason: str) -> None:  # noqa: FBT001  what is demanded comes first
    if not holds:
        _refuse(reason)


def _refuse(reason: str) -> NoReturn:
    raise BadReceiptError(reason)


def _salt(text: str) -> bytes:
    salt = bytes.fromhex(text)
    _demand(len(salt) == _HASH_BYTES, "a salt has not 32 bytes")
    return salt


def _sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def _framed(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(4, "big") + raw


def _entry(key: bytes, value: bytes) -> bytes:
    return len(key).to_bytes(4, "big") + key + len(value).to_bytes(4, "big") + value


def _time(time_ns: int) -> str:
    seconds, fraction = divmod(time_ns, 1_000_000_000)
    epoch = dt.datetime(1970, 1, 1)  # noqa: DTZ001  in UTC, as is what is made of it
    return f"{epoch + dt.timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


# Ed25519 in extended coordinates. Nothing secret is computed with, so the time it takes may depend on values.
_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT_OF_MINUS_1 = pow(2, (_P - 1) // 4, _P)


def _add(one: _Point, other: _Point) -> _Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _multiply(scalar: int, point: _Point) -> _Point:
    found: _Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            found = _add(found, point)
        point, scalar = _add(point, point), scalar >> 1
    return found


def _is_same(one: _Point, other: _Point) -> bool:
    return (one[0] * other[2] - other[0] * one[2]) % _P == 0 and (one[1] * other[2] - other[1] * one[2]) % _P == 0


def _point(encoded: bytes) -> _Point:
    """
    The point that 32 bytes stand for.

    Raises:
        ValueError: They stand for none.
    """
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_1 % _P
    if y >= _P or (x * x - square) % _P or (x == 0 and sign):
        msg = "no point of the curve"
        raise ValueError(msg)
    if x & 1 != sign:
        x = _P - x
    return (x, y, 1, x * y % _P)


_BASE = _point((4 * pow(5, _P - 2, _P) % _P).to_bytes(_HASH_BYTES, "little"))


def _is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    if len(public) != _HASH_BYTES or len(signature) != _SIGNATURE_BYTES:
        return False
    try:
        key, point = _point(public), _point(signature[:_HASH_BYTES])
    except ValueError:
        return False
    scalar = int.from_bytes(signature[_HASH_BYTES:], "little")
    digest = hashlib.sha512(signature[:_HASH_BYTES] + public + message).digest()
    challenge = int.from_bytes(digest, "little") % _ORDER
    return scalar < _ORDER and _is_same(_multiply(scalar, _BASE), _add(point, _multiply(challenge, key)))


def main(arguments: list[str] | None = None) -> int:
    """
    The command.

    Returns:
        Its exit code.
    """
    parser = argparse.ArgumentParser(description="Check the receipt of an event, offline.")
    parser.add_argument("receipt", type=Path, help="the file")
    parser.add_argument("--key", help="the notary's verifying key: NAME+ID+BASE64")
    parser.add_argument("--head", type=Path, help="a file with a head that you trust")
    given = parser.parse_args(arguments)
    try:
        receipt = json.loads(given.receipt.read_text(encoding="utf-8"))
        head = given.head.read_text(encoding="utf-8") if given.head else None
        state = check_receipt(receipt, key=given.key, head=head)
    except BadReceiptError as error:
        print(f"NOT GOOD: {error}")
        return 1
    except (OSError, ValueError) as error:
        print(f"cannot be told: {error}", file=sys.stderr)
        return 2
    event = receipt["event"]
    print("GOOD")
    print(f"event    {event['id']}, number {receipt['number']} of {receipt['store']}")
    print(f"subject  {event['subject']}")
    print(f"type     {event['type']}")
    print(f"time     {event['time']}")
    print(f"data     {state}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
