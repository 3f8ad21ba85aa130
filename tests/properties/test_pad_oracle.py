"""PAD/1 as it is used = PAD/1 in Python integers, bit by bit, on random rounds and around the edges of its blocks."""

from __future__ import annotations

import numpy as np
import pytest

from protocol.encryption.committee import authority_share
from protocol.encryption.suite import PAD, suite
from tests.oracles import pad

COMMITTEES = ((3, 2), (3, 3), (4, 3), (5, 2), (5, 3), (7, 3), (7, 4))
EDGES = (1, 8191, 8192, 8193, 16_385)


@pytest.mark.parametrize("width", [4, 6])
@pytest.mark.parametrize(("m", "t"), COMMITTEES)
def test_every_value_of_a_round(width: int, m: int, t: int) -> None:
    rng = np.random.default_rng([width, m, t])
    scheme, label = suite(PAD), rng.bytes(32)
    dimensions = EDGES if (m, t) == (3, 2) else tuple(rng.integers(1, 300, 3).tolist())
    for d in dimensions:
        encoding = scheme.encoding_for(16, width)
        weights: list[int] = rng.integers(1, 256, 2).tolist()
        keys = [{subset: rng.bytes(32) for subset in pad.subsets(m, t)} for _ in weights]
        nonces, values = [rng.bytes(16) for _ in weights], rng.integers(-32_767, 32_768, (2, d))
        running, ciphertexts = scheme.aggregator(encoding, d), []
        for i, weight in enumerate(weights):
            body = scheme.encrypt(keys[i], label, nonces[i], values[i], encoding, bytes(32))
            ciphertexts.append(pad.encrypt(keys[i], label, nonces[i], values[i].tolist(), width))
            assert body == pad.packed(ciphertexts[i], width)
            running.fold(body, weight)
        summed = pad.weighted_sum(ciphertexts, weights, width)
        assert running.words.tolist() == summed
        answers, sum_keys = {}, {}
        for j in range(1, t + 1):
            entries = [(authority_share(k, j), nonce, y) for k, nonce, y in zip(keys, nonces, weights, strict=True)]
            shares = [pad.share(k, j, label, nonce, d, width) for k, nonce in zip(keys, nonces, strict=True)]
            sum_keys[j] = pad.weighted_sum(shares, weights, width)
            answers[j] = scheme.partial_key(j, m, t, label, entries, encoding, d)
            assert answers[j] == pad.packed(sum_keys[j], width)
        key = pad.key_at_zero(sum_keys, width)
        assert scheme.combine(answers, m, t, encoding, d) == pad.packed(key, width)
        decrypted = scheme.decrypt(running.words, label, pad.packed(key, width), encoding, d, weights)
        assert decrypted.sums.tolist() == pad.decrypted(summed, key, width)
