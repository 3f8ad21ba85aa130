"""Classical accounting: Renyi differential privacy of the Poisson-sampled Gaussian mechanism.

Mironov, Talwar and Zhang (2019), section 3.3: for integer orders the moment is an exact binomial sum. Conversion to
(epsilon, delta) after Canonne, Kamath and Steinke (2020), proposition 12. Checked against ``dp-accounting``.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, inf, lgamma, log, log1p

from protocol.privacy.port import RESERVE, Releases, require_noise

ORDERS = (*range(2, 64), *range(64, 513, 8))


class Renyi:
    """An :class:`~protocol.privacy.port.Accountant`."""

    name = "RENYI/1"

    def epsilon(self, releases: Releases, delta_exponent: int) -> float:
        require_noise(releases)
        if not any(releases.values()):
            return 0.0
        released = [(one.rate, one.noise_multiplier, count) for one, count in releases.items()]
        log_delta, best = -delta_exponent * log(10.0) + log1p(-RESERVE), inf
        for order in ORDERS:
            cost = sum(compositions * step_cost(rate, sigma, order) for rate, sigma, compositions in released)
            best = min(best, cost + log1p(-1.0 / order) - (log_delta + log(order)) / (order - 1))
        return max(0.0, best)


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
