"""Sybils that hide one poison in the kernel of the sketch: it works if the sketch is known before they commit, only.

Five sybils send a direction of their own each, and ten times the bound of one poison that the early sketch maps to
almost nothing. Honest clients have skewed data: a direction each.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocol.identifiers import sha256
from protocol.messages.screening import NORM, ScreeningVerdict
from protocol.messages.screening_terms import FOOLSGOLD, ScreeningTerms
from protocol.screening.decision import Openings, Screened, decide_screened
from protocol.screening.sketch import sketch_of

D, HONEST, SYBILS, B = 3000, 8, 5, 2**13
Integers = npt.NDArray[np.int64]
EARLY, LATE = sha256(b"known before the commitments"), sha256(b"hash of a later block")
NAMES = [bytes([k]) * 20 for k in range(1, HONEST + SYBILS + 1)]
RNG = np.random.default_rng(5)
TARGET = RNG.normal(size=D)


def in_kernel(drawn: bytes, vector: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The part of ``vector`` that this sketch maps to zero."""
    places, matrix = sketch_of(drawn, D).places, np.zeros((512, D))
    for block in range(4):
        rows = 128 * block + (places[block] & 127).astype(int)
        matrix[rows, np.arange(D)] = np.where(places[block] >= 128, -1.0, 1.0)
    return vector - matrix.T @ np.linalg.lstsq(matrix @ matrix.T, matrix @ vector, rcond=None)[0]


def updates(length: float) -> Integers:
    """Of honest clients, then of sybils whose hidden part has this length."""
    own = RNG.normal(size=(HONEST + SYBILS, D))
    own *= 2000 / np.linalg.norm(own, axis=1)[:, None]
    hidden = in_kernel(EARLY, TARGET)
    own[HONEST:] += hidden * length / np.linalg.norm(hidden)
    return np.rint(own).astype(np.int64)


def judged(values: Integers, drawn: bytes) -> ScreeningVerdict:
    sketch = sketch_of(drawn, D)
    rows = np.array([sketch.of_integers(v) for v in values])
    norms = (rows.reshape(-1, 4, 128) ** 2).sum(axis=2).reshape(-1)
    terms = ScreeningTerms(FOOLSGOLD, B, B, 100)
    screened = Screened(bytes(32), bytes(32), 9, terms, 0, dict.fromkeys(NAMES, 15), dict.fromkeys(NAMES, 2))
    history = 2 * rows
    return decide_screened(screened, Openings(rows @ rows.T, norms, history @ history.T))


def test_a_sketch_known_early_sees_nothing_of_the_poison() -> None:
    verdict = judged(updates(10.0 * B), EARLY)
    assert [entry.level for entry in verdict.levels] == [15] * (HONEST + SYBILS)
    assert not verdict.rejected and len(verdict.accepted) == HONEST + SYBILS


def test_a_sketch_drawn_after_the_commitments_names_them_by_their_length() -> None:
    verdict = judged(updates(10.0 * B), LATE)
    assert {entry.client: entry.reason for entry in verdict.rejected} == dict.fromkeys(NAMES[HONEST:], NORM)
    assert set(verdict.accepted) == set(NAMES[:HONEST])


def test_and_within_the_bound_by_their_likeness() -> None:
    values = updates(6000.0)
    assert [entry.level for entry in judged(values, EARLY).levels] == [15] * (HONEST + SYBILS)
    verdict = judged(values, LATE)
    assert not verdict.rejected
    assert [entry.level for entry in verdict.levels] == [15] * HONEST + [0] * SYBILS
