"""The upper quantile of Student's t, also where a normal quantile function has long returned infinity.

A bound on a mean that may fail once in 10^16 or less needs the chance *above* it: one minus that chance is 1.0 in
floating point. The tail is half of an incomplete beta function, here by its continued fraction (DLMF 8.17.22).
"""

from __future__ import annotations

from math import exp, lgamma, log, log1p
from typing import Final

LEAST_CHANCE: Final = 1e-300
MOST_TERMS: Final = 500  # of the fraction: up to 10^7 degrees of freedom it takes 57
_TINY: Final = 1e-300
_ENOUGH: Final = 1e-15


def upper_quantile(chance: float, freedom: int) -> float:
    """What is exceeded with probability ``chance``, 1e-300 to 1/2, with ``freedom`` degrees of freedom, 2 or more.

    Raises ValueError for anything else.
    """
    if not LEAST_CHANCE <= chance <= 0.5 or freedom < 2:
        raise ValueError(f"no quantile of Student's t for chance {chance} and {freedom} degrees of freedom")
    log_chance, low, high = log(chance), 0.0, 1.0
    while log_tail(high, freedom) > log_chance:
        low, high = high, 2.0 * high
    while low < (middle := (low + high) / 2.0) < high:
        low, high = (middle, high) if log_tail(middle, freedom) > log_chance else (low, middle)
    return high


def log_tail(value: float, freedom: int) -> float:
    """log of the probability of more than ``value``, which is not negative."""
    half, ratio = freedom / 2.0, value * value / freedom
    if ratio == 0.0:
        return log(0.5)
    inside = 1.0 / (1.0 + ratio)
    log_front = (
        lgamma(half + 0.5) - lgamma(half) - lgamma(0.5) - half * log1p(ratio) + 0.5 * (log(ratio) - log1p(ratio))
    )
    if inside < (half + 1.0) / (half + 2.5):
        return log(0.5) + log_front - log(half) + log(_fraction(inside, half, 0.5))
    # near the middle the fraction of the other side is the fast one, and nothing cancels
    return log(0.5) + log1p(-exp(log_front) / 0.5 * _fraction(ratio * inside, 0.5, half))


def _fraction(x: float, a: float, b: float) -> float:
    """I_x(a, b) a B(a, b) / (x^a (1 - x)^b), from the front on (Lentz)."""
    value, upper, lower = 1.0, 1.0, 1.0 / (1.0 - (a + b) * x / (a + 1.0) or _TINY)
    value = lower
    for term in range(1, MOST_TERMS):
        even = term * (b - term) * x / ((a + 2 * term - 1.0) * (a + 2 * term))
        odd = -(a + term) * (a + b + term) * x / ((a + 2 * term) * (a + 2 * term + 1.0))
        before = value
        for numerator in (even, odd):
            lower = 1.0 / (1.0 + numerator * lower or _TINY)
            upper = 1.0 + numerator / upper or _TINY
            value *= lower * upper
        if abs(value - before) <= _ENOUGH * abs(value):
            break
    return value
