"""The statistics of attacks: reference values, bounds that hold, and bounds that are worth something."""

from __future__ import annotations

from math import exp, sqrt
from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import linprog
from sklearn.metrics import roc_auc_score

from scripts.evaluate.attacks import f_dp, one_run
from scripts.evaluate.attacks.membership import confidences, likelihood_ratios
from scripts.evaluate.attacks.one_run import Guesses, guess
from scripts.evaluate.attacks.roc import Curve, standard_error

DELTA = 1e-5


@pytest.mark.parametrize(
    ("guesses", "delta", "expected"),
    [
        (Guesses(1000, 100, 80), DELTA, 0.9553),
        (Guesses(1000, 100, 100), DELTA, 3.4654),
        (Guesses(1000, 1000, 550), DELTA, 0.0940),
        (Guesses(1000, 200, 150), 0.0, 0.8214),
        (Guesses(100, 20, 18), DELTA, 0.9299),
    ],
)
def test_the_reference_values_of_one_run(guesses: Guesses, delta: float, expected: float) -> None:
    assert one_run.epsilon_below(guesses, delta) == pytest.approx(expected, abs=6e-5)


def test_the_p_value_is_the_papers() -> None:
    """Its snippet in scipy, delta term and all."""
    guesses, epsilon = Guesses(400, 90, 66), 0.7
    rate = 1.0 / (1.0 + exp(-epsilon))
    alpha = total = 0.0
    for i in range(1, guesses.right + 1):
        total += stats.binom.pmf(guesses.right - i, guesses.made, rate)
        alpha = max(alpha, total / i)
    beta = stats.binom.sf(guesses.right - 1, guesses.made, rate)
    for delta in (0.0, 1e-5, 1e-3):
        expected = beta + alpha * delta * 2 * guesses.canaries
        assert one_run.p_value(guesses, epsilon, delta) == pytest.approx(expected, rel=1e-9)


def test_no_guess_and_no_better_guess_says_nothing() -> None:
    for guesses in (Guesses(10, 0, 0), Guesses(1000, 200, 100), Guesses(1000, 200, 80)):
        assert one_run.epsilon_below(guesses, DELTA) == 0.0
        assert f_dp.epsilon_below(guesses, DELTA) == 0.0
    with pytest.raises(ValueError):
        Guesses(10, 5, 6)
    with pytest.raises(ValueError):
        guess(np.zeros(4), np.zeros(4, dtype=bool), 3, 2)


def test_guesses_are_at_the_ends() -> None:
    scores = np.array([5.0, 1.0, 4.0, 2.0, 3.0])
    included = np.array([True, True, False, False, True])
    assert guess(scores, included, 2, 1) == Guesses(5, 3, 1)
    assert guess(scores, included, 1, 0) == Guesses(5, 1, 1)


