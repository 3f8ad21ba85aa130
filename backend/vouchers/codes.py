"""Codes that redeem one signature each, one for every appliance sold: made in bulk, and kept nowhere.

A code is 10 random bytes and 10 of HMAC-SHA256 over them, under a key that follows from the voucher key. So whoever has
that key, and nobody else, makes codes, on any machine and without the server.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import Final

from protocol.messages.vouchers import CODE_BYTES
from protocol.randomness import Randomness
from protocol.vouchers.signing import VoucherKey

_DRAWN: Final = CODE_BYTES // 2


def new_codes(key: VoucherKey, count: int, randomness: Randomness) -> Iterator[bytes]:
    secret = _secret(key)
    for number in range(count):
        drawn = randomness.draw(f"voucher/code/{number}", _DRAWN)
        yield drawn + _mark(secret, drawn)


def is_code(key: VoucherKey, code: bytes) -> bool:
    """Of this key."""
    return len(code) == CODE_BYTES and hmac.compare_digest(code[_DRAWN:], _mark(_secret(key), code[:_DRAWN]))


def _secret(key: VoucherKey) -> bytes:
    primes = b"".join(prime.to_bytes(256) for prime in sorted((key.p, key.q)))
    return hmac.digest(primes, b"HEARTH/voucher codes", hashlib.sha256)


def _mark(secret: bytes, drawn: bytes) -> bytes:
    return hmac.digest(secret, drawn, hashlib.sha256)[:_DRAWN]
