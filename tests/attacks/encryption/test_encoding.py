"""Mistake 5: a plaintext modulus that does not divide q, and a message that is added after rounding."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pytest

from protocol.encryption.committee import draw_master_keys
from protocol.encryption.fe64.ring import DELTA, MODULUS, PLAINTEXT_MODULUS
from protocol.encryption.suite import FE64, suite
from protocol.randomness import SeededRandomness
from tests.attacks.encryption.toy_ring import DEGREE, Element, centred, integers, rounded, times, uniform

WEIGHTS = (1, 100)


def summed_noise(unit: int, plaintext_modulus: int, values: list[Element], noise: list[Element]) -> Element:
    """What the server sees beside the sum: the noise of the weighted sum of two clients' signed ``values``."""
    rng = np.random.default_rng(5)
    a, secrets = uniform(rng), [uniform(rng), uniform(rng)]
    ciphertexts = [
        (times(a, secret) + e + unit * (x % plaintext_modulus)) % MODULUS
        for secret, e, x in zip(secrets, noise, values, strict=True)
    ]
    total = sum(y * c for y, c in zip(WEIGHTS, ciphertexts, strict=True))
    key = sum(y * s for y, s in zip(WEIGHTS, secrets, strict=True))
    decrypted = centred((np.asarray(total) - times(a, np.asarray(key) % MODULUS)) % MODULUS)
    return np.asarray(decrypted - unit * rounded(decrypted, unit))


def _two_worlds() -> tuple[list[Element], list[Element], list[Element]]:
    """Two pairs of inputs with one weighted sum: only in the first are the victim's coordinates negative."""
    rng = np.random.default_rng(6)
    victim, other = integers(rng.integers(-90, 0, DEGREE)), integers(rng.integers(2, 50, DEGREE))
    noise = [integers(np.rint(rng.normal(0, 1642, DEGREE))) for _ in range(2)]
    return [victim, other], [victim + WEIGHTS[1], other - 1], noise


def test_a_modulus_that_does_not_divide_q_shows_whose_coordinates_are_negative() -> None:
    negative, positive, noise = _two_worlds()
    plaintext_modulus = 1 << 54
    unit = rounded(np.array([MODULUS], dtype=object), plaintext_modulus)[0]
    worlds = [summed_noise(unit, plaintext_modulus, values, noise) for values in (negative, positive)]
    seen = worlds[0] - worlds[1]
    excess = (unit * plaintext_modulus - MODULUS) % unit
    assert np.all(centred(seen, unit) == centred(integers([excess] * DEGREE), unit))
    assert abs(int(centred(integers([excess]), unit)[0])) > 100 * 1642 * 101  # far above the noise: certain, not likely


def test_ours_divides_q_and_the_noise_is_the_same_in_both_worlds() -> None:
    assert PLAINTEXT_MODULUS * DELTA == MODULUS
    negative, positive, noise = _two_worlds()
    first = summed_noise(DELTA, PLAINTEXT_MODULUS, negative, noise)
    assert np.array_equal(first, summed_noise(DELTA, PLAINTEXT_MODULUS, positive, noise))
    assert np.array_equal(first, WEIGHTS[0] * noise[0] + WEIGHTS[1] * noise[1])


def _rounded_to_16(value: int) -> int:
    """A small f: from Z_21 to Z_16."""
    return (value % 21 * 16 * 2 + 21) // 42 % 16


def test_a_message_added_after_rounding_shows_in_the_words() -> None:
    """All of Z_21 as the mask, T = 7: rounded first, the words of one message are not spread like those of another."""
    after = [Counter((_rounded_to_16(u) + round(m * 16 / 7)) % 16 for u in range(21)) for m in range(7)]
    assert any(counts != after[0] for counts in after[1:])
    before = [Counter(_rounded_to_16(u + 3 * m) for u in range(21)) for m in range(7)]
    assert all(counts == before[0] for counts in before[1:])


@pytest.mark.parametrize("fields", [1, 2])
def test_ours_adds_the_message_before_rounding(fields: int) -> None:
    """One key and noise, two messages: words differ by the message's share of 2^64, rounded up or down."""
    keys = draw_master_keys(SeededRandomness(b"encoding"), 3, 2, "keys")
    scheme, label = suite(FE64), hashlib.sha256(b"encoding").digest()
    encoding = scheme.encoding_for(16, fields)
    words = [
        np.frombuffer(scheme.encrypt(keys, label, bytes(16), values, encoding, bytes(32)), "<u8")
        for values in (np.zeros(2048, np.int64), np.ones(2048, np.int64))
    ]
    difference = set((words[1] - words[0]).tolist())
    step = ((1 << 64) * (1 if fields == 1 else 1 + (1 << 27))) // PLAINTEXT_MODULUS
    assert difference == {step, step + 1}