def _gaussian_guesses(mu: float, seed: int, canaries: int = 1000) -> Guesses:
    """Of the mechanism for which the trade-off of two normal distributions is exact."""
    generator = np.random.default_rng(seed)
    included = generator.integers(0, 2, canaries) == 1
    return guess(generator.normal(included * mu, 1.0), included, canaries // 10, canaries // 10)


@pytest.mark.parametrize("mu", [0.3, 1.0])
def test_bounds_hold_and_the_curve_is_tighter(mu: float) -> None:
    """200 runs of the Gaussian mechanism: a bound is above the truth in 5 % at most; in 22 with chance 5e-4."""
    truth, above, plain, tight = f_dp.epsilon_of(mu, DELTA), 0, [], []
    for seed in range(200):
        guesses = _gaussian_guesses(mu, seed)
        plain.append(one_run.epsilon_below(guesses, DELTA))
        tight.append(f_dp.epsilon_below(guesses, DELTA))
        above += tight[-1] > truth
    assert above <= 21
    assert max(plain) < truth
    assert np.mean(tight) > 1.4 * np.mean(plain)
    assert np.mean(tight) > 0.3 * truth


def test_epsilon_of_two_normal_distributions() -> None:
    """Against the exact delta, both ways."""
    normal = NormalDist()
    for mu in (0.1, 0.53, 1.0, 3.0):
        epsilon = f_dp.epsilon_of(mu, DELTA)
        delta = normal.cdf(mu / 2 - epsilon / mu) - exp(epsilon) * normal.cdf(-mu / 2 - epsilon / mu)
        assert delta == pytest.approx(DELTA, rel=1e-3)
    assert f_dp.epsilon_of(0.0, DELTA) == 0.0


def test_a_curve_of_pairs_is_what_all_of_them_allow() -> None:
    """Many pairs of one Gaussian come close to its own curve, from below, so they refute no more."""
    mu = 0.5
    deltas = np.geomspace(1e-6, 0.3, 60)
    pairs = tuple((f_dp.epsilon_of(mu, float(delta)), float(delta)) for delta in deltas)
    curve, exact = f_dp.approximate(pairs), f_dp.gaussian(mu)
    for chance in np.linspace(0.0, 1.0, 41):
        assert curve(chance) <= exact(chance) + 1e-6
        assert curve(chance) >= exact(chance) - 0.02
    guesses = Guesses(1000, 200, 192)
    assert f_dp.refuted(exact, guesses)
    assert f_dp.refuted(curve, guesses)
    assert not f_dp.refuted(curve, Guesses(1000, 200, 120))


def test_a_single_pair_is_randomised_response() -> None:
    """Against the binomial tail, which is the exact answer for pure privacy where everything is guessed."""
    curve = f_dp.approximate(((1.0, 0.0),))
    rate = 1.0 / (1.0 + exp(-1.0))
    usual = int(stats.binom.ppf(0.5, 300, rate))
    assert not f_dp.refuted(curve, Guesses(300, 300, usual))
    assert f_dp.refuted(curve, Guesses(300, 300, int(stats.binom.ppf(0.999, 300, rate)) + 5))


def _largest_chance(made: int, canaries: int, right: int, epsilon: float) -> float:
    """Of ``right`` guesses or more, by linear programming over all laws of their number: what the theorem's steps say
    together, that whoever is guessed right with chance r is guessed wrong with the least that the curve allows."""
    numbers = np.arange(made + 1)
    conditions, limits = [], []
    for i in range(made):
        wrong, then_right = (numbers >= i) * (made - numbers) / canaries, (numbers > i) * numbers / canaries
        conditions += [exp(-epsilon) * then_right - wrong, exp(epsilon) * then_right - wrong]
        limits += [0.0, exp(epsilon) - 1.0]
    found = linprog(np.where(numbers >= right, -1.0, 0.0), np.array(conditions), limits, np.ones((1, made + 1)), [1.0])
    return -float(found.fun)


@pytest.mark.parametrize(("made", "canaries"), [(24, 24), (18, 60)])
def test_refuted_is_what_no_law_of_right_guesses_allows(made: int, canaries: int) -> None:
    for epsilon in (0.3, 1.0):
        curve = f_dp.approximate(((epsilon, 0.0),))
        for right in range(made // 2, made + 1):
            chance, guesses = _largest_chance(made, canaries, right, epsilon), Guesses(canaries, made, right)
            assert not f_dp.refuted(curve, guesses, 0.998 * chance)
            assert chance > 0.998 or f_dp.refuted(curve, guesses, 1.002 * chance)


def test_the_curve_of_scores() -> None:
    generator = np.random.default_rng(1)
    members = generator.integers(0, 2, 500) == 1
    scores = np.round(generator.normal(members * 0.8, 1.0), 1)  # with many that are equal
    curve = Curve.of(scores, members)
    assert curve.area == pytest.approx(roc_auc_score(members, scores))
    assert curve.true_at(0.0) <= curve.true_at(0.1) <= curve.true_at(1.0) == 1.0
    best = max(((scores >= t) == members)[members].mean() + ((scores >= t) == members)[~members].mean() for t in scores)
    assert curve.balanced_accuracy == pytest.approx(best / 2)
    with pytest.raises(ValueError):
        Curve.of(scores, np.ones(500, dtype=bool))


def test_the_error_of_an_area_is_what_repetitions_show() -> None:
    areas, errors = [], []
    for seed in range(200):
        generator = np.random.default_rng(seed)
        members = np.arange(200) % 2 == 0
        scores = generator.normal(members * 0.5, 1.0)
        areas.append(Curve.of(scores, members).area)
        errors.append(standard_error(scores, members))
    assert np.mean(errors) == pytest.approx(np.std(areas), rel=0.15)


def test_a_confidence_is_the_logit_of_the_label() -> None:
    scores = np.array([[1.0, 700.0], [2.0, -3.0], [0.5, 5.0]])
    found = confidences(scores, np.array([1, 0]))
    share = np.exp(scores[:, 0]) / np.exp(scores[:, 0]).sum()
    assert found[0] == pytest.approx(np.log(share[1] / (1 - share[1])))
    assert np.isfinite(found[1]) and found[1] > 600


def _models(count: int, examples: int, gap: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    included = generator.permuted(np.tile(np.arange(count) % 2 == 0, (examples, 1)), axis=1).T
    hardness = generator.normal(0.0, 3.0, examples)  # which a global threshold stumbles over
    return hardness + generator.normal(included * gap, 1.0), included


def test_ratios_find_members_as_well_as_theory_lets_them() -> None:
    seen, included = _models(64, 2_000, 1.0, seed=3)
    areas = {}
    for variant in ("online", "offline"):
        for one_spread in (True, False):
            found = likelihood_ratios(seen, included, 5, variant, one_spread)
            areas[variant, one_spread] = Curve.of(found, included[5]).area
    best = NormalDist().cdf(1.0 / sqrt(2.0))
    assert areas["online", True] == pytest.approx(best, abs=0.025)
    assert areas["offline", True] == pytest.approx(best, abs=0.03)
    assert areas["online", False] > 0.7
    assert Curve.of(seen[5], included[5]).area < 0.62
    with pytest.raises(ValueError):
        likelihood_ratios(seen[:2], included[:2], 0, "online", True)


def test_the_target_itself_is_not_among_the_models_that_judge_it() -> None:
    seen, included = _models(16, 300, 0.0, seed=4)
    before = likelihood_ratios(seen, included, 0, "offline", True)
    moved = seen.copy()
    moved[0] += 1.0
    after = likelihood_ratios(moved, included, 0, "offline", True)
    others = np.where(~included[1:], seen[1:], np.nan)
    assert np.allclose(after - before, 1.0 / np.nanstd(others - np.nanmedian(others, axis=0)))
