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

from protocol.encryption.aggregate import Aggregator, decrypt
from protocol.encryption.client import client_secret, encrypt
from protocol.encryption.committee import authority_share, draw_master_keys, expand, lagrange_coefficient, subsets
from protocol.encryption.encoding import Encoding
from protocol.encryption.functional_key import combine, partial_key
from protocol.encryption.ring import PRIMES, inverse_ntt, reduce
from protocol.errors import EncryptionError
from protocol.randomness import SeededRandomness
from tests.attacks.encryption.toy_ring import DEGREE, centred, integers, rounded

LABEL, NONCE = hashlib.sha256(b"key properties").digest(), bytes(range(16))
SEEDS = SeededRandomness(b"key properties")


def test_the_smallest_noise_on_a_functional_key_is_no_key() -> None:
    """One added to one coefficient, far below any flooding: multiplied by the public element it is uniform."""
    encoding, keys = Encoding(16, 2), [draw_master_keys(SEEDS, 3, 2, f"flood {i}") for i in range(2)]
    values, weights = np.arange(-20, 20, dtype=np.int64), [2, 3]
    aggregator = Aggregator(encoding, len(values))
    for client, weight in zip(keys, weights, strict=True):
        aggregator.fold(encrypt(client, LABEL, NONCE, values, encoding, bytes(32)), weight)
    exact = reduce(
        client_secret(keys[0], LABEL, NONCE) * np.uint64(2) + client_secret(keys[1], LABEL, NONCE) * np.uint64(3)
    )
    opened = decrypt(aggregator.words, LABEL, exact, encoding, len(values), weights)
    assert opened.sums.tolist() == (5 * values).tolist()
    flooded = reduce(exact + np.uint64(1))  # the constant polynomial 1 is 1 at every point
    with pytest.raises(EncryptionError, match="E_RESIDUAL"):
        decrypt(aggregator.words, LABEL, flooded, encoding, len(values), weights)


def test_shares_of_a_master_key_do_not_expand_to_shares_of_a_secret() -> None:
    """The naive committee: K = f(0) on a line modulo 2^256 - 189; each authority expands its point on the line."""
    field = 2**256 - 189
    key, slope = (int.from_bytes(SEEDS.draw(f"shamir {i}", 32), "big") % field for i in (0, 1))
    shares = {j: ((key + slope * j) % field).to_bytes(32, "big") for j in (1, 2)}
    assert (2 * int.from_bytes(shares[1], "big") - int.from_bytes(shares[2], "big")) % field == key
    line = sum(expand(shares[j], LABEL, NONCE) * lagrange_coefficient((1, 2), j) for j in (1, 2))
    secret = expand(key.to_bytes(32, "big"), LABEL, NONCE)
    assert np.mean(reduce(np.asarray(line)) == secret) < 0.001


@pytest.mark.parametrize(("m", "t"), [(3, 2), (4, 3), (5, 2), (7, 4)])
def test_every_quorum_combines_to_exactly_the_weighted_secrets(m: int, t: int) -> None:
    keys = [draw_master_keys(SEEDS, m, t, f"client {i} of {m} {t}") for i in range(2)]
    weights = [7, 255]
    partials = {
        j: partial_key(j, m, t, LABEL, [(authority_share(k, j), NONCE, y) for k, y in zip(keys, weights, strict=True)])
        for j in range(1, m + 1)
    }
    secrets = [client_secret(k, LABEL, NONCE) for k in keys]
    expected = reduce(secrets[0] * np.uint64(7) + secrets[1] * np.uint64(255))
    for quorum in combinations(partials, t):
        assert np.array_equal(combine({j: partials[j] for j in quorum}, m, t), expected), quorum


def test_fewer_than_a_quorum_miss_a_key_of_every_client() -> None:
    """Any t - 1 authorities are one of the subsets: its key is held by none of them, and it masks the secret."""
    for m, t in ((3, 2), (4, 3), (5, 3), (7, 4)):
        for coalition in combinations(range(1, m + 1), t - 1):
            assert coalition in subsets(m, t)
            keys = {subset: bytes(32) for subset in subsets(m, t)}
            assert all(coalition not in authority_share(keys, j) for j in coalition)


def test_small_secrets_are_read_off_the_functional_key() -> None:
    """With coefficients in {-1, 0, 1} and weights 1 and 100 the key says everything; ours says nothing."""
    rng = np.random.default_rng(3)
    small, other = (integers(rng.integers(-1, 2, DEGREE)) for _ in range(2))
    assert np.array_equal(centred(small + 100 * other, 100), small)
    ours = [client_secret(draw_master_keys(SEEDS, 3, 2, f"uniform {i}"), LABEL, NONCE) for i in range(2)]
    first, second = (inverse_ntt(secret)[0].astype(object) for secret in ours)
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
    secret = client_secret(draw_master_keys(SEEDS, 3, 2, "chi"), LABEL, NONCE)
    for limb, prime in zip(secret, PRIMES, strict=True):
        counts = np.bincount((limb.astype(np.int64) * 64) // prime, minlength=64)
        assert len(counts) == 64
        assert float(((counts - 64) ** 2 / 64).sum()) < 63 + 5 * 11.3
