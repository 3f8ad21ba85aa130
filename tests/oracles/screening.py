"""Screening of ``screening.md`` in Python integers, one at a time: slow, and written from the text.

Shares no line with ``protocol/screening``. Everything is modulo p = 2^48 - 59.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from functools import cache
from math import prod

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.oracles import pad

P = 2**48 - 59
WIDTH = 6


def beacon(label: bytes, root: bytes, block: bytes) -> bytes:
    return hashlib.sha256(b"PADG/beacon/1" + label + root + block).digest()


@cache
def sketch_bytes(drawn: bytes, d: int) -> bytes:
    key = hashlib.sha256(b"PADG/S/1" + drawn).digest()[:16]
    return Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor().update(bytes(4 * d))


def sketch(drawn: bytes, values: Sequence[int]) -> list[int]:
    """S values, exact integers."""
    data, d, rows = sketch_bytes(drawn, len(values)), len(values), [0] * 512
    for b in range(4):
        for j, value in enumerate(values):
            x = data[b * d + j]
            rows[128 * b + (x & 127)] += -value if x >= 128 else value
    return rows


def triangle(rows: Sequence[Sequence[int]]) -> list[int]:
    n = len(rows)
    return [sum(a * b for a, b in zip(rows[i], rows[j], strict=True)) for i in range(n) for j in range(i, n)]


def norms(rows: Sequence[Sequence[int]]) -> list[int]:
    return [sum(a * a for a in row[128 * b : 128 * (b + 1)]) for row in rows for b in range(4)]


def mask(
    j: int,
    t: int,
    keys: Sequence[Mapping[pad.Subset, bytes]],
    clients: Sequence[tuple[bytes, bytes]],
    prefix: bytes,
    count: int,
) -> list[int]:
    """0_j. ``keys``: of every client; ``clients``: address and nonce; ``prefix``: kind || label || digest."""
    total = [0] * count
    for subset in keys[0]:
        if j in subset:
            continue
        mixed = bytes(32)
        for own, (address, nonce) in zip(keys, clients, strict=True):
            derived = hmac.digest(own[subset], b"PADG/zero/1" + prefix + address + nonce, hashlib.sha256)
            mixed = bytes(a ^ b for a, b in zip(mixed, derived, strict=True))
        for q in range(1, t):
            stream_key = hmac.digest(mixed, bytes([q]), hashlib.sha256)
            words = pad.accepted_words(pad.aes_ctr(stream_key, pad.stream_bytes(count, WIDTH)), count, WIDTH)
            factor = j**q * pad.sharing_value(subset, j)
            total = [(so_far + factor * word) % P for so_far, word in zip(total, words, strict=True)]
    return total


def at_zero(answers: Mapping[int, Sequence[int]]) -> list[int]:
    """Centred value at 0 of the polynomial through the answers."""
    total = [0] * len(next(iter(answers.values())))
    for j, words in answers.items():
        others = [other for other in answers if other != j]
        factor = prod(others) * pow(prod(other - j for other in others), -1, P)
        total = [(so_far + factor * word) % P for so_far, word in zip(total, words, strict=True)]
    return [(value + P // 2) % P - P // 2 for value in total]
