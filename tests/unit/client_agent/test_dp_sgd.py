"""The mechanism measured on the phone's own delta: its noise, its clip, its weight, its sampling."""

from __future__ import annotations

from fractions import Fraction
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_agent.privacy.clipping import units_of_clip
from client_agent.randomness import SystemRandomness
from client_agent.training.dp_sgd import DpSgd, NoExamples
from client_agent.training.gradients import ClippedSum, Gradients
from client_agent.training.trainers import trainer_for
from protocol.errors import MalformedError
from protocol.messages.learning import MICRO, Layer, LearningTerms, ModelSpec
from protocol.model.dataset import Examples
from protocol.model.layout import PARAMETER_BOUND
from protocol.model.specification import dimension_of
from protocol.randomness import Randomness, SeededRandomness
from protocol.round.training import Assignment, StepEvidence, Trainer
from protocol.sparse.index_set import IndexSet
from tests.samples import with_terms
from tests.unit.client_agent.scene_learning import (
    CONVOLUTION,
    DEEP,
    LINEAR,
    NOISELESS,
    TERMS,
    Recorder,
    everything,
    examples,
    point_of,
    some,
)

WIDE = ModelSpec((5_000,), 10, (Layer("linear", {"outputs": 10, "bias": 0}),))  # 50,000 coordinates
SEED = SeededRandomness(b"trainer")


def _trainer(model: ModelSpec, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> Trainer:
    return trainer_for(model, Examples({"inputs": images, "labels": labels}))


def _delta(
    model: ModelSpec,
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    learning: LearningTerms,
    randomness: Randomness = SEED,
    sent: IndexSet | None = None,
) -> npt.NDArray[np.float64]:
    """At all coordinates, unless told otherwise."""
    parameters, sent = np.zeros(dimension_of(model), dtype=np.float32), sent or everything(model)
    return _trainer(model, images, labels).train(Assignment(parameters, learning, sent, randomness, "round")).delta


@pytest.mark.parametrize(("steps", "rate_ppm"), [(1, MICRO), (5, 100_000)])
@pytest.mark.parametrize(("count", "every"), [(1, 1), (40, 1), (1, 4), (40, 9)])
def test_with_zero_gradients_the_spread_is_the_plans(steps: int, rate_ppm: int, count: int, every: int) -> None:
    """Less by the square root of the share that is sent, as the clip is."""
    learning = with_terms(
        TERMS,
        local_steps=steps,
        sampling_rate_ppm=rate_ppm,
        clip_micro=300_000,
        noise_multiplier_micro=2_040_000,
        learning_rate_micro=7 * MICRO,
        reference_count=144,
    )
    blank = np.zeros((count, *WIDE.input_shape), dtype=np.uint8)  # no input, no bias: no gradient
    sent = some(WIDE, np.arange(0, dimension_of(WIDE), every))
    delta = _delta(WIDE, blank, np.zeros(count, dtype=np.uint8), learning, sent=sent)
    planned = 2.04 * 0.3 * 7 / (rate_ppm / MICRO * 144) * np.sqrt(steps / every)
    assert len(delta) == len(sent.indices)
    assert delta.std() == pytest.approx(planned, rel=0.03)
    assert abs(delta.mean()) < 5 * planned / np.sqrt(len(delta))


def test_every_step_and_coordinate_has_noise_of_its_own() -> None:
    blank = np.zeros((1, *WIDE.input_shape), dtype=np.uint8)
    learning = with_terms(TERMS, local_steps=1)
    first, second = (
        _delta(WIDE, blank, np.zeros(1, dtype=np.uint8), with_terms(learning, local_steps=steps)) for steps in (1, 2)
    )
    assert len(np.unique(first)) > 0.95 * len(first)  # of some millions that are likely
    assert abs(np.corrcoef(first, second - first)[0, 1]) < 5 / np.sqrt(len(first))


@settings(max_examples=40, deadline=None)
@given(
    model=st.sampled_from([LINEAR, DEEP, CONVOLUTION]),
    count=st.integers(1, 8),
    seed=st.integers(0, 2**32 - 1),
    clip_micro=st.integers(1_000, 10 * MICRO),
)
def test_with_noise_off_one_example_moves_the_sum_by_at_most_the_clip(
    model: ModelSpec, count: int, seed: int, clip_micro: int
) -> None:
    learning = with_terms(NOISELESS, clip_micro=clip_micro)
    images, labels = examples(count + 1, seed, model.input_shape)
    moved = _delta(model, images, labels, learning) - _delta(model, images[:-1], labels[:-1], learning)
    step = learning.optimiser.learning_rate_micro / MICRO / learning.optimiser.reference_count  # of a sum of one
    assert np.linalg.norm(moved) <= clip_micro / MICRO * step * (1 + 1e-6)


@pytest.mark.parametrize("model", [LINEAR, DEEP, CONVOLUTION])
def test_doubling_the_examples_doubles_the_first_step(model: ModelSpec) -> None:
    images, labels = examples(30, 1, model.input_shape)
    once = _delta(model, images, labels, NOISELESS)
    twice = _delta(model, np.concatenate([images, images]), np.concatenate([labels, labels]), NOISELESS)
    assert np.linalg.norm(once) > 0
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-6, atol=1e-9)


