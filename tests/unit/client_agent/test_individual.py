"""Budgets of single examples: none is ever overdrawn, and who is always at the bound has the classical figure."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_agent.privacy.individual import IndividualBudgets
from client_agent.privacy.moments import Release
from protocol.messages.learning import MICRO
from protocol.privacy.figure import Definition, millionths
from protocol.privacy.port import SampledGaussian
from protocol.privacy.renyi import Renyi

RELEASE = Release(0.1, 0.2, 1.0)
STEPS = 20
LOUD = Release(1.0, 0.2, 0.05)


def _budgets(*epsilons: float, release: Release = RELEASE) -> IndividualBudgets:
    return IndividualBudgets(np.array([round(one * MICRO) for one in epsilons]), 5, release)


@given(
    budgets=st.lists(st.integers(1, 20 * MICRO), min_size=1, max_size=6),
    seed=st.integers(0, 2**32 - 1),
    rate=st.sampled_from([0.01, 0.1, 1.0]),
    noise=st.floats(0.2, 4.0),
)
@settings(max_examples=40, deadline=None)
def test_no_example_ever_costs_more_than_its_budget(budgets: list[int], seed: int, rate: float, noise: float) -> None:
    random = np.random.default_rng(seed)
    release = Release(rate, 0.2, noise)
    individual = IndividualBudgets(np.array(budgets), 5, release)
    was_in = np.ones(len(budgets), dtype=bool)
    for _ in range(2 * STEPS):
        spent, step = individual.spent.copy(), replace(release, own_noise=noise * random.uniform(0.8, 2.0))
        is_in = individual.admit(random.lognormal(-2.0, 1.0, len(budgets)), step)
        assert not np.any(is_in & ~was_in), "nobody comes back"
        assert np.all((individual.spent > spent) == is_in), "who is in pays, and nobody else"
        assert all(individual.figure(place).epsilon_micro <= most for place, most in enumerate(budgets))
        was_in = is_in


@pytest.mark.parametrize("exponent", [5, 10])
@pytest.mark.parametrize("rate_ppm", [MICRO // 100, MICRO // 10, MICRO])
def test_at_the_bound_it_is_the_classical_figure_and_lasts_as_long(exponent: int, rate_ppm: int) -> None:
    classical = Renyi().epsilon({SampledGaussian(rate_ppm, 5.0): STEPS}, exponent)
    release = Release(rate_ppm / MICRO, 0.2, 1.0)
    individual = IndividualBudgets(np.array([millionths(classical)]), exponent, release)
    for _ in range(STEPS):
        assert individual.admit(np.array([7.0]), release).all()
    assert individual.figure(0).epsilon_micro == pytest.approx(classical * MICRO, abs=2.02)
    assert not individual.admit(np.array([7.0]), release).any()


def test_a_shorter_gradient_pays_less_and_lasts_longer() -> None:
    individual, steps = _budgets(0.5, 0.5, 0.5), np.zeros(3)
    for _ in range(400):
        steps += individual.admit(np.array([0.2, 0.1, 0.0]), RELEASE)
    assert 0 < steps[0] < steps[1] < steps[2] == 400
    assert individual.figure(2).epsilon_micro == 0


def test_a_step_that_a_budget_does_not_allow_is_not_charged() -> None:
    individual = _budgets(1e-3, 5.0)
    assert individual.admit(np.array([0.2, 0.2]), RELEASE).tolist() == [False, True]
    assert individual.figure(0).epsilon_micro == 0 < individual.figure(1).epsilon_micro
    assert individual.admit(np.array([0.0, 0.2]), RELEASE).tolist() == [False, True]


@pytest.mark.parametrize("budget", [1.0, 2.5])
def test_a_budget_that_is_used_up_to_its_last_bit_is_not_rounded_up(budget: float) -> None:
    untouched, short, long = _budgets(budget), 0.0, 0.2
    while short < (middle := (short + long) / 2.0) < long:
        tried = deepcopy(untouched)
        short, long = (middle, long) if tried.admit(np.array([middle]), LOUD).all() else (short, middle)
    untouched.admit(np.array([short]), LOUD)
    assert untouched.figure(0).epsilon_micro == budget * MICRO


def test_what_is_no_number_is_in_no_step() -> None:
    individual = _budgets(5.0, 5.0)
    assert individual.admit(np.array([np.nan, np.inf]), RELEASE).tolist() == [False, True]


def test_a_figure_says_that_it_is_a_classical_one_of_one_example() -> None:
    individual = _budgets(5.0)
    individual.admit(np.array([0.1]), RELEASE)
    figure = individual.figure(0)
    assert figure.definition is Definition.CLASSICAL and figure.honest_clients == 1
    assert "of one example" in str(figure) and "INDIVIDUAL/1" in str(figure)
