"""A spent budget is a refusal that names what is spent, what is asked and what was agreed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from client_agent.privacy.budget import check_budget
from protocol.errors import BudgetSpentError, Party
from protocol.messages.task import MICRO, LearningTerms, ModelSpec, PrivacyTerms
from protocol.privacy.renyi import NoPrivacyError, epsilon_micro
from scripts.demonstration.presets import digits_terms, mnist_terms
from tests.unit.client_agent.scene_learning import NOISELESS, TERMS

Terms = Callable[[], tuple[ModelSpec, LearningTerms, PrivacyTerms]]
FIVE_ROUNDS = epsilon_micro(TERMS.mechanism, 5, 5)


def test_up_to_the_last_round_that_fits() -> None:
    exact = PrivacyTerms(epsilon_budget_micro=FIVE_ROUNDS, delta_exponent=5)
    for charged in range(5):
        check_budget(exact, TERMS.mechanism, charged)
    for charged in (5, 6, 1000):
        with pytest.raises(BudgetSpentError):
            check_budget(exact, TERMS.mechanism, charged)
    with pytest.raises(BudgetSpentError):
        check_budget(replace(exact, epsilon_budget_micro=FIVE_ROUNDS - 1), TERMS.mechanism, 4)


def test_the_refusal_says_spent_asked_and_budget() -> None:
    with pytest.raises(BudgetSpentError) as caught:
        check_budget(PrivacyTerms(FIVE_ROUNDS, 5), TERMS.mechanism, 5)
    for figure in (FIVE_ROUNDS, epsilon_micro(TERMS.mechanism, 6, 5)):
        assert f"{figure / MICRO:.4f}" in str(caught.value)
    assert caught.value.code == "E_PRIVACY_BUDGET"
    assert caught.value.fault is Party.EDGE_SERVER


def test_a_first_round_that_costs_too_much() -> None:
    with pytest.raises(BudgetSpentError):
        check_budget(PrivacyTerms(1, 5), TERMS.mechanism, 0)


def test_a_smaller_delta_costs_more() -> None:
    with pytest.raises(BudgetSpentError):
        check_budget(PrivacyTerms(FIVE_ROUNDS, 10), TERMS.mechanism, 4)


def test_no_noise_is_no_figure() -> None:
    with pytest.raises(NoPrivacyError):
        check_budget(PrivacyTerms(2**40, 5), NOISELESS.mechanism, 0)


@pytest.mark.parametrize(("terms", "rounds", "promised"), [(digits_terms, 10, 8), (mnist_terms, 20, 1)])
def test_the_presets_fit_their_budgets(terms: Terms, rounds: int, promised: int) -> None:
    _, learning, privacy = terms()
    assert privacy.epsilon_budget_micro <= promised * MICRO
    assert privacy.delta_exponent == 5
    check_budget(privacy, learning.mechanism, rounds - 1)
