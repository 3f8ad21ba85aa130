"""The byte strings that name things, with their exact sizes, and their text forms."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Annotated

from protocol.errors import MalformedError
from protocol.keccak import keccak


@dataclass(frozen=True, slots=True)
class Size:
    """Exact length in bytes of a field; the canonical decoder enforces it."""

    length: int


@dataclass(frozen=True, slots=True)
class Range:
    """Inclusive bounds of an integer field (or of a tuple's length); the canonical decoder enforces them."""

    low: int
    high: int


Address = Annotated[bytes, Size(20)]  # chain account: of a client, edge server, authority or contract
Digest = Annotated[bytes, Size(32)]  # SHA-256 (content) or keccak-256 (chain)
Label = Annotated[bytes, Size(32)]  # hash of a round's plan, the same for the whole cohort
Nonce = Annotated[bytes, Size(16)]  # fresh per encryption
Signature = Annotated[bytes, Size(65)]  # secp256k1 r || s || v, v in {27, 28}
Word = Annotated[int, Range(0, 2**256 - 1)]  # uint256
Amount = Annotated[int, Range(0, 2**128 - 1)]  # smallest units of the task's coin or token
Count = Annotated[int, Range(0, 2**32 - 1)]
Seconds = Annotated[int, Range(0, 2**32 - 1)]
PartsPerMillion = Annotated[int, Range(0, 1_000_000)]

ZERO_DIGEST: Digest = bytes(32)
NATIVE_COIN: Address = bytes(20)  # in the place of a token


def sha256(data: bytes) -> Digest:
    return hashlib.sha256(data).digest()


def to_hex(value: bytes) -> str:
    """Lower-case hex with ``0x``: the only text form of bytes inside canonical objects."""
    return "0x" + value.hex()


def from_hex(text: str, length: int | None = None) -> bytes:
    """Strict inverse of :func:`to_hex` (lower case, even, ``0x``); raises MalformedError."""
    if not text.startswith("0x") or text != text.lower():
        raise MalformedError(f"not lower-case 0x hex: {text[:20]!r}")
    try:
        value = bytes.fromhex(text[2:])
    except ValueError as error:
        raise MalformedError(f"not hex: {text[:20]!r}") from error
    if to_hex(value) != text:
        raise MalformedError(f"not canonical hex: {text[:20]!r}")
    if length is not None and len(value) != length:
        raise MalformedError(f"expected {length} bytes, got {len(value)}")
    return value


def checksummed(address: Address) -> str:
    """With the capitals of EIP-55, which catch nearly every slip of a finger."""
    digits = address.hex()
    marks = keccak(digits.encode()).hex()
    return "0x" + "".join(d.upper() if int(mark, 16) >= 8 else d for d, mark in zip(digits, marks, strict=False))


def parse_address(text: str) -> Address:
    """Of what a person typed: digits of one case, or of both as EIP-55 has them. Raises MalformedError."""
    if not re.fullmatch("0x[0-9A-Fa-f]{40}", text):
        raise MalformedError(f"{text[:80]!r} is no address: 0x and 40 hex digits")
    address = bytes.fromhex(text[2:])
    if text[2:] not in (text[2:].lower(), text[2:].upper()) and text != checksummed(address):
        raise MalformedError(
            f"{text} is misspelt: its capitals (EIP-55) do not fit its digits. Copy it again from where it came; "
            f"if every digit is right, it is {checksummed(address)}"
        )
    return address
