"""Mechanism ``client``: whatever a household holds, its update is a vector of integers no longer than the clip."""

from __future__ import annotations

from fractions import Fraction
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest

from client_agent.training.gradients import Gradients
from client_agent.training.plain_sums import NoGradients, plain_sum
from client_agent.training.whole_update import WholeUpdate
from protocol.messages.learning import MICRO
from protocol.model.layout import PARAMETER_BOUND
from protocol.model.specification import dimension_of
from protocol.randomness import SeededRandomness
from protocol.round.training import Assignment
from protocol.sparse.grid import units_of_clip
from tests.samples import with_terms
from tests.unit.client_agent.scene_learning import (
    CONVOLUTION,
    DEEP,
    LINEAR,
    Recorder,
    everything,
    examples,
    gradients_of,
    point_of,
    some,
)
from tests.unit.client_agent.scene_tiny import POINTS, TERMS, examples_of, households, square, steps_of, trained

CLIENT = with_terms(TERMS, kind="client", unit="household", local_steps=3)
SEED = SeededRandomness(b"whole update")


def test_every_tiny_household_moves_a_sum_by_at_most_the_clip_and_some_by_all_of_it() -> None:
    """Exhaustive: every household, every starting point, slow and fast learning, with steps that overflow too."""
    longest, most = 0, units_of_clip(4) ** 2
    for rate in (MICRO // 1_000, MICRO, 10**6 * MICRO):
        learning = with_terms(CLIENT, learning_rate_micro=rate)
        for household in households(3):
            for point in POINTS:
                delta = trained(examples_of(household), learning, point).delta
                longest = max(longest, square(steps_of(delta, learning)))
    assert 0.998**2 * most < longest <= most


def test_below_the_clip_it_is_plain_gradient_descent() -> None:
    learning = with_terms(CLIENT, clip_micro=100 * MICRO, local_steps=2, learning_rate_micro=MICRO // 10)
    gradients, point = gradients_of(DEEP, 9, 1), point_of(DEEP, 0.01)
    sent = everything(DEEP)
    expected = point.copy()
    for _ in range(2):
        expected -= 0.1 * plain_sum(gradients, expected, sent.indices, np.arange(9))
    found = WholeUpdate(gradients).train(Assignment(point.astype(np.float32), learning, sent, SEED, "round")).delta
    step = 100 / units_of_clip(len(point))
    assert np.abs(found - (expected - point)).max() < 1.01 * step
    assert np.abs(found).max() > 100 * step


@pytest.mark.parametrize("every", [1, 3])
def test_noise_comes_once_however_many_steps_there_are(every: int) -> None:
    asked = list[tuple[Fraction, int]]()

    def noise(std: Fraction, count: int, *_: Any) -> npt.NDArray[np.int64]:
        asked.append((std, count))
        return np.zeros(count, dtype=np.int64)

    learning, sent = with_terms(CLIENT, noise_multiplier_micro=3_450_000), some(LINEAR, np.arange(0, 39, every))
    with mock.patch("client_agent.training.whole_update.rounded_gaussian", noise):
        WholeUpdate(gradients_of(LINEAR, 5, 1)).train(
            Assignment(np.zeros(39, np.float32), learning, sent, SEED, "round")
        )
    assert asked == [(Fraction(69, 20) * units_of_clip(len(sent.indices)), len(sent.indices))]


def test_the_clip_is_of_the_update_and_less_by_the_square_root_of_the_share() -> None:
    learning = with_terms(CLIENT, learning_rate_micro=1_000 * MICRO)
    for every in (1, 4):
        sent = some(LINEAR, np.arange(0, 39, every))
        trainer = WholeUpdate(gradients_of(LINEAR, 5, 1))
        training = trainer.train(Assignment(np.zeros(39, np.float32), learning, sent, SEED, "round"))
        clip = 0.5 * (len(sent.indices) / 39) ** 0.5
        assert np.linalg.norm(training.delta) == pytest.approx(clip, rel=1e-3)
        (step,) = training.evidence
        assert (step.sampled, step.clipped) == (1, 1)  # one household, one length


def test_a_household_without_examples_sends_the_same_noise() -> None:
    learning = with_terms(CLIENT, noise_multiplier_micro=2 * MICRO)
    start, sent = np.zeros(39, np.float32), everything(LINEAR)
    with_noise, without = (
        WholeUpdate(gradients_of(LINEAR, 5, 1))
        .train(Assignment(start, terms, sent, SeededRandomness(b"s"), "round"))
        .delta
        for terms in (learning, with_terms(learning, noise_multiplier_micro=0))
    )
    alone = WholeUpdate(NoGradients()).train(Assignment(start, learning, sent, SeededRandomness(b"s"), "round")).delta
    assert alone.all()
    np.testing.assert_allclose(with_noise - without, alone, atol=1e-9)


def test_what_overflows_counts_as_zero() -> None:
    learning = with_terms(CLIENT, learning_rate_micro=MICRO)
    gradients = Gradients(CONVOLUTION, *examples(3, 1, CONVOLUTION.input_shape))
    point = np.full(dimension_of(CONVOLUTION), PARAMETER_BOUND, dtype=np.float32)
    with mock.patch.object(Gradients, "each", return_value=np.full((len(point), 3), np.inf)):
        delta = WholeUpdate(gradients).train(Assignment(point, learning, everything(CONVOLUTION), SEED, "round")).delta
    assert np.linalg.norm(delta) <= 0.5
    with mock.patch.object(Gradients, "each", return_value=np.full((len(point), 3), np.nan)):
        delta = WholeUpdate(gradients).train(Assignment(point, learning, everything(CONVOLUTION), SEED, "round")).delta
    assert not delta.any()


def test_what_is_drawn() -> None:
    recorder = Recorder(b"recorder")
    learning = with_terms(CLIENT, noise_multiplier_micro=MICRO)
    WholeUpdate(gradients_of(LINEAR, 5, 1)).train(
        Assignment(np.zeros(39, np.float32), learning, everything(LINEAR), recorder, "r")
    )
    samples = [(f"r/sample/{step}", 40) for step in range(3)]
    assert recorder.drawn == [*samples, ("r/noise/upper", 8 * 39)]


def test_a_sum_of_whole_gradients_does_not_depend_on_how_many_go_at_a_time() -> None:
    gradients, point = gradients_of(LINEAR, 130, 3), point_of(LINEAR, 0.01)
    sent = everything(LINEAR).indices
    whole = plain_sum(gradients, point, sent, np.arange(130))
    np.testing.assert_allclose(whole, gradients.each(point, sent, np.arange(130)).sum(axis=1), rtol=1e-12)
    assert not plain_sum(gradients, point, sent, np.arange(0)).any()
