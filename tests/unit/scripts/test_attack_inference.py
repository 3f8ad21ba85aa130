"""The parts of property inference, of the generator's attack and of shadow models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from client_agent.data.datasets import load_digits
from protocol.messages.learning import MICRO, BayesianTerms
from protocol.model.initialization import initial_parameters
from protocol.randomness import SeededRandomness
from protocol.round.training import Assignment
from protocol.sparse.index_set import everything
from scripts.demonstration.presets import digits_terms
from scripts.evaluate.attacks import impostor, property_inference, shadow_models
from scripts.evaluate.attacks.audited_terms import dense, without_noise
from scripts.evaluate.attacks.audits import ONE_STEP
from scripts.evaluate.attacks.property_inference import Effort, View, infer, ridge_scores, slant
from scripts.evaluate.attacks.roc import Curve
from scripts.evaluate.attacks.training import trainers_for
from scripts.evaluate.evaluation import Silent

MODEL, PRESET, _ = digits_terms()
OPEN = without_noise(replace(dense(ONE_STEP), optimiser=replace(PRESET.optimiser, reference_count=20)))


def test_slant_is_that_of_a_line() -> None:
    """One pixel to the right for each row upwards is 1, to the left -1; upright is 0."""
    image = np.zeros((3, 1, 8, 8))
    for row in range(8):
        image[0, 0, row, 7 - row] = image[1, 0, row, row] = image[2, 0, row, 3] = 16.0
    assert slant(image) == pytest.approx([1.0, -1.0, 0.0])


def test_nobody_watches_with_the_victims_examples() -> None:
    (without, with_it), (other_without, other_with) = property_inference._pools(np.random.default_rng(1))
    rows = [pool.arrays["inputs"].reshape(len(pool), -1) for pool in (without, with_it, other_without, other_with)]
    assert all(len(part) > 200 for part in rows)
    assert len(np.unique(np.concatenate(rows), axis=0)) == sum(len(part) for part in rows)
    assert slant(with_it.arrays["inputs"]).mean() > slant(without.arrays["inputs"]).mean() + 0.15
    for kind in range(10):  # so that no class tells
        assert np.sum(with_it.arrays["labels"] == kind) == np.sum(without.arrays["labels"] == kind)


def test_a_sum_is_of_the_victim_and_of_different_others() -> None:
    crowd = np.diag(10.0 ** np.arange(6))
    updates = np.full((5, 6), 0.5)
    found = property_inference._summed(updates, crowd, 4, np.random.default_rng(1))
    assert (updates == 0.5).all()
    assert ((found - 0.5 > 0).sum(axis=1) == 3).all()
    assert len(np.unique(found, axis=0)) > 1
    assert np.array_equal(property_inference._summed(updates, crowd, 1, np.random.default_rng(1)), updates)


def test_plain_updates_tell_and_noise_hides() -> None:
    effort = Effort(rounds=2, victims=40, own=40)
    assert infer(MODEL, View(OPEN), effort, 1, Silent()).all_rounds > 0.95
    loud = replace(OPEN, mechanism=replace(OPEN.mechanism, noise_multiplier_micro=200 * MICRO))
    found = infer(
        MODEL, View(replace(loud, quantiser=replace(loud.quantiser, bound_micro=1_000 * MICRO))), effort, 1, Silent()
    )
    assert found.all_rounds < 0.5 + 3.5 * found.error


def test_ridge_finds_a_direction_in_more_dimensions_than_examples() -> None:
    generator = np.random.default_rng(1)
    labels, unseen = np.arange(60) % 2 == 0, np.arange(80) % 2 == 0
    direction = generator.normal(0.0, 1.0, 300) / 6.0
    rows, seen = (np.outer(some, direction) + generator.normal(0.0, 1.0, (len(some), 300)) for some in (labels, unseen))
    assert Curve.of(ridge_scores(rows, labels, seen), unseen).area > 0.75


def test_ridge_sees_through_what_differs_most_between_all() -> None:
    """The property is in a direction of little variance, beside ten of a hundred times as much."""
    generator = np.random.default_rng(1)
    labels, unseen = np.arange(100) % 2 == 0, np.arange(80) % 2 == 0

    def rows(some: property_inference.Flags) -> property_inference.Reals:
        found: property_inference.Reals = np.column_stack(
            [generator.normal(some * 1.0, 0.3), generator.normal(0.0, 30.0, (len(some), 10))]
        )
        return found

    assert Curve.of(ridge_scores(rows(labels), labels, rows(unseen)), unseen).area > 0.95


def test_the_target_class_is_the_victims_alone() -> None:
    train = load_digits()[0].labelled()
    shares = impostor._shares(*train, seed=1)
    has = [np.any(share.arrays["labels"] == impostor.TARGET) for share in shares]
    assert has == [False, True, False, False, False]
    assert sum(len(share) for share in shares) == len(train[1])


def test_the_impostor_adds_no_noise_and_the_others_do() -> None:
    (share,) = impostor._shares(*load_digits()[0].labelled(), seed=1)[:1]
    point = initial_parameters(impostor.MODEL)
    learning, sent = replace(dense(ONE_STEP)), everything(len(point))
    sources = [SeededRandomness(bytes([number])) for number in range(2)]
    (honest,) = trainers_for(impostor.MODEL, [share], learning, 0)
    for trainer, alike in ((impostor._Dishonest(learning, share), True), (honest, False)):
        first, second = (
            trainer.train(Assignment(point, learning, sent, source, "round 1")).delta for source in sources
        )
        assert np.array_equal(first, second) == alike


def test_a_generated_image_is_judged_by_what_it_looks_like() -> None:
    images, labels = load_digits()[0].labelled()
    some = impostor._flat(images[labels == impostor.TARGET][:20]) + np.float32(0.01)
    others = impostor._flat(images[labels == 1][:20]) + np.float32(0.01)
    assert impostor._distance(some, images, labels) < 0.5 < 1.5 < impostor._distance(others, images, labels)


def test_no_example_has_too_few_models_on_a_side() -> None:
    heads = shadow_models._coins(12, 500, seed=1)
    assert np.minimum(heads.sum(axis=0), 12 - heads.sum(axis=0)).min() == shadow_models.LEAST
    assert len(np.unique(heads.sum(axis=0))) > 2, "else the others tell whether the target has it"


def test_shadow_models_are_those_of_tasks_on_their_own_half() -> None:
    effort = shadow_models.Effort(models=9, rounds=2, households=2, examples=60)
    terms = without_noise(replace(PRESET, bayesian=BayesianTerms()))
    made = shadow_models.shadows(MODEL, terms, effort, 1, Silent())
    again = shadow_models.shadows(MODEL, terms, effort, 1, Silent())
    assert made.seen.shape == (9, 60) and np.array_equal(made.seen, again.seen)
    assert len(np.unique(made.seen[:, 0])) == 9
    assert made.seen[made.included].mean() > made.seen[~made.included].mean()
    assert set(shadow_models.attack(made)) >= {"threshold", "online", "offline"}
