"""The Renyi accountant against Google's dp-accounting, which leaves no reserve of delta."""

from __future__ import annotations

import dp_accounting
import pytest
from dp_accounting import rdp

from protocol.messages.learning import MICRO
from protocol.privacy.port import SampledGaussian
from protocol.privacy.renyi import ORDERS, Renyi


@pytest.mark.parametrize("rate_ppm", [1_000, 10_000, 100_000, 500_000, MICRO])
@pytest.mark.parametrize("sigma_micro", [600_000, 1_100_000, 2_040_000, 6_000_000, 40_000_000])
@pytest.mark.parametrize("compositions", [1, 10, 200, 1_000])
@pytest.mark.parametrize("delta_exponent", [5, 10])
def test_agrees_with_dp_accounting(rate_ppm: int, sigma_micro: int, compositions: int, delta_exponent: int) -> None:
    release = SampledGaussian(rate_ppm, sigma_micro / MICRO)
    peer = rdp.RdpAccountant(
        orders=list(ORDERS), neighboring_relation=dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE
    )
    gaussian = dp_accounting.GaussianDpEvent(sigma_micro / MICRO)
    peer.compose(dp_accounting.PoissonSampledDpEvent(rate_ppm / MICRO, gaussian), compositions)
    expected = peer.get_epsilon(10.0**-delta_exponent)
    assert Renyi().epsilon({release: compositions}, delta_exponent) == pytest.approx(expected, rel=1e-9, abs=2e-6)
