"""The compiled loops give the bytes of the plain reference, whatever the sizes, weights and streams."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.encryption.fe64 import kernels as fe64_kernels
from protocol.encryption.fe64.compiled import Compiled as Fe64Compiled
from protocol.encryption.fe64.encoding import Fe64Encoding
from protocol.encryption.fe64.gaussian import BINS, alias_table, gaussian, magnitude_masses
from protocol.encryption.fe64.reference import Reference as Fe64Reference
from protocol.encryption.fe64.ring import PRIMES, STREAM_BYTES, reduce, uniform_limbs
from protocol.encryption.pad import kernels as pad_kernels
from protocol.encryption.pad.compiled import Compiled as PadCompiled
from protocol.encryption.pad.encoding import PadEncoding
from protocol.encryption.pad.reference import Reference as PadReference
from protocol.errors import EncryptionError

SIZES = st.sampled_from([1, 2, 3, 5, 4095, 4097, 8191, 8192, 8193, 12289]) | st.integers(1, 17_000)
SEEDS = st.integers(0, 2**32)
FE64 = st.sampled_from([(16, 2), (2, 2), (26, 2), (30, 1), (11, 3), (8, 4), (6, 4)]).map(lambda p: Fe64Encoding(*p))
PAD = st.sampled_from([(16, 4), (31, 4), (2, 4), (16, 6), (30, 6), (47, 6)]).map(lambda p: PadEncoding(*p))


def some_values(rng: np.random.Generator, largest: int, size: int) -> npt.NDArray[np.int64]:
    values = rng.integers(-largest, largest + 1, size)
    values[rng.integers(0, size)] = largest
    values[rng.integers(0, size)] = -largest
    values.flags.writeable = bool(rng.integers(0, 2))
    return values


@settings(max_examples=20)
@given(encoding=FE64, size=SIZES, seed=SEEDS, noisy=st.booleans())
def test_fe64_encrypts_and_opens_alike(encoding: Fe64Encoding, size: int, seed: int, noisy: bool) -> None:
    rng, fast, plain = np.random.default_rng(seed), Fe64Compiled(), Fe64Reference()
    label, noise_key = rng.bytes(32), rng.bytes(32) if noisy else None
    keys, weights = [rng.bytes(32) for _ in range(3)], [int(w) for w in rng.integers(1, 256, 3)]
    secret = plain.expand_sum(keys, weights)
    assert np.array_equal(fast.expand_sum(keys, weights), secret)
    values = some_values(rng, encoding.largest, size)
    body = plain.encrypt(secret, label, values, encoding, noise_key)
    assert fast.encrypt(secret, label, values, encoding, noise_key) == body
    words = np.frombuffer(body, "<u8").astype(np.uint64) * np.uint64(weights[0])
    key, block = reduce(secret * np.uint64(weights[0])), int(rng.integers(0, 2**20)) * int(rng.integers(0, 2))
    fields, residual = fast.unmask(words, block, label, key, encoding)
    expected_fields, expected_residual = plain.unmask(words, block, label, key, encoding)
    assert np.array_equal(fields, expected_fields)
    assert residual == expected_residual


@settings(max_examples=20)
@given(encoding=PAD, size=SIZES, seed=SEEDS)
def test_pad_encrypts_shares_and_opens_alike(encoding: PadEncoding, size: int, seed: int) -> None:
    rng, fast, plain = np.random.default_rng(seed), PadCompiled(), PadReference()
    keys = [rng.bytes(32) for _ in range(4)]
    values = some_values(rng, encoding.largest, size)
    pads = [int(c) for c in rng.integers(0, 400, 4)]
    body = plain.encrypt(keys, pads, values, encoding)
    assert fast.encrypt(keys, pads, values, encoding) == body
    sums, expected = np.zeros(size, np.uint64), np.zeros(size, np.uint64)
    for weight in (1, 255):
        signed = [int(c) for c in rng.integers(-400, 400, 4)]
        fast.add_share(sums, weight, keys, signed, encoding)
        plain.add_share(expected, weight, keys, signed, encoding)
        assert np.array_equal(sums, expected)
    words = rng.integers(0, encoding.modulus, size, dtype=np.uint64)
    key = plain.unpacked(body, encoding)
    assert np.array_equal(fast.unpacked(body, encoding), key)
    assert np.array_equal(fast.unmask(words, key, encoding), plain.unmask(words, key, encoding))
    factors = [int(f) for f in rng.integers(0, encoding.modulus, 2)]
    assert np.array_equal(
        fast.scaled_sum([words, key], factors, encoding), plain.scaled_sum([words, key], factors, encoding)
    )
    large = rng.integers(0, 2**63, size, dtype=np.uint64)
    assert np.array_equal(fast.reduced(large, encoding), plain.reduced(large, encoding))


@settings(max_examples=20)
@given(size=SIZES, bodies=st.integers(0, 140), seed=SEEDS)
def test_sums_of_bodies_are_alike(size: int, bodies: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = [int(w) for w in rng.integers(1, 256, bodies)]
    whole = [rng.bytes(8 * size) for _ in range(bodies)]
    sums, expected = np.zeros((2, size), np.uint64)
    Fe64Compiled().add(sums, whole, weights)
    Fe64Reference().add(expected, whole, weights)
    assert np.array_equal(sums, expected)
    for encoding in (PadEncoding(16, 4), PadEncoding(16, 6)):
        cut = [memoryview(body)[1 : 1 + encoding.packing * size] for body in whole]  # anywhere in memory
        sums, expected = np.zeros((2, size), np.uint64)
        for start in range(0, bodies, 70):
            PadCompiled().add(sums, cut[start : start + 70], weights[start : start + 70], encoding)
            assert int(sums.max(initial=0)) < 2**50
        PadReference().add(expected, cut, weights, encoding)
        assert np.array_equal(sums % np.uint64(encoding.modulus), expected)


@pytest.mark.parametrize("encoding", [Fe64Encoding(16, 2), Fe64Encoding(8, 4)])
@pytest.mark.parametrize("position", [0, 4096, 9000])
@pytest.mark.parametrize("beyond", [1, -1])
def test_a_value_that_does_not_fit_is_refused(encoding: Fe64Encoding, position: int, beyond: int) -> None:
    values = np.zeros(9001, np.int64)
    values[position] = beyond * (encoding.largest + 1)
    secret = Fe64Reference().expand_sum([bytes(32)], [1])
    with pytest.raises(EncryptionError) as caught:
        Fe64Compiled().encrypt(secret, bytes(32), values, encoding, None)
    assert caught.value.code == "E_RANGE"
    for padding in (PadEncoding(encoding.bits, 4), PadEncoding(encoding.bits, 6)):
        with pytest.raises(EncryptionError) as caught:
            PadCompiled().encrypt([bytes(32)], [1], values, padding)
        assert caught.value.code == "E_RANGE"


def test_uniform_words_are_replaced_in_order_and_run_out() -> None:
    rng, primes = np.random.default_rng(5), np.array(PRIMES, np.uint64)
    for refused in (0, 1, 30, 64, 65):
        stream = (rng.integers(0, min(PRIMES), STREAM_BYTES // 4)).astype(np.uint32)
        rows = stream.reshape(3, 4160)
        rows[1, rng.choice(4096, refused, replace=False)] = 2**27 - 1
        rows[2, 4096:4100] = 2**28 - 1
        if refused == 65:
            assert fe64_kernels.sample_uniform(stream.copy(), primes) == 1
            with pytest.raises(EncryptionError, match="E_SAMPLER"):
                uniform_limbs(stream.tobytes())
            continue
        expected = uniform_limbs(stream.tobytes())
        assert fe64_kernels.sample_uniform(stream, primes) == 0
        assert np.array_equal(stream.reshape(3, 4160)[:, :4096], expected)


def test_pad_words_are_replaced_in_order_and_run_out() -> None:
    """Refused words are too rare to be met at random: one in 2^30."""
    for refused, spoilt in ((0, 0), (3, 0), (8, 0), (3, 5), (3, 6), (9, 0)):
        words = np.arange(100, 208, dtype=np.uint64)
        for bits, excess, add in ((32, 5, pad_kernels.add_stream_4), (48, 59, pad_kernels.add_stream_6)):
            stream, total = words.copy(), np.zeros(100, np.int64)
            stream[10 : 10 + refused] = 2**bits - excess
            stream[100 : 100 + spoilt] = 2**bits - 1
            expected = stream[:100].copy()
            if refused + spoilt <= 8:
                expected[10 : 10 + refused] = stream[100 + spoilt : 100 + spoilt + refused]
            packed = stream.astype(np.uint32) if bits == 32 else stream.view(np.uint16).reshape(-1, 4)[:, :3].ravel()
            assert add(packed, -3, total) == (refused + spoilt > 8)
            if refused + spoilt <= 8:
                assert np.array_equal(total, -3 * expected.astype(np.int64))


def test_ties_of_the_gaussian_take_words_in_order_and_run_out() -> None:
    """Ties are too rare to be met at random: one in a million samples."""
    rng, thresholds = np.random.default_rng(6), alias_table()[0]
    for ties in (0, 1, 16, 17):
        words = rng.integers(0, 2**32, 8240, dtype=np.uint32)
        for i in rng.choice(8192, ties, replace=False):
            own = int(rng.integers(0, 1101))
            words[i] = own << 21 | (thresholds[own] >> 96 & 0xFFFFF) << 1 | int(rng.integers(0, 2))
        met = [i for i in range(8192) if (int(words[i]) >> 1 & 0xFFFFF) == thresholds[int(words[i]) >> 21] >> 96]
        near = rng.integers(-1, 2, 16)
        for place, (i, side) in enumerate(zip(met, near, strict=False)):  # just below, at, and just above
            rest = (thresholds[int(words[i]) >> 21] + int(side)) % 2**96
            words[8192 + 3 * place : 8195 + 3 * place] = [rest >> shift & 0xFFFFFFFF for shift in (0, 32, 64)]
        noise = np.zeros(4096, np.int32)
        if len(met) > 16:
            assert fe64_kernels.gaussian(words, *Fe64Compiled()._bins, noise) == 1
            with pytest.raises(EncryptionError, match="E_SAMPLER"):
                gaussian(words[:8192], words[8192:])
            continue
        assert fe64_kernels.gaussian(words, *Fe64Compiled()._bins, noise) == 0
        x1, x2 = gaussian(words[:8192], words[8192:]).reshape(2, 4096)
        assert np.array_equal(noise, x1 + 20 * x2)


def test_the_alias_table_is_the_distribution_exactly() -> None:
    masses, (thresholds, aliases) = magnitude_masses(), alias_table()
    assert sum(masses) == 2**127
    found = [0] * BINS
    for i in range(BINS):
        assert 0 <= thresholds[i] <= 2**116
        found[i] += thresholds[i]
        found[aliases[i]] += 2**116 - thresholds[i]
    assert found == masses + [0] * (BINS - len(masses))
    variance = sum(mass * x * x for x, mass in enumerate(masses)) / 2**127
    assert abs(variance / 82**2 - 1) < 1e-12
