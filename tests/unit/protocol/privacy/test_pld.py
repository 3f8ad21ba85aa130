"""The accountant of loss distributions against Google's dp-accounting, which has an upper and a lower bound."""

from __future__ import annotations

from math import inf, log
from typing import Final

import numpy as np
import pytest
from dp_accounting.pld import privacy_loss_distribution as pld

from protocol.messages.learning import MICRO
from protocol.privacy.pld import LEAST_SIGMA, PrivacyLoss, _solved
from protocol.privacy.port import SampledGaussian
from protocol.privacy.renyi import Renyi

CASES: Final = [  # rate, sigma, steps, exponent of delta, and a grid of theirs that is fine enough for 0.1 %
    (1.0, 2.04, 10, 5, 1e-4),
    (1.0, 6.0, 100, 10, 1e-4),
    (0.1, 5.9, 200, 5, 1e-4),
    (0.1, 28.284271, 200, 10, 1e-5),
    (0.1, 8.944272, 200, 5, 1e-4),
    (0.01, 0.8, 500, 5, 1e-4),
    (0.5, 2.0, 30, 8, 1e-4),
    (0.0043, 1.1, 10_000, 5, 1e-5),
]


def mechanism(rate: float, sigma: float) -> SampledGaussian:
    return SampledGaussian(round(rate * MICRO), sigma)


@pytest.mark.parametrize(("rate", "sigma", "steps", "exponent", "width"), CASES)
def test_agrees_with_dp_accounting_to_a_thousandth(
    rate: float, sigma: float, steps: int, exponent: int, width: float
) -> None:
    peer = pld.from_gaussian_mechanism(sigma, sampling_prob=rate, value_discretization_interval=width)
    expected = peer.self_compose(steps).get_epsilon_for_delta(10.0**-exponent)
    found = PrivacyLoss().epsilon({mechanism(rate, sigma): steps}, exponent)
    assert 0.999 * expected < found < 1.001 * expected
    assert found < Renyi().epsilon({mechanism(rate, sigma): steps}, exponent)


def test_steps_of_several_kinds_add_up() -> None:
    """As in a household that takes part in several tasks."""
    parts = [(0.1, 5.9, 200), (1.0, 4.0, 3), (0.01, 0.9, 300)]
    peers = [pld.from_gaussian_mechanism(sigma, sampling_prob=rate).self_compose(steps) for rate, sigma, steps in parts]
    expected = peers[0].compose(peers[1]).compose(peers[2]).get_epsilon_for_delta(1e-5)
    found = PrivacyLoss().epsilon({mechanism(rate, sigma): steps for rate, sigma, steps in parts}, 5)
    assert 0.999 * expected < found < 1.001 * expected


@pytest.mark.parametrize("exponent", [3, 14, 30])
def test_rounding_does_not_show_however_small_delta_is(exponent: int) -> None:
    """Without sampling n steps are one with sigma / sqrt(n), which needs no convolution."""
    many = PrivacyLoss().epsilon({mechanism(1.0, 20.0): 400}, exponent)
    assert many == pytest.approx(PrivacyLoss().epsilon({mechanism(1.0, 1.0): 1}, exponent), rel=1e-3)


def test_with_hardly_any_noise_the_figure_is_that_of_renyi() -> None:
    loud = mechanism(1.0, LEAST_SIGMA / 2)
    assert PrivacyLoss().epsilon({loud: 1}, 5) == Renyi().epsilon({loud: 1}, 5) > 100.0


def test_what_is_revealed_outright_is_no_matter_of_epsilon() -> None:
    losses, log_mass = np.array([0.0, 1.0]), np.log([0.5, 0.5])
    assert _solved(losses, log_mass, 0.2, 0.1) == inf
    assert _solved(losses, log_mass, 0.0, 0.5) == 0.0
    # delta of epsilon is 0.5 - 0.5 exp(epsilon - 1)
    assert _solved(losses, log_mass, 0.0, 0.1) == pytest.approx(1.0 + log(0.8))
