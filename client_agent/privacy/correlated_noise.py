"""Noise that takes part of what earlier rounds added back (Kairouz et al. 2021; Choquette-Choo et al. 2023, BandMF).

With C the banded Toeplitz matrix of the task, its diagonal one, the noise of all rounds together is C^-1 Z: of a sum
over rounds most cancels. A round's integers x + n are floor(y - sum_j c_j (x + n)_{t-j} + 1/2) of the ideal
y = C x + Z: of what was sent before, of a Gaussian mechanism on C x, and of nothing else. So they are post-processing.
Nothing has to be kept: all noise follows from a secret of the phone, and is computed again after a restart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.privacy.noise import Draw, rounded_gaussian
from protocol.errors import MalformedError, Party
from protocol.messages.learning import MICRO

Integers = npt.NDArray[np.int64]

_DEVIATIONS: Final = 14  # beyond which no draw of 128 bits is
_LARGEST: Final = 2.0**62  # of a number on the way


class CorrelatedNoise:
    """Of one enrolment for one task: ``draw`` gives the same bytes for the same purpose, also in a later life of the
    phone, and other bytes for every other enrolment. What it remembers only saves time."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._forget((), Fraction(0), 0)

    def at(self, round_number: int, band_micro: tuple[int, ...], std: Fraction, count: int) -> Integers:
        """n of that round, which counts from 1, shape (count,).

        ``band_micro``: the diagonals of C below the first; ``std``: of Z, in steps of the grid. Raises MalformedError
        where noise grows from round to round until it does not fit.
        """
        _require_room(round_number, band_micro, std)
        if round_number < self._round or (band_micro, std, count) != (self._band, self._std, self._count):
            self._forget(band_micro, std, count)
        while self._round < round_number:
            self._next()
        return self._last[0]

    def _forget(self, band_micro: tuple[int, ...], std: Fraction, count: int) -> None:
        self._band, self._std, self._count, self._round = band_micro, std, count, 0
        self._last: deque[Integers] = deque(maxlen=max(1, len(band_micro)))  # the newest first

    def _next(self) -> None:
        """One more round: floor(Z - sum_j c_j n_{t-j} + 1/2), exactly."""
        self._round += 1
        taken = np.zeros(self._count, dtype=np.int64)
        for coefficient, earlier in zip(self._band, self._last, strict=False):
            taken += coefficient * earlier
        purpose = f"correlated noise/{self._round}"
        self._last.appendleft(rounded_gaussian(self._std, self._count, self._draw, purpose, taken))


def _require_room(round_number: int, band_micro: tuple[int, ...], std: Fraction) -> None:
    grown = sum(abs(weight) for weight in inverse_of(band_micro, round_number))
    largest = float(std * _DEVIATIONS + 1) * MICRO * grown * (1 + len(band_micro))
    if not largest < _LARGEST:
        raise MalformedError(f"noise of this band does not fit by round {round_number}", fault=Party.MANUFACTURER)


def inverse_of(band_micro: Sequence[int], rounds: int) -> list[float]:
    """The first column of C^-1: weights of Z of this round, the one before, and so on."""
    weights = [1.0]
    while len(weights) < rounds:
        earlier = zip(band_micro, reversed(weights), strict=False)
        weights.append(-sum(coefficient / MICRO * weight for coefficient, weight in earlier))
    return weights
