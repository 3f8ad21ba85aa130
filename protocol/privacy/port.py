"""The port of a privacy accountant. Everything outside this package asks :mod:`protocol.privacy.spending`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from protocol.errors import HearthError, Party
from protocol.messages.task import MechanismTerms

Releases = Mapping[MechanismTerms, int]  # how often each mechanism ran on the same data: every local step is once


class NoPrivacyError(HearthError):
    """Without noise there is no figure to show."""

    code = "E_NO_PRIVACY"


class Accountant(Protocol):
    """An upper bound on what releases of a mechanism reveal. The auditor computes the same bits: no state, no draws."""

    @property
    def name(self) -> str:
        """As a task names it; another way to compute or to round is another name."""
        ...

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the figure stands on, for people; each completes "the figure ..."."""
        ...

    def epsilon(self, releases: Releases, delta_exponent: int) -> float:
        """Of all ``releases`` together at delta = 10^-``delta_exponent``; 0.0 for none.

        Raises NoPrivacyError for a mechanism without noise.
        """
        ...


def has_guarantee(mechanism: MechanismTerms) -> bool:
    return mechanism.noise_multiplier_micro > 0


def require_guarantee(mechanism: MechanismTerms) -> None:
    """Raises NoPrivacyError."""
    if not has_guarantee(mechanism):
        raise NoPrivacyError("the task adds no noise", fault=Party.MANUFACTURER)
