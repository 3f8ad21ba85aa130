"""A spent budget is a refusal that names what is spent, what is asked and what was agreed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from client_agent.privacy.budget import charge_next
from protocol.errors import BudgetSpentError, Party
from protocol.messages.task import MICRO, LearningTerms, ModelSpec, PrivacyTerms
from protocol.privacy.port import NoPrivacyError
from protocol.privacy.renyi import Renyi
from protocol.privacy.spending import spent
from scripts.demonstration.presets import digits_terms, mnist_terms
from tests.unit.client_agent.scene_learning import NOISELESS, TERMS

Terms = Callable[[], tuple[ModelSpec, LearningTerms, PrivacyTerms]]
MECHANISM = TERMS.mechanism
LARGE = PrivacyTerms(2**40, 5, Renyi.name)
FIVE_ROUNDS = replace(LARGE, epsilon_budget_micro=spent(MECHANISM, LARGE, 5).epsilon_micro)


def test_up_to_the_last_round_that_fits() -> None:
    for charged in range(5):
        assert charge_next(MECHANISM, FIVE_ROUNDS, charged) == spent(MECHANISM, LARGE, charged + 1)
    for charged in (5, 6, 1000):
        with pytest.raises(BudgetSpentError):
            charge_next(MECHANISM, FIVE_ROUNDS, charged)
    with pytest.raises(BudgetSpentError):
        charge_next(MECHANISM, replace(FIVE_ROUNDS, epsilon_budget_micro=FIVE_ROUNDS.epsilon_budget_micro - 1), 4)


def test_the_refusal_says_spent_asked_and_budget() -> None:
    with pytest.raises(BudgetSpentError) as caught:
        charge_next(MECHANISM, FIVE_ROUNDS, 5)
    for rounds in (5, 6):
        assert f"{spent(MECHANISM, LARGE, rounds).epsilon:.4f}" in str(caught.value)
    assert caught.value.code == "E_PRIVACY_BUDGET"
    assert caught.value.fault is Party.EDGE_SERVER


def test_a_first_round_that_costs_too_much() -> None:
    with pytest.raises(BudgetSpentError):
        charge_next(MECHANISM, replace(LARGE, epsilon_budget_micro=1), 0)


def test_a_smaller_delta_costs_more() -> None:
    with pytest.raises(BudgetSpentError):
        charge_next(MECHANISM, replace(FIVE_ROUNDS, delta_exponent=10), 4)


def test_no_noise_is_no_figure() -> None:
    with pytest.raises(NoPrivacyError):
        charge_next(NOISELESS.mechanism, LARGE, 0)


@pytest.mark.parametrize(("terms", "rounds", "promised"), [(digits_terms, 10, 8), (mnist_terms, 20, 1)])
def test_the_presets_fit_their_budgets(terms: Terms, rounds: int, promised: int) -> None:
    _, learning, privacy = terms()
    assert privacy.epsilon_budget_micro <= promised * MICRO
    assert privacy.delta_exponent == 5
    charge_next(learning.mechanism, privacy, rounds - 1)
