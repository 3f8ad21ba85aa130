"""Held-out examples: each by a coin of its own, never trained on, and followed through every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest

from client_agent.privacy.clipping import FINENESS, units_of_clip
from client_agent.privacy.held_out import Coins, HouseholdSecret
from client_agent.training.dp_sgd import DpSgd, Lengths, Named, NoExamples, Sums, lengths_of
from client_agent.training.gradients import ClippedSum, Gradients
from client_agent.training.sampling import Chosen
from client_agent.training.trainers import HouseholdTrainer, seconds_of_a_round
from protocol.messages.learning import MICRO, BayesianTerms, LearningTerms, ModelSpec
from protocol.model.dataset import Examples
from protocol.model.specification import dimension_of
from protocol.randomness import SeededRandomness
from protocol.round.training import LENGTH_PARTS, Assignment, Training
from storage.records.journal import Journal
from storage.records.memory import MemoryRecords
from tests.samples import sample_spec, with_terms
from tests.unit.client_agent.scene_learning import CONVOLUTION, LINEAR, TERMS, everything, examples, point_of, some

SECRET = b"\x07" * 32
COINS = Coins(lambda: SECRET)
HALF = MICRO // 2


def _bayesian(rate_ppm: int = HALF, learning: LearningTerms = TERMS) -> LearningTerms:
    return replace(learning, bayesian=BayesianTerms(MICRO, 5, rate_ppm, (3 * MICRO,), 0))


class Kept:
    """A loader of examples that may be replaced."""

    def __init__(self, found: Examples) -> None:
        self.examples = found

    def load(self) -> Examples:
        return self.examples


def _data(count: int, seed: int = 1, shape: tuple[int, ...] = LINEAR.input_shape) -> Examples:
    images, labels = examples(count, seed, shape)
    return Examples({"inputs": images, "labels": labels})


def _household(found: Examples, told: Callable[[str], None] = lambda _: None) -> HouseholdTrainer:
    return HouseholdTrainer(LINEAR, Kept(found), 1_000, told, COINS)


def _train(trainer: HouseholdTrainer | DpSgd, learning: LearningTerms) -> Training:
    parameters = np.zeros(dimension_of(LINEAR), dtype=np.float32)
    return trainer.train(Assignment(parameters, learning, everything(LINEAR), SeededRandomness(b"held"), "round"))


def test_an_example_is_on_the_same_side_wherever_it_stands_and_whatever_it_is_called() -> None:
    found, order = _data(400), np.random.default_rng(0).permutation(400)
    inputs = found.arrays["inputs"]
    held, names = COINS.held_out(found, HALF), COINS.names(found)
    for other in (
        found.take(order),
        Examples({"inputs": inputs[order].astype(np.float32), "labels": np.zeros(400, dtype=np.int64)}),
        Examples({"inputs": inputs[order].reshape(400, 3, 4), "labels": found.arrays["labels"][order]}),
    ):
        assert np.array_equal(COINS.held_out(other, HALF), held[order])
        assert np.array_equal(COINS.names(other), names[order])
    assert len(np.unique(names)) == 400


def test_no_example_decides_about_another() -> None:
    found = _data(300)
    held = COINS.held_out(found, HALF)
    for gone in range(0, 300, 29):
        rest = np.delete(np.arange(300), gone)
        assert np.array_equal(COINS.held_out(found.take(rest), HALF), held[rest])


@pytest.mark.parametrize("rate_ppm", [0, 1, 100_000, 500_000])
def test_the_share_is_the_public_rate_and_a_higher_one_holds_out_the_same_and_more(rate_ppm: int) -> None:
    found = _data(4_000)
    held = COINS.held_out(found, rate_ppm)
    expected = 4_000 * rate_ppm / MICRO
    assert held.sum() == pytest.approx(expected, abs=4.5 * np.sqrt(expected))
    assert not np.any(held & ~COINS.held_out(found, rate_ppm + 50_000))


def test_another_secret_tosses_other_coins() -> None:
    found, other = _data(2_000), Coins(lambda: b"\x08" * 32)
    agreed = COINS.held_out(found, HALF) == other.held_out(found, HALF)
    assert agreed.mean() == pytest.approx(0.5, abs=0.06)
    assert not np.intersect1d(COINS.names(found), other.names(found)).size


def test_zeros_of_both_signs_are_the_same_number() -> None:
    inputs = np.where(np.arange(24).reshape(2, 12) < 12, 0.0, -0.0)
    alike = COINS.names(Examples({"inputs": inputs, "labels": np.zeros(2, dtype=np.int64)}))
    assert alike[0] == alike[1]


def test_the_secret_is_durable_before_it_is_used_and_then_stays(tmp_path: Path) -> None:
    def secret(seed: bytes) -> bytes:
        return HouseholdSecret(lambda: Journal(tmp_path / "coins", wait=True), SeededRandomness(seed))()

    drawn = secret(b"one phone")
    assert len(drawn) == 32 and secret(b"another one") == drawn
    (path,) = tmp_path.rglob("secret*")
    assert path.stat().st_mode & 0o077 == 0


def test_what_is_held_out_is_never_trained_on() -> None:
    """The update is, to its last bit, that of a household that has the rest alone."""
    found, learning = _data(60), with_terms(_bayesian(), local_steps=3)
    held = COINS.held_out(found, HALF)
    rest = found.take(np.flatnonzero(~held))
    assert 10 < held.sum() < 50
    training = _train(_household(found), learning)
    alone = _train(DpSgd(Gradients(LINEAR, *rest.labelled())), learning)
    assert np.array_equal(training.delta, alone.delta)
    assert not np.array_equal(training.delta, _train(DpSgd(Gradients(LINEAR, *found.labelled())), learning).delta)
    assert [step.sampled for step in training.evidence] == [len(rest)] * 3


def test_no_update_depends_on_what_is_held_out() -> None:
    found, learning = _data(60), with_terms(_bayesian(), local_steps=3)
    kept = np.flatnonzero(~COINS.held_out(found, HALF))
    assert np.array_equal(
        _train(_household(found), learning).delta, _train(_household(found.take(kept)), learning).delta
    )


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("model", [LINEAR, CONVOLUTION])
def test_lengths_are_those_of_the_clipped_integers_at_every_steps_parameters(model: ModelSpec, every: int) -> None:
    """Never shorter than what one of them would add to the sum, and longer by what its rounding takes at most."""
    images, labels = examples(40, 5, model.input_shape)
    held, trained = Gradients(model, images[:20], labels[:20]), Gradients(model, images[20:], labels[20:])
    asked = list[npt.NDArray[np.float64]]()

    class Asked:
        def __len__(self) -> int:
            return len(trained)

        def clipped_sum(
            self, point: npt.NDArray[np.float64], sent: npt.NDArray[np.uint32], chosen: Chosen, clip: float
        ) -> ClippedSum:
            asked.append(point.copy())
            return trained.clipped_sum(point, sent, chosen, clip)

    learning = with_terms(_bayesian(), local_steps=4, clip_micro=2 * MICRO)
    sent = some(model, np.arange(0, dimension_of(model), every))
    start = point_of(model, 0.2).astype(np.float32)
    training = DpSgd(Asked(), Named(np.arange(20, dtype=np.uint64), held)).train(
        Assignment(start, learning, sent, SeededRandomness(b"h"), "round")
    )
    assert training.held_out.lengths.shape == (4, 20) and len(asked) == 4
    clip = 2.0 * np.sqrt(sent.share)
    shorter = 0
    for point, parts in zip(asked, training.held_out.lengths, strict=True):
        whole, _ = held.clipped(point, sent.indices, np.arange(20), clip)
        exact = np.sqrt((whole * whole).sum(axis=0)) / units_of_clip(len(sent.indices)) * LENGTH_PARTS
        assert np.all(parts >= exact) and np.all(parts <= exact + LENGTH_PARTS / FINENESS + 1.0)
        shorter += int(np.count_nonzero(parts < LENGTH_PARTS))
    assert 0 < shorter < 80, "some are clipped and some are not"


def test_a_length_is_rounded_up_and_is_never_beyond_the_clip() -> None:
    class Given:
        def __len__(self) -> int:
            return 6

        def clipped_sum(
            self, point: npt.NDArray[np.float64], sent: npt.NDArray[np.uint32], chosen: Chosen, clip: float
        ) -> ClippedSum:
            norms = clip * np.array([0.0, 1e-12, 0.5, 1.0, 3.0, 1e200])
            return ClippedSum(np.zeros(len(sent), dtype=np.int64), norms)

    found = lengths_of(Given(), np.zeros(39), everything(LINEAR), 0.3)
    assert found.tolist() == [0, 1, 32_768, LENGTH_PARTS, LENGTH_PARTS, LENGTH_PARTS]


def test_names_follow_an_example_through_a_file_that_is_shuffled() -> None:
    found = _data(60)
    before = _train(_household(found), _bayesian()).held_out
    after = _train(_household(found.take(np.random.default_rng(2).permutation(60))), _bayesian()).held_out
    first, second = (dict(zip(one.names.tolist(), one.lengths[0].tolist(), strict=True)) for one in (before, after))
    assert first == second and len(first) == len(before.names)


def test_a_household_whose_examples_are_all_held_out_sends_noise_and_follows_them() -> None:
    found = _data(30)
    held = found.take(np.flatnonzero(COINS.held_out(found, HALF)))
    training = _train(_household(held), _bayesian())
    assert training.held_out.lengths.shape == (1, len(held))
    assert np.array_equal(training.delta, _train(DpSgd(NoExamples()), _bayesian()).delta)


def test_the_noise_is_the_default_rungs() -> None:
    parameters = np.zeros(dimension_of(LINEAR), dtype=np.float32)
    learning = replace(TERMS, bayesian=BayesianTerms(MICRO, 5, HALF, (2 * MICRO, 4 * MICRO, 8 * MICRO), 1))
    spread = [
        DpSgd(NoExamples()).train(Assignment(parameters, terms, everything(LINEAR), SeededRandomness(b"n"), "r")).delta
        for terms in (TERMS, learning, learning.on_rung(2))
    ]
    assert spread[1] == pytest.approx(2 * spread[0], abs=1e-3) and spread[2] == pytest.approx(4 * spread[0], abs=1e-3)
    assert (learning.noise_multiplier_micro, TERMS.noise_multiplier_micro) == (4 * MICRO, 2 * MICRO)


@pytest.mark.parametrize(("with_budgets", "asked"), [(False, [13]), (True, [13, 50])])
def test_the_measurement_before_the_consent_counts_whose_lengths_are_asked_for(
    with_budgets: bool, asked: list[int]
) -> None:
    counted, spec = list[int](), sample_spec()

    def counting(gradients: Sums, *rest: Any) -> Lengths:
        counted.append(len(gradients))
        return lengths_of(gradients, *rest)

    held = replace(spec, learning=_bayesian(MICRO // 4, spec.learning))
    with mock.patch("client_agent.training.dp_sgd.lengths_of", counting):
        seconds_of_a_round(held, SeededRandomness(b"m"), lambda: 0.0, with_budgets)
    assert counted == asked


def test_without_a_secret_nothing_that_holds_out_is_trained() -> None:
    trainer = HouseholdTrainer(LINEAR, Kept(_data(30)), 1_000, lambda _: None)
    _train(trainer, TERMS)
    with pytest.raises(AssertionError):
        _train(trainer, _bayesian())


def test_a_secret_that_cannot_be_kept_is_not_used() -> None:
    class Full(MemoryRecords):
        def append(self, change: object, after: int) -> None:
            raise OSError("disk full")

    coins = Coins(HouseholdSecret(Full, SeededRandomness(b"s")))
    with pytest.raises(OSError, match="disk full"):
        coins.names(_data(3))
