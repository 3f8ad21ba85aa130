"""Bayesian figures: those of the paper's authors, the tighter ones, and what keeps either from flattering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf, log

import numpy as np
import numpy.typing as npt
import pytest

from client_agent.privacy.bayesian import (
    BERNSTEIN,
    FAILURE,
    FEW,
    HEADLINE,
    RIGHT,
    Column,
    PaperForm,
    Trajectory,
    bernstein,
    student_t,
)
from client_agent.privacy.moments import LAMBDAS, Release, epsilons, left
from protocol.messages.learning import MICRO
from protocol.privacy.figure import Definition, PrivacyFigure, Unit, millionths
from protocol.privacy.port import SampledGaussian
from protocol.privacy.renyi import Renyi

Reals = npt.NDArray[np.float64]

TENTHS = np.arange(1, 11) / 10
RATE = 64 / 60_000
RELEASE = Release(0.1, 0.2, 5.0 * 0.2)


def _lengths(held: int, steps: int, bound: float, seed: int = 0) -> list[Reals]:
    """Of gradients that shrink as a model learns; many are clipped at first, few at the end."""
    random, own = np.random.default_rng(seed), np.random.default_rng(seed + 1).lognormal(0.0, 0.5, held)
    return [
        np.minimum(own * random.lognormal(0.0, 0.2, held) * bound / (1.0 + 0.2 * step), bound) for step in range(steps)
    ]


def _followed(lengths: Sequence[Reals], release: Release) -> Trajectory:
    trajectory = Trajectory(len(lengths[0]))
    for one in lengths:
        trajectory.add(one, release)
    return trajectory


def _paper(lengths: Sequence[Reals], release: Release, delta: float) -> float:
    paper = PaperForm(len(lengths))
    for one in lengths:
        paper.accumulate(one, release)
    return paper.epsilon(delta)


def _is(value: float, printed: str) -> bool:
    """To one of its last digit."""
    digits, _, exponent = printed.partition("e")
    unit = float(f"1e{int(exponent or 0) - len(digits.partition('.')[2])}")
    return abs(value - float(printed)) < unit


@pytest.mark.parametrize(
    ("distance", "sigma", "rate", "steps", "order", "cost", "epsilon"),
    [
        (1.0, 1.0, RATE, 10_000, 8, "0.7185728", "1.528937"),
        (1.0, 1.0, RATE, 10_000, 16, "1.9667e5", "12292.66"),
        (0.1, 1.0, RATE, 10_000, 32, "0.0603962", "0.3616663"),
        (2.0, 2.0, 0.001, 1, 16, "18.570074", "1.880188"),
    ],
)
def test_one_distance_gives_the_classical_numbers_of_the_authors(
    distance: float, sigma: float, rate: float, steps: int, order: int, cost: str, epsilon: str
) -> None:
    """Where all distances are alike there is nothing to estimate."""
    paper = PaperForm(1, lambdas=np.array([order]))
    paper.accumulate(np.full(3, distance), Release(rate, distance, sigma), steps)
    assert _is(paper.costs[0], cost) and _is(paper.epsilon(1e-5), epsilon)


@pytest.mark.parametrize(
    ("calls", "failure", "cost", "epsilon", "classical"),
    [
        (1, FAILURE, "0.1802058", "1.461641", "1.440897"),
        (100, FAILURE, "3.7958748", "1.913600", "1.617282"),
        (100, 1e-10, "2.3826192", "1.737068", "1.617282"),
    ],
)
def test_ten_distances_give_the_bayesian_numbers_of_the_authors(
    calls: int, failure: float, cost: str, epsilon: str, classical: str
) -> None:
    """With so few of them the figure is above the classical one."""
    paper, longest = PaperForm(calls, failure, np.array([8])), PaperForm(calls, lambdas=np.array([8]))
    for _ in range(calls):
        paper.accumulate(TENTHS, Release(0.01, 1.0, 1.0))
        longest.accumulate(np.ones(3), Release(0.01, 1.0, 1.0))
    assert _is(paper.costs[0], cost) and _is(paper.epsilon(1e-5), epsilon)
    assert _is(longest.epsilon(1e-5), classical)


def test_many_lengths_are_read_from_the_table() -> None:
    lengths, few = _lengths(140, 1, 0.2)[0], np.array([8, 40])
    paper = PaperForm(30, lambdas=few)
    paper.accumulate(lengths, RELEASE)
    logs = 30 * left(0.1, RELEASE.squared(lengths), few)
    exact = student_t(logs, logs.max(axis=0), FAILURE) / 30
    assert np.all(exact <= paper.costs) and paper.costs == pytest.approx(exact, rel=1e-3)


def test_failures_are_taken_out_of_delta_until_nothing_is_left() -> None:
    paper = PaperForm(3, 1e-6)
    for _ in range(3):
        paper.accumulate(TENTHS, Release(0.01, 1.0, 4.0))
    assert paper.epsilon(1e-2) < paper.epsilon(4e-6) < paper.epsilon(3.001e-6) < inf
    assert paper.epsilon(2.9e-6) == inf
    with pytest.raises(ValueError, match="call 4 of 3"):
        paper.accumulate(TENTHS, RELEASE)
    with pytest.raises(ValueError, match="2 lengths"):
        PaperForm(1).accumulate(TENTHS[:2], RELEASE)


@pytest.mark.parametrize(
    ("column", "definition"),
    [
        (HEADLINE, Definition.WEAK),
        (HEADLINE, Definition.STRONG),
        (BERNSTEIN, Definition.WEAK),
        (RIGHT, Definition.WEAK),
    ],
)
def test_a_trajectory_is_one_mean_over_the_whole_loss_of_each(column: Column, definition: Definition) -> None:
    """Against the same without a table, with two kinds of releases."""
    one, other = RELEASE, Release(0.5, 0.2, 4.0)
    early, late = _lengths(20, 3, 0.2), _lengths(20, 2, 0.2, seed=5)
    trajectory = _followed(early, one)
    for lengths in late:
        trajectory.add(lengths, other)
    steps = [(lengths, one) for lengths in early] + [(lengths, other) for lengths in late]
    logs = np.sum([column.cost(r.rate, r.squared(lengths), LAMBDAS) for lengths, r in steps], axis=0)
    largest = np.sum([column.cost(r.rate, r.squared(np.array([0.2])), LAMBDAS)[0] for _, r in steps], axis=0)
    bound = np.minimum(column.estimate(logs, largest, 1e-7 / 512), largest)
    expected = epsilons(bound, LAMBDAS, log(0.99e-5), definition).min()
    found = trajectory.epsilon(column, 5, definition)
    assert expected * (1.0 - 1e-12) <= found < expected * (1.0 + 1e-3)


@pytest.mark.parametrize("column", [HEADLINE, BERNSTEIN])
@pytest.mark.parametrize("exponent", [5, 10])
def test_where_everybody_is_at_the_bound_it_is_the_classical_figure(column: Column, exponent: int) -> None:
    """Of a delta that is one percent less; fewer orders are tried there."""
    classical = Renyi().epsilon({SampledGaussian(MICRO // 10, 5.0): 40}, exponent)
    found = _followed([np.full(50, 0.2)] * 40, RELEASE).epsilon(column, exponent)
    assert 0.999 * classical < found < 1.003 * classical


@pytest.mark.parametrize("held", [3, 30, 600])
def test_no_figure_is_above_what_is_certain(held: int) -> None:
    certain = _followed([np.full(3, 0.2)] * 20, RELEASE).epsilon(HEADLINE, 10)
    followed = _followed(_lengths(held, 20, 0.2), RELEASE)
    assert followed.epsilon(HEADLINE, 10) <= certain * (1.0 + 1e-12)
    assert followed.epsilon(BERNSTEIN, 10) <= certain * (1.0 + 1e-12)


def test_the_columns_stand_in_their_order() -> None:
    """Short gradients, many of them: the trajectory is below the paper's form, what is surer is above it."""
    lengths = _lengths(600, 12, 0.2)
    followed = _followed(lengths, RELEASE)
    headline, sure = followed.epsilon(HEADLINE, 10), followed.epsilon(BERNSTEIN, 10)
    strong, other_side = followed.epsilon(HEADLINE, 10, Definition.STRONG), followed.epsilon(RIGHT, 10)
    assert headline < sure < _followed([np.full(3, 0.2)] * 12, RELEASE).epsilon(HEADLINE, 10)
    assert headline < strong < _paper(lengths, RELEASE, 1e-10)
    assert other_side > 1.01 * headline


