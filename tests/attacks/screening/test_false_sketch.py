"""An edge server and a client that collude give authorities a sketch of their choice instead of a ciphertext's.

The sketch is drawn after the commitments, so an honest protocol lets nobody choose it. Where authorities believe S c_i,
the pair reads any linear function of every other update's sketch.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from protocol.errors import EncryptionError, Party
from protocol.identifiers import sha256
from protocol.screening.gram import gram, square, triangle_words
from protocol.screening.openings import opened
from protocol.screening.pads import check_fetched
from protocol.screening.sketch import attested_sketch, packed_sketch, sketch_of
from tests.unit.protocol.screening.screened_cohort import Cohort

COHORT = Cohort(5, 2, np.random.default_rng(1).integers(-300, 301, (4, 200)))
SKETCH = sketch_of(sha256(b"drawn late"), 200)
COLLUDER = 3


def opened_with(false: int | None) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """The Gram matrix where authorities believe what they are told of S c_i; row ``false`` of one is changed."""
    answers = {}
    for j in (1, 2, 3):
        rows = COHORT.rows(j, SKETCH)
        if false is not None:
            rows[COLLUDER, false] = (int(rows[COLLUDER, false]) + 1) % (2**48 - 59)
        answers[j] = COHORT.masked(j, b"gram", gram(rows))
    return square(opened(answers, 5, 2, triangle_words(4)), 4)


def test_who_believes_sketches_gives_away_single_rows_of_every_update() -> None:
    true = opened_with(None)
    for row in (0, 77, 511):
        read = opened_with(row)[COLLUDER, :COLLUDER] - true[COLLUDER, :COLLUDER]
        assert read.tolist() == [int(SKETCH.of_integers(v)[row]) for v in COHORT.values[:COLLUDER]]


def test_an_authority_sketches_what_it_fetched_and_the_client_signed() -> None:
    signed = hashlib.sha256(COHORT.bodies[COLLUDER]).digest()
    false = bytes([COHORT.bodies[COLLUDER][0] ^ 1]) + COHORT.bodies[COLLUDER][1:]
    with pytest.raises(EncryptionError, match="E_SKETCH_BYTES") as refused:
        check_fetched(false, hashlib.sha256(false).digest(), signed, COHORT.dimension)
    assert refused.value.fault is Party.EDGE_SERVER


def test_one_corrupt_authority_attests_no_sketch() -> None:
    true, false = (packed_sketch(SKETCH.of_words(np.full(200, x, np.uint64))) for x in (1, 2))
    for claims in ({1: false}, {1: false, 2: true}, {1: false, 2: true, 3: true}):
        with pytest.raises(EncryptionError, match="E_SKETCH_BYTES"):
            attested_sketch(claims, 2)
