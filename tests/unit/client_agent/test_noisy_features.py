"""Mechanism ``features``: normalised numbers stay in their range, and get the Laplace noise that paper B gives them."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import sqrt
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_agent.training.features import LARGEST, SENSITIVITY, NoisyFeatures, batch_of, normalised
from client_agent.training.gradients import Gradients
from client_agent.training.plain_sums import plain_sum
from protocol.messages.learning import MICRO, Layer, ModelSpec
from protocol.model.evaluation import fixed_features
from protocol.model.specification import dimension_of
from protocol.randomness import SeededRandomness
from protocol.round.training import Assignment
from tests.samples import with_terms
from tests.unit.client_agent.scene_learning import LINEAR, NOISELESS, Recorder, everything, examples

IMAGES = ModelSpec(
    (1, 8, 8),
    3,
    (
        Layer("oriented_gradients", {"cell": 4, "stride": 4, "padding": 0, "scale": 255}),
        Layer("linear", {"outputs": 4, "bias": 1}),
        Layer("tanh", {}),
        Layer("linear", {"outputs": 3, "bias": 1}),
    ),
)
FEATURES = with_terms(
    NOISELESS, kind="features", unit="coordinate", reference_count=8, clip_micro=1_000 * MICRO, local_steps=1
)
SEED = SeededRandomness(b"features")


def test_one_number_of_one_example_moves_by_no_more_than_the_noise_is_made_for() -> None:
    """Exhaustive: all batches of three or four of a few values, every change of one value; the range is reached."""
    values, widest = (-1.0, 0.0, 0.25, 1e6), 0
    for size in (3, 4):
        found = {batch: normalised(np.array(batch)[:, None], size)[0][:, 0] for batch in product(values, repeat=size)}
        for batch, whole in found.items():
            assert np.abs(whole).max() <= LARGEST
            for place, value in product(range(size), values):
                other = found[(*batch[:place], value, *batch[place + 1 :])]
                widest = max(widest, int(abs(whole[place] - other[place])))
    assert 0.99 * SENSITIVITY < widest <= SENSITIVITY


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40), st.integers(0, 30))
def test_numbers_stay_in_their_range_also_in_a_batch_that_is_not_full(column: list[float], missing: int) -> None:
    whole, mean, deviation = normalised(np.array(column)[:, None], len(column) + missing)
    assert np.abs(whole).max() <= LARGEST
    size = sqrt(len(column) + missing - 1) / LARGEST
    back = mean + deviation * whole * size
    np.testing.assert_allclose(back[:, 0], column, atol=float(deviation[0]) * size * 1.001 + 1e-6)


def test_where_all_are_alike_there_is_nothing_to_hide() -> None:
    whole, mean, deviation = normalised(np.full((5, 2), 7.0), 8)
    assert not whole.any()
    assert (mean.tolist(), deviation.tolist()) == ([7.0, 7.0], [0.0, 0.0])


def test_scale_is_two_roots_of_n_less_one_by_epsilon() -> None:
    """In steps of the grid; and 2 sqrt(N - 1) / epsilon in the paper's unit, 15.87 / epsilon for N = 64."""
    asked = list[tuple[Fraction, int]]()

    def noise(scale: Fraction, count: int, *_: Any) -> npt.NDArray[np.int64]:
        asked.append((scale, count))
        return np.zeros(count, dtype=np.int64)

    learning = with_terms(FEATURES, noise_multiplier_micro=MICRO // 10, reference_count=64)  # epsilon 10
    images, labels = examples(100, 1, IMAGES.input_shape)
    with mock.patch("client_agent.training.features.rounded_laplace", noise):
        NoisyFeatures(IMAGES, images, labels, ()).train(Assignment(_start(), learning, everything(IMAGES), SEED, "r"))
    ((scale, count),) = asked
    assert scale == Fraction(SENSITIVITY, 10)
    assert count == 64 * fixed_features(IMAGES, images).shape[1]
    assert float(scale) * sqrt(63) / LARGEST == pytest.approx(15.8745 / 10, rel=1e-5)


def _start() -> npt.NDArray[np.float32]:
    return np.random.default_rng(1).normal(0.0, 0.3, dimension_of(IMAGES)).astype(np.float32)


@pytest.mark.parametrize("model", [IMAGES, LINEAR])
def test_without_noise_it_is_gradient_descent_on_plain_features(model: ModelSpec) -> None:
    """To the grid's roundings: what goes to the head is back at the scale of its position."""
    images, labels = examples(8, 2, model.input_shape)
    start = np.random.default_rng(1).normal(0.0, 0.01, dimension_of(model)).astype(np.float32)
    learning = with_terms(FEATURES, learning_rate_micro=MICRO // 100, clip_micro=10**6 * MICRO)
    found = NoisyFeatures(model, images, labels, ()).train(Assignment(start, learning, everything(model), SEED, "r"))
    gradients, point = Gradients(model, images, labels), start.astype(np.float64)
    plain = -0.01 * plain_sum(gradients, point, everything(model).indices, np.arange(8)) / 8
    np.testing.assert_allclose(found.delta, plain, atol=2e-3 * np.abs(plain).max())
    assert np.abs(plain).max() > 0


def test_the_noise_reaches_the_head_and_the_update_gets_none() -> None:
    images, labels = examples(20, 3, IMAGES.input_shape)
    quiet, loud = FEATURES, with_terms(FEATURES, noise_multiplier_micro=MICRO)
    recorder = Recorder(b"r")
    trainer = NoisyFeatures(IMAGES, images, labels, ())
    deltas = [
        trainer.train(Assignment(_start(), terms, everything(IMAGES), recorder, "r")).delta for terms in (quiet, loud)
    ]
    assert not np.allclose(deltas[0], deltas[1])
    numbers = 8 * fixed_features(IMAGES, images).shape[1]
    assert ("r/features/0/upper", 8 * numbers) in recorder.drawn
    assert {purpose.split("/")[1] for purpose, _ in recorder.drawn} == {"batch", "features"}


def test_batches_are_public_in_size_and_random_in_kind() -> None:
    assert batch_of(FEATURES) == 8
    assert batch_of(with_terms(FEATURES, reference_count=64, sampling_rate_ppm=250_000)) == 16
    assert batch_of(with_terms(FEATURES, reference_count=1)) == 2


def test_the_clip_cuts_a_long_step() -> None:
    images, labels = examples(8, 2, LINEAR.input_shape)
    learning = with_terms(FEATURES, clip_micro=MICRO // 2, learning_rate_micro=3 * MICRO)
    start = np.zeros(dimension_of(LINEAR), np.float32)
    asked = Assignment(start, learning, everything(LINEAR), SEED, "r")
    delta = NoisyFeatures(LINEAR, images, labels, ()).train(asked).delta
    assert np.linalg.norm(delta) == pytest.approx(1.5)
