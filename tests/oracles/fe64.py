"""``FE64-A/1`` of ``encryption.md`` section 3 in Python integers: slow, and written from the text.

Shares no line with ``protocol/encryption``. A ring element is three lists of 4096 residues. Without noise: what is
compared are secrets, public elements, keys and words with e = 0, and sums, none of which depend on e.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

N: Final = 4096
Q: Final = (134176769, 134111233, 268369921)
PSI: Final = (51707741, 43901320, 69502239)
PRODUCT: Final = Q[0] * Q[1] * Q[2]
T: Final = Q[0] * Q[1]
DELTA: Final = Q[2]
K: Final = (137480908291, 137548090947, 68736257792)
F: Final = (1211884612, 360092595, 3758952643)
RC: Final = 2228775841
WIDTHS: Final = {1: 54, 2: 27, 3: 18, 4: 13}
LIMB_BYTES: Final = 4 * (N + 64)

Element = list[list[int]]
Subset = tuple[int, ...]


def uniform(data: bytes) -> Element:
    """U of 3.3, from 49,920 bytes."""
    limbs = []
    for i, q in enumerate(Q):
        part = data[LIMB_BYTES * i : LIMB_BYTES * (i + 1)]
        words = [int.from_bytes(part[k : k + 4], "little") % (1 << q.bit_length()) for k in range(0, LIMB_BYTES, 4)]
        reserve = [word for word in words[N:] if word < q]
        limbs.append([word if word < q else reserve.pop(0) for word in words[:N]])
    return limbs


def ctr(key: bytes, size: int, skipped: int = 0) -> bytes:
    counter = (skipped // 16).to_bytes(16, "big")
    return Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor().update(bytes(size))


def public(label: bytes, t: int) -> Element:
    return uniform(ctr(hashlib.sha256(b"FE64/a" + label).digest()[:16], 3 * LIMB_BYTES, 3 * LIMB_BYTES * t))


@lru_cache(64)
def expanded(key: bytes, label: bytes, nonce: bytes) -> Element:
    return uniform(ctr(hmac.digest(key, b"FE64/s" + label + nonce, hashlib.sha256), 3 * LIMB_BYTES))


def combination(elements: Sequence[Element], factors: Sequence[Sequence[int]]) -> Element:
    """Sum of factor times element; a factor is one number for each prime."""
    total = [[0] * N for _ in Q]
    for element, factor in zip(elements, factors, strict=True):
        for i, row in enumerate(element):
            total[i] = [so_far + factor[i] * x for so_far, x in zip(total[i], row, strict=True)]
    return [[x % q for x in row] for row, q in zip(total, Q, strict=True)]


def secret(keys: Mapping[Subset, bytes], label: bytes, nonce: bytes) -> Element:
    return combination([expanded(key, label, nonce) for key in keys.values()], [(1, 1, 1)] * len(keys))


def share(keys: Mapping[Subset, bytes], j: int, label: bytes, nonce: bytes) -> Element:
    """Authority j's share of a secret, with f_B(j) = prod (b - j) / b."""
    held = [subset for subset in keys if j not in subset]
    factors = [[prod(b - j for b in subset) * pow(prod(subset), -1, q) % q for q in Q] for subset in held]
    return combination([expanded(keys[subset], label, nonce) for subset in held], factors)


def coefficients(values: Element) -> Element:
    """The inverse transform of 3.1: position 64 r + c is the value at psi^(2k+1), k = rev6(c) + 64 rev6(r)."""
    return [_coefficients(row, q, psi) for row, q, psi in zip(values, Q, PSI, strict=True)]


def _coefficients(row: Sequence[int], q: int, psi: int) -> list[int]:
    reversal = [int(f"{i:06b}"[::-1], 2) for i in range(64)]
    natural = [0] * N
    for position, value in enumerate(row):
        natural[reversal[position % 64] + 64 * reversal[position // 64]] = value
    # sum_k v_k psi^(-(2k+1) n): a transform with root psi^-2, then a twist by psi^-n and a division by N
    inverse = pow(psi, -1, q)
    scale, result = pow(N, -1, q), []
    for value in _transform(natural, inverse * inverse % q, q):
        result.append(value * scale % q)
        scale = scale * inverse % q
    return result


def _transform(values: Sequence[int], root: int, q: int) -> list[int]:
    if len(values) == 1:
        return list(values)
    even, odd = (_transform(values[parity::2], root * root % q, q) for parity in (0, 1))
    twisted, power = [], 1
    for value in odd:
        twisted.append(value * power % q)
        power = power * root % q
    pairs = list(zip(even, twisted, strict=True))
    return [(a + b) % q for a, b in pairs] + [(a - b) % q for a, b in pairs]


def switch(element: Element) -> list[int]:
    """f of 3.4."""
    cofactors = [pow(PRODUCT // q, -1, q) for q in Q]
    words = []
    for residues in zip(*element, strict=True):
        v = [c * h % q for c, h, q in zip(residues, cofactors, Q, strict=True)]
        carry = (sum(x * f for x, f in zip(v, F, strict=True)) + RC) >> 32
        words.append((sum(x * k for x, k in zip(v, K, strict=True)) + carry) % 2**64)
    return words


def plain_words(values: Sequence[int], bits: int, fields: int) -> list[int]:
    """3.5: planar fields, offset by 2^(b-1)."""
    count = -(-len(values) // fields)
    words = [0] * count
    for place, value in enumerate(values):
        words[place % count] += (value + 2 ** (bits - 1)) << (WIDTHS[fields] * (place // count))
    return words


def masks(label: bytes, element: Element, count: int) -> list[Element]:
    """INTT(a_t o element) of every block of ``count`` words."""
    products = []
    for t in range(-(-count // N)):
        a = public(label, t)
        products.append(
            coefficients([[x * y % q for x, y in zip(a[i], element[i], strict=True)] for i, q in enumerate(Q)])
        )
    return products


def encrypt(
    keys: Mapping[Subset, bytes], label: bytes, nonce: bytes, values: Sequence[int], bits: int, fields: int
) -> list[int]:
    """Words with e = 0: for known answers only."""
    plain, words = plain_words(values, bits, fields), []
    for t, mask in enumerate(masks(label, secret(keys, label, nonce), len(plain))):
        block = plain[N * t : N * (t + 1)]
        element = [[(c + DELTA * m) % q for c, m in zip(mask[i], block, strict=False)] for i, q in enumerate(Q)]
        words += switch(element)
    return words


def decrypted(
    words: Sequence[int], key: Element, label: bytes, d: int, weights: Sequence[int], bits: int, fields: int
) -> list[int]:
    """Centred weighted sums of ``words``, the weighted sum of ciphertexts; no check of any bound."""
    mask = [word for element in masks(label, key, len(words)) for word in switch(element)]
    plain = [((a - b) % 2**64 * T + 2**63) // 2**64 % T for a, b in zip(words, mask, strict=False)]
    width = WIDTHS[fields]
    sums = [(word >> (width * f)) % (1 << width) for f in range(fields) for word in plain]
    return [value - 2 ** (bits - 1) * sum(weights) for value in sums[:d]]


def packed(element: Element) -> bytes:
    return b"".join(value.to_bytes(4, "little") for row in element for value in row)


def packed_words(words: Sequence[int]) -> bytes:
    return b"".join(word.to_bytes(8, "little") for word in words)
