"""Canary audits find what they are for: too little noise, in every mechanism's own training."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import log

import numpy as np
import pytest

from client_agent.training.gradients import Gradients
from protocol.messages.learning import MICRO, LearningTerms
from protocol.model.specification import dimension_of
from protocol.round.training import LENGTH_PARTS
from scripts.evaluate.attacks import audits, f_dp
from scripts.evaluate.attacks.audited_terms import CLAIM, charge, claimed, scaled, without_noise
from scripts.evaluate.attacks.audits import AUDITS, Audit, Size, area_allowed
from scripts.evaluate.attacks.canaries import CLASSES, PIXELS, STRENGTH, _unmixed, scene
from scripts.evaluate.attacks.feature_numbers import number_scores
from scripts.evaluate.attacks.household_canaries import household_scores
from scripts.evaluate.attacks.one_run import guess
from scripts.evaluate.attacks.rung_canaries import _odds_of, rung_scores

BY_NAME = {audit.name: audit for audit in AUDITS}


def test_terms_claim_what_they_may_and_have_no_noise_to_spare() -> None:
    terms = claimed(BY_NAME["example"].terms, rounds=3)
    assert CLAIM - 0.05 < charge(terms, 3).epsilon <= CLAIM
    less = replace(terms.mechanism, noise_multiplier_micro=terms.mechanism.noise_multiplier_micro - 20_000)
    assert charge(replace(terms, mechanism=less), 3).epsilon > CLAIM


@pytest.mark.parametrize("name", ["example", "example, sampled", "client", "distributed"])
def test_an_eighth_of_the_noise_is_found_out(name: str) -> None:
    """A phone that adds too little, as one with a bug would, while the task claims the whole."""
    audit, size = BY_NAME[name], Size(400, 40, 1 if name == "client" else 3)

    def with_less(learning: LearningTerms, size: Size, seed: int) -> audits.Scored:
        less = replace(learning.mechanism, noise_multiplier_micro=learning.mechanism.noise_multiplier_micro // 8)
        return audit.score(replace(learning, mechanism=less), size, seed)

    found = replace(audit, score=with_less).run(size, noise=True, seed=1)
    assert found["f_dp"] > found["claimed"] > audit.run(size, noise=True, seed=1)["f_dp"]


def test_a_canary_is_at_the_clip_and_meets_no_other() -> None:
    staged = scene(1, 30, seed=1)
    inputs, labels = staged.canaries
    point, sent = np.zeros(dimension_of(staged.model)), np.arange(dimension_of(staged.model), dtype=np.uint32)
    columns, lengths = Gradients(staged.model, inputs, labels).clipped(point, sent, np.arange(30), 1.0)
    assert lengths.min() > 1.0
    products = columns.T @ columns
    assert np.count_nonzero(products - np.diag(np.diag(products))) == 0
    digits, _ = staged.households[0].take(np.arange(10)).labelled()
    assert not digits[:, PIXELS:].any()


def test_who_is_in_follows_from_the_coins() -> None:
    staged = scene(3, 40, seed=2, windows=2)
    there = np.zeros(40, dtype=int)
    for household in staged.households:
        inputs, _ = household.labelled()
        there += np.count_nonzero(inputs[:, PIXELS:], axis=0)
    assert (there == 2 * staged.included).all()
    assert 5 < staged.included.sum() < 35
    assert (scene(3, 40, seed=3).included != staged.included).any()
    assert staged.model.input_shape == (PIXELS + 40,)
    assert staged.canaries[0].max() == STRENGTH
    assert set(staged.canaries[1]) == set(range(CLASSES))


def test_correlated_noise_is_undone() -> None:
    generator = np.random.default_rng(1)
    band, ideal = (0.5, -0.25), generator.normal(0.0, 1.0, (6, 4))
    noise = np.zeros((6, 4))
    for number in range(6):
        noise[number] = ideal[number] - sum(
            weight * noise[number - back] for back, weight in enumerate(band, start=1) if back <= number
        )
    assert np.allclose(list(_unmixed(list(noise), band)), ideal)


def test_a_household_that_is_not_there_leaves_nothing() -> None:
    learning = without_noise(BY_NAME["client"].terms)
    scores, included = household_scores(learning, 30, 1, seed=1)
    assert not scores[~included].any()
    assert (scores[included] > 0.0).all()


def test_a_canary_shows_in_the_update_or_else_in_the_choice_of_a_rung() -> None:
    """Without noise and rungs every one is told; the choice of a rung tells of one example no more than it costs."""
    terms = BY_NAME["example, own rung"].terms
    scores, included = rung_scores(without_noise(terms), 12, seed=1)
    assert (scores > 0.0).tolist() == included.tolist() and 0 < included.sum() < 12
    terms = claimed(terms, 1)
    at_clip = [_odds_of((LENGTH_PARTS,) * count, terms) for count in range(4)]
    for with_it, without in pairwise(reversed(at_clip)):
        moved = [abs(log(one / other)) for one, other in zip(with_it, without, strict=True)]
        assert 0.1 < max(moved) <= terms.bayesian.selection_epsilon_micro / MICRO


def test_rungs_go_with_the_noise() -> None:
    terms = scaled(BY_NAME["example, own rung"].terms, 3 * MICRO)
    assert (terms.mechanism.noise_multiplier_micro, terms.bayesian.rungs_micro) == (3 * MICRO, (3 * MICRO, 6 * MICRO))
    assert without_noise(terms).noise_multiplier_micro == 0


def test_every_noisy_number_can_be_read_off_an_update() -> None:
    learning = without_noise(BY_NAME["features, as the paper argues"].terms)
    scores, heads = number_scores(learning, 50, seed=1, there=False)
    assert np.allclose(scores, np.where(heads, 1.0, -1.0), atol=1e-3)
    scores, heads = number_scores(learning, 50, seed=1, there=True)
    assert np.allclose(scores, heads, atol=1e-3)


def test_noise_of_features_is_what_hides_them() -> None:
    """The score is a number with Laplace noise of twice the range of a normalised one, over epsilon."""
    learning = replace(
        BY_NAME["features, as the paper argues"].terms,
        mechanism=replace(BY_NAME["features, as the paper argues"].terms.mechanism, noise_multiplier_micro=MICRO // 2),
    )
    scores, heads = number_scores(learning, 4_000, seed=1, there=False)
    noise = scores - np.where(heads, 1.0, -1.0)
    batch, deviation = 16, np.sqrt(15.0) / 16.0  # of one number that is 1 among fifteen that are 0
    expected = np.sqrt(2.0) * 2.0 * np.sqrt(batch - 1.0) / 2.0 * deviation
    assert noise.std() == pytest.approx(expected, rel=0.06)


def test_the_sampled_bound_is_the_accountants() -> None:
    """All guesses right refute any noise; as many as half refute none."""
    audit: Audit = BY_NAME["example, sampled"]
    learning = claimed(audit.terms, 3)
    scores = np.arange(400.0)
    right = guess(scores, scores >= 200, 100, 100)
    wrong = guess(scores, np.arange(400) % 2 == 0, 100, 100)
    assert audit.bound(right, learning, 3) > 2 * CLAIM
    assert audit.bound(wrong, learning, 3) == 0.0


def test_the_area_that_a_claim_allows() -> None:
    learning = claimed(BY_NAME["example"].terms, 3)
    mu = 3.0**0.5 / (learning.mechanism.noise_multiplier_micro / MICRO)
    assert f_dp.epsilon_of(mu, 1e-5) == pytest.approx(charge(learning, 3).epsilon, rel=1e-3)
    generator = np.random.default_rng(1)
    ins, outs = generator.normal(mu, 1.0, 4_000), generator.normal(0.0, 1.0, 4_000)
    assert area_allowed(learning, 3) == pytest.approx(np.mean(ins[:, None] > outs[None]), abs=0.02)
