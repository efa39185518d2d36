"""
Checks the receipt of an event, offline and with Python's standard library alone.

    python check_receipt.py RECEIPT.json --key 'bank.example/notary+1a2b3c4d+AY…'
    python check_receipt.py RECEIPT.json --head HEAD

Copy this file wherever you like; it needs nothing beside it, and Python 3.9 or newer. It trusts what you give
it and nothing else: the notary's verifying key, or a head that you got from somebody you trust. The receipt
itself is not believed.

Exits with 0 when the receipt is good and with 1 when it is not. Exits with 2 when that cannot be told: a file cannot be
read or holds no JSON, or the key or head that was given is none. It prints no traceback, and writes as escapes what a
terminal would act upon.

Source:
    docs/notary-format.md for the records; RFC 9162, 2.1.3.2, for the way to the root; RFC 8032, 5.1, for Ed25519.
"""

from __future__ import annotations

import argparse
import base64
import datetime as dt
import hashlib
import json
import os
import re
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

# A receipt has an event and at most a batch of records: more is no receipt, and would only fill the memory.
_MAX_FILE_BYTES = 64 * 1024 * 1024
# 2^63 nanoseconds have 19 digits, and a sign.
_MAX_DIGITS = 20

# The members of a receipt, and of what is in it: all of them, and no others, since nothing would prove those.
_RECEIPT = {
    "format": str,
    "store": str,
    "number": int,
    "event": dict,
    "content_salt": str,
    "chain_salt": (str, type(None)),
    "data_salt": (str, type(None)),
    "key": str,
    "value": str,
    "proof": dict,
    "head": str,
}
_EVENT = {
    "id": str,
    "time": str,
    "time_ns": int,
    "source": str,
    "subject": str,
    "type": str,
    "predecessor_hash": (str, type(None)),
    "hash": (str, type(None)),
    "data_json": (str, type(None)),
}
_PROOFS: dict[Any, dict[str, Any]] = {
    "merkle": {"kind": str, "index": int, "size": int, "path": list},
    "running": {"kind": str, "before": str, "behind": list},
}

