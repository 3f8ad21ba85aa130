"""Noise that follows the data tells of them; a rung that is chosen by lot does so by no more than is charged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from itertools import combinations_with_replacement, pairwise
from math import log

import numpy as np
import numpy.typing as npt
import pytest

from client_agent.privacy.bayesian import HEADLINE, Trajectory
from client_agent.privacy.moments import LAMBDAS, Release, epsilons, left
from client_agent.privacy.noise import rounded_gaussian
from client_agent.privacy.selection import DRAW_BYTES, SHARE_PERCENT, chances, chosen, kept_within
from protocol.messages.learning import MICRO, BayesianTerms
from protocol.privacy.figure import Definition
from protocol.randomness import SeededRandomness
from protocol.round.training import LENGTH_PARTS
from tests.samples import with_terms
from tests.unit.client_agent.scene_learning import TERMS

WHOLE = 2 ** (8 * DRAW_BYTES)
RUNGS = 4
STEPS, COORDINATES = 200, 2_000


def _within(data: Sequence[int]) -> tuple[int, ...]:
    """Of examples each of which is within the target from its own rung on, or from none on (RUNGS)."""
    return tuple(sum(first <= rung for first in data) for rung in range(RUNGS))


def _odds(data: Sequence[int], epsilon_micro: int) -> tuple[int, ...]:
    return chances(_within(data), len(data), epsilon_micro)


@pytest.mark.parametrize("epsilon_micro", [1, 1_000, 100_000, MICRO, 7 * MICRO, 1_000 * MICRO])
def test_no_example_changes_a_chance_by_more_than_the_epsilon(epsilon_micro: int) -> None:
    """All data sets of up to five examples, and every neighbour of each: exact chances, compared in 60 digits."""
    nearest = Decimal(0)
    with localcontext(Context(prec=60)):
        most = (Decimal(epsilon_micro) / MICRO).exp()
        for size in range(5):
            for data in combinations_with_replacement(range(RUNGS + 1), size):
                before = _odds(data, epsilon_micro)
                assert sum(before) == WHOLE
                for more in range(RUNGS + 1):
                    for one, other in zip(before, _odds([*data, more], epsilon_micro), strict=True):
                        assert one <= most * other and other <= most * one
                        nearest = max(nearest, abs(Decimal(one).ln() - Decimal(other).ln()))
    if epsilon_micro <= MICRO:
        assert nearest > Decimal(epsilon_micro) / MICRO / 3, "it is used, not merely kept to"


@pytest.mark.parametrize("epsilon_micro", [1_000, MICRO, 50 * MICRO])
@pytest.mark.parametrize("count", [1_000, 60_000])
def test_large_data_sets_keep_to_it_as_well(epsilon_micro: int, count: int) -> None:
    """Where weights are as far apart as they can be."""
    with localcontext(Context(prec=60)):
        most = (Decimal(epsilon_micro) / MICRO).exp()
        for shares in ((0, 0, 0, 1), (0, 0.2, 0.6, 0.97), (1, 1, 1, 1), (0, 0, 0, 0), (0.94, 0.95, 0.96, 0.97)):
            within = tuple(round(share * count) for share in shares)
            before = chances(within, count, epsilon_micro)
            for first in range(RUNGS + 1):
                more = tuple(number + (first <= rung) for rung, number in enumerate(within))
                for one, other in zip(before, chances(more, count + 1, epsilon_micro), strict=True):
                    assert 0 < one <= most * other and 0 < other <= most * one


def test_chances_are_those_of_the_exponential_mechanism() -> None:
    """Distances are 0.95, 0.05 and 1.05 of one example here."""
    odds = [Fraction(one, WHOLE) for one in chances((0, 1, 2), 1, 2 * MICRO)]
    weights = np.exp(-np.array([0.95, 0.05, 1.05]))
    assert [float(one) for one in odds] == pytest.approx(list(weights / weights.sum()), rel=1e-12)


def test_more_epsilon_is_nearer_to_the_rung_that_keeps_the_public_share() -> None:
    within, count = (100, 700, 950, 1_000), 1_000
    best = [chances(within, count, epsilon)[2] / WHOLE for epsilon in (1_000, 50_000, 200_000, MICRO)]
    assert best == sorted(best) and best[0] < 0.4 and best[-1] > 0.9999
    assert SHARE_PERCENT * count == 100 * within[2]


def test_a_draw_is_a_place_on_the_scale_of_chances() -> None:
    odds = chances((0, 1, 2, 2), 3, MICRO)
    edges = [sum(odds[:place]) for place in range(len(odds) + 1)]
    assert edges[-1] == WHOLE
    for rung, (first, after) in enumerate(pairwise(edges)):
        for place in (first, (first + after) // 2, after - 1):
            assert chosen(odds, place.to_bytes(DRAW_BYTES, "big")) == rung


def test_an_example_counts_by_itself_alone() -> None:
    """Within a rung: so long as its own cost over all steps is within the target, computed without any table."""
    lengths = np.random.default_rng(1).integers(0, LENGTH_PARTS + 1, 60).astype(np.uint16)
    rungs = tuple(round(2.0 * 1.3**rung * MICRO) for rung in range(8))
    learning = replace(TERMS, bayesian=BayesianTerms(3 * MICRO, 6, 1, rungs, 0, 1))
    counts = kept_within(lengths, learning, 12)
    assert counts == tuple(sum(kept_within(lengths[i : i + 1], learning, 12)[r] for i in range(60)) for r in range(8))
    assert list(counts) == sorted(counts) and counts[0] < counts[-1]
    every = np.arange(0, LENGTH_PARTS + 1, 15).astype(np.uint16)
    for rung_micro, count in zip(rungs, kept_within(every, learning, 12), strict=True):
        release, shares = Release(1.0, 1.0, rung_micro / MICRO), every / LENGTH_PARTS
        cost, dearer = (
            epsilons(12 * left(1.0, release.squared(at), LAMBDAS), LAMBDAS, log(1e-6), Definition.WEAK).min(axis=1)
            for at in (shares, np.minimum(1.0, shares + 1 / 128))
        )
        assert np.count_nonzero(dearer <= 3.0) <= count <= np.count_nonzero(cost <= 3.0)


def test_nobody_held_out_is_a_choice_among_equals() -> None:
    learning = replace(TERMS, bayesian=BayesianTerms(3 * MICRO, 6, 1, (2 * MICRO, 3 * MICRO), 0, 1))
    assert kept_within(np.zeros(0, dtype=np.uint16), learning, 12) == (0, 0)
    assert chances((0, 0, 0, 0), 0, MICRO) == (WHOLE // 4,) * 4


def _bisected(lengths: npt.NDArray[np.float64], target: float) -> float:
    """The least noise whose Bayesian figure on the data is the target: what must not be done."""
    low, high = 1.0, 64.0
    for _ in range(30):
        noise = (low + high) / 2.0
        trajectory = Trajectory(len(lengths))
        trajectory.add(lengths, Release(1.0, 1.0, noise))
        low, high = (low, noise) if trajectory.epsilon(HEADLINE, 5) <= target else (noise, high)
    return high


def _told_apart(one: float, other: float) -> bool:
    """Whether an observer of all coordinates' noise is right every time."""
    source, middle = SeededRandomness(b"observer"), (one + other) / 2.0
    seen = [
        rounded_gaussian(Fraction(round(1e6 * noise)), STEPS * COORDINATES, source.draw, f"{number}").std() / 1e6
        for number, noise in enumerate([one, other] * 4)
    ]
    return all((std > middle) == bool(number % 2) for number, std in enumerate(seen))


def test_noise_that_is_bisected_on_the_data_tells_neighbours_apart_and_a_chosen_rung_does_not() -> None:
    """Forty short gradients, or these and one outlier. An observer sees the noise of 200 steps and measures it."""
    one = np.full(40, 0.2)
    other = np.append(one, 1.0)
    noises = [_bisected(data, 0.5) for data in (one, other)]
    assert noises[1] > 1.01 * noises[0]
    assert _told_apart(noises[0], 1.01 * noises[0]), "one percent is enough"
    rungs = tuple(round(noise * MICRO) for noise in (*noises, 2.0 * noises[1]))
    floor = with_terms(TERMS, noise_multiplier_micro=MICRO)
    learning = replace(floor, bayesian=BayesianTerms(MICRO // 2, 5, 1, rungs, 0, MICRO // 10))
    odds = [
        chances(kept_within(np.ceil(data * LENGTH_PARTS).astype(np.uint16), learning, 1), len(data), MICRO // 10)
        for data in (one, other)
    ]
    seen_at_best = sum(max(0, a - b) for a, b in zip(*odds, strict=True)) / WHOLE  # of any observer: their distance
    assert seen_at_best <= np.expm1(0.1)
