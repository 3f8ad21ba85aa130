"""From delta to integers: rounded fairly at the coordinates that are sent, cut at the bound, and nothing kept."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from client_agent.training.trainers import trainer_for
from protocol.messages.learning import MICRO
from protocol.model.dataset import Examples
from protocol.model.specification import dimension_of
from protocol.randomness import SeededRandomness
from protocol.round.training import Assignment, Training
from protocol.round.update import Update, prepare_update
from protocol.sparse.quantization import dequantise
from tests.samples import with_terms
from tests.unit.client_agent.scene_learning import LINEAR, TERMS, Recorder, examples, some

DIMENSION = dimension_of(LINEAR)
LARGEST = 2**15 - 1
BOUND = TERMS.quantiser.bound_micro / MICRO
STEP = BOUND / LARGEST
NOTHING = np.zeros(DIMENSION, dtype=np.float32)


@dataclass
class Given:
    """A trainer whose delta is known beforehand, of all coordinates."""

    known: npt.NDArray[np.float64]

    def train(self, assignment: Assignment) -> Training:
        return Training(self.known[assignment.sent.indices], ())


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([0.0, 1e-6, 1.0, 20.0]), size=st.integers(0, DIMENSION))
def test_an_update_is_the_delta_at_what_is_sent_to_less_than_a_step(seed: int, scale: float, size: int) -> None:
    generator = np.random.default_rng(seed)
    delta, sent = generator.normal(0, 1, DIMENSION) * scale, some(LINEAR, generator.permutation(DIMENSION)[:size])
    before = delta.copy()
    update = prepare_update(Given(delta), Assignment(NOTHING, TERMS, sent, SeededRandomness(b"p"), "round"))
    assert update.values.dtype == np.int64
    assert len(update.values) == size
    assert np.abs(update.values).max(initial=0) <= LARGEST
    inside = np.clip(delta[sent.indices], -BOUND, BOUND)
    assert np.abs(dequantise(update.values, TERMS.quantiser) - inside).max(initial=0.0) <= STEP * (1 + 1e-9)
    np.testing.assert_array_equal(delta, before)


def test_an_update_holds_nothing_for_a_later_round() -> None:
    """What is cut off at the bound, or rounded off, is gone: a phone that skips rounds has no state to miss."""
    assert {field.name for field in fields(Update)} == {"values", "evidence", "held_out", "trained"}
    sent = some(LINEAR, np.arange(DIMENSION))
    first = prepare_update(
        Given(np.full(DIMENSION, 14.0)), Assignment(NOTHING, TERMS, sent, SeededRandomness(b"r"), "1")
    )
    assert (first.values == LARGEST).all()
    second = prepare_update(Given(np.zeros(DIMENSION)), Assignment(NOTHING, TERMS, sent, SeededRandomness(b"r"), "2"))
    assert not second.values.any()


def test_one_label_draws_nothing_twice_and_the_evidence_stays_beside_the_update() -> None:
    images, labels = examples(20, 1)
    trainer = trainer_for(LINEAR, Examples({"inputs": images, "labels": labels}))
    learning = with_terms(TERMS, local_steps=2, sampling_rate_ppm=500_000)
    sent, recorder = some(LINEAR, np.arange(0, DIMENSION, 3)), Recorder(b"round")
    update = prepare_update(trainer, Assignment(NOTHING, learning, sent, recorder, "label"))
    assert update.evidence == trainer.train(Assignment(NOTHING, learning, sent, Recorder(b"round"), "label")).evidence
    assert len({purpose for purpose, _ in recorder.drawn}) == len(recorder.drawn)
    assert ("label/quantise", 8 * len(sent.indices)) in recorder.drawn
