"""Classical accounting: Renyi differential privacy of the Poisson-sampled Gaussian mechanism.

Mironov, Talwar and Zhang (2019), section 3.3: for integer orders the moment is an exact binomial sum. Conversion to
(epsilon, delta) after Canonne, Kamath and Steinke (2020), proposition 12. Checked against ``dp-accounting``.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, exp, inf, lgamma, log, log1p

from protocol.errors import HearthError
from protocol.messages.task import MICRO, MechanismTerms

ORDERS = (*range(2, 64), *range(64, 513, 8))
ROUNDING_MICRO = 100  # figures go up to the next multiple, so that the last bits of a machine's logarithm do not show

ASSUMPTIONS = (
    "Protects each single example (add or remove one) by this phone's own noise alone, whatever the others do; every "
    "step samples examples independently at the public rate, and every round counts from the moment it is planned."
)


class NoPrivacyError(HearthError):
    """Without noise there is no figure to show."""

    code = "E_NO_PRIVACY"


def epsilon(mechanism: MechanismTerms, rounds: int, delta_exponent: int) -> float:
    """Epsilon of ``rounds`` rounds at delta = 10^-``delta_exponent``: every local step of each is one release."""
    if mechanism.noise_multiplier_micro == 0:
        raise NoPrivacyError("the task adds no noise")
    if rounds == 0:
        return 0.0
    rate, sigma = mechanism.sampling_rate_ppm / MICRO, mechanism.noise_multiplier_micro / MICRO
    steps, log_delta = rounds * mechanism.local_steps, -delta_exponent * log(10.0)
    best = inf
    for order in ORDERS:
        cost = steps * step_cost(rate, sigma, order)
        best = min(best, cost + log1p(-1.0 / order) - (log_delta + log(order)) / (order - 1))
    return max(0.0, best)


def epsilon_micro(mechanism: MechanismTerms, rounds: int, delta_exponent: int) -> int:
    """Epsilon in millionths, rounded up to the next hundred: what goes on record."""
    units = epsilon(mechanism, rounds, delta_exponent) * MICRO / ROUNDING_MICRO
    return ceil(units * (1.0 + 1e-12)) * ROUNDING_MICRO


@lru_cache(maxsize=65_536)
def step_cost(rate: float, sigma: float, order: int) -> float:
    """Renyi divergence of order ``order`` of one step, in nats."""
    if rate == 1.0:
        return order / (2.0 * sigma * sigma)
    terms = [
        _log_binomial(order, k) + k * log(rate) + (order - k) * log1p(-rate) + (k * k - k) / (2.0 * sigma * sigma)
        for k in range(order + 1)
    ]
    largest = max(terms)
    return (largest + log(sum(exp(term - largest) for term in terms))) / (order - 1)


def _log_binomial(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
