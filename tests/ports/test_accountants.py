"""The accountant port in every implementation: bounds that hold, in the order that privacy demands."""

from __future__ import annotations

from dataclasses import replace
from math import exp, sqrt
from statistics import NormalDist

import pytest
from dp_accounting.pld import privacy_loss_distribution as pld
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.canonical import encode
from protocol.messages.learning import MICRO
from protocol.privacy.figure import PrivacyFigure
from protocol.privacy.port import Accountant, NoPrivacyError, SampledGaussian
from protocol.privacy.spending import ACCOUNTANTS, accountant

PHI = NormalDist().cdf

every_accountant = pytest.mark.parametrize("account", ACCOUNTANTS.values(), ids=list(ACCOUNTANTS))
gaussians = st.builds(SampledGaussian, rate_ppm=st.integers(1_000, MICRO), noise_multiplier=st.floats(0.4, 40.0))


def exact_delta(epsilon: float, sigma: float) -> float:
    """Of the Gaussian mechanism with sensitivity 1: Balle and Wang (2018), theorem 8."""
    return PHI(0.5 / sigma - epsilon * sigma) - exp(epsilon) * PHI(-0.5 / sigma - epsilon * sigma)


@every_accountant
@pytest.mark.parametrize("sigma", [6.0, 20.0, 40.0])
@pytest.mark.parametrize("compositions", [1, 10, 100])
@pytest.mark.parametrize("delta_exponent", [3, 5, 10])
def test_without_sampling_it_is_no_less_than_the_exact_figure_and_close_to_it(
    account: Accountant, sigma: float, compositions: int, delta_exponent: int
) -> None:
    """``compositions`` Gaussian releases together are one with sigma / sqrt(compositions)."""
    release = SampledGaussian(MICRO, sigma)
    found, together = account.epsilon({release: compositions}, delta_exponent), sigma / sqrt(compositions)
    delta = 10.0**-delta_exponent
    assert exact_delta(found, together) <= delta * (1 + 1e-6)
    assert exact_delta(max(0.0, 0.7 * found - 0.05), together) >= delta


@every_accountant
@pytest.mark.parametrize(("rate", "sigma", "compositions"), [(0.01, 0.8, 500), (0.1, 5.9, 200), (0.5, 2.0, 30)])
def test_with_sampling_it_is_no_less_than_a_lower_bound(
    account: Accountant, rate: float, sigma: float, compositions: int
) -> None:
    lower = pld.from_gaussian_mechanism(sigma, pessimistic_estimate=False, sampling_prob=rate)
    release = SampledGaussian(round(rate * MICRO), sigma)
    bound = lower.self_compose(compositions).get_epsilon_for_delta(1e-5)
    assert 0 < bound <= account.epsilon({release: compositions}, 5)


@every_accountant
@settings(max_examples=30, deadline=None)
@given(release=gaussians, compositions=st.integers(1, 1_000), delta_exponent=st.integers(3, 14))
def test_more_releases_less_noise_more_sampling_and_smaller_deltas_never_cost_less(
    account: Accountant, release: SampledGaussian, compositions: int, delta_exponent: int
) -> None:
    found = account.epsilon({release: compositions}, delta_exponent)
    noisier = replace(release, noise_multiplier=2.0 * release.noise_multiplier)
    rarer = replace(release, rate_ppm=release.rate_ppm // 2)
    smallest_step = 1e-9 * found
    assert account.epsilon({release: compositions + 1}, delta_exponent) >= found
    assert account.epsilon({release: compositions}, delta_exponent + 1) >= found
    assert account.epsilon({noisier: compositions}, delta_exponent) <= found + smallest_step
    assert account.epsilon({rarer: compositions}, delta_exponent) <= found + smallest_step
    assert account.epsilon({release: compositions}, delta_exponent) == found


@every_accountant
def test_nothing_released_costs_nothing(account: Accountant) -> None:
    assert account.epsilon({SampledGaussian(MICRO, 2.0): 0}, 5) == 0.0


@every_accountant
@pytest.mark.parametrize("compositions", [0, 1])
def test_without_noise_there_is_no_figure(account: Accountant, compositions: int) -> None:
    with pytest.raises(NoPrivacyError):
        account.epsilon({SampledGaussian(MICRO, 0.0): compositions}, 5)


@every_accountant
def test_its_name_finds_it_and_fits_a_figure(account: Accountant) -> None:
    assert accountant(account.name) is account
    assert encode(PrivacyFigure(1, 5, account.name))
