"""Classical accounting by privacy loss distributions: the tightest figure for Poisson-sampled Gaussian steps.

Loss of an outcome x: log P(x)/Q(x), where P has one example more than Q, or one less. Losses of steps add up, so their
distributions are convolved (Koskela, Jalkoe and Honkela 2020). Each is put on a grid so that it never looks better than
it is (Doroshenko, Ghazi, Kamath, Kumar and Manurangsi 2022, "connect the dots"), and the tail that decides is
made the bulk by an exponential tilt, so that rounding is small against delta however small delta is.
Checked against ``dp-accounting``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.privacy.port import RESERVE, Releases, require_noise
from protocol.privacy.renyi import Renyi

Reals = npt.NDArray[np.float64]

REACH: Final = 13.0  # standard deviations of noise: what lies beyond has less than 1e-37 and counts as revealed
STEP: Final = 0.04  # of the grid, in standard deviations of a step's loss: its variance looks 0.04 % larger at most
MOST_CELLS: Final = 2**19  # of one step: a grid that would be finer is not, which makes figures larger
LEFT_OUT: Final = 40.0  # the window of a tilted sum leaves out less than exp(-LEFT_OUT)
LEAST_SIGMA: Final = 0.05  # with less noise epsilon is in the hundreds, and no loss distribution is needed to say so
TILTS: Final = (1e-3, 1e6)
TILT_STEPS: Final = 40  # of a golden section over the logarithm

_erfc = np.frompyfunc(math.erfc, 1, 1)


class PrivacyLoss:
    """An :class:`~protocol.privacy.port.Accountant`."""

    name = "PLD/1"

    def epsilon(self, releases: Releases, delta_exponent: int) -> float:
        require_noise(releases)
        steps = [Step(one.rate, one.noise_multiplier, count) for one, count in releases.items() if count]
        if not steps:
            return 0.0
        if min(step.sigma for step in steps) < LEAST_SIGMA:
            return Renyi().epsilon(releases, delta_exponent)
        width, delta = _grid_width(steps), 10.0**-delta_exponent * (1.0 - RESERVE)
        return max(Composition.of(steps, width, added).epsilon(delta) for added in (False, True))


@dataclass(frozen=True, slots=True)
class Step:
    """``count`` times: each example by itself with chance ``rate``, noise ``sigma`` times the clip."""

    rate: float
    sigma: float
    count: int


@dataclass(frozen=True, slots=True)
class Losses:
    """``log_mass[j]``: of the chance that the loss is ``places[j] * width``; what is missing to one may be infinite."""

    places: npt.NDArray[np.int64]  # each one more than the one before
    log_mass: Reals


@dataclass(frozen=True, slots=True)
class Composition:
    """Steps one after the other, all on one grid."""

    width: float
    parts: tuple[tuple[Losses, int], ...]  # and how often

    @classmethod
    def of(cls, steps: Sequence[Step], width: float, added: bool) -> Composition:
        """``added``: the loss of data without the example against data with it, else the other way round."""
        return cls(width, tuple((_one_step(step.rate, step.sigma, width, added), step.count) for step in steps))

    def log_moment(self, tilt: float) -> float:
        """log of the mean of exp(tilt * loss)."""
        return sum(count * self._log_moment(losses, tilt) for losses, count in self.parts)

    def epsilon(self, delta: float) -> float:
        """The least, not below 0, at which delta is enough."""
        tilt = _least(lambda order: (self.log_moment(order) - math.log(delta)) / order)
        first, last = self._window(tilt)
        places = np.arange(first, last + 1)
        with np.errstate(divide="ignore"):
            log_tilted: Reals = np.log(self._tilted(tilt, first, len(places)))
        losses = places.astype(np.float64) * self.width
        log_mass: Reals = log_tilted + (self.log_moment(tilt) - tilt * losses)
        beyond = math.exp(self.log_moment(tilt) - tilt * last * self.width - LEFT_OUT)
        revealed = beyond + sum(count * _TAILS for _, count in self.parts)
        return _solved(losses, log_mass, revealed, delta)

    def _log_moment(self, losses: Losses, tilt: float) -> float:
        terms = losses.log_mass + (tilt * self.width) * losses.places
        largest = float(terms.max())
        return largest + math.log(float(np.exp(terms - largest).sum()))

    def _window(self, tilt: float) -> tuple[int, int]:
        """Places of the sum's losses outside of which the tilted distribution has less than exp(-LEFT_OUT) on either
        side (Chernoff)."""
        there, near = self.log_moment(tilt), 1e-3 * tilt
        variance = (self.log_moment(tilt + near) - 2.0 * there + self.log_moment(tilt - near)) / near**2
        usual = math.sqrt(2.0 * LEFT_OUT / max(variance, self.width**2))
        orders = [usual * 2.0**exponent for exponent in range(-4, 5)]
        above = min((self.log_moment(tilt + order) - there + LEFT_OUT) / order for order in orders)
        below = max((there - self.log_moment(tilt - order) - LEFT_OUT) / order for order in orders)
        least, most = (sum(count * int(losses.places[end]) for losses, count in self.parts) for end in (0, -1))
        return max(least, math.floor(below / self.width)), min(most, math.ceil(above / self.width))

    def _tilted(self, tilt: float, first: int, length: int) -> Reals:
        """Masses of the tilted sum from the place ``first`` on. What is left out comes back at the other end."""
        size = 1 << (length - 1).bit_length()
        spectrum = np.ones(size // 2 + 1, dtype=np.complex128)
        for losses, count in self.parts:
            log_weights = losses.log_mass + (tilt * self.width) * losses.places - self._log_moment(losses, tilt)
            weights = np.exp(log_weights)
            spectrum *= np.fft.rfft(np.bincount(losses.places % size, weights, minlength=size)) ** count
        found: Reals = np.maximum(np.fft.irfft(spectrum, size), 0.0)[np.arange(first, first + length) % size]
        return found


def _grid_width(steps: Sequence[Step]) -> float:
    """One for all: what the grid adds to the variance of the sum of all losses is small against it."""
    variance, width, count = 0.0, 0.0, 0
    for step in steps:
        outcomes = np.linspace(-REACH, REACH, 1041) * step.sigma
        losses, density = _loss(outcomes, step), np.exp(-0.5 * (outcomes / step.sigma) ** 2)
        mean = np.average(losses, weights=density)
        variance += step.count * float(np.average((losses - mean) ** 2, weights=density))
        count += step.count
        width = max(width, float(_loss(np.array([1.0 + REACH * step.sigma]), step)[0] - losses[0]) / MOST_CELLS)
    return max(width, STEP * math.sqrt(variance / count))


def _loss(outcome: Reals, step: Step) -> Reals:
    """log of (density with the example / density without it); grows with the outcome."""
    exponent: Reals = (2.0 * outcome - 1.0) / (2.0 * step.sigma * step.sigma)
    if step.rate == 1.0:
        return exponent
    sampled: Reals = np.logaddexp(math.log1p(-step.rate), math.log(step.rate) + exponent)
    return sampled


def _outcome(loss: Reals, rate: float, sigma: float) -> Reals:
    """Where the loss is reached; minus infinity where every outcome has more."""
    if rate == 1.0:
        return loss * sigma * sigma + 0.5
    with np.errstate(divide="ignore"):
        share = np.maximum((np.expm1(loss) + rate) / rate, 0.0)
        reached: Reals = sigma * sigma * np.log(share) + 0.5
    return reached


@lru_cache(maxsize=64)
def _one_step(rate: float, sigma: float, width: float, added: bool) -> Losses:
    ends = _loss(np.array([-REACH * sigma, 1.0 + REACH * sigma]), Step(rate, sigma, 1))
    first, last = math.floor(ends[0] / width), math.ceil(ends[1] / width)
    grid = np.arange(first, last + 1) * width
    edges = _outcome(grid, rate, sigma) / sigma
    without = _between(edges)
    with_example = (1.0 - rate) * without + rate * _between(edges - 1.0 / sigma)
    # what lies between two places goes to both, so that each of the two distributions keeps its mass
    at_lower = np.clip((without * np.exp(grid[1:]) - with_example) / math.expm1(width), 0.0, with_example)
    mass = np.zeros(len(grid))
    mass[:-1] += at_lower
    mass[1:] += with_example - at_lower
    places = np.arange(first, last + 1)
    with np.errstate(divide="ignore"):
        log_mass = np.log(mass)
    return Losses(-places[::-1], (log_mass - grid)[::-1].copy()) if added else Losses(places, log_mass)


def _between(edges: Reals) -> Reals:
    """Chance of a standard normal number between neighbours, exact in both tails."""
    below, above = (0.5 * np.array(_erfc(sign * edges / math.sqrt(2.0)), np.float64) for sign in (-1.0, 1.0))
    difference: Reals = np.where(edges[:-1] > 0.0, above[:-1] - above[1:], below[1:] - below[:-1])
    return difference


def _least(cost: Callable[[float], float]) -> float:
    """Where a function with one valley is least, within TILTS."""
    ratio = (math.sqrt(5.0) - 1.0) / 2.0
    low, high = (math.log(tilt) for tilt in TILTS)
    for _ in range(TILT_STEPS):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if cost(math.exp(left)) < cost(math.exp(right)):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2.0)


def _solved(losses: Reals, log_mass: Reals, revealed: float, delta: float) -> float:
    """The epsilon with revealed + sum over losses above it of mass * (1 - exp(epsilon - loss)) = delta."""
    if revealed >= delta:
        return math.inf
    held = np.cumsum(np.exp(log_mass[::-1]))[::-1]
    log_other = np.logaddexp.accumulate((log_mass - losses)[::-1])[::-1]
    enough = revealed + held - np.exp(losses + log_other) <= delta
    place = int(np.argmax(enough))  # the last place always is
    needed = revealed + float(held[place]) - delta
    return max(0.0, math.log(needed) - float(log_other[place])) if needed > 0.0 else 0.0


_TAILS: Final = 2.0 * math.erfc(REACH / math.sqrt(2.0))