def test_the_divisor_is_public_and_not_the_own_count() -> None:
    images, labels = examples(30, 2)
    usual = _delta(LINEAR, images, labels, NOISELESS)
    half = _delta(
        LINEAR, images, labels, with_terms(NOISELESS, reference_count=2 * NOISELESS.optimiser.reference_count)
    )
    np.testing.assert_allclose(half, usual / 2, rtol=1e-9)


def test_each_example_is_sampled_by_itself_at_the_public_rate() -> None:
    """Alike examples give alike steps, so the length of a step counts who took part."""
    count, rate, steps = 400, 0.1, 200
    images, labels = np.ones((count, 12), dtype=np.uint8), np.zeros(count, dtype=np.uint8)
    learning = with_terms(NOISELESS, sampling_rate_ppm=100_000, learning_rate_micro=1)
    trainer, parameters = _trainer(LINEAR, images, labels), np.zeros(dimension_of(LINEAR), dtype=np.float32)
    sent = everything(LINEAR)
    one = np.linalg.norm(_delta(LINEAR, images[:1], labels[:1], with_terms(learning, sampling_rate_ppm=MICRO)) / rate)
    asked = [Assignment(parameters, learning, sent, SEED, f"{n}") for n in range(steps)]
    counts = [np.linalg.norm(trainer.train(each).delta) / one for each in asked]
    spread = np.sqrt(count * rate * (1 - rate))
    assert np.mean(counts) == pytest.approx(count * rate, abs=4 * spread / np.sqrt(steps))
    assert np.std(counts) == pytest.approx(spread, rel=0.2)  # binomial: a fixed batch would have none


def test_the_evidence_counts_who_took_part_and_how_far_they_were_cut() -> None:
    images, labels = np.ones((9, 12), dtype=np.uint8), np.zeros(9, dtype=np.uint8)
    norm = np.sqrt((4 + 1 + 1) / 9 * 13)  # at zero every class has a third
    parameters, learning = np.zeros(dimension_of(LINEAR), dtype=np.float32), with_terms(NOISELESS, local_steps=1)
    sent = everything(LINEAR)
    for clip_micro, clipped, kept in ((MICRO, 9, 1.0), (100 * MICRO, 0, norm)):
        terms = with_terms(learning, clip_micro=clip_micro)
        (step,) = _trainer(LINEAR, images, labels).train(Assignment(parameters, terms, sent, SEED, "round")).evidence
        assert (step.sampled, step.clipped) == (9, clipped)
        assert (step.longest, step.sum_of_squares) == pytest.approx((norm, 9 * kept**2))
    nobody = with_terms(TERMS, local_steps=3, sampling_rate_ppm=1)
    training = _trainer(LINEAR, images, labels).train(Assignment(parameters, nobody, sent, SEED, "round"))
    assert training.evidence == (StepEvidence(0, 0, 0.0, 0.0),) * 3