def test_a_bound_of_bernstein_holds_as_often_as_it_says_whatever_the_law() -> None:
    """One value in a hundred is the largest: few samples have none of them, and Student's t does not know."""
    random, misses = np.random.default_rng(3), {student_t: 0, bernstein: 0}
    largest, truth = np.array([3.0]), log(0.99 + 0.01 * np.exp(3.0))
    for _ in range(400):
        logs = np.where(random.uniform(size=(40, 1)) < 0.01, 3.0, 1e-6 * random.uniform(size=(40, 1)))
        for estimate in misses:
            misses[estimate] += bool(estimate(logs, largest, 0.05)[0] < truth)
    assert misses[bernstein] <= 20 < misses[student_t]


def test_more_are_surer() -> None:
    logs, largest = np.random.default_rng(1).uniform(0.0, 2.0, (5_000, 1)), np.array([2.0])
    truth = log((np.exp(2.0) - 1.0) / 2.0)
    for estimate in (student_t, bernstein):
        few, many = (float(estimate(logs[:count], largest, 1e-12)[0]) for count in (50, 5_000))
        assert truth < many < few
        assert many < truth + 0.1


def test_the_best_of_many_orders_is_chosen_afterwards_and_paid_for() -> None:
    logs, largest = np.random.default_rng(1).uniform(0.0, 1e-3, (20, len(LAMBDAS))), np.full(len(LAMBDAS), 1.0)
    seen = []

    def watching(values: Reals, most: Reals, failure: float) -> Reals:
        seen.append(failure)
        return student_t(values, most, failure)

    _followed(_lengths(20, 2, 0.2), RELEASE).epsilon(Column("watching", watching, left), 6)
    assert seen == [pytest.approx(1e-6 / 100 / 512)]
    assert student_t(logs, largest, 1e-9).shape == (512,)


