"""From delta to integers: nothing is lost between update and residual."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from client_agent.training.trainers import trainer_for
from protocol.messages.task import MICRO, LearningTerms
from protocol.model.dataset import Examples
from protocol.model.specification import dimension_of
from protocol.randomness import Randomness, SeededRandomness
from protocol.round.training import Training
from protocol.round.update import prepare_update
from protocol.sparse.quantization import dequantise
from tests.samples import with_terms
from tests.unit.client_agent.scene_learning import LINEAR, TERMS, Recorder, examples

DIMENSION = 40
LARGEST = 2**15 - 1
STEP = TERMS.quantiser.bound_micro / MICRO / LARGEST
NOTHING = np.zeros(DIMENSION, dtype=np.float32)


@dataclass
class Given:
    """A trainer whose delta is known beforehand."""

    known: npt.NDArray[np.float64]

    def train(
        self, parameters: npt.NDArray[np.float32], learning: LearningTerms, randomness: Randomness, purpose: str
    ) -> Training:
        return Training(self.known, ())


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([0.0, 1e-6, 1.0, 20.0]), size=st.integers(0, DIMENSION))
def test_update_and_residual_together_are_delta_and_old_residual(seed: int, scale: float, size: int) -> None:
    generator = np.random.default_rng(seed)
    delta, residual = generator.normal(0, 1, (2, DIMENSION)) * scale
    indices = np.sort(generator.permutation(DIMENSION)[:size]).astype(np.uint32)
    before = delta.copy(), residual.copy()
    update = prepare_update(Given(delta), NOTHING, TERMS, indices, residual, SeededRandomness(b"p"), "round")
    assert update.values.dtype == np.int64
    assert update.residual.dtype == np.float64
    assert len(update.values) == size
    assert np.abs(update.values).max(initial=0) <= LARGEST
    restored = update.residual.copy()
    restored[indices] += dequantise(update.values, TERMS.quantiser)
    np.testing.assert_allclose(restored, delta + residual, atol=1e-9)
    outside = np.setdiff1d(np.arange(DIMENSION), indices)
    np.testing.assert_array_equal(update.residual[outside], (delta + residual)[outside])
    np.testing.assert_array_equal((delta, residual), before)


def test_within_the_bound_the_residual_is_less_than_a_step() -> None:
    delta = np.linspace(-9.9, 9.9, DIMENSION)
    indices = np.arange(DIMENSION, dtype=np.uint32)
    update = prepare_update(Given(delta), NOTHING, TERMS, indices, np.zeros(DIMENSION), SeededRandomness(b"q"), "r")
    assert np.abs(update.residual).max() < STEP


def test_beyond_the_bound_the_rest_comes_later() -> None:
    delta, indices = np.full(DIMENSION, 14.0), np.arange(DIMENSION, dtype=np.uint32)
    first = prepare_update(Given(delta), NOTHING, TERMS, indices, np.zeros(DIMENSION), SeededRandomness(b"r"), "1")
    assert (first.values == LARGEST).all()
    np.testing.assert_allclose(first.residual, 4.0)
    second = prepare_update(Given(0 * delta), NOTHING, TERMS, indices, first.residual, SeededRandomness(b"r"), "2")
    np.testing.assert_allclose(dequantise(second.values, TERMS.quantiser), 4.0, atol=STEP)


def test_one_label_draws_nothing_twice_and_the_evidence_stays_beside_the_update() -> None:
    images, labels = examples(20, 1)
    trainer, dimension = trainer_for(LINEAR, Examples({"inputs": images, "labels": labels})), dimension_of(LINEAR)
    learning = with_terms(TERMS, local_steps=2, sampling_rate_ppm=500_000)
    parameters, residual = np.zeros(dimension, dtype=np.float32), np.linspace(-1, 1, dimension)
    indices, recorder = np.arange(0, dimension, 3, dtype=np.uint32), Recorder(b"round")
    update = prepare_update(trainer, parameters, learning, indices, residual, recorder, "label")
    assert update.evidence == trainer.train(parameters, learning, Recorder(b"round"), "label").evidence
    assert len({purpose for purpose, _ in recorder.drawn}) == len(recorder.drawn)