@pytest.mark.parametrize(("model", "clip"), [(LINEAR, 1_500), (DEEP, 20), (CONVOLUTION, 20)])
def test_only_what_is_sent_moves_and_by_its_own_gradient(model: ModelSpec, clip: int) -> None:
    """Below the clip a step is that of the whole gradient, cut down; and no step moves the others."""
    images, labels = examples(8, 1, model.input_shape)
    short = with_terms(NOISELESS, clip_micro=clip * MICRO, local_steps=1)
    sent = some(model, np.arange(1, dimension_of(model), 3))
    parameters, gradients = point_of(model, 0.01).astype(np.float32), Asked(Gradients(model, images, labels))
    whole, part = (
        DpSgd(gradients).train(Assignment(parameters, short, at, SEED, "round")).delta
        for at in (everything(model), sent)
    )
    assert np.abs(part).max() > clip / 100
    np.testing.assert_allclose(part, whole[sent.indices], atol=clip / 1_000)
    gradients.points.clear()
    DpSgd(gradients).train(Assignment(parameters, with_terms(TERMS, local_steps=3), sent, SEED, "round"))
    others = np.setdiff1d(np.arange(dimension_of(model)), sent.indices)
    for point in gradients.points[1:]:
        assert np.array_equal(point[others], parameters[others].astype(np.float64))
        assert (point[sent.indices] != parameters[sent.indices]).all()


@pytest.mark.parametrize("every", [1, 2, 4, 13])
def test_the_clip_is_less_by_the_square_root_of_the_share(every: int) -> None:
    """One gradient is far longer than it, so the step is as long as the clip."""
    learning, sent = with_terms(NOISELESS, local_steps=1), some(LINEAR, np.arange(0, 39, every))
    delta = _delta(LINEAR, *examples(1, 3), learning, sent=sent)
    step = learning.optimiser.learning_rate_micro / MICRO / learning.optimiser.reference_count
    clip = learning.mechanism.clip_micro / MICRO * np.sqrt(len(sent.indices) / 39)
    assert np.linalg.norm(delta) / step == pytest.approx(clip, rel=1e-3)


@pytest.mark.parametrize("every", [1, 2, 4, 13])
def test_noise_is_the_multiplier_of_what_one_example_can_do_whatever_is_sent(every: int) -> None:
    """So epsilon, which follows from the noise multiplier, does not depend on the density."""
    asked = list[tuple[Fraction, int]]()

    def noise(std: Fraction, count: int, *_: Any) -> npt.NDArray[np.int64]:
        asked.append((std, count))
        return np.zeros(count, dtype=np.int64)

    learning, sent = with_terms(TERMS, noise_multiplier_micro=3_450_000), some(LINEAR, np.arange(0, 39, every))
    with mock.patch("client_agent.training.dp_sgd.rounded_gaussian", noise):
        _delta(LINEAR, *examples(5, 1), learning, sent=sent)
    units = units_of_clip(len(sent.indices))  # the most that one example moves the sum, in steps of the grid
    assert asked == [(Fraction(69, 20) * units, len(sent.indices))]


def test_what_is_drawn_for_a_step() -> None:
    images, labels = examples(7, 3)
    recorder = Recorder(b"recorder")
    _delta(LINEAR, images, labels, with_terms(TERMS, local_steps=2), recorder)
    noise = 8 * dimension_of(LINEAR)
    assert recorder.drawn == [
        ("round/sample/0", 56),
        ("round/noise/0/upper", noise),
        ("round/sample/1", 56),
        ("round/noise/1/upper", noise),
    ]


