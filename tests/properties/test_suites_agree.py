"""FE64 = PAD = the plain integer sum on over ten thousand random rounds: most in a small ring, the rest in full."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from protocol.encryption.committee import authority_share, draw_master_keys
from protocol.encryption.fe64.encoding import Fe64Encoding
from protocol.encryption.fe64.ring import reduce
from protocol.encryption.pad.encoding import PadEncoding, pack_words, unpack_words
from protocol.encryption.port import Suite
from protocol.encryption.suite import FE64, PAD, suite
from protocol.errors import EncryptionError
from protocol.randomness import SeededRandomness
from tests.oracles import pad as oracle
from tests.properties import small_fe64

WHOLE, GROUPS = 160, 20
SMALL = 4096 // small_fe64.DEGREE  # rounds in each group: together they fill one element of the real ring
COMMITTEES = ((3, 2), (5, 2), (4, 3), (7, 3), (7, 4))
ENCODINGS = ((2, 16), (2, 13), (3, 8), (4, 6), (1, 30))  # k, b
Values = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Shape:
    m: int
    t: int
    fields: int
    bits: int
    width: int
    clients: int

    def weights(self, rng: np.random.Generator) -> list[int]:
        """Random ones that both suites allow."""
        fe64, pad = Fe64Encoding(self.bits, self.fields), PadEncoding(self.bits, self.width)
        top = 255
        while True:
            weights: list[int] = rng.integers(1, top + 1, self.clients).tolist()
            try:
                fe64.check_budget(weights)
                pad.check_budget(weights)
            except EncryptionError:
                top = max(1, top * 3 // 4)
            else:
                return weights

    def values(self, rng: np.random.Generator, count: int) -> Values:
        """Uniform, with both extremes more often than their turn."""
        largest = (1 << (self.bits - 1)) - 1
        drawn = rng.integers(-largest, largest + 1, count)
        extreme = rng.integers(0, 8, count)
        return np.where(extreme == 0, largest, np.where(extreme == 1, -largest, drawn))


def shape(rng: np.random.Generator, number: int) -> Shape:
    """Every committee meets every encoding within 25 numbers."""
    m, t = COMMITTEES[number % 5]
    fields, bits = ENCODINGS[(number + number // 5) % 5]
    return Shape(m, t, fields, bits, 6 if bits == 30 else int(rng.choice([4, 6])), int(rng.integers(2, 7)))


def quorum(rng: np.random.Generator, drawn: Shape) -> list[int]:
    size = int(rng.integers(drawn.t, drawn.m + 1))
    return sorted(int(j) + 1 for j in rng.permutation(drawn.m)[:size])


@pytest.mark.parametrize("seed", range(WHOLE // 20))
def test_whole_rounds_through_the_port(seed: int) -> None:
    rng = np.random.default_rng([1, seed])
    for number in range(20):
        drawn, label, name = shape(rng, 20 * seed + number), rng.bytes(32), f"{seed} {number}"
        weights, answering, d = drawn.weights(rng), quorum(rng, drawn), int(rng.integers(1, 40))
        values = [drawn.values(rng, d) for _ in weights]
        expected = np.sum([y * x for y, x in zip(weights, values, strict=True)], axis=0).tolist()
        for which, packing in ((FE64, drawn.fields), (PAD, drawn.width)):
            assert played(suite(which), drawn, packing, label, name, weights, values, answering) == expected


def played(
    scheme: Suite,
    drawn: Shape,
    packing: int,
    label: bytes,
    name: str,
    weights: list[int],
    values: list[Values],
    answering: list[int],
) -> list[int]:
    m, t, d, encoding = drawn.m, drawn.t, len(values[0]), scheme.encoding_for(drawn.bits, packing)
    seeds, running = SeededRandomness(name.encode()), scheme.aggregator(encoding, d)
    keys = [draw_master_keys(seeds, m, t, f"client {i}") for i in range(len(weights))]
    nonces = [seeds.draw(f"nonce {i}", 16) for i in range(len(weights))]
    for i, weight in enumerate(weights):
        running.fold(scheme.encrypt(keys[i], label, nonces[i], values[i], encoding, bytes([i]) * 32), weight)
    partials = {}
    for j in answering:
        entries = [(authority_share(k, j), nonce, y) for k, nonce, y in zip(keys, nonces, weights, strict=True)]
        partials[j] = scheme.partial_key(j, m, t, label, entries, encoding, d)
    key = scheme.combine(partials, m, t, encoding, d)
    sums: list[int] = scheme.decrypt(running.words, label, key, encoding, d, weights).sums.tolist()
    return sums


@pytest.mark.parametrize("seed", range(GROUPS))
def test_many_rounds_in_a_small_ring(seed: int) -> None:
    """Each round has weights of its own; committee, encoding and number of clients are the group's."""
    rng = np.random.default_rng([2, seed])
    drawn = shape(rng, seed)
    weights = np.array([drawn.weights(rng) for _ in range(SMALL)])  # (rounds, clients)
    per_round = small_fe64.DEGREE * drawn.fields
    values = [drawn.values(rng, SMALL * per_round) for _ in range(drawn.clients)]
    # values lie as the fields of the words of all rounds do: field by field, and in each round after round
    rows = np.tile(weights.repeat(small_fe64.DEGREE, axis=0), (drawn.fields, 1))
    expected = np.sum([rows[:, i] * x for i, x in enumerate(values)], axis=0)
    answering = quorum(rng, drawn)[: drawn.t]
    assert np.array_equal(_small_fe64(rng, drawn, weights, values, answering), expected)
    assert np.array_equal(_pad(rng, drawn, rows, values, answering), expected)