@pytest.mark.parametrize("clients", [1, 10])
def test_a_level_is_whose_lengths_and_whose_noise(clients: int) -> None:
    """The noise that clients add for their examples serves for the whole of a client too; a mean is a sum in another
    measure."""
    lengths = _lengths(50, 5, 0.2)
    own = _followed(lengths, Release(0.1, 0.2, 1.0))
    together = _followed(lengths, Release(0.1, 0.2, 1.0, (1,) * clients))
    assert together.epsilon(HEADLINE, 5) <= own.epsilon(HEADLINE, 5)
    assert (together.epsilon(HEADLINE, 5) < own.epsilon(HEADLINE, 5)) == (clients > 1)
    joint = _followed(lengths, Release(1.0, 0.2, 1.0, (1,) * clients))
    client = _followed(lengths, Release(1.0, 0.2, clients**0.5))
    mean = _followed([one / clients for one in lengths], Release(1.0, 0.2 / clients, clients**-0.5))
    assert joint.epsilon(HEADLINE, 5) == pytest.approx(client.epsilon(HEADLINE, 5), rel=1e-12)
    assert joint.epsilon(HEADLINE, 5) == pytest.approx(mean.epsilon(HEADLINE, 5), rel=1e-9)


@pytest.mark.parametrize(("held", "indicative"), [(FEW - 1, True), (FEW, False)])
def test_with_few_held_out_a_figure_says_so(held: int, indicative: bool) -> None:
    trajectory = _followed(_lengths(held, 2, 0.2), replace(RELEASE, weights=(3,) * 9))
    figure = trajectory.figure(HEADLINE, 10, Unit.HOUSEHOLD)
    epsilon = millionths(trajectory.epsilon(HEADLINE, 10))
    unit = Unit.HOUSEHOLD
    expected = PrivacyFigure(epsilon, 10, HEADLINE.name, unit, Definition.WEAK, 9, int(indicative), unit.adjacency)
    assert figure == expected
    assert ("indicative" in str(figure)) == indicative


def test_what_is_no_trajectory() -> None:
    with pytest.raises(ValueError, match="2 examples"):
        Trajectory(2)
    trajectory = Trajectory(3)
    assert trajectory.epsilon(HEADLINE, 5) == 0.0
    with pytest.raises(ValueError, match="2 lengths"):
        trajectory.add(np.array([0.1, 0.1]), RELEASE)
    for beyond in (0.21, float("nan")):
        with pytest.raises(ValueError, match="longer"):
            trajectory.add(np.array([0.1, 0.1, beyond]), RELEASE)
    assert trajectory.epsilon(HEADLINE, 5) == 0.0
