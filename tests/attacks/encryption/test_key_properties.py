"""Mistakes 2 to 4 have no attack of their own against ours: these are the properties that we rely on instead.

2: a functional key cannot be flooded with noise. 3: shares of a master key are not shares of what it expands to.
4: a small secret makes the functional key itself a hint; ours is uniform.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest

from protocol.encryption.committee import authority_share, draw_master_keys, subsets
from protocol.encryption.fe64.functional_key import decode_key, key_bytes
from protocol.encryption.fe64.ring import PRIMES, Residues, inverse_ntt, reduce
from protocol.encryption.suite import FE64, suite
from protocol.errors import EncryptionError
from protocol.randomness import SeededRandomness
from tests.attacks.encryption.toy_ring import DEGREE, centred, integers, rounded
from tests.oracles import fe64

SUITE, LABEL, NONCE = suite(FE64), hashlib.sha256(b"key properties").digest(), bytes(range(16))
ENCODING, SEEDS = SUITE.encoding_for(16, 2), SeededRandomness(b"key properties")
DIMENSION = 40


def partials(keys: list[dict[tuple[int, ...], bytes]], weights: list[int], m: int, t: int) -> dict[int, bytes]:
    pairs = list(zip(keys, weights, strict=True))
    return {
        j: SUITE.partial_key(j, m, t, LABEL, [(authority_share(k, j), NONCE, y) for k, y in pairs], ENCODING, DIMENSION)
        for j in range(1, m + 1)
    }


def test_the_smallest_noise_on_a_functional_key_is_no_key() -> None:
    """One added to one coefficient, far below any flooding: multiplied by the public element it is uniform."""
    keys, weights = [draw_master_keys(SEEDS, 3, 2, f"flood {i}") for i in range(2)], [2, 3]
    values = np.arange(DIMENSION, dtype=np.int64) - 20
    aggregator = SUITE.aggregator(ENCODING, DIMENSION)
    for client, weight in zip(keys, weights, strict=True):
        aggregator.fold(SUITE.encrypt(client, LABEL, NONCE, values, ENCODING, bytes(32)), weight)
    exact = SUITE.combine(partials(keys, weights, 3, 2), 3, 2, ENCODING, DIMENSION)
    decrypted = SUITE.decrypt(aggregator.words, LABEL, exact, ENCODING, DIMENSION, weights)
    assert decrypted.sums.tolist() == (5 * values).tolist()
    flooded = key_bytes(reduce(decode_key(exact) + np.uint64(1)))  # the polynomial 1 has the value 1 at every point
    with pytest.raises(EncryptionError, match="E_RESIDUAL"):
        SUITE.decrypt(aggregator.words, LABEL, flooded, ENCODING, DIMENSION, weights)


def test_shares_of_a_master_key_do_not_expand_to_shares_of_a_secret() -> None:
    """The naive committee: K = f(0) on a line modulo 2^256 - 189; each authority expands its point on the line."""
    field = 2**256 - 189
    key, slope = (int.from_bytes(SEEDS.draw(f"shamir {i}", 32), "big") % field for i in (0, 1))
    shares = {j: ((key + slope * j) % field).to_bytes(32, "big") for j in (1, 2)}
    assert (2 * int.from_bytes(shares[1], "big") - int.from_bytes(shares[2], "big")) % field == key
    expanded = [fe64.expanded(shares[j], LABEL, NONCE) for j in (1, 2)]
    line = fe64.combination(expanded, [(2, 2, 2), (-1, -1, -1)])
    secret = fe64.expanded(key.to_bytes(32, "big"), LABEL, NONCE)
    assert np.mean(np.array(line) == np.array(secret)) < 0.001


@pytest.mark.parametrize(("m", "t"), [(3, 2), (4, 3), (5, 2), (7, 3)])
def test_every_quorum_combines_to_exactly_the_weighted_secrets(m: int, t: int) -> None:
    keys, weights = [draw_master_keys(SEEDS, m, t, f"client {i} of {m} {t}") for i in range(2)], [7, 255]
    answers = partials(keys, weights, m, t)
    secrets = [fe64.secret(k, LABEL, NONCE) for k in keys]
    expected = fe64.packed(fe64.combination(secrets, [(7, 7, 7), (255, 255, 255)]))
    for quorum in combinations(answers, t):
        assert SUITE.combine({j: answers[j] for j in quorum}, m, t, ENCODING, DIMENSION) == expected, quorum


def test_fewer_than_a_quorum_miss_a_key_of_every_client() -> None:
    """Any t - 1 authorities are one of the subsets: its key is held by none of them, and it masks the secret."""
    for m, t in ((3, 2), (4, 3), (5, 3), (7, 3), (7, 4)):
        for coalition in combinations(range(1, m + 1), t - 1):
            assert coalition in subsets(m, t)
            keys = {subset: bytes(32) for subset in subsets(m, t)}
            assert all(coalition not in authority_share(keys, j) for j in coalition)


def _our_secret(purpose: str) -> Residues:
    keys = draw_master_keys(SEEDS, 3, 2, purpose)
    answers = partials([keys], [1], 3, 2)
    return decode_key(SUITE.combine(answers, 3, 2, ENCODING, DIMENSION))


def test_small_secrets_are_read_off_the_functional_key() -> None:
    """With coefficients in {-1, 0, 1} and weights 1 and 100 the key says everything; ours says nothing."""
    rng = np.random.default_rng(3)
    small, other = (integers(rng.integers(-1, 2, DEGREE)) for _ in range(2))
    assert np.array_equal(centred(small + 100 * other, 100), small)
    first, second = (inverse_ntt(_our_secret(f"uniform {i}"))[0].astype(object) for i in range(2))
    functional_key = (first + 100 * second) % PRIMES[0]
    read = functional_key - 100 * rounded(functional_key, 100)
    assert np.mean(read % PRIMES[0] == first) < 0.01


def test_with_uniform_secrets_the_key_is_independent_of_all_but_one() -> None:
    """Exhaustively modulo 7: given s_1, the key y_1 s_1 + y_2 s_2 is uniform, whatever the weights."""
    for y1, y2 in product(range(1, 7), repeat=2):
        seen = Counter((s1, (y1 * s1 + y2 * s2) % 7) for s1, s2 in product(range(7), repeat=2))
        assert len(seen) == 49


def test_our_secrets_are_uniform() -> None:
    """Chi-squared of 64 equal parts of each prime: 63 with a standard deviation of 11 for a uniform sampler."""
    for limb, prime in zip(_our_secret("chi"), PRIMES, strict=True):
        counts = np.bincount((limb.astype(np.int64) * 64) // prime, minlength=64)
        assert len(counts) == 64
        assert float(((counts - 64) ** 2 / 64).sum()) < 63 + 5 * 11.3
