"""The port of a privacy accountant. Everything outside this package asks :mod:`protocol.privacy.spending`."""

from __future__ import annotations

from typing import Protocol

from protocol.errors import HearthError, Party
from protocol.messages.task import MechanismTerms


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

    def epsilon(self, mechanism: MechanismTerms, compositions: int, delta_exponent: int) -> float:
        """Of ``compositions`` local steps at delta = 10^-``delta_exponent``; 0.0 for none.

        Raises NoPrivacyError for a mechanism without noise.
        """
        ...


def require_noise(mechanism: MechanismTerms) -> None:
    """Raises NoPrivacyError."""
    if mechanism.noise_multiplier_micro == 0:
        raise NoPrivacyError("the task adds no noise", fault=Party.MANUFACTURER)
