"""Mistake 8: the noise that is left authenticates the key. It does not see an error modulo q_0 or q_1.

Such an error of the functional key is a multiple of the other primes, so it moves the message and leaves the noise.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from protocol.encryption.committee import authority_share, draw_master_keys
from protocol.encryption.fe64.encoding import BLOCK_WORDS, residual_bound
from protocol.encryption.fe64.functional_key import decode_key, key_bytes
from protocol.encryption.fe64.ring import (
    DEGREE,
    DELTA,
    MODULUS,
    PLAINTEXT_MODULUS,
    PRIMES,
    ROOTS,
    Residues,
    inverse_ntt,
    multiply,
    public_block,
    reduce,
    switch_to_words,
)
from protocol.encryption.suite import FE64, suite
from protocol.errors import EncryptionError
from protocol.randomness import SeededRandomness

SUITE, LABEL, WEIGHTS = suite(FE64), hashlib.sha256(b"wrong limb").digest(), [3, 5]
ENCODING = SUITE.encoding_for(16, 2)


@dataclass(frozen=True)
class Round:
    values: list[npt.NDArray[np.int64]]
    words: npt.NDArray[np.uint64]
    partials: dict[int, bytes]

    def key(self, partials: dict[int, bytes]) -> bytes:
        return SUITE.combine(partials, 3, 2, ENCODING, len(self.values[0]))

    def decrypt(self, key: bytes) -> npt.NDArray[np.int64]:
        return SUITE.decrypt(self.words, LABEL, key, ENCODING, len(self.values[0]), WEIGHTS).sums

    @property
    def expected(self) -> list[int]:
        sums: list[int] = np.asarray(sum(y * x for y, x in zip(WEIGHTS, self.values, strict=True))).tolist()
        return sums


def played(dimension: int) -> Round:
    """Two clients and a committee of 2-of-3, all three answers."""
    rng, seeds = np.random.default_rng(dimension), SeededRandomness(b"wrong limb")
    keys = [draw_master_keys(seeds, 3, 2, f"client {i}") for i in range(2)]
    values = [rng.integers(-30_000, 30_000, dimension) for _ in keys]
    aggregator = SUITE.aggregator(ENCODING, dimension)
    for i, (client, x) in enumerate(zip(keys, values, strict=True)):
        aggregator.fold(SUITE.encrypt(client, LABEL, bytes(16), x, ENCODING, bytes([i]) * 32), WEIGHTS[i])
    partials = {}
    for j in (1, 2, 3):
        entries = [(authority_share(k, j), bytes(16), y) for k, y in zip(keys, WEIGHTS, strict=True)]
        partials[j] = SUITE.partial_key(j, 3, 2, LABEL, entries, ENCODING, dimension)
    return Round(values, aggregator.words, partials)


def largest_residual(words: npt.NDArray[np.uint64], key: Residues) -> float:
    """The naive check, by itself: how far the first block is from whole messages, in ciphertext words."""
    mask = switch_to_words(inverse_ntt(multiply(public_block(LABEL, 0), key)))
    differences = [int(word) for word in words[:BLOCK_WORDS] - mask[: len(words)]]
    scaled = [difference * PLAINTEXT_MODULUS % 2**64 for difference in differences]
    return max(min(rest, 2**64 - rest) for rest in scaled) / PLAINTEXT_MODULUS


@pytest.mark.parametrize(("limb", "code"), [(0, "E_RANGE"), (1, "E_RANGE"), (2, "E_RESIDUAL")])
def test_a_wrong_limb_is_caught_by_the_range_where_the_residual_is_blind(limb: int, code: str) -> None:
    game = played(600)
    key = game.key({j: game.partials[j] for j in (1, 2)})
    assert game.decrypt(key).tolist() == game.expected
    wrong = decode_key(key)
    wrong[limb] = (wrong[limb] + np.uint64(1)) % np.uint64(PRIMES[limb])
    accepted_by_the_naive_check = largest_residual(game.words, wrong) <= residual_bound(WEIGHTS)
    assert accepted_by_the_naive_check == (limb != 2)
    with pytest.raises(EncryptionError) as caught:
        game.decrypt(key_bytes(wrong))
    assert caught.value.code == code


def evaluated(coefficients: list[int]) -> Residues:
    """The element with these coefficients, in the order of 3.1, one point after the other."""
    reversal = [int(f"{i:06b}"[::-1], 2) for i in range(64)]
    k = np.array([reversal[position % 64] + 64 * reversal[position // 64] for position in range(DEGREE)])
    rows = []
    for prime, root in zip(PRIMES, ROOTS, strict=True):
        powers = np.array([pow(root, exponent, prime) for exponent in range(2 * DEGREE)], np.uint64)
        total = np.zeros(DEGREE, np.uint64)
        for n, coefficient in enumerate(coefficients):
            if coefficient:
                total += np.uint64(coefficient % prime) * powers[(2 * k + 1) * n % (2 * DEGREE)] % np.uint64(prime)
        rows.append(total % np.uint64(prime))
    return np.array(rows)


def lie(wanted: dict[int, int]) -> bytes:
    """Adds to authority 2's answer what moves word w of block 0 by ``wanted[w]``: Delta * wanted / a_0.

    In the quorum {1, 2} its weight is lambda_2 = 1 / (1 - 2), and decryption subtracts the key: the signs cancel.
    """
    shift = evaluated([wanted.get(n, 0) * DELTA % MODULUS for n in range(max(wanted) + 1)])
    public = public_block(LABEL, 0)
    inverse = np.array([[pow(int(v), -1, p) for v in row] for row, p in zip(public, PRIMES, strict=True)], np.uint64)
    return key_bytes(multiply(shift, inverse))


def told(game: Round, added: bytes) -> dict[int, bytes]:
    answer = reduce(decode_key(game.partials[2]) + decode_key(added))
    return game.partials | {2: key_bytes(answer)}


def test_a_chosen_lie_passes_residual_and_range_on_one_block_and_only_a_further_answer_catches_it() -> None:
    """With exactly t answers an authority moves single coordinates of a short model as it likes."""
    game = played(600)
    partials = told(game, lie({0: 1000, 7: -5}))
    key = game.key({j: partials[j] for j in (1, 2)})
    moved = np.array(game.decrypt(key)) - np.array(game.expected)
    assert {int(i): int(moved[i]) for i in np.flatnonzero(moved)} == {0: 1000, 7: -5}
    with pytest.raises(EncryptionError, match="E_SHARE_INCONSISTENT"):
        game.key(partials)


def test_the_same_lie_makes_every_other_block_uniform() -> None:
    """a_0 and a_1 are independent: what is small in one block is uniform in the next, and out of range."""
    game = played(2 * BLOCK_WORDS + 600)
    partials = told(game, lie({0: 1000}))
    with pytest.raises(EncryptionError, match="E_RANGE"):
        game.decrypt(game.key({j: partials[j] for j in (1, 2)}))
