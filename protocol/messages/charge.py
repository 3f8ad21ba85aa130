"""The charge of private training: a figure of differential privacy with all that it stands on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from protocol.identifiers import Count, Range
from protocol.messages.task import MICRO, MechanismTerms, ShortText


@dataclass(frozen=True, slots=True)
class Charge:
    """What ``rounds`` rounds of ``mechanism`` have spent together: (epsilon, 10^-``delta_exponent``)."""

    mechanism: MechanismTerms
    rounds: Count
    epsilon_micro: Annotated[int, Range(0, 2**63 - 1)]  # rounded up
    delta_exponent: Annotated[int, Range(3, 15)]
    accountant: ShortText
    assumptions: Annotated[tuple[ShortText, ...], Range(1, 16)]  # of the accountant; each completes "the figure ..."

    @property
    def compositions(self) -> int:
        """Releases: every local step of every round is one."""
        return self.rounds * self.mechanism.local_steps

    @property
    def epsilon(self) -> float:
        """For people; what is compared is ``epsilon_micro``."""
        return self.epsilon_micro / MICRO
