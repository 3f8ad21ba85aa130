"""The accountant against Google's dp-accounting, and the figures that stand in the documents."""

from __future__ import annotations

from dataclasses import replace

import dp_accounting
import pytest
from dp_accounting import rdp
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.messages.task import MICRO
from protocol.privacy.renyi import ORDERS, NoPrivacyError, epsilon, epsilon_micro
from scripts.demonstration.presets import digits_terms, mnist_terms, with_enough_noise
from tests.samples import sample_spec

MECHANISM = sample_spec().learning.mechanism


@pytest.mark.parametrize("rate_ppm", [1_000, 10_000, 100_000, 500_000, MICRO])
@pytest.mark.parametrize("sigma_micro", [600_000, 1_100_000, 2_040_000, 6_000_000, 40_000_000])
@pytest.mark.parametrize(("rounds", "steps"), [(1, 1), (10, 1), (20, 10), (100, 10)])
@pytest.mark.parametrize("delta_exponent", [5, 10])
def test_agrees_with_dp_accounting(
    rate_ppm: int, sigma_micro: int, rounds: int, steps: int, delta_exponent: int
) -> None:
    mechanism = replace(MECHANISM, sampling_rate_ppm=rate_ppm, noise_multiplier_micro=sigma_micro, local_steps=steps)
    peer = rdp.RdpAccountant(
        orders=list(ORDERS), neighboring_relation=dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE
    )
    gaussian = dp_accounting.GaussianDpEvent(sigma_micro / MICRO)
    peer.compose(dp_accounting.PoissonSampledDpEvent(rate_ppm / MICRO, gaussian), rounds * steps)
    expected = peer.get_epsilon(10.0**-delta_exponent)
    assert epsilon(mechanism, rounds, delta_exponent) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_the_presets() -> None:
    _, digits, _ = digits_terms()
    _, mnist, _ = mnist_terms()
    assert epsilon_micro(digits.mechanism, 10, 5) == 7_893_800
    assert epsilon_micro(mnist.mechanism, 20, 5) == 998_000


@given(st.integers(1, 60), st.integers(500_000, 20_000_000))
@settings(max_examples=30)
def test_on_record_is_never_less_than_spent_and_grows(rounds: int, sigma_micro: int) -> None:
    mechanism = replace(MECHANISM, noise_multiplier_micro=sigma_micro)
    recorded = epsilon_micro(mechanism, rounds, 5)
    assert recorded >= epsilon(mechanism, rounds, 5) * MICRO
    assert recorded - epsilon(mechanism, rounds, 5) * MICRO < 101
    assert recorded % 100 == 0
    assert epsilon_micro(mechanism, rounds + 1, 5) > recorded


def test_more_rounds_take_more_noise() -> None:
    _, learning, privacy = digits_terms()
    assert with_enough_noise(learning, privacy, 10) == learning
    more = with_enough_noise(learning, privacy, 40)
    assert epsilon_micro(more.mechanism, 40, privacy.delta_exponent) <= privacy.epsilon_budget_micro
    assert more.mechanism.noise_multiplier_micro > learning.mechanism.noise_multiplier_micro


def test_without_noise_there_is_no_figure() -> None:
    with pytest.raises(NoPrivacyError):
        epsilon(replace(MECHANISM, noise_multiplier_micro=0), 1, 5)


def test_nothing_spent_is_zero() -> None:
    assert epsilon(MECHANISM, 0, 5) == 0.0