# What a terminal acts upon, or what hides and reorders the text around it: control characters, separators of lines,
# marks of the writing direction, characters without a width, lone surrogates. As in `eventsource.printable`.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_HEX = re.compile("(?:[0-9a-f]{2})*")
_DIGITS = re.compile("[0-9]{1,19}")

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
        ValueError: Neither *key* nor *head* is given, so anybody could have made it; or what is given is none.
    """
    if key is None and head is None:
        msg = "give the notary's verifying key, or a head that you trust"
        raise ValueError(msg)
    trusted_key = None if key is None else _read_key(key)
    trusted_body = None if head is None else _read_body(head)
    try:
        _check_form(receipt)
        body = _body(receipt["head"])
        state = _check_event(receipt)
        _check_proof(receipt, body)
        if trusted_body is not None:
            _demand(trusted_body == body, "its head is not the one that was given")
        if trusted_key is not None:
            _check_signature(receipt["head"], body, trusted_key)
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        _refuse(f"it has not the form of a receipt: {type(error).__name__}: {error}")
    return state


def read_receipt(raw: bytes) -> Any:
    """
    What the JSON of a receipt says.

    Raises:
        BadReceiptError: It has more than one meaning: a member stands in it twice.
        ValueError: It is no JSON, or none that can be read here.
    """
    try:
        return json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_members,
            parse_int=_whole_number,
            parse_float=_no_number,
            parse_constant=_no_number,
        )
    except (MemoryError, RecursionError):
        msg = "its JSON is nested too deeply to be read"
        raise ValueError(msg) from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    _demand(len(found) == len(pairs), "a member stands in it twice, so others may read it otherwise")
    return found


def _whole_number(digits: str) -> int:
    _demand(len(digits) <= _MAX_DIGITS, "a number in it is too large")
    return int(digits)


def _no_number(text: str) -> NoReturn:
    if text in {"NaN", "Infinity", "-Infinity"}:
        msg = f"{text} is no JSON"
        raise ValueError(msg)
    _refuse("a number in it is no whole number")


def _check_form(receipt: Any) -> None:
    """
    That it has the members that a receipt has, each of its kind.
    """
    _demand(isinstance(receipt, dict), "it has not the form of a receipt: it is no object")
    _demand(receipt.get("format", FORMAT) == FORMAT, "it has another format than is known here")
    _check_members(receipt, _RECEIPT, "the receipt")
    _check_members(receipt["event"], _EVENT, "its event")
    kind = receipt["proof"].get("kind")
    is_known = isinstance(kind, str) and kind in _PROOFS
    _demand(is_known, "it has a proof of a kind that is not known here")
    _check_members(receipt["proof"], _PROOFS[kind], "its proof")


def _check_members(found: dict[str, Any], kinds: dict[str, Any], what: str) -> None:
    missing, others = sorted(kinds.keys() - found.keys()), sorted(found.keys() - kinds.keys())
    _demand(not missing, f"it has not the form of a receipt: {what} lacks {', '.join(missing)}")
    _demand(not others, f"it has not the form of a receipt: {what} has a member of another name, {', '.join(others)}")
    for name, kind in kinds.items():
        # In Python True is a number.
        is_right = isinstance(found[name], kind) and not isinstance(found[name], bool)
        _demand(is_right, f"it has not the form of a receipt: {name} of {what} is of another kind")


def _check_event(receipt: Any) -> str:
    """
    That the record is the event's; returns what the receipt says of the data.
    """
    event, number, record = receipt["event"], receipt["number"], _from_hex(receipt["value"])
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
    _check_what_is_left_out(receipt, form=record[2])
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


def _check_what_is_left_out(receipt: Any, *, form: int) -> None:
    """
    That what stands in it is proved: what is not opened by a salt must not be there.
    """
    event = receipt["event"]
    has_data = event["data_json"] is not None
    _demand(has_data == (receipt["data_salt"] is not None), "it has data without its salt, or a salt without data")
    hashes = (event["hash"], event["predecessor_hash"], receipt["chain_salt"])
    # From the hashes data can be guessed, but not from those over data by reference.
    shows_hashes = has_data or form == BY_REFERENCE
    _demand(
        all((one is not None) == shows_hashes for one in hashes),
        "its hashes and their salt must be there all together, or not at all where the data is left out",
    )


def _check_proof(receipt: Any, body: str) -> None:
    """
    That the record is in what the head is of.
    """
    proof, lines = receipt["proof"], body.split("\n")
    key, value = receipt["key"].encode(), _from_hex(receipt["value"])
    if proof["kind"] == "merkle":
        leaf = hashlib.sha256(b"\x00" + _entry(key, value)).digest()
        path = [_from_hex(term) for term in proof["path"]]
        _demand(_DIGITS.fullmatch(lines[1]) is not None, "its head is none")
        size, root = int(lines[1]), _from_base64(lines[2])
        is_there = proof["size"] == size and _is_included(leaf, proof["index"], size, path, root)
        _demand(is_there, "the record is not in the log that the head is of")
    else:
        found = _from_hex(proof["before"])
        behind = [(one.encode(), _from_hex(other)) for one, other in proof["behind"]]
        for one, other in [(key, value), *behind]:
            found = _sha256(b"eventsource notary running 1\n", found, _entry(one, other))
        fields = [line.split(" ") for line in lines[3:]]
        told = [one[4] for one in fields if one[:2] == ["eventsource-notary/1", receipt["store"]]]
        _demand(told == [found.hex()], "the record is not among those that the head tells of")


def _read_key(text: str) -> tuple[str, str, bytes]:
    """
    Name, id and public key of a verifying key.

    Raises:
        ValueError: It is none.
    """
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        public = _from_base64(encoded)
        is_key = public[:1] == _LOG_KEY and _sha256(name.encode(), b"\n", public)[:_KEY_ID_BYTES].hex() == key_id
    except (BadReceiptError, ValueError):
        is_key, public = False, b""
    if not is_key:
        msg = "the key that was given is no verifying key of a log"
        raise ValueError(msg)
    return name, key_id, public


def _read_body(head: str) -> str:
    try:
        return _body(head)
    except BadReceiptError:
        msg = "the head that was given is none"
        raise ValueError(msg) from None


def _check_signature(text: str, body: str, key: tuple[str, str, bytes]) -> None:
    name, key_id, public = key
    for line in text[len(body) + 1 :].split("\n"):
        if line.startswith(f"\u2014 {name} "):
            raw = _from_base64(line.rpartition(" ")[2])
            signed_by, signature = raw[:_KEY_ID_BYTES].hex(), raw[_KEY_ID_BYTES:]
            if signed_by == key_id and _is_signed(public[1:], body.encode(), signature):
                return
    _refuse("its head is not signed with the key that was given")


def _from_hex(text: str) -> bytes:
    # Python's own reading takes capitals and spaces, too, and two texts would be one record.
    _demand(_HEX.fullmatch(text) is not None, "a text in it is not hexadecimal")
    return bytes.fromhex(text)


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
    salt = _from_hex(text)
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
        receipt = read_receipt(_read(given.receipt))
        head = _read(given.head).decode("utf-8") if given.head else None
        state = check_receipt(receipt, key=given.key, head=head)
    except BadReceiptError as error:
        return _say([f"NOT GOOD: {error}"], 1)
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001  Python's own exit code would say that the receipt is not good
        name = "" if isinstance(error, (OSError, ValueError)) else f"{type(error).__name__}: "
        return _say([f"cannot be told: {name}{error}"], 2, sys.stderr)
    event = receipt["event"]
    lines = [
        "GOOD",
        f"event    {event['id']}, number {receipt['number']} of {receipt['store']}",
        f"subject  {event['subject']}",
        f"type     {event['type']}",
        f"time     {event['time']}",
        f"data     {state}",
    ]
    return _say(lines, 0)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        raw = file.read(_MAX_FILE_BYTES + 1)
    if len(raw) > _MAX_FILE_BYTES:
        msg = f"{path} has more than {_MAX_FILE_BYTES} bytes"
        raise ValueError(msg)
    return raw


def _say(lines: list[str], exit_code: int, output: Any = None) -> int:
    """
    Print lines, and return the exit code: that of "cannot be told" where they cannot be printed.
    """
    output = output or sys.stdout
    try:
        for line in lines:
            text = _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], line)
            # A terminal that lacks a character gets its escape.
            print(text.encode(output.encoding, "backslashreplace").decode(output.encoding), file=output)
        output.flush()
    except (AttributeError, OSError, ValueError):
        # It is closed, or full. Python would try once more at its end, and exit with a code of its own.
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  a device
            for stream in (1, 2):
                os.dup2(nowhere.fileno(), stream)
        return 2
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
