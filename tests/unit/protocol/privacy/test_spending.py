"""Charges: rounded up, of all rounds together, by the accountant that the task names."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.canonical import decode, encode
from protocol.errors import MalformedError, Party
from protocol.messages.charge import Charge
from protocol.messages.task import MICRO
from protocol.privacy.pld import PrivacyLoss
from protocol.privacy.renyi import Renyi
from protocol.privacy.spending import accountant, composed, spent
from scripts.demonstration.presets import digits_terms, mnist_terms, with_enough_noise
from tests.samples import sample_spec

MECHANISM, PRIVACY = sample_spec().learning.mechanism, sample_spec().privacy


@given(st.integers(1, 60), st.integers(1, 20), st.integers(500_000, 20_000_000))
@settings(max_examples=30, deadline=None)
def test_a_figure_is_never_less_than_the_accountants_and_grows_with_the_rounds(
    rounds: int, local_steps: int, sigma_micro: int
) -> None:
    mechanism = replace(MECHANISM, noise_multiplier_micro=sigma_micro, local_steps=local_steps)
    charge = spent(mechanism, PRIVACY, rounds)
    exact = PrivacyLoss().epsilon({mechanism: rounds * local_steps}, PRIVACY.delta_exponent) * MICRO
    assert exact <= charge.epsilon_micro < exact + 101
    assert charge.epsilon_micro % 100 == 0
    assert spent(mechanism, PRIVACY, rounds + 1).epsilon_micro > charge.epsilon_micro
    assert charge.compositions == rounds * local_steps


def test_a_charge_says_what_it_stands_on() -> None:
    charge = spent(MECHANISM, replace(PRIVACY, delta_exponent=7), 2)
    assert (charge.mechanism, charge.rounds, charge.delta_exponent) == (MECHANISM, 2, 7)
    assert (charge.accountant, charge.assumptions) == ("PLD/1", PrivacyLoss.assumptions)
    assert charge.epsilon == charge.epsilon_micro / MICRO
    assert decode(Charge, encode(charge)) == charge


def test_nothing_is_spent_before_the_first_round() -> None:
    assert spent(MECHANISM, PRIVACY, 0).epsilon_micro == 0


def test_the_presets() -> None:
    _, digits, privacy = digits_terms()
    assert spent(digits.mechanism, privacy, 10).epsilon_micro == 3_959_200
    _, mnist, privacy = mnist_terms()
    assert spent(mnist.mechanism, privacy, 20).epsilon_micro == 909_600


def test_a_task_that_names_renyi_is_charged_by_it() -> None:
    """An older figure, and the larger one."""
    named = replace(PRIVACY, accountant="RENYI/1")
    charge = spent(MECHANISM, named, 3)
    exact = Renyi().epsilon({MECHANISM: 3 * MECHANISM.local_steps}, PRIVACY.delta_exponent) * MICRO
    assert exact <= charge.epsilon_micro < exact + 101
    assert charge.accountant == "RENYI/1"
    assert charge.epsilon_micro > spent(MECHANISM, PRIVACY, 3).epsilon_micro


def test_a_household_adds_up_its_tasks_by_loss_distributions_whatever_they_name() -> None:
    assert composed({MECHANISM: 3}, PRIVACY.delta_exponent) == spent(MECHANISM, PRIVACY, 3).epsilon_micro


def test_more_rounds_take_more_noise() -> None:
    _, learning, privacy = digits_terms()
    assert with_enough_noise(learning, privacy, 10) == learning
    assert with_enough_noise(learning, privacy, 30) == learning
    more = with_enough_noise(learning, privacy, 80)
    assert spent(more.mechanism, privacy, 80).epsilon_micro <= privacy.epsilon_budget_micro
    assert more.mechanism.noise_multiplier_micro > learning.mechanism.noise_multiplier_micro


def test_an_accountant_that_there_is_not_is_the_manufacturers_fault() -> None:
    with pytest.raises(MalformedError) as caught:
        spent(MECHANISM, replace(PRIVACY, accountant="RENYI/2"), 1)
    assert caught.value.fault is Party.MANUFACTURER
    assert [accountant(name).name for name in ("PLD/1", "RENYI/1")] == ["PLD/1", "RENYI/1"]
