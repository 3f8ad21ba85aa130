"""The compiled loops give the words of the plain reference."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.screening.arithmetic import MODULUS, Loops, Reference
from protocol.screening.compiled import Compiled

SIZES = st.sampled_from([1, 8191, 8192, 8193, 16_385]) | st.integers(1, 20_000)


@settings(max_examples=20)
@given(size=SIZES, seed=st.integers(0, 2**32), writeable=st.booleans())
def test_spread_accumulate_and_absorb_alike(size: int, seed: int, writeable: bool) -> None:
    rng, fast, plain = np.random.default_rng(seed), Compiled(), Reference()
    both: tuple[Loops, Loops] = (fast, plain)
    places = rng.integers(0, 1 + int(rng.integers(0, 256)), (4, size)).astype(np.uint8)
    values = rng.choice([2**49 - 1, 1 - 2**49, int(rng.integers(-(2**49), 2**49))], size)
    values.flags.writeable = places.flags.writeable = writeable
    assert np.array_equal(fast.spread(places, values) % MODULUS, plain.spread(places, values) % MODULUS)

    words, share = (rng.choice([0, MODULUS - 1, int(rng.integers(0, MODULUS))], size).astype("u8") for _ in "ab")
    totals = [share.copy(), share.copy()]
    for loops, total in zip(both, totals, strict=True):
        loops.accumulate(total, words)
    assert np.array_equal(totals[0], totals[1]) and totals[0].max() < MODULUS

    body, weight = rng.bytes(6 * size), int(rng.integers(0, 256))
    keys = [words.copy(), words.copy()]
    updates = [loops.absorb(body, share, weight, key) for loops, key in zip(both, keys, strict=True)]
    assert np.array_equal(updates[0], updates[1]) and updates[0].max() < MODULUS
    assert np.array_equal(keys[0], keys[1]) and keys[0].max() < MODULUS


def test_words_beyond_the_modulus_count_modulo_it() -> None:
    share = np.array([0, MODULUS - 1, 5], np.uint64)
    body = b"\xff" * 18
    for loops in (Compiled(), Reference()):
        update = loops.absorb(memoryview(b"x" + body)[1:], share, 0, np.zeros(3, np.uint64))
        assert update.tolist() == [(2**48 - 1 - int(word)) % MODULUS for word in share]
