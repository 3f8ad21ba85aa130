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
from protocol.privacy.renyi import Renyi
from protocol.privacy.spending import accountant, spent
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
    exact = Renyi().epsilon({mechanism: rounds * local_steps}, PRIVACY.delta_exponent) * MICRO
    assert exact <= charge.epsilon_micro < exact + 101
    assert charge.epsilon_micro % 100 == 0
    assert spent(mechanism, PRIVACY, rounds + 1).epsilon_micro > charge.epsilon_micro
    assert charge.compositions == rounds * local_steps


def test_a_charge_says_what_it_stands_on() -> None:
    charge = spent(MECHANISM, replace(PRIVACY, delta_exponent=7), 2)
    assert (charge.mechanism, charge.rounds, charge.delta_exponent) == (MECHANISM, 2, 7)
    assert (charge.accountant, charge.assumptions) == (PRIVACY.accountant, Renyi.assumptions)
    assert charge.epsilon == charge.epsilon_micro / MICRO
    assert decode(Charge, encode(charge)) == charge


def test_nothing_is_spent_before_the_first_round() -> None:
    assert spent(MECHANISM, PRIVACY, 0).epsilon_micro == 0


def test_the_presets() -> None:
    _, digits, privacy = digits_terms()
    assert spent(digits.mechanism, privacy, 10).epsilon_micro == 7_893_800
    _, mnist, privacy = mnist_terms()
    assert spent(mnist.mechanism, privacy, 20).epsilon_micro == 998_000


def test_more_rounds_take_more_noise() -> None:
    _, learning, privacy = digits_terms()
    assert with_enough_noise(learning, privacy, 10) == learning
    more = with_enough_noise(learning, privacy, 40)
    assert spent(more.mechanism, privacy, 40).epsilon_micro <= privacy.epsilon_budget_micro
    assert more.mechanism.noise_multiplier_micro > learning.mechanism.noise_multiplier_micro


def test_an_accountant_that_there_is_not_is_the_manufacturers_fault() -> None:
    with pytest.raises(MalformedError) as caught:
        spent(MECHANISM, replace(PRIVACY, accountant="RENYI/2"), 1)
    assert caught.value.fault is Party.MANUFACTURER
    assert accountant("RENYI/1").name == "RENYI/1"
