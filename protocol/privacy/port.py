"""The port of a privacy accountant. Everything outside this package asks :mod:`protocol.privacy.spending`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from protocol.errors import HearthError, Party
from protocol.messages.learning import MICRO

RESERVE: Final = 1e-6  # of delta, which figures leave for all that is not ideal in arithmetic and in draws of noise


class NoPrivacyError(HearthError):
    """Without noise there is no figure to show."""

    code = "E_NO_PRIVACY"


@dataclass(frozen=True, slots=True)
class SampledGaussian:
    """One noisy sum. Each contribution is in it by itself with chance ``rate_ppm``; none is longer than one, and every
    coordinate carries normal noise of standard deviation ``noise_multiplier``."""

    rate_ppm: int
    noise_multiplier: float

    @property
    def rate(self) -> float:
        return self.rate_ppm / MICRO


Releases = Mapping[SampledGaussian, int]  # how often each happened on the same data


class Accountant(Protocol):
    """An upper bound on what noisy sums reveal. The auditor computes the same bits: no state, no draws."""

    @property
    def name(self) -> str:
        """As a task names it; another way to compute or to round is another name."""
        ...

    def epsilon(self, releases: Releases, delta_exponent: int) -> float:
        """Of all ``releases`` together at delta = 10^-``delta_exponent``, RESERVE of it left; 0.0 for none.

        Raises NoPrivacyError for one without noise.
        """
        ...


def require_noise(releases: Releases) -> None:
    """Raises NoPrivacyError."""
    if any(release.noise_multiplier <= 0.0 for release in releases):
        raise NoPrivacyError("the task adds no noise", fault=Party.MANUFACTURER)
