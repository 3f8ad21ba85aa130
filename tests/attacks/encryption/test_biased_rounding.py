"""Mistake 7: a switch whose truncated constants are not made up for. Words are off by little, all one way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from protocol.encryption.fe64.encoding import residual_bound
from protocol.encryption.fe64.ring import MODULUS, PRIMES, Residues, Words, reduce, switch_to_words

CLIENTS, WORDS = 10_000, 1024
_Q = np.array(PRIMES, np.uint64)[:, None]


def naive_switch(coefficients: Residues) -> Words:
    """f as in ``encryption.md`` 3.4, but with 2^31 (round to nearest) in the place of RC."""
    cofactors = np.array([pow(MODULUS // p, -1, p) for p in PRIMES], np.uint64)[:, None]
    scale = np.array([(1 << 64) // p for p in PRIMES], np.uint64)[:, None]
    fraction = np.array([((1 << 64) % p << 32) // p for p in PRIMES], np.uint64)[:, None]
    v = coefficients * cofactors % _Q
    carry = ((v * fraction).sum(axis=0, dtype=np.uint64) + np.uint64(1 << 31)) >> np.uint64(32)
    return np.asarray((v * scale).sum(axis=0, dtype=np.uint64) + carry)


def noise_of_the_sum(switch: Callable[[Residues], Words]) -> npt.NDArray[np.int64]:
    """Words of 10,000 ciphertexts of nothing (no message, no Gaussian), added, less the word of their sum."""
    rng = np.random.default_rng(13)
    words, total = np.zeros(WORDS, np.uint64), np.zeros((3, WORDS), np.uint64)
    for _ in range(CLIENTS // 4):
        masks = np.concatenate([rng.integers(0, p, (1, 4 * WORDS), np.uint64) for p in PRIMES])
        words += switch(masks).reshape(4, WORDS).sum(axis=0, dtype=np.uint64)
        total += masks.reshape(3, 4, WORDS).sum(axis=1, dtype=np.uint64)
    return (words - switch(reduce(total))).view(np.int64)


def test_a_biased_switch_breaks_large_rounds_and_ours_does_not() -> None:
    bound = residual_bound([1] * CLIENTS)
    naive, ours = noise_of_the_sum(naive_switch), noise_of_the_sum(switch_to_words)
    assert naive.mean() < -150
    assert np.any(np.abs(naive) > bound)
    assert abs(ours.mean()) < 5  # 1024 words of standard deviation 29: five standard errors are 4.5
    assert np.all(np.abs(ours) < bound * 2 // 3)
