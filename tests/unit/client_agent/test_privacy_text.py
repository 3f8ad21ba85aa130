"""What a task costs in privacy is told with all that it means: so far, next, in all, and on whose noise it stands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from client_agent.consent import disclose
from client_agent.consent_text import as_text
from client_agent.privacy.ledger import HOME, DataUse
from protocol.errors import MalformedError
from protocol.messages.learning import BayesianTerms
from protocol.privacy.figure import PrivacyFigure
from protocol.privacy.spending import spent
from tests.samples import with_terms
from tests.unit.client_agent.scene_consent import BINDING, LIMITS, RUNGS, SPEC, charged, told_of


def test_privacy_is_told_as_spent_next_and_all() -> None:
    told = told_of(SPEC)
    mechanism, privacy = SPEC.learning.mechanism, SPEC.privacy
    so_far, next_round, all_rounds = told.charges
    assert told.charges == tuple(spent({mechanism: rounds}, SPEC.learning, privacy) for rounds in (1, 2, SPEC.rounds))
    text, left = as_text(told), 20 - so_far.epsilon
    assert f"the whole task costs at most: {all_rounds.figure}" in text
    assert f"spent so far {so_far.epsilon:.3f}, left {left:.3f}" in text
    assert f"one more round makes it {next_round.epsilon:.3f}" in text
    for assumption in so_far.assumptions:
        assert assumption in text
    assert "more than the budget" not in text
    small = replace(privacy, epsilon_budget_micro=all_rounds.epsilon_micro - 1)
    assert "more than the budget" in as_text(told_of(replace(SPEC, privacy=small)))


def test_a_task_whose_figures_this_phone_cannot_check_is_refused() -> None:
    with pytest.raises(MalformedError):
        told_of(replace(SPEC, privacy=replace(SPEC.privacy, accountant="UNKNOWN/1")))


def test_a_task_without_noise_is_told_as_one_without_a_guarantee() -> None:
    told = told_of(replace(SPEC, learning=with_terms(SPEC.learning, noise_multiplier_micro=0)))
    text = as_text(told)
    assert told.charges == ()
    assert "NOTHING limits what it can reveal" in text
    for word in ("the whole task costs", "budget", "your own noise", "noised"):
        assert word not in text


def _with(**changes: Any) -> str:
    learning = replace(SPEC.learning, bayesian=BayesianTerms())
    return as_text(told_of(replace(SPEC, learning=replace(learning, mechanism=replace(learning.mechanism, **changes)))))


def test_whose_noise_counts_is_told_with_what_holds_if_they_are_not_honest() -> None:
    text = _with(kind="distributed", honest_clients=4, least_weight_ppm=400_000)
    assert "from the noise of 4 clients together, all assumed to be honest" in text
    assert "even if nobody else is honest: differential privacy" in text
    assert "a client weighs 40 % of the one that weighs most, or more" in text


def test_how_often_an_example_is_used_is_told() -> None:
    text = _with(kind="correlated", separation=3, band_micro=(-500_000, 125_000))
    assert "an example is used every 3 rounds; noise of earlier rounds is taken back: -0.5, 0.125" in text


def test_a_reproduction_is_told_as_no_guarantee() -> None:
    text = _with(kind="features")
    assert "NOTHING limits what this task can reveal of single examples" in text
    assert "NO guarantee, a reproduction of a paper: of one feature coordinate" in text


def test_the_bayesian_figure_is_told_as_the_owners_alone() -> None:
    text = as_text(told_of(SPEC))
    for fact in (
        "this phone shows you, and only you, a Bayesian figure",
        "its target is epsilon 4 at delta 1e-6",
        "each example is held out with a chance of 10 % and never trained on",
        "the noise is one of 2, 2.5, 3 times the clip, by default 2.5 times",
        "this phone chooses among them once, by lot, before it trains: that costs epsilon 0.25",
    ):
        assert fact in text
    assert "Bayesian" not in _with()


def test_what_all_tasks_have_cost_is_told() -> None:
    spending = charged(SPEC, 2)
    other = DataUse(HOME, replace(BINDING, task=8), b"\7" * 32, SPEC.learning.mechanism)
    for number in (1, 2, 3):
        spending = spending.with_round(other, number)
    told, plain = disclose(SPEC, BINDING, 42, HOME, spending, LIMITS), replace(SPEC.learning, bayesian=BayesianTerms())
    mechanism, privacy, choice = SPEC.learning.mechanism, SPEC.privacy, RUNGS.selection_epsilon_micro
    for figure, rounds, choices in ((told.data_set_figure, 2 + 3, 1), (told.data_set_after, SPEC.rounds + 3, 2)):
        expected = spent({mechanism: rounds}, plain, privacy).epsilon_micro + choices * choice
        assert figure == PrivacyFigure(expected, LIMITS.total_delta_exponent, "PLD/1")
        assert str(figure) in as_text(told)
    assert told.charges[0] == spent({mechanism: 2}, SPEC.learning, privacy)
