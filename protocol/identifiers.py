"""The byte strings that name things, with their exact sizes, and their text forms."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated

from protocol.errors import MalformedError


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
