"""One client sends garbage, another nine times its range: both are named before the sum, which is that of the others.

The whole pure protocol in memory: pads, sketches, masked answers of five authorities, openings, verdict, sum keys.
"""

from __future__ import annotations

import numpy as np

from protocol.encryption.pad.encoding import pack_words
from protocol.encryption.suite import PAD, suite
from protocol.identifiers import sha256
from protocol.messages.screening import NORM
from protocol.messages.screening_terms import KRUM, ScreeningTerms
from protocol.screening.decision import Openings, Screened, decide_screened
from protocol.screening.gram import square, triangle_words
from protocol.screening.openings import opened
from protocol.screening.pads import update_share, withdraw
from protocol.screening.sketch import sketch_of
from tests.unit.protocol.screening.screened_cohort import REQUEST, Cohort

N, D, LARGEST = 7, 300, 2**11 - 1
WEIGHTS = [15, 15, 7, 15, 1, 15, 15]


def test_garbage_and_excess_are_named_and_the_round_goes_on() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(-200, 201, (N, D))
    values[5] = 9 * LARGEST
    cohort = Cohort(5, 2, values)
    cohort.bodies[2] = rng.bytes(6 * D)
    sketch = sketch_of(sha256(b"beacon"), D)
    grams = {j: cohort.gram_answer(j, sketch) for j in range(1, 6)}
    norms = {j: cohort.norm_answer(j, sketch) for j in range(1, 6)}
    openings = Openings(
        square(opened(grams, 5, 2, triangle_words(N)), N), opened(norms, 5, 2, 4 * N), np.zeros((0, 0), np.int64)
    )
    weights = dict(zip(cohort.clients, WEIGHTS, strict=True))
    terms = ScreeningTerms(KRUM, 2**13, 2**13, 100, probation=0)
    verdict = decide_screened(Screened(cohort.label, REQUEST, 1, terms, 0, weights, {}), openings)
    assert {entry.client: entry.reason for entry in verdict.rejected} == {
        cohort.clients[2]: NORM,
        cohort.clients[5]: NORM,
    }
    chosen = [i for i, client in enumerate(cohort.clients) if client in verdict.accepted]
    assert chosen == [0, 1, 3, 4, 6]

    partials = {}
    for j in (2, 4):
        key = np.zeros(D, np.uint64)
        for i, weight in enumerate(WEIGHTS):  # in the pass that sketches, before anybody knows whom to leave out
            update_share(cohort.bodies[i], cohort.pad(j, i), weight, key)
        for i in set(range(N)) - set(chosen):
            withdraw(key, cohort.pad(j, i), WEIGHTS[i])
        partials[j] = pack_words(key, 6)
    scheme = suite(PAD)
    encoding = scheme.encoding_for(12, 6)
    total = scheme.aggregator(encoding, D)
    used = [WEIGHTS[i] for i in chosen]
    total.fold_all([cohort.bodies[i] for i in chosen], used)
    key_bytes = scheme.combine(partials, 5, 2, encoding, D)
    sums = scheme.decrypt(total.words, cohort.label, key_bytes, encoding, D, used).sums
    assert np.array_equal(sums, np.array(used) @ values[chosen])