@pytest.mark.parametrize("model", [LINEAR, DEEP, CONVOLUTION])
def test_the_same_seed_gives_the_same_bytes(model: ModelSpec) -> None:
    images, labels = examples(20, 4, model.input_shape)
    learning = with_terms(TERMS, local_steps=3, sampling_rate_ppm=500_000)
    first, again = (_delta(model, images, labels, learning, SeededRandomness(b"same")) for _ in range(2))
    other = _delta(model, images, labels, learning, SeededRandomness(b"other"))
    assert first.tobytes() == again.tobytes()
    assert first.dtype == np.float64
    assert not np.any(first == other)


def test_the_systems_randomness_never_repeats() -> None:
    images, labels = examples(5, 5)
    first, second = (_delta(LINEAR, images, labels, TERMS, SystemRandomness()) for _ in range(2))
    assert not np.any(first == second)


class Asked:
    """Remembers the points at which gradients were asked for."""

    def __init__(self, gradients: Gradients) -> None:
        self._gradients, self.points = gradients, list[npt.NDArray[np.float64]]()

    def __len__(self) -> int:
        return len(self._gradients)

    def clipped_sum(
        self, point: npt.NDArray[np.float64], sent: npt.NDArray[np.uint32], chosen: npt.NDArray[np.int64], clip: float
    ) -> ClippedSum:
        self.points.append(point.copy())
        return self._gradients.clipped_sum(point, sent, chosen, clip)


class Pushing(Asked):
    """Sums that are nothing but long; remembers the points that it was asked at."""

    def __init__(self) -> None:
        super().__init__(Gradients(LINEAR, *examples(1, 0)))

    def clipped_sum(
        self, point: npt.NDArray[np.float64], sent: npt.NDArray[np.uint32], chosen: npt.NDArray[np.int64], clip: float
    ) -> ClippedSum:
        self.points.append(point.copy())
        units = units_of_clip(len(sent))
        return ClippedSum(np.where(np.arange(len(sent)) % 2, units, -units), np.full(len(chosen), clip))


def test_no_step_leaves_the_bound_of_parameters() -> None:
    learning = with_terms(TERMS, local_steps=4, learning_rate_micro=400_000 * MICRO)
    gradients, start = Pushing(), np.zeros(39, dtype=np.float32)
    delta = DpSgd(gradients).train(Assignment(start, learning, everything(LINEAR), SEED, "round")).delta
    for point in (*gradients.points[1:], delta):
        assert np.abs(point).max() == PARAMETER_BOUND
    assert len(gradients.points) == 4


def test_without_examples_there_is_the_noise_of_every_step() -> None:
    """The same bits as of a household none of whose examples was sampled."""
    rarely = with_terms(TERMS, local_steps=2, sampling_rate_ppm=1)
    start, sent = np.zeros(39, dtype=np.float32), some(LINEAR, np.arange(0, 39, 2))
    sampled = _trainer(LINEAR, *examples(5, 6)).train(Assignment(start, rarely, sent, SEED, "round"))
    nobody = DpSgd(NoExamples()).train(Assignment(start, rarely, sent, SEED, "round"))
    assert nobody.delta.tobytes() == sampled.delta.tobytes()
    assert nobody.delta.all()
    assert nobody.evidence == (StepEvidence(0, 0, 0.0, 0.0),) * 2


def test_parameters_are_left_alone() -> None:
    images, labels = examples(5, 6)
    parameters = np.ones(dimension_of(LINEAR), dtype=np.float32)
    _trainer(LINEAR, images, labels).train(Assignment(parameters, TERMS, everything(LINEAR), SEED, "round"))
    assert (parameters == 1).all()


def test_data_that_do_not_fit_the_model() -> None:
    images, labels = examples(5, 7)
    with pytest.raises(MalformedError, match="classes"):
        _trainer(LINEAR, images, labels + np.uint8(3))
    with pytest.raises(MalformedError, match="shape"):
        _trainer(LINEAR, images[:, :-1], labels)
