"""What the phone does: its secret under a label, exact discrete Gaussian noise, and the ciphertext body."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from decimal import Decimal, localcontext
from functools import cache
from itertools import accumulate
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.encryption.committee import Subset, derive, expand
from protocol.encryption.encoding import BLOCK_WORDS, Encoding
from protocol.encryption.ring import (
    DELTA,
    Residues,
    Words,
    ctr_stream,
    inverse_ntt,
    multiply,
    public_block,
    reduce,
    reduce_signed,
    switch_to_words,
)
from protocol.errors import EncryptionError

SIGMA: Final = 82
GAUSSIAN_LIMIT: Final = 1100  # the mass beyond is below 2^-128
SPREAD: Final = 20  # e = x1 + 20 x2

_SAMPLE_BYTES: Final = 16  # one AES block, a uniform 128-bit number, per sample
_SAMPLES_PER_BLOCK: Final = 2 * BLOCK_WORDS


def encrypt(
    master_keys: Mapping[Subset, bytes],
    label: bytes,
    nonce: bytes,
    values: npt.NDArray[np.int64],
    encoding: Encoding,
    noise_key: bytes,
) -> bytes:
    """Ciphertext body of ``values``, shape (d,), in ±(2^(b-1) - 1): words, u64 little-endian.

    Deterministic in its arguments. Never two plaintexts under one (label, nonce); ``noise_key``: 32 fresh secret bytes.
    Raises EncryptionError: ``E_RANGE`` for a value that does not fit, ``E_PARAMS`` for wrong sizes.
    """
    derived = derive(noise_key, b"FE64/e", label, nonce)
    return _encrypt_words(client_secret(master_keys, label, nonce), label, encoding.pack(values), derived).tobytes()


def client_secret(master_keys: Mapping[Subset, bytes], label: bytes, nonce: bytes) -> Residues:
    """s_{i,r}: the sum of what all master keys expand to, in evaluation order."""
    if not master_keys:
        raise EncryptionError("no master keys", code="E_PARAMS")
    total: Residues = sum((expand(key, label, nonce) for key in master_keys.values()), np.zeros(1, np.uint64))
    return reduce(total)


def _encrypt_words(secret: Residues, label: bytes, plain: Words, noise_key: bytes | None) -> npt.NDArray[np.uint64]:
    """f(a_t o s + e_t + Delta m_t) for every block t. Without ``noise_key`` e is 0: known answers only, no secrecy."""
    body = np.empty(len(plain), "<u8")
    for t, start in enumerate(range(0, len(plain), BLOCK_WORDS)):
        message = np.zeros(BLOCK_WORDS, np.uint64)
        count = min(BLOCK_WORDS, len(plain) - start)
        message[:count] = plain[start : start + count]
        masked = inverse_ntt(multiply(public_block(label, t), secret)) + reduce(reduce(message) * np.uint64(DELTA))
        if noise_key is not None:
            masked += reduce_signed(noise_block(noise_key, t))
        body[start : start + count] = switch_to_words(masked)[:count]
    return body


def noise_block(key: bytes, t: int) -> npt.NDArray[np.int64]:
    """e_t, shape (4096,): x1 + 20 x2 with both from D_{Z,82}; standard deviation 1642.05."""
    stream = ctr_stream(key, _SAMPLES_PER_BLOCK * _SAMPLE_BYTES, t * _SAMPLES_PER_BLOCK)
    x1, x2 = gaussian(np.frombuffer(stream, ">u8").reshape(-1, 2)).reshape(2, BLOCK_WORDS)
    return x1 + SPREAD * x2


def gaussian(uniform: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """D_{Z,82} by inversion of :func:`gaussian_table`, from uniform 128-bit numbers in rows of (high, low) 64 bits.

    The high half decides except when it equals that of a threshold (2^-53 per sample): then all 128 bits do.
    """
    thresholds = gaussian_table()
    high_thresholds = _high_halves()
    high = uniform[:, 0].astype(np.uint64)
    found = np.searchsorted(high_thresholds, high, side="right")
    for i in np.flatnonzero(high_thresholds[np.maximum(found, 1) - 1] == high):
        found[i] = bisect_right(thresholds, (int(high[i]) << 64) | int(uniform[i, 1]))
    return found.astype(np.int64) - GAUSSIAN_LIMIT


@cache
def gaussian_table() -> tuple[int, ...]:
    """floor(2^128 P(X <= x)) for x = -1100..1099, X ~ D_{Z,82}: how many of them are at most u gives the sample + 1100.

    80 decimal digits make each threshold exact up to its rounding, so a probability is off by at most 2^-128, and the
    distribution, cut tails included, by less than 2200 * 2^-128 < 2^-116 in statistical distance.
    """
    with localcontext() as context:
        context.prec = 80
        masses = [(Decimal(-x * x) / (2 * SIGMA * SIGMA)).exp() for x in range(-GAUSSIAN_LIMIT, GAUSSIAN_LIMIT + 1)]
        total = sum(masses)
        return tuple(int(partial / total * (1 << 128)) for partial in accumulate(masses[:-1]))


@cache
def _high_halves() -> npt.NDArray[np.uint64]:
    return np.array([threshold >> 64 for threshold in gaussian_table()], np.uint64)