def _small_fe64(
    rng: np.random.Generator, drawn: Shape, weights: Values, values: list[Values], answering: list[int]
) -> Values:
    encoding, public = Fe64Encoding(drawn.bits, drawn.fields), small_fe64.uniform(rng, SMALL)
    words = np.zeros(SMALL * small_fe64.DEGREE, np.uint64)
    partials = {j: np.zeros((3, len(words)), np.uint64) for j in answering}
    for i, x in enumerate(values):
        client = small_fe64.Client(rng, SMALL, drawn.m, drawn.t)
        factor = weights[:, i].astype(np.uint64).repeat(small_fe64.DEGREE)
        words += client.encrypt(public, x, encoding, rng.bytes(32)) * factor
        for j in answering:
            partials[j] = reduce(partials[j] + client.share(j, drawn.m, drawn.t) * factor)
    return small_fe64.decrypted(words, public, partials, weights, encoding)


def _pad(rng: np.random.Generator, drawn: Shape, rows: Values, values: list[Values], answering: list[int]) -> Values:
    """PAD/1 as it is, but for the weights, which here are another for every round."""
    scheme, label, d = suite(PAD), rng.bytes(32), len(rows)
    m, t, encoding, p = drawn.m, drawn.t, PadEncoding(drawn.bits, drawn.width), oracle.PRIME_OF_WIDTH[drawn.width]
    words, partials = np.zeros(d, np.uint64), {j: np.zeros(d, np.uint64) for j in answering}
    for i, x in enumerate(values):
        nonce, keys = rng.bytes(16), draw_master_keys(SeededRandomness(rng.bytes(32)), m, t, "keys")
        factor = rows[:, i].astype(np.uint64)
        body = scheme.encrypt(keys, label, nonce, x, encoding, bytes(32))
        words = (words + unpack_words(body, drawn.width) * factor) % np.uint64(p)
        for j in answering:
            share = scheme.partial_key(j, m, t, label, [(authority_share(keys, j), nonce, 1)], encoding, d)
            partials[j] = (partials[j] + unpack_words(share, drawn.width) * factor) % np.uint64(p)
    packed = {j: pack_words(partial, drawn.width) for j, partial in partials.items()}
    key = scheme.combine(packed, m, t, encoding, d)
    heaviest = rows[rows.sum(axis=1).argmax()].tolist()
    return scheme.decrypt(words, label, key, encoding, d, heaviest).sums


def test_that_makes_ten_thousand() -> None:
    assert WHOLE + GROUPS * SMALL >= 10_000
