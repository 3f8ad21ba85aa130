"""Shares of pads and updates are the suite's; the sum key is that of exactly the accepted clients."""

from __future__ import annotations

import numpy as np
import pytest

from protocol.encryption.committee import authority_share
from protocol.encryption.pad.encoding import pack_words, unpack_words
from protocol.encryption.pad.sharing import lagrange_factors
from protocol.encryption.suite import PAD, suite
from protocol.errors import EncryptionError, Party
from protocol.identifiers import sha256
from protocol.screening.arithmetic import MODULUS
from protocol.screening.history import History
from protocol.screening.pads import check_fetched, pad_share, update_share, withdraw
from protocol.screening.sketch import sketch_of
from tests.unit.protocol.screening.screened_cohort import Cohort

COHORT = Cohort(5, 2, np.random.default_rng(1).integers(-900, 900, (3, 9000)))


def test_a_pass_over_the_clients_gives_the_suite_s_sum_key() -> None:
    weights, encoding = (3, 0, 255), suite(PAD).encoding_for(12, 6)
    for j in (1, 5):
        key = np.zeros(COHORT.dimension, np.uint64)
        for i, weight in enumerate(weights):
            update_share(COHORT.bodies[i], COHORT.pad(j, i), weight, key)

        def partial(chosen: dict[int, int], j: int = j) -> bytes:
            entries = [(authority_share(COHORT.keys[i], j), COHORT.nonces[i], y) for i, y in chosen.items()]
            return suite(PAD).partial_key(j, 5, 2, COHORT.label, entries, encoding, COHORT.dimension)

        assert pack_words(key, 6) == partial({0: 3, 2: 255})
        withdraw(key, COHORT.pad(j, 2), 255)
        assert pack_words(key, 6) == partial({0: 3})


def test_two_shares_of_an_update_give_the_update() -> None:
    for quorum in ((1, 2), (4, 2), (3, 5)):
        factors = lagrange_factors(quorum, 0, MODULUS)
        for i in range(3):
            parts = [COHORT.update(j, i).astype(object) * factor for j, factor in zip(quorum, factors, strict=True)]
            assert ((sum(parts) - COHORT.values[i].astype(object)) % MODULUS == 0).all()


def test_another_ciphertext_than_the_signed_one_is_refused() -> None:
    body = COHORT.bodies[0]
    check_fetched(body, b"a", b"a", COHORT.dimension)
    with pytest.raises(EncryptionError, match="E_SKETCH_BYTES") as refused:
        check_fetched(body, b"a", b"b", COHORT.dimension)
    assert refused.value.fault is Party.EDGE_SERVER
    with pytest.raises(EncryptionError, match="E_SKETCH_BYTES") as refused:
        check_fetched(body[1:], b"a", b"a", COHORT.dimension)
    assert refused.value.fault is Party.CLIENT


def test_keys_and_sizes_that_do_not_fit_are_refused() -> None:
    share = authority_share(COHORT.keys[0], 1)
    with pytest.raises(EncryptionError, match="E_PARAMS"):
        pad_share(2, 5, 2, COHORT.label, share, COHORT.nonces[0], 9)
    pad = COHORT.pad(1, 0)
    for body, weight, key in (
        (COHORT.bodies[0][6:], 1, np.zeros_like(pad)),
        (COHORT.bodies[0], 256, np.zeros_like(pad)),
        (COHORT.bodies[0], -1, np.zeros_like(pad)),
        (COHORT.bodies[0], 1, np.zeros(3, np.uint64)),
    ):
        with pytest.raises(EncryptionError, match="E_PARAMS"):
            update_share(body, pad, weight, key)


def test_whoever_keeps_ciphertexts_and_whoever_keeps_pads_hold_a_share_together() -> None:
    """S of sums of ciphertexts less S of sums of pads, as attested sketches and separate histories have it."""
    sketch, p, client = sketch_of(sha256(b"beacon"), COHORT.dimension), np.uint64(MODULUS), COHORT.clients[0]
    bodies, pads, updates = (History(COHORT.dimension, 4) for _ in range(3))
    for number, i in enumerate((0, 1), 1):
        bodies.settle(number, {client: unpack_words(COHORT.bodies[i], 6)})
        pads.settle(number, {client: COHORT.pad(3, i)})
        updates.settle(number, {client: COHORT.update(3, i)})
    apart = (bodies.sketched(sketch, client) + p - pads.sketched(sketch, client)) % p
    assert np.array_equal(apart, updates.sketched(sketch, client))
    words = unpack_words(COHORT.bodies[2], 6)
    assert np.array_equal(sketch.of_difference(words, COHORT.pad(3, 2)), sketch.of_words(COHORT.update(3, 2)))
