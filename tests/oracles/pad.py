"""``PAD/1`` of ``encryption.md`` section 7 in Python integers, one at a time: slow, and written from the text.

Shares no line with ``protocol/encryption``. ``width`` is w, the bytes of a coordinate.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from math import prod
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PRIME_OF_WIDTH: Final = {4: 2**32 - 5, 6: 2**48 - 59}
BLOCK: Final = 8192
RESERVE: Final = 8

Subset = tuple[int, ...]
Keys = Mapping[Subset, bytes]


class SamplerError(Exception):
    """E_SAMPLER: a block has more words that do not fit than its reserve has words that do."""


def aes_ctr(key: bytes, size: int) -> bytes:
    return Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor().update(bytes(size))


def ratcheted(key: bytes, steps: int) -> bytes:
    """A master key so many rounds later (3.2)."""
    for _ in range(steps):
        key = hmac.digest(key, b"HEARTH/ratchet", hashlib.sha256)
    return key


def stream_bytes(d: int, width: int) -> int:
    return width * (d + RESERVE * -(-d // BLOCK))


def accepted_words(data: bytes, d: int, width: int) -> list[int]:
    """The first d words below p of a key stream, block by block: main words, then 8 in reserve."""
    p, words = PRIME_OF_WIDTH[width], list[int]()
    raw = [int.from_bytes(data[i : i + width], "little") for i in range(0, len(data), width)]
    while len(words) < d:
        count = min(BLOCK, d - len(words))
        reserve = [word for word in raw[count : count + RESERVE] if word < p]
        for word in raw[:count]:
            if word >= p and not reserve:
                raise SamplerError
            words.append(word if word < p else reserve.pop(0))
        raw = raw[count + RESERVE :]
    return words


@lru_cache(64)
def stream(key: bytes, label: bytes, nonce: bytes, d: int, width: int) -> list[int]:
    pad_key = hmac.digest(key, b"PAD/main/1" + label + nonce, hashlib.sha256)
    return accepted_words(aes_ctr(pad_key, stream_bytes(d, width)), d, width)


def sharing_value(subset: Subset, x: int) -> int:
    """F_B(x)."""
    return prod(b - x for b in subset)


def subsets(m: int, t: int) -> list[Subset]:
    return list(combinations(range(1, m + 1), t - 1))


def pad(keys: Keys, label: bytes, nonce: bytes, d: int, width: int) -> list[int]:
    return _combined({subset: sharing_value(subset, 0) for subset in keys}, keys, label, nonce, d, width)


def share(keys: Keys, j: int, label: bytes, nonce: bytes, d: int, width: int) -> list[int]:
    """Authority j's share of a pad; ``keys`` may be all of the client's."""
    factors = {subset: sharing_value(subset, j) for subset in keys if j not in subset}
    return _combined(factors, keys, label, nonce, d, width)


def encrypt(keys: Keys, label: bytes, nonce: bytes, values: Sequence[int], width: int) -> list[int]:
    p = PRIME_OF_WIDTH[width]
    return [(v + r) % p for v, r in zip(values, pad(keys, label, nonce, len(values), width), strict=True)]


def weighted_sum(vectors: Sequence[Sequence[int]], weights: Sequence[int], width: int) -> list[int]:
    """Of ciphertexts, or of one authority's shares: its sum key."""
    p = PRIME_OF_WIDTH[width]
    return [sum(y * x for y, x in zip(weights, column, strict=True)) % p for column in zip(*vectors, strict=True)]


def key_at_zero(sum_keys: Mapping[int, Sequence[int]], width: int) -> list[int]:
    """K(0) from the sum keys of exactly t authorities."""
    p, total = PRIME_OF_WIDTH[width], [0] * len(next(iter(sum_keys.values())))
    for j, words in sum_keys.items():
        others = [other for other in sum_keys if other != j]
        factor = prod(others) * pow(prod(other - j for other in others), -1, p)
        total = [(so_far + factor * word) % p for so_far, word in zip(total, words, strict=True)]
    return total


def decrypted(summed: Sequence[int], key: Sequence[int], width: int) -> list[int]:
    p = PRIME_OF_WIDTH[width]
    return [(c - k + p // 2) % p - p // 2 for c, k in zip(summed, key, strict=True)]


def packed(words: Sequence[int], width: int) -> bytes:
    return b"".join(word.to_bytes(width, "little") for word in words)


def _combined(factors: Mapping[Subset, int], keys: Keys, label: bytes, nonce: bytes, d: int, width: int) -> list[int]:
    p, total = PRIME_OF_WIDTH[width], [0] * d
    for subset, factor in factors.items():
        words = stream(keys[subset], label, nonce, d, width)
        total = [(so_far + factor * word) % p for so_far, word in zip(total, words, strict=True)]
    return total
