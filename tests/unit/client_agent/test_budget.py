"""A spent budget is a refusal that names what is spent, what is asked and what was agreed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from client_agent.privacy.budget import charge_next
from protocol.errors import BudgetSpentError, Party
from protocol.messages.charge import Charge
from protocol.messages.learning import MICRO, LearningTerms, ModelSpec
from protocol.messages.task import PrivacyTerms
from protocol.privacy.port import NoPrivacyError
from protocol.privacy.renyi import Renyi
from protocol.privacy.spending import spent
from scripts.demonstration.presets import digits_terms, mnist_terms
from tests.unit.client_agent.scene_learning import NOISELESS, TERMS

Terms = Callable[[], tuple[ModelSpec, LearningTerms, PrivacyTerms]]
MECHANISM = TERMS.mechanism
LARGE = PrivacyTerms(2**40, 5, Renyi.name)


def charge_of(rounds: int) -> Charge:
    return spent({MECHANISM: rounds}, TERMS, LARGE)


def next_of(charged: int, privacy: PrivacyTerms, learning: LearningTerms = TERMS) -> Charge:
    mechanism = learning.mechanism
    return charge_next({mechanism: charged}, {mechanism: charged + 1}, learning, privacy)


FIVE_ROUNDS = replace(LARGE, epsilon_budget_micro=charge_of(5).epsilon_micro)


def test_up_to_the_last_round_that_fits() -> None:
    for charged in range(5):
        assert next_of(charged, FIVE_ROUNDS) == charge_of(charged + 1)
    for charged in (5, 6, 1000):
        with pytest.raises(BudgetSpentError):
            next_of(charged, FIVE_ROUNDS)
    with pytest.raises(BudgetSpentError):
        next_of(4, replace(FIVE_ROUNDS, epsilon_budget_micro=FIVE_ROUNDS.epsilon_budget_micro - 1))


def test_the_refusal_says_spent_asked_and_budget() -> None:
    with pytest.raises(BudgetSpentError) as caught:
        next_of(5, FIVE_ROUNDS)
    assert f"epsilon {charge_of(5).figure.decimal} of" in str(caught.value)
    assert str(charge_of(6).figure) in str(caught.value)
    assert caught.value.code == "E_PRIVACY_BUDGET"
    assert caught.value.fault is Party.EDGE_SERVER


def test_a_first_round_that_costs_too_much() -> None:
    with pytest.raises(BudgetSpentError):
        next_of(0, replace(LARGE, epsilon_budget_micro=1))


def test_a_smaller_delta_costs_more() -> None:
    with pytest.raises(BudgetSpentError):
        next_of(4, replace(FIVE_ROUNDS, delta_exponent=10))


def test_no_noise_is_no_figure() -> None:
    with pytest.raises(NoPrivacyError):
        next_of(0, LARGE, NOISELESS)


@pytest.mark.parametrize(("terms", "rounds", "promised"), [(digits_terms, 10, 8), (mnist_terms, 20, 1)])
def test_the_presets_fit_their_budgets(terms: Terms, rounds: int, promised: int) -> None:
    _, learning, privacy = terms()
    assert privacy.epsilon_budget_micro <= promised * MICRO
    assert privacy.delta_exponent == 5
    next_of(rounds - 1, privacy, learning)
